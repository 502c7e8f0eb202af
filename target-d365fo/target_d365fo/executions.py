"""What becomes of imports that Dynamics carries out later: waiting, and its words about rows."""

from __future__ import annotations

import logging
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from singer_delivery.consigning import CONSIGNMENT
from singer_delivery.document import Entry, Outcome, Status
from singer_delivery.errors import ApiError, InDoubt, Refused, Unavailable
from singer_delivery.redaction import REDACTOR
from singer_delivery.stopping import PROCESS
from tap_d365fo.data_management import DataManagement, State
from tap_d365fo.errors import telling

from target_d365fo.payload import MAX_REFERENCE

logger = logging.getLogger(__name__)

#: A derived header reference in a text.
REFERENCE = re.compile(rf"(?<![A-Z0-9])[A-Z0-9]{{{MAX_REFERENCE}}}(?![A-Z0-9])")
#: Reasons that are told of one document, or of an import as a whole.
TOLD = 5
WHERE = "Data management > Job history"


@dataclass(frozen=True)
class Patience:
    """How long imports are waited for, in seconds.

    `start_limit`: from when on an import that Dynamics does not know was never begun, counted
    from when it was intended: until then it may be on its way, or not be listed yet.
    """

    poll: float = 10.0
    limit: float = 14_400.0
    start_limit: float = 900.0


@dataclass
class Executions:
    """Imports by the ids that we gave them; remembers which are over."""

    data: DataManagement
    patience: Patience = field(default_factory=Patience)
    stopping: Callable[[], bool] = lambda: PROCESS.requested
    sleep: Callable[[float], None] = PROCESS.sleep
    clock: Callable[[], float] = time.monotonic
    _over: dict[str, State] = field(default_factory=dict)
    _glances: dict[str, tuple[float, State]] = field(default_factory=dict)
    _words: dict[str, RowWords] = field(default_factory=dict)
    #: Until when they are waited for, by the clock.
    _deadlines: dict[str, float] = field(default_factory=dict)

    def under_way(self, entry: Entry) -> Outcome | None:
        """Return that Dynamics may still be importing a document, None where it is not."""
        execution = execution_of(entry)
        if not execution or execution in self._over:
            return None
        looked, state = self._glances.get(execution, (float("-inf"), State.UNKNOWN))
        if self.clock() - looked >= self.patience.poll:
            try:
                state = self._look(execution, entry)
            except ApiError as error:
                return _waits(execution, f"which cannot be asked about: {error}")
        return None if execution in self._over else _waits(execution, f"which is {state.value}")

    def wait_for(self, entries: Sequence[Entry]) -> dict[str, Outcome]:
        """Wait until the imports of these are over; return IN_DOUBT for those that are not, by key.

        A run waits for an import up to the limit, however often it comes back to it. Raises
        InDoubt, AccessDenied.
        """
        groups: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            if execution := execution_of(entry):
                groups[execution].append(entry)
        for execution in groups:
            self._deadlines.setdefault(execution, self.clock() + self.patience.limit)
        waiting: dict[str, Outcome] = {}
        for execution, some in groups.items():
            if problem := self._wait(execution, max(some, key=_intended)):
                waiting |= {entry.key: _waits(execution, problem) for entry in some}
        return waiting

    def outcome(self, entry: Entry) -> Outcome | None:
        """Return what is to be said of a document that its import has left out.

        REJECTED with the words of Dynamics. Without any, NOT_SENT where the import failed as a
        whole, and None where it did not, or was never begun. The import is over.
        """
        execution = execution_of(entry)
        state = self._over.get(execution, State.UNKNOWN)
        if state is State.UNKNOWN:
            return None
        words = self._words_of(execution)
        if reasons := words.by_reference.get(entry.remote_key.upper()):
            return Outcome(Status.REJECTED, "; ".join(reasons), request_id=execution)
        if state not in {State.FAILED, State.CANCELED}:
            return None
        said = f": {'; '.join(words.general)}" if words.general else ""
        reason = f"Dynamics ended import {execution} as {state.value}{said}; see {WHERE}"
        return Outcome(Status.NOT_SENT, reason, request_id=execution)

    def is_over(self, entry: Entry) -> bool:
        """Tell whether the import of a document came to an end, as far as this run has seen."""
        return self._over.get(execution_of(entry), State.UNKNOWN) is not State.UNKNOWN

    def _wait(self, execution: str, entry: Entry) -> str:
        """Wait for the end of an import; return why it is not over."""
        while execution not in self._over:
            try:
                state = self._look(execution, entry)
            except Unavailable as error:
                says = f"which cannot be asked about: {error}"
            except Refused as error:
                # Of each document by itself nothing else would be said.
                msg = f"import {execution} cannot be asked about: {error}"
                raise InDoubt(msg, status=error.status, request_id=error.request_id) from None
            else:
                says = f"which is {state.value}"
            if execution in self._over:
                break
            if self.stopping():
                return f"{says}, and the run is stopping"
            if self.clock() >= self._deadlines[execution]:
                return f"{says} for longer than package_limit_seconds"
            self.sleep(self.patience.poll)
        return ""

    def _look(self, execution: str, entry: Entry) -> State:
        state = self.data.state(execution)
        self._glances[execution] = self.clock(), state
        if state.is_over or (state is State.UNKNOWN and self._never_begun(entry)):
            self._over[execution] = state
            words = "was never begun" if state is State.UNKNOWN else f"ended as {state.value}"
            logger.info("import %s %s", execution, words)
        return state

    def _never_begun(self, entry: Entry) -> bool:
        age = datetime.now(UTC) - _intended(entry)
        return age >= timedelta(seconds=self.patience.start_limit)

    def _words_of(self, execution: str) -> RowWords:
        if execution not in self._words:
            self._words[execution] = RowWords.of(self.data, execution)
        return self._words[execution]


@dataclass(frozen=True)
class RowWords:
    """What Dynamics said against rows of an import: by header reference, and of none of them."""

    by_reference: Mapping[str, Sequence[str]]
    general: Sequence[str]

    @classmethod
    def of(cls, data: DataManagement, execution: str) -> RowWords:
        """Ask for it; where that is refused, nothing was said."""
        by_reference: defaultdict[str, dict[str, None]] = defaultdict(dict)
        general: dict[str, None] = {}
        try:
            errors = data.errors(execution)
        except Refused:
            errors = []
        for error in errors:
            words = REDACTOR.text(telling(error.message)).rstrip(".")
            named = REFERENCE.findall(error.about.upper())
            for reference in named:
                # That its header is not there is no reason: why that is not there would be one.
                if reference not in words.upper():
                    by_reference[reference][words] = None
            if not named:
                general[words] = None
        told = {reference: tuple(words)[:TOLD] for reference, words in by_reference.items()}
        return cls(told, tuple(general)[:TOLD])


def execution_of(entry: Entry) -> str:
    """Return the import that a document went with last, "" for none."""
    return str(entry.detail.get(CONSIGNMENT) or "")


def _intended(entry: Entry) -> datetime:
    return entry.intended_at or datetime.min.replace(tzinfo=UTC)


def _waits(execution: str, says: str) -> Outcome:
    reason = f"it is in import {execution} of Dynamics, {says}; nothing is sent before that is over"
    return Outcome(Status.IN_DOUBT, reason, request_id=execution, detail={CONSIGNMENT: execution})
