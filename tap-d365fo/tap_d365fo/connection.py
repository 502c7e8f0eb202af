"""The connection check: a token, one read, and words for what is missing."""

from __future__ import annotations

from singer_delivery.errors import Refused

from tap_d365fo.client import D365Client


def check_connection(client: D365Client) -> str:
    """Ask for a token and read one row; return what was reached, for people.

    Raises AccessDenied, Unavailable or SetupError with the remedy. Writes nothing.
    """
    rows = client.read("Companies", select=["DataArea"], orderby=["DataArea"], top=1)
    company = next(rows, None)
    if company is None:
        msg = (
            f"{client.environment} shows no legal entity: the user of the application needs a role "
            "that may read legal entities"
        )
        raise Refused(msg)
    return f"{client.environment} answers; first legal entity {company['DataArea']}"
