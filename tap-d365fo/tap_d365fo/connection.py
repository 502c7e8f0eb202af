"""The connection check: a token, one read, and words for what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from singer_delivery.errors import AccessDenied, Refused

from tap_d365fo.client import D365Client

if TYPE_CHECKING:
    from tap_d365fo.entity_stream import D365Stream


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


def check_streams(streams: Iterable[D365Stream]) -> list[str]:
    """Read one row of every set that each stream stands on; return a line for each stream.

    Raises AccessDenied that names every stream that cannot be read, and the right it lacks.
    """
    lines, refused = [], []
    for stream in streams:
        try:
            lines.append(f"{stream.name}: {', '.join(stream.probe())} readable")
        except (AccessDenied, Refused) as error:
            refused.append(f"{stream.name}: {error}")
    if refused:
        msg = (
            f"{'; '.join(refused)}. Give the application's user a role with the privilege to view "
            "these data entities, or deselect the streams"
        )
        raise AccessDenied(msg)
    return lines
