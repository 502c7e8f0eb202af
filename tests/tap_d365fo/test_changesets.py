from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from singer_delivery.errors import AccessDenied, ApiError, InDoubt, Refused, Unavailable
from singer_delivery.exchanges import Exchange, notes, recorded
from singer_delivery.http import ApiSession
from tap_d365fo.batch import MAX_OPERATIONS, Changeset, Operation
from tap_d365fo.changesets import ChangesetSender
from tap_d365fo.errors import BusinessRefusal, FinOpsErrorTable, explain, refusal

from .answers import CONFLICT, UNKNOWN_GROUP, answer, inner

ONE = Changeset((Operation("POST", "https://x/data/A", {}),))
TWO = Changeset(
    (Operation("POST", "https://x/data/A", {}), Operation("POST", "https://x/data/B", {}))
)
CREATED = "HTTP/1.1 201 Created\r\n\r\n{}"


def parts(*https: str) -> str:
    inner_parts = "".join(f"--c\r\nContent-Type: application/http\r\n\r\n{h}\r\n" for h in https)
    return f"Content-Type: multipart/mixed; boundary=c\r\n\r\n{inner_parts}--c--"


def batch_answer(*groups: str) -> requests.Response:
    body = "".join(f"--b\r\n{group}\r\n" for group in groups) + "--b--"
    headers = {"Content-Type": "multipart/mixed; boundary=b", "ms-dyn-aid": "aid-1"}
    return answer(200, body, **headers)


def error(status: int, body: Any = "", *headers: str) -> str:
    text = answer(status, body).content.decode()
    return "\r\n".join([f"HTTP/1.1 {status} No", *headers, "", text])


@dataclass
class Server(ApiSession):
    """A session that answers from a script, and remembers how long it was told to wait."""

    script: list[requests.Response | ApiError] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.table, self.explain, self.refusal = FinOpsErrorTable(), explain, refusal
        self.request_id = lambda response: response.headers.get("ms-dyn-aid")
        self.sleep = self.waits.append
        self.gate.close_for = self.waits.append  # type: ignore[method-assign]

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        assert (method, url) == ("POST", "$batch")
        self.sent.append(kwargs["data"])
        if (notebook := notes()) is not None and self.noted:
            moment = datetime.now(UTC)
            name = self.noted.pop(0)
            notebook.append(Exchange("POST", "/$batch", 200, "", "", name, moment, moment))
        reply = self.script.pop(0)
        if isinstance(reply, ApiError):
            raise reply
        return reply


Answering = Callable[..., Server]


@pytest.fixture
def answering() -> Answering:
    return lambda *script: Server("https://x", script=list(script))


def test_a_changeset_that_is_done_gives_its_answers(answering: Answering) -> None:
    server = answering(batch_answer(parts(CREATED, CREATED)))

    (result,) = ChangesetSender(server).send([TWO])

    assert result.error is None
    assert [part.status for part in result.responses] == [201, 201]
    assert result.responses[1].headers["ms-dyn-aid"] == "aid-1"


def test_answers_come_in_the_order_of_the_operations(answering: Answering) -> None:
    body = (
        "Content-Type: multipart/mixed; boundary=c\r\n\r\n"
        "--c\r\nContent-ID: 2\r\n\r\nHTTP/1.1 204 \r\n\r\n\r\n"
        f"--c\r\nContent-ID: 1\r\n\r\n{CREATED}\r\n--c--"
    )

    (result,) = ChangesetSender(answering(batch_answer(body))).send([TWO])

    assert [part.status for part in result.responses] == [201, 204]


def test_one_refused_changeset_leaves_the_others(answering: Answering) -> None:
    server = answering(batch_answer(parts(error(500, inner(UNKNOWN_GROUP))), parts(CREATED)))

    refused, done = ChangesetSender(server).send([TWO, ONE])

    assert isinstance(refused.error, BusinessRefusal)
    assert refused.error.problem.text.startswith("The value 'Local'")
    assert refused.error.request_id == "aid-1"
    assert done.error is None


def test_a_throttled_part_is_sent_again_alone_when_it_asks_to(answering: Answering) -> None:
    throttled = parts(error(429, "busy", "Retry-After: 7"))
    server = answering(batch_answer(parts(CREATED), throttled), batch_answer(parts(CREATED)))

    results = ChangesetSender(server).send([ONE, ONE])

    assert [result.error for result in results] == [None, None]
    assert server.waits == [7.0]
    assert server.sent[1].count(b"POST https://x/data/A") == 1


def test_an_update_conflict_is_tried_again(answering: Answering) -> None:
    conflict = batch_answer(parts(error(400, inner(CONFLICT))))
    server = answering(conflict, batch_answer(parts(CREATED)))

    (result,) = ChangesetSender(server).send([ONE])

    assert result.error is None
    assert len(server.waits) == 1


