"""What can go wrong between a record and the system it is delivered to, named by cause."""

from __future__ import annotations


class DeliveryError(Exception):
    """A failure whose text is meant for a person: what happened, where, and what to do.

    Plugins print the text alone, without a traceback. It never holds a secret or a request body.
    """


class SetupError(DeliveryError):
    """The settings, the mapping or the environment are wrong; nothing was sent."""


class BadInput(DeliveryError):
    """A Singer message that cannot be read."""


class LedgerError(DeliveryError):
    """The ledger cannot be opened, read or written; nothing is sent without it."""


class Busy(DeliveryError):
    """Another run is at what this one wanted to do."""


class ForeignOrigin(DeliveryError):
    """A URL leads away from the origin that the credentials are meant for."""


class ApiError(DeliveryError):
    """An answer, or the lack of one, from a remote system.

    `status` is None where no answer came. `request_id` is the remote system's own correlation id.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class AccessDenied(ApiError):
    """The credentials are refused, or lack a right. Every other request would fail as well."""


class Refused(ApiError):
    """The system read this request and said no; asking again changes nothing."""


class Unavailable(ApiError):
    """The request was certainly not carried out, and all attempts are used up."""


class InDoubt(ApiError):
    """The request may or may not have been carried out: only reading back can tell."""


class Rejected(DeliveryError):
    """A document that cannot be delivered as it is; the text is the reason, for its owner."""
