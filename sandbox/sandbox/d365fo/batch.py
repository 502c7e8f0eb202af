"""Executing a `$batch`: changesets are atomic, parts are independent of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sandbox.d365fo.errors import ODataError, query_error
from sandbox.d365fo.multipart import (
    AnswerPart,
    BatchPart,
    Changeset,
    MalformedBatchError,
    boundary_of,
    compose_batch,
    parse_batch,
)
from sandbox.d365fo.operations import (
    Answer,
    Document,
    Operation,
    documents_of,
    error_answer,
    execute,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.d365fo.query import Caller
    from sandbox.d365fo.state import D365State
    from sandbox.faults import Fault

    TakeFault = Callable[[str, str], Fault | None]


class _PartError(Exception):
    """An operation of a changeset failed: `answer` is what it would have got."""

    def __init__(self, answer: Answer, operation: Operation) -> None:
        super().__init__(answer.body)
        self.answer = answer
        self.operation = operation


def read_batch(
    state: D365State, caller: Caller, headers: Mapping[str, str], body: bytes
) -> list[BatchPart]:
    """The parts of a batch request, inner URLs made relative to the origin. Raises ODataError."""
    kind = headers.get("content-type", "")
    boundary = boundary_of(kind)
    if boundary is None:  # a JSON batch as well
        msg = (
            f"The batch request of media type '{kind}' is not expected. "
            "The expected media type is 'multipart/mixed' with a boundary."
        )
        raise query_error(msg)
    try:
        parts = parse_batch(body, boundary)
    except (MalformedBatchError, UnicodeDecodeError) as error:
        raise query_error(f"The batch request is malformed: {error}.") from error
    limit = state.switches.batch_max_operations
    if len(operations_of(parts)) > limit:
        msg = (
            "The current batch message contains too many parts. Only batch messages with a "
            f"maximum number of query operations and changesets '{limit}' are allowed."
        )
        raise query_error(msg)
    return [_rooted(part, caller) for part in parts]


def operations_of(parts: list[BatchPart]) -> list[Operation]:
    """All operations of a batch, those in changesets as well."""
    nested = [part.operations if isinstance(part, Changeset) else (part,) for part in parts]
    return [operation for operations in nested for operation in operations]


def batch_documents(state: D365State, parts: list[BatchPart]) -> frozenset[Document]:
    """The pending invoices that the batch adds lines to."""
    found: frozenset[Document] = frozenset()
    return found.union(*(documents_of(state, item) for item in operations_of(parts)))


def run_batch(
    state: D365State,
    caller: Caller,
    parts: list[BatchPart],
    *,
    prefer: str,
    contended: frozenset[Document],
    take_fault: TakeFault,
) -> tuple[bytes, str]:
    """Execute the parts in their order; the body of the answer and its content type."""
    runner = _Runner(state, caller, contended, take_fault)
    goes_on = state.switches.batch_continue_on_error or "odata.continue-on-error" in prefer
    answers: list[AnswerPart] = []
    for part in parts:
        answer, failed = runner.part(part)
        answers.append(answer)
        if failed and not goes_on:
            break
    return compose_batch(answers)


class _Runner:
    def __init__(
        self,
        state: D365State,
        caller: Caller,
        contended: frozenset[Document],
        take_fault: TakeFault,
    ) -> None:
        self._state = state
        self._caller = caller
        self._contended = contended
        self._take_fault = take_fault

    def part(self, part: BatchPart) -> tuple[AnswerPart, bool]:
        """The answer for one part, and whether it failed."""
        if isinstance(part, Changeset):
            return self._changeset(part)
        try:
            return (self._operation(part), part.content_id), False
        except _PartError as error:
            return (error.answer, part.content_id), True

    def _changeset(self, changeset: Changeset) -> tuple[AnswerPart, bool]:
        try:
            with self._state.store.transaction():
                return [
                    (self._operation(item), item.content_id) for item in changeset.operations
                ], False
        except _PartError as error:
            # One error part stands for all of them, and nothing is saved.
            first = self._state.switches.changeset_error_content_id == "first"
            operation = changeset.operations[0] if first else error.operation
            answer = (error.answer, operation.content_id)
            return [answer] if self._state.switches.changeset_error_nested else answer, True

    def _operation(self, operation: Operation) -> Answer:
        fault = self._take_fault(operation.method, operation.target)
        if fault is not None:
            answer = Answer(fault.status, fault.body, dict(fault.headers), "text/plain")
            raise _PartError(answer, operation)
        try:
            return execute(self._state, self._caller, operation, self._contended)
        except ODataError as error:
            answer = error_answer(self._state, error, in_batch=True)
            raise _PartError(answer, operation) from error


def _rooted(part: BatchPart, caller: Caller) -> BatchPart:
    if isinstance(part, Changeset):
        return Changeset(tuple(_rooted_operation(item, caller) for item in part.operations))
    return _rooted_operation(part, caller)


def _rooted_operation(operation: Operation, caller: Caller) -> Operation:
    """The inner URL may be absolute (of this origin), rooted, or relative to the service root."""
    target = operation.target
    url = urlsplit(target)
    if url.scheme:
        if f"{url.scheme}://{url.netloc}".lower() != caller.base_url.lower():
            raise query_error(f"The URL '{target}' is not one of this service.")
        target = target[len(caller.base_url) :]
    elif not target.startswith("/"):
        target = f"/data/{target}"
    return Operation(
        operation.method, target, operation.headers, operation.body, operation.content_id
    )