def test_attempts_end(answering: Answering) -> None:
    server = answering(*[batch_answer(parts(error(400, inner(CONFLICT)))) for _ in range(6)])

    (result,) = ChangesetSender(server).send([ONE])

    assert isinstance(result.error, Unavailable)
    assert server.script == []


def test_throttling_ends(answering: Answering) -> None:
    busy = [batch_answer(parts(error(429, "", "Retry-After: 1000"))) for _ in range(2)]
    server = answering(*busy)

    (result,) = ChangesetSender(server).send([ONE])

    assert isinstance(result.error, Unavailable)
    assert server.waits == [1000.0]


@pytest.mark.parametrize(
    "group",
    [
        parts(error(500, "<html>crashed</html>")),
        parts(error(502)),
        parts(CREATED),  # one of two
        parts(CREATED, error(400, inner(UNKNOWN_GROUP))),  # no transaction does that
        parts(),
        "Content-Type: text/plain\r\n\r\nnonsense",
    ],
)
def test_an_answer_that_proves_nothing_leaves_the_changeset_in_doubt(
    answering: Answering, group: str
) -> None:
    server = answering(batch_answer(group))

    (result,) = ChangesetSender(server).send([TWO])

    assert isinstance(result.error, InDoubt)
    assert len(server.sent) == 1


def test_a_changeset_that_the_answer_passes_over_is_in_doubt(answering: Answering) -> None:
    done, silent = ChangesetSender(answering(batch_answer(parts(CREATED)))).send([ONE, ONE])

    assert done.error is None
    assert isinstance(silent.error, InDoubt)


@pytest.mark.parametrize("kind", [InDoubt, Unavailable, AccessDenied])
def test_what_befalls_the_request_befalls_its_changesets(
    answering: Answering, kind: type[ApiError]
) -> None:
    results = ChangesetSender(answering(kind("lost"))).send([ONE, TWO])

    assert [type(result.error) for result in results] == [kind, kind]


def test_a_denied_part_is_denied(answering: Answering) -> None:
    (result,) = ChangesetSender(answering(batch_answer(parts(error(403))))).send([ONE])

    assert isinstance(result.error, AccessDenied)


def test_a_batch_beyond_the_limit_is_sent_in_two(answering: Answering) -> None:
    half = Changeset(ONE.operations * (MAX_OPERATIONS // 2 + 1))
    done = parts(*[CREATED] * len(half.operations))
    server = answering(batch_answer(done), batch_answer(done))

    results = ChangesetSender(server).send([half, half])

    assert [result.error for result in results] == [None, None]


def test_a_changeset_beyond_the_limit_is_refused_unsent(answering: Answering) -> None:
    server = answering()

    (result,) = ChangesetSender(server).send([Changeset(ONE.operations * (MAX_OPERATIONS + 1))])

    assert isinstance(result.error, Refused)
    assert server.sent == []


def test_nothing_to_do_sends_nothing(answering: Answering) -> None:
    assert ChangesetSender(answering()).send([]) == []


def test_several_that_are_refused_as_one_request_go_one_by_one(answering: Answering) -> None:
    done = batch_answer(parts(CREATED))
    refusal_of_one = batch_answer(parts(error(400, inner(UNKNOWN_GROUP))))
    server = answering(Refused("413 too large", status=413), done, refusal_of_one, done)

    first, second, third = ChangesetSender(server).send([ONE, ONE, ONE])

    assert (first.error, third.error) == (None, None)
    assert isinstance(second.error, BusinessRefusal)
    assert [body.count(b"POST https://x/data/A") for body in server.sent] == [3, 1, 1, 1]


def test_operations_are_numbered_through_the_whole_request(answering: Answering) -> None:
    server = answering(batch_answer(parts(CREATED, CREATED), parts(CREATED)))

    ChangesetSender(server).send([TWO, ONE])

    assert re.findall(rb"Content-ID: (\d+)", server.sent[0]) == [b"1", b"2", b"3"]


def test_each_changeset_knows_the_requests_that_it_was_in(answering: Answering) -> None:
    throttled = parts(error(429, "busy", "Retry-After: 7"))
    server = answering(batch_answer(parts(CREATED), throttled), batch_answer(parts(CREATED)))
    server.noted = ["first", "second"]

    with recorded() as outside:
        once, twice = ChangesetSender(server).send([ONE, ONE])

    assert [each.request_id for each in once.exchanges] == ["first"]
    assert [each.request_id for each in twice.exchanges] == ["first", "second"]
    assert [each.request_id for each in outside] == ["first", "second"]
