"""The secrets that notifications may be signed with, as they are now."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from singer_delivery.errors import SetupError
from singer_delivery.secrets.references import reveal, reveal_with_previous

logger = logging.getLogger(__name__)

#: Seconds between two looks at whether the secrets have changed.
LOOK_AGAIN = 2.0


def secrets_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the secrets of the settings, the present one first. Raises SetupError."""
    if not config.get("secret"):
        msg = (
            "secret is not set: make one with `singer-secrets set --random <name>`, and set "
            "secret to vault:<name>"
        )
        raise SetupError(msg)
    found = reveal_with_previous(config["secret"], "secret")
    if config.get("previous_secret"):
        found.append(reveal(config["previous_secret"], "previous_secret"))
    return tuple(dict.fromkeys(found))


class SigningSecrets:
    """Reads the secrets again when a signature fits none of them, so that a rotation needs no stop.

    Not more often than every `LOOK_AGAIN` seconds, whoever sends what. Raises SetupError at first
    only: later, the secrets that are known stay.
    """

    def __init__(
        self, read: Callable[[], tuple[str, ...]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self.values = read()
        self._read_at = clock()

    @property
    def may_look_again(self) -> bool:
        """Whether some time has passed since the last look."""
        return self._clock() - self._read_at >= LOOK_AGAIN

    def look_again(self) -> bool:
        """Read the secrets again; return whether there are others now."""
        self._read_at = self._clock()
        try:
            found = self._read()
        except SetupError as error:
            logger.warning("the secrets cannot be read again, those known stay: %s", error)
            return False
        if found == self.values:
            return False
        self.values = found
        logger.info("the secrets for signatures have changed; %d may be used now", len(found))
        return True
