"""Chaos by a seed: what clients see, and what the systems behind it did."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from click.testing import CliRunner
from sandbox.basware.paging import HEADER
from sandbox.chaos import ChaosPlan
from sandbox.cli import main
from sandbox.seed import World, small_world
from sandbox.seed.builders import accounting_document
from sandbox.server import Sandbox

from tests.sandbox.d365fo_client import connect, trusting_session

ACCOUNTS = "/v1/accounts"
DOCUMENTS = "/v1/accountingDocuments"
Call = Callable[..., requests.Response | None]


@pytest.fixture
def call(sandbox: Sandbox) -> Call:
    """Calls of Basware with Basic authentication; None where the connection was reset."""

    def send(path: str = ACCOUNTS, method: str = "GET", **options: Any) -> requests.Response | None:
        options = {"auth": ("basware-user", "basware-password"), **options}
        try:
            return requests.request(
                method,
                sandbox.basware_url + path,
                verify=str(sandbox.ca_file),
                timeout=5,
                **options,
            )
        except requests.ConnectionError:
            return None

    return send


def account(code: str) -> dict[str, object]:
    names = [{"language": "en-US", "translation": "One"}]
    return {"externalCode": code, "accountCode": code, "accountNames": names, "companies": []}


def statuses(call: Call, count: int, path: str = ACCOUNTS) -> list[int]:
    """Statuses of the answers, 0 for a reset."""
    return [answer.status_code if answer is not None else 0 for answer in map(call, [path] * count)]


def test_what_is_not_planned_does_not_happen(call: Call, sandbox: Sandbox) -> None:
    sandbox.chaos.start(ChaosPlan(seed=1))
    assert statuses(call, 10) == [404] * 10
    assert sandbox.chaos.as_dict()["happened"] == {}


def test_answers_are_lost_after_the_work_was_done(call: Call, sandbox: Sandbox) -> None:
    sandbox.chaos.start(ChaosPlan(seed=1, lost_answers=1))
    answers = [call(method="POST", json=[account(f"a-{number}")]) for number in range(30)]
    assert {answer.status_code if answer is not None else 0 for answer in answers} == {0, 502, 504}
    assert len(sandbox.basware.records("accounts")) == 30
    sandbox.chaos.stop()
    assert statuses(call, 1) == [200]


def test_resets_and_503_come_before_any_work(call: Call, sandbox: Sandbox) -> None:
    for plan, seen in ((ChaosPlan(resets=1), None), (ChaosPlan(unavailable=1), 503)):
        sandbox.chaos.start(plan)
        answer = call(method="POST", json=[account("a-1")])
        assert (None if answer is None else answer.status_code) == seen
    assert sandbox.basware.records("accounts") == []


def test_the_journal_and_the_count_say_what_happened(call: Call, sandbox: Sandbox) -> None:
    sandbox.chaos.start(ChaosPlan(seed=3, resets=0.5))
    seen = statuses(call, 20)
    assert 0 < seen.count(0) < 20
    assert sandbox.chaos.as_dict()["happened"] == {"reset_before": seen.count(0)}
    journal = [each.status for each in sandbox.journal.requests("basware")]
    assert journal == seen


def test_the_same_seed_lets_the_same_happen_whatever_comes_in_between(
    call: Call, sandbox: Sandbox
) -> None:
    plan = ChaosPlan(seed=11, resets=0.2, unavailable=0.2, lost_answers=0.2)
    sandbox.chaos.start(plan)
    first = statuses(call, 15)
    sandbox.chaos.start(plan)
    again = []
    for _ in range(15):
        again += statuses(call, 1)
        call("/v1/vendors")
    assert again == first
    sandbox.chaos.start(ChaosPlan(seed=12, resets=0.2, unavailable=0.2, lost_answers=0.2))
    assert statuses(call, 15) != first


def test_a_storm_without_a_waiting_time_lasts_some_requests(call: Call, sandbox: Sandbox) -> None:
    sandbox.chaos.start(ChaosPlan(seed=2, throttled=0.1, storm_requests=4, longest_retry_after=0))
    seen = "".join("x" if status == 429 else "." for status in statuses(call, 60))
    assert "x" in seen
    assert "." in seen
    assert all(len(storm) % 4 == 0 for storm in seen.strip(".").split(".") if storm)


def test_a_storm_with_a_waiting_time_lasts_that_long(call: Call, sandbox: Sandbox) -> None:
    sandbox.chaos.start(ChaosPlan(throttled=1, longest_retry_after=1))
    waits = set()
    for _ in range(20):
        answer = call()
        assert answer is not None
        waits.add(answer.headers["Retry-After"])
        if answer.headers["Retry-After"] == "1":
            break
    sandbox.chaos.start(ChaosPlan(seed=5, throttled=0.5, longest_retry_after=1))
    began = None
    for _ in range(400):
        answer = call()
        assert answer is not None
        if answer.headers.get("Retry-After") == "1":
            began = began or time.monotonic()
        elif began:
            break
    assert began
    assert time.monotonic() - began >= 0.95


def test_a_valid_token_expires(sandbox: Sandbox) -> None:
    sandbox.load(small_world(("usmf",)))
    dynamics = connect(sandbox, trusting_session(sandbox))
    assert dynamics.get("VendorGroups").status_code == 200
    sandbox.chaos.start(ChaosPlan(expired_tokens=1))
    assert dynamics.get("VendorGroups").status_code == 401
    sandbox.chaos.stop()
    assert dynamics.get("VendorGroups").status_code == 401
    connect(sandbox, dynamics.session)
    assert dynamics.get("VendorGroups").status_code == 200


def crawl(call: Call, **params: object) -> list[list[str]]:
    """The pages of the list of invoices: their numbers."""
    pages: list[list[str]] = []
    following = ""
    while True:
        headers = {HEADER: following} if following else {}
        answer = call(DOCUMENTS, params={"pageSize": 3, **params}, headers=headers)
        assert answer is not None
        assert answer.status_code == 200
        pages.append([each["invoiceNumber"] for each in answer.json()["accountingDocuments"]])
        following = answer.headers.get(HEADER, "")
        if not following:
            return pages


def invoices(count: int) -> World:
    documents = [accounting_document(number=f"N-{number}") for number in range(count)]
    return World(basware={"accountingDocuments": documents})


@pytest.mark.parametrize("redirect", [True, False])
def test_every_page_comes_twice(call: Call, sandbox: Sandbox, redirect: bool) -> None:
    sandbox.load(invoices(8))
    sandbox.switches.basware.redirect = redirect
    calm = crawl(call)
    sandbox.chaos.start(ChaosPlan(repeated_pages=1))
    twice = crawl(call)
    assert [len(page) for page in calm] == [3, 3, 2]
    assert twice == [calm[0], calm[0], calm[1], calm[1], calm[2]]


def test_a_list_without_an_order_is_shuffled(call: Call, sandbox: Sandbox) -> None:
    sandbox.load(invoices(8))
    calm = crawl(call)
    sandbox.chaos.start(ChaosPlan(seed=1, shuffled_rows=1))
    one, other = crawl(call), crawl(call)
    assert one != calm
    assert one != other
    assert [sorted(page) for page in one] == [sorted(page) for page in calm]


def test_collections_of_dynamics(sandbox: Sandbox) -> None:
    sandbox.load(small_world(("usmf",)))
    sandbox.switches.d365fo.page_size = 4

    dynamics = connect(sandbox, trusting_session(sandbox))

    def pages(path: str) -> list[list[str]]:
        found, url = [], dynamics.url(path)
        while url:
            answer = dynamics.session.get(url).json()
            found.append([row["MainAccountId"] for row in answer["value"]])
            url = answer.get("@odata.nextLink", "")
        return found

    calm = pages("MainAccounts")
    sandbox.chaos.start(ChaosPlan(repeated_pages=1))
    twice = pages("MainAccounts")
    assert twice[:3] == [calm[0], calm[0], calm[1]]
    assert [page for page, after in zip(twice, [*twice[1:], []], strict=True) if page != after] == (
        calm
    )
    sandbox.switches.d365fo.page_size = 1000
    sandbox.chaos.start(ChaosPlan(seed=1, shuffled_rows=1))
    [ordered], [shuffled] = pages("MainAccounts?$orderby=MainAccountId"), pages("MainAccounts")
    assert ordered == sorted(ordered)
    assert sorted(shuffled) == ordered != shuffled


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lost_answers": 1.5}, "lost_answers is 1.5, a probability from 0 to 1 is expected"),
        ({"resets": "often"}, "resets is 'often', a number is expected"),
        ({"longest_delay": -1}, "longest_delay is -1"),
    ],
)
def test_a_wrong_plan_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ChaosPlan(**settings)


def test_the_command_line_starts_shows_and_stops_it(
    call: Call, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> str:
        return CliRunner().invoke(main, ["chaos", *arguments]).output

    assert "unavailable=1.0\n" in run("start", "seed=7", "unavailable=1")
    assert statuses(call, 2) == [503, 503]
    assert "2 x unavailable" in run("show")
    assert run("stop").startswith("calm=yes\n")
    assert statuses(call, 1) == [404]
    assert "no_such" in run("start", "no_such=1")
    assert "a number is expected" in run("start", "resets=often")
