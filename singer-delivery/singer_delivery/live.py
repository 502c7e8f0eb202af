"""The seam to a live system: what it holds of the documents that are moved, asked of itself.

A ledger knows what was done; only the systems know what is. Plugins offer theirs under the entry
points `singer_delivery.live`, each a function `open_live(config) -> LiveSystem`.
"""

from __future__ import annotations

import importlib
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, TypeVar

from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.plugin_base import PluginBase

from singer_delivery.errors import DeliveryError, SetupError

GROUP = "singer_delivery.live"
NOTHING: Mapping[str, Any] = MappingProxyType({})

Plugin = TypeVar("Plugin", bound=PluginBase)


class State(StrEnum):
    """Where a document stands in the system that it comes from, or that it goes to.

    OTHER: at a stage that is none of ours.
    """

    WAITING = "waiting"
    TRANSFERRED = "transferred"
    FAILED = "failed"
    PAID = "paid"
    OTHER = "other"
    PENDING = "pending"
    POSTED = "posted"


@dataclass(frozen=True, slots=True)
class Booking:
    """One document as one system holds it now. Amounts are in `currency`, credits negative.

    `side` is the system's name; `document_id` the id at the document's source, "" where this
    system does not tell it; `day` the date of the vendor's document; `reference` what it is known
    by here (header reference, voucher); `reason` why it was refused. `paid_total` is what was paid
    without cash discount, None where that cannot be seen. `whole` is False for half a document.
    """

    side: str
    document_id: str
    legal_entity: str
    vendor: str
    number: str
    currency: str
    gross: Decimal
    day: date | None
    state: State
    reference: str = ""
    reason: str = ""
    paid_total: Decimal | None = None
    whole: bool = True
    detail: Mapping[str, Any] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True)
class Sought:
    """A document to look at once more, by everything that is known of it."""

    document_id: str
    legal_entity: str = ""
    vendor: str = ""
    number: str = ""
    description: str = ""
    references: tuple[str, ...] = ()


class LiveSystem(ABC):
    """A remote system as a witness. It is only read.

    `name` is that of its entry point, `title` what people call it. `notes` are filled while it is
    read: what could not be seen, and what that means.
    """

    name: str
    title: str

    def __init__(self) -> None:
        self.notes: list[str] = []

    @property
    @abstractmethod
    def system(self) -> str:
        """The system's origin: its name in the ledger."""

    @abstractmethod
    def books(self, since: date | None = None, until: date | None = None) -> Iterator[Booking]:
        """Yield what it holds of documents of these days, both included.

        What is nobody's of us may be among it. A document may come twice when it moves meanwhile.
        Raises DeliveryError when it cannot be read.
        """

    @abstractmethod
    def look(self, wanted: Sequence[Sought]) -> Iterator[Booking]:
        """Yield what it holds of these documents now, of whatever day. Raises DeliveryError."""

    def references(self, document_id: str) -> tuple[str, ...]:  # noqa: ARG002
        """Return what a document is known by here, as far as that follows from its id."""
        return ()


Opener = Callable[[Mapping[str, Any]], LiveSystem]


def live_opener(name: str, default: str = "") -> Opener:
    """Return `open_live` of the plugin that offers a live system. Raises SetupError.

    `default` (`package.module:function`) serves where no entry point is registered.
    """
    opener: Opener = offered(GROUP, name, default)
    return opener


def offered(group: str, name: str, default: str = "") -> Any:
    """Return what a plugin offers under an entry point. Raises SetupError.

    `default` (`package.module:function`) serves where none is registered.
    """
    found = next(iter(entry_points(group=group, name=name)), None)
    try:
        if found is not None:
            return found.load()
        module, _, function = default.partition(":")
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        msg = (
            f"nothing here can look into {name} ({type(error).__name__}): install target-{name} "
            "in the same environment as singer-delivery"
        )
        raise SetupError(msg) from None


def configured(plugin: type[Plugin], config: Mapping[str, Any]) -> Plugin:
    """Return a plugin with these settings, checked; without any, with those of the environment.

    It only lends its settings and connections: signals stay as they are. Raises SetupError.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return plugin(config=dict(config), parse_env_config=not config, validate_config=True)
    except ConfigValidationError as error:
        # Other messages of the validator repeat the value, which may be a secret.
        missing = [text for text in error.errors if text.endswith("is a required property")]
        problems = "; ".join(missing) or "a value has the wrong type; see --about"
        msg = f"settings of {plugin.name}: {problems}"
        raise SetupError(msg) from None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def unreadable(system: LiveSystem, error: DeliveryError) -> SetupError:
    """Return the error that says which system could not be looked into."""
    return SetupError(f"{system.title} cannot be looked into: {error}")
