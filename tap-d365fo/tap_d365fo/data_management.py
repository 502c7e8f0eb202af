"""Microsoft's data management package API: an import is begun, and asked about later.

Actions of the entity set DataManagementDefinitionGroups. The package goes to an address that
Dynamics gives for it, elsewhere: it is signed in its query, so no token is sent there, and the
query is a secret.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import requests
from singer_delivery.errors import ForeignOrigin, InDoubt, Refused, SetupError, Unavailable
from singer_delivery.exact_json import decode_json, parse_json
from singer_delivery.http import ApiSession
from singer_delivery.origin import Origin
from singer_delivery.policy import Action, ErrorTable
from singer_delivery.redaction import REDACTOR
from singer_delivery.throttle import backoff

from tap_d365fo.client import D365Client

ACTIONS = "DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities"
#: What an execution is called that nobody ever began.
NOBODY = "00000000-0000-0000-0000-000000000000"


class State(enum.Enum):
    """Where an execution stands, by the words of Dynamics.

    UNKNOWN: Dynamics has no such execution, or not yet. What is none of the words is under way.
    """

    UNKNOWN = "Unknown"
    NOT_RUN = "NotRun"
    EXECUTING = "Executing"
    SUCCEEDED = "Succeeded"
    PARTIALLY_SUCCEEDED = "PartiallySucceeded"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def is_over(self) -> bool:
        """Nothing more is written by it."""
        return self in _OVER

    @classmethod
    def of(cls, word: str) -> State:
        """Return the state that a word of Dynamics stands for."""
        words = {state.value.casefold(): state for state in cls}
        return words.get(word.strip().casefold(), cls.EXECUTING)


_OVER = frozenset({State.SUCCEEDED, State.PARTIALLY_SUCCEEDED, State.FAILED, State.CANCELED})


@dataclass(frozen=True)
class Import:
    """One import: its id is ours, so that it can be asked about whether or not it was answered."""

    execution: str
    project: str
    legal_entity: str


@dataclass(frozen=True)
class RowError:
    """What Dynamics says of a row that it did not take; `about` is all that may name the row."""

    message: str
    about: str = ""


class SignedTable(ErrorTable):
    """The error table of a file store: to put the same file once more changes nothing."""

    def for_response(self, method: str, response: requests.Response) -> Action:  # noqa: ARG002
        """Return what this answer asks for."""
        return super().for_response("GET", response)

    def for_exception(self, method: str, error: requests.RequestException) -> Action:  # noqa: ARG002
        """Return what a failure without an answer asks for."""
        return super().for_exception("GET", error)


@dataclass
class DataManagement:
    """The package API of one environment; safe to share between threads."""

    client: D365Client
    table: ErrorTable = field(default_factory=SignedTable)

    def check(self) -> None:
        """Ask about an execution that nobody began; raises AccessDenied, Refused or Unavailable."""
        self.state(NOBODY)

    def state(self, execution: str) -> State:
        """Return where an execution stands.

        Raises AccessDenied, Unavailable, or Refused where the refusal is not about the execution:
        one that is not known is named in it, whatever language it is in.
        """
        try:
            return State.of(str(self._ask("GetExecutionSummaryStatus", executionId=execution)))
        except Refused as error:
            if error.status != 404 and execution.casefold() in str(error).casefold():
                return State.UNKNOWN
            raise

    def write_url(self, name: str) -> str:
        """Return the address that a file of this name may be written to, for a while.

        Raises AccessDenied, Refused, Unavailable, or ForeignOrigin for one that is not https.
        """
        answer = self._ask("GetAzureWriteUrl", uniqueFileName=name)
        url = _within(answer, "BlobUrl")
        if not url:
            msg = f"{self.client.environment} gave no address to write a data package to"
            raise Refused(msg)
        if query := urlsplit(url).query:
            REDACTOR.add(query)
        try:
            Origin.of(url)
        except SetupError as error:
            msg = f"{self.client.environment} wants a data package written elsewhere: {error}"
            raise ForeignOrigin(msg) from None
        return url

    def put(self, url: str, package: BinaryIO) -> None:
        """Write a package to its address; raises AccessDenied where that has expired.

        Raises Refused and Unavailable as well; nothing has begun then.
        """
        session = ApiSession(
            base_url=str(Origin.of(url)),
            table=self.table,
            options=self.client.options,
            explain=_said_by_store,
            stop=self.client.stop,
            sleep=self.client.sleep,
        )
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/zip"}
        with closing(session):
            session.request("PUT", url, data=package, headers=headers)

    def begin(self, wanted: Import, url: str) -> None:
        """Have Dynamics import the package at an address, which it does later.

        Raises Refused, Unavailable or AccessDenied where it does not, InDoubt where it may.
        """
        body = {
            "packageUrl": url,
            "definitionGroupId": wanted.project,
            "executionId": wanted.execution,
            "execute": True,
            "overwrite": True,
            "legalEntityId": wanted.legal_entity,
        }
        self.client.request("POST", _action("ImportFromPackage"), json_body=body)

    def errors(self, execution: str) -> list[RowError]:
        """Return what Dynamics says against rows of an execution; raises as `state` does."""
        answer = self._ask("GetExecutionErrors", executionId=execution)
        found = _parsed(answer)
        rows = found if isinstance(found, list) else [found]
        return [_row_error(row) for row in rows if row]

    def _ask(self, action: str, **body: str) -> Any:
        """Return the value of an action that changes nothing, asked again where that may help."""
        for attempt in range(1, self.client.options.max_attempts + 1):
            try:
                response = self.client.request("POST", _action(action), json_body=body)
                return _value(decode_json(response))
            except InDoubt as error:
                last = error
                if not self.client.pause(backoff(attempt, cap=self.client.options.max_backoff)):
                    break
        raise Unavailable(str(last), status=last.status, request_id=last.request_id)


def _action(name: str) -> str:
    return f"{ACTIONS}.{name}"


def _value(answer: Any) -> Any:
    """Return the value of an answer; some releases have it one deeper."""
    while isinstance(answer, Mapping) and "value" in answer:
        answer = answer["value"]
    return answer


def _parsed(answer: Any) -> Any:
    """Return an answer that is JSON in a text, or what it is."""
    if not isinstance(answer, str):
        return answer
    try:
        return parse_json(answer) if answer.strip() else None
    except ValueError:
        return {"ErrorMessage": answer}


def _within(answer: Any, name: str) -> str:
    found = _parsed(answer)
    return str(found.get(name) or "") if isinstance(found, Mapping) else ""


def _row_error(row: Any) -> RowError:
    if not isinstance(row, Mapping):
        return RowError(str(row), str(row))
    names = {str(name).casefold(): name for name in row}
    message = next((row[names[n]] for n in ("errormessage", "message") if n in names), "")
    about = " ".join(str(value) for value in row.values() if value is not None)
    return RowError(str(message or about).strip(), about)


def _said_by_store(response: requests.Response) -> str:
    """Return no more than the status: a store's own words may repeat the signed address."""
    return str(response.reason or "")
