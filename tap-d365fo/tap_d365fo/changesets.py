"""Changesets on their way: sent in `$batch`, judged one by one, sent again where that is safe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import requests
from singer_delivery.errors import ApiError, InDoubt, Refused
from singer_delivery.exchanges import Exchange, listened_to
from singer_delivery.http import ApiSession
from singer_delivery.policy import Action
from singer_delivery.throttle import backoff, retry_after

from tap_d365fo.batch import (
    MAX_OPERATIONS,
    Changeset,
    MalformedBatch,
    PartResponse,
    decode_batch,
    encode_batch,
    shared_headers,
)


@dataclass(frozen=True)
class ChangesetResult:
    """What became of a changeset: the answers to its operations, or the error that stopped it.

    With any error but InDoubt nothing of it was written; InDoubt: only reading back can tell.
    `exchanges` are the requests that it went in.
    """

    responses: tuple[PartResponse, ...] = ()
    error: ApiError | None = None
    exchanges: tuple[Exchange, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """A result and whether to send the changeset again, after `wait` seconds (0: as we like).

    `whole`: it is that of the request as a whole, whichever changesets were in it.
    """

    result: ChangesetResult
    again: bool = False
    wait: float = 0.0
    whole: bool = False

    @property
    def refused(self) -> bool:
        """It was certainly not carried out, and will not be."""
        return isinstance(self.result.error, Refused)

    def after(self, exchanges: Sequence[Exchange]) -> Judgement:
        """Return it with these exchanges before its own."""
        taken = (*exchanges, *self.result.exchanges)
        return replace(self, result=replace(self.result, exchanges=taken))


@dataclass(frozen=True)
class ChangesetSender:
    """Sends changesets through a session under the session's own error table and limits."""

    session: ApiSession

    def send(self, changesets: Sequence[Changeset]) -> list[ChangesetResult]:
        """Send them and return what became of each, in their order; never raises an ApiError.

        A changeset that was throttled, or met an update conflict, is sent again by itself. Where
        several are refused as one request, which proves that none was carried out, each is sent
        alone: the refusal may be about one of them.
        """
        results: dict[int, ChangesetResult] = {}
        exchanges: dict[int, tuple[Exchange, ...]] = dict.fromkeys(range(len(changesets)), ())
        failures, throttled = 0, 0.0
        limits = self.session.options
        pending = list(range(len(changesets)))
        while pending:
            judged = self._once([changesets[number] for number in pending])
            for number, judgement in zip(pending, judged, strict=True):
                results[number] = judgement.result
                exchanges[number] += judgement.result.exchanges
            again = [n for n, judgement in zip(pending, judged, strict=True) if judgement.again]
            wait = max(judgement.wait for judgement in judged)
            throttled += wait
            failures += not wait
            if failures >= limits.max_attempts or throttled > limits.max_throttle_wait:
                break
            if again and not self._pause(wait, failures):
                break  # the run is stopping: what was refused for now stays so
            pending = again
        return [
            replace(results[number], exchanges=exchanges[number])
            for number in range(len(changesets))
        ]

    def _pause(self, wait: float, failures: int) -> bool:
        """Wait before another try; False where a stop has cut it short."""
        if wait:
            self.session.gate.close_for(wait)  # every worker keeps quiet, not this one alone
            return True
        return self.session.pause(backoff(failures, cap=self.session.options.max_backoff))

    def _once(self, changesets: list[Changeset]) -> list[Judgement]:
        if sum(len(changeset.operations) for changeset in changesets) > MAX_OPERATIONS:
            if len(changesets) > 1:
                half = len(changesets) // 2
                return self._once(changesets[:half]) + self._once(changesets[half:])
            msg = f"more than {MAX_OPERATIONS} rows: F&O takes no more in one transaction"
            return [Judgement(ChangesetResult(error=Refused(msg)))]
        with listened_to() as exchanges:
            judged = self._asked(changesets)
        refused = all(judgement.whole and judgement.refused for judgement in judged)
        if refused and len(changesets) > 1:
            judged = [self._once([changeset])[0] for changeset in changesets]
        return [judgement.after(exchanges) for judgement in judged]

    def _asked(self, changesets: list[Changeset]) -> list[Judgement]:
        try:
            response = self._post(changesets)
        except ApiError as error:
            return [Judgement(ChangesetResult(error=error), whole=True)] * len(changesets)
        try:
            groups = decode_batch(response.headers.get("Content-Type", ""), response.content)
        except MalformedBatch as error:
            unreadable = self._in_doubt(response, f"the answer cannot be read: {error}")
            return [unreadable] * len(changesets)
        silent = self._in_doubt(response, "the answer says nothing about this changeset")
        shared = shared_headers(response)
        judged = [
            self._judge(changeset, [part.within(shared) for part in parts], response)
            for changeset, parts in zip(changesets, groups, strict=False)
        ]
        return (judged + [silent] * len(changesets))[: len(changesets)]

    def _post(self, changesets: list[Changeset]) -> requests.Response:
        content_type, body = encode_batch(changesets)
        headers = {"Content-Type": content_type, "Accept": "multipart/mixed"}
        if len(changesets) > 1:
            headers["Prefer"] = "odata.continue-on-error"  # OData 4.0 part 1, §8.2.8.3
        return self.session.request("POST", "$batch", data=body, headers=headers)

    def _judge(
        self, changeset: Changeset, answers: list[PartResponse], outer: requests.Response
    ) -> Judgement:
        failed = [part for part in answers if part.status >= 400]
        if not failed and len(answers) == len(changeset.operations):
            return Judgement(ChangesetResult(tuple(_in_order(answers))))
        if not failed or len(failed) < len(answers):
            # Neither whole nor refused: not what a transaction can be.
            done = f"{len(answers) - len(failed)} of {len(changeset.operations)} operations done"
            return self._in_doubt(outer, f"the answer reports {done}")
        answer = failed[0].as_response()
        action = self.session.table.for_response("POST", answer)
        reason = f"{answer.status_code} {self.session.explain(answer)}"
        text = f"changeset to {self.session.origin}: {reason}"
        return Judgement(
            ChangesetResult(error=self.session.answer_error(text, answer, action)),
            again=action is Action.RETRY,
            wait=(retry_after(answer) or 0.0) if action is Action.RETRY else 0.0,
        )

    def _in_doubt(self, response: requests.Response, reason: str) -> Judgement:
        error = InDoubt(
            f"changeset to {self.session.origin}: {reason}",
            status=response.status_code,
            request_id=self.session.request_id(response),
        )
        return Judgement(ChangesetResult(error=error))


def _in_order(parts: list[PartResponse]) -> list[PartResponse]:
    """Sort the answers by Content-ID where the server gives it on all of them."""
    if all(part.content_id and part.content_id.isdigit() for part in parts):
        return sorted(parts, key=lambda part: int(part.content_id or 0))
    return parts
