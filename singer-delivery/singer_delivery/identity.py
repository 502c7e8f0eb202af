"""Who gives a command: what the system knows of them, and what they say of themselves."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, text

from singer_delivery.database import reading

#: A name that somebody claims for themselves: shown in the trail, marked as claimed.
CLAIM_VARIABLE = "SINGER_DELIVERY_USER"
POSTGRESQL = "postgresql"


@dataclass(frozen=True)
class Identity:
    """Who somebody is: `account` was proved to `realm`, PostgreSQL or this machine.

    The host is for the record only: containers have a new one each time.
    """

    realm: str
    account: str
    host: str = ""
    claimed: str = ""

    def __str__(self) -> str:
        where = "PostgreSQL login" if self.realm == POSTGRESQL else f"account on {self.host}"
        claim = f", claimed to be {self.claimed}" if self.claimed else ""
        return f"{self.account} ({where}{claim})"

    def facts(self) -> dict[str, str]:
        """Return what a later comparison needs, for an event's detail."""
        return {"realm": self.realm, "account": self.account, "claimed": self.claimed}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> Identity:
        """Return what `facts` returned."""
        return cls(
            realm=str(facts.get("realm", "")),
            account=str(facts.get("account", "")),
            claimed=str(facts.get("claimed", "")),
        )


def current(connection: Connection) -> Identity:
    """Return who gives this command. With a ledger in PostgreSQL, its login decides.

    It cannot be claimed: session_user stays what it was at the login, whatever role is set.
    """
    claimed = " ".join(os.environ.get(CLAIM_VARIABLE, "").split())[:60]
    if connection.dialect.name == POSTGRESQL:
        login = connection.execute(text("SELECT session_user")).scalar_one()
        return Identity(POSTGRESQL, str(login), socket.gethostname(), claimed)
    return Identity("os", _os_account(), socket.gethostname(), claimed)


def _os_account() -> str:
    if sys.platform == "win32":
        return getpass.getuser()
    # Not getpass: it believes LOGNAME and USER, which anybody can set.
    import pwd  # noqa: PLC0415

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def why_not_another(first: Identity, second: Identity) -> str:
    """Return why the second is no second pair of eyes, in words, or "" when it is one.

    Two accounts are two people unless they claim to be the same one. One account in PostgreSQL is
    one person. One account of a machine may be shared; who shares it can only say who they are.
    """
    same_claim = _folded(first.claimed) == _folded(second.claimed)
    if (first.realm, first.account) != (second.realm, second.account):
        if first.claimed and same_claim:
            return f"both were made by {second.claimed}, in two accounts"
        return ""
    if first.realm == POSTGRESQL:
        return (
            f"both were made with the PostgreSQL login {second.account}: somebody else approves, "
            "with a login of their own"
        )
    if first.claimed and second.claimed and not same_claim:
        return ""
    if first.claimed and same_claim:
        return f"both were made by {second.claimed}: somebody else approves"
    return (
        f"both were made from the account {second.account}, where two people cannot be told apart: "
        f"approve from another account, or keep the ledger in PostgreSQL with a login each, or "
        f"have both set {CLAIM_VARIABLE}, which the trail then marks as claimed"
    )


def proof(first: Identity, second: Identity) -> str:
    """Return how far the two were told apart: "proved", or "claimed" where they only said so."""
    proved = (first.realm, first.account) != (second.realm, second.account)
    return "proved" if proved else "claimed"


def _folded(claim: str) -> str:
    return claim.strip().casefold()


def describe(engine: sqlalchemy.Engine) -> Identity:
    """Return the current identity on an engine."""
    with reading(engine) as connection:
        return current(connection)
