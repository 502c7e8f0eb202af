"""The tap on an inbox: what it reads of what was noted, and where it goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.errors import SetupError, Unavailable
from tap_basware import noted
from tap_basware.inbox import Inbox, InboxError
from tap_basware.notification import Notification

from tests.tap_basware.conftest import Output

Invoices = Callable[..., list[str]]
Sync = Callable[..., Output]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/inbox.db"


@pytest.fixture
def inbox(url: str) -> Iterator[Inbox]:
    found = Inbox.open(url)
    yield found
    found.close()


@pytest.fixture
def read(sync: Sync, url: str) -> Sync:
    def run(**kwargs: Any) -> Output:
        return sync(**{"inbox_url": f"plain:{url}", **kwargs})

    return run


def note(inbox: Inbox, *ids: str, task_type: str = "AccountingDocuments") -> None:
    number = len(inbox.after(0, limit=10_000))
    inbox.note(
        [
            Notification(f"task-{number + at}", "New", task_type, "WaitingForTransfer", each)
            for at, each in enumerate(ids)
        ]
    )


def read_ids(output: Output) -> list[str]:
    return [record["invoiceId"] for record in output.records()]


def state_of(output: Output) -> dict[str, Any]:
    return output.states[-1]


def test_only_what_was_noted_is_read(
    sandbox: Sandbox, inbox: Inbox, invoices: Invoices, read: Sync
) -> None:
    one, _, three = invoices(3)
    note(inbox, three, one)
    assert read_ids(read()) == [three, one]
    asked = sandbox.journal.requests("basware", "GET", "accountingDocuments")
    assert [request.path.rpartition("/")[2] for request in asked] == [three, one]


def test_it_goes_on_behind_what_it_has_read(inbox: Inbox, invoices: Invoices, read: Sync) -> None:
    one, two, three = invoices(3)
    note(inbox, one, two)
    state = state_of(read())
    assert read_ids(read(state=state)) == []
    note(inbox, three)
    assert read_ids(read(state=state)) == [three]
    assert read_ids(read()) == [one, two, three]  # with the state lost, from the start


def test_a_document_noted_often_is_read_once(inbox: Inbox, invoices: Invoices, read: Sync) -> None:
    [one] = invoices(1)
    note(inbox, one, one, one)
    assert read_ids(read()) == [one]


def test_the_document_s_own_status_decides(
    sandbox: Sandbox, inbox: Inbox, invoices: Invoices, read: Sync
) -> None:
    [waiting] = invoices(1)
    [done] = invoices(1, processingStatus="Transferred")
    [other_mode] = invoices(1, p2pProcessingMode="InvoiceEnrichment")
    note(inbox, done, waiting, other_mode, "nothing-there")
    assert read_ids(read()) == [waiting]
    assert read_ids(read(processing_statuses=["Transferred"])) == [done]
    assert read_ids(read(processing_statuses=[])) == [done, waiting]
    assert read_ids(read(company_codes=["2000"])) == []
    assert read_ids(read(p2p_processing_mode="InvoiceEnrichment")) == [other_mode]


def test_other_tasks_are_passed_over(inbox: Inbox, invoices: Invoices, read: Sync) -> None:
    [one] = invoices(1)
    note(inbox, "a-request", task_type="RequestStatus")
    note(inbox, one)
    output = read()
    assert read_ids(output) == [one]
    assert output.bookmark()["inbox"]["position"] == 2


def test_state_is_written_after_each_part(
    inbox: Inbox, invoices: Invoices, read: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noted, "PAGE", 2)
    note(inbox, *invoices(5))
    output = read()
    assert len(read_ids(output)) == 5
    positions = [state["bookmarks"]["accounting_documents"]["inbox"] for state in output.states]
    assert [each["position"] for each in positions][:3] == [2, 4, 5]


def test_an_interrupted_run_reads_the_part_again(
    sandbox: Sandbox,
    inbox: Inbox,
    invoices: Invoices,
    read: Sync,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(noted, "PAGE", 2)
    ids = invoices(5)
    note(inbox, *ids)
    sandbox.faults.add(Fault("basware", "status", path=ids[3], status=500, times=-1))
    broken = read(max_attempts=1, fails_with=Unavailable)
    assert read_ids(broken) == ids[:3]
    sandbox.faults.clear()
    assert read_ids(read(state=state_of(broken))) == ids[2:]


def test_a_document_that_is_refused_stops_nothing(
    sandbox: Sandbox,
    inbox: Inbox,
    invoices: Invoices,
    read: Sync,
    caplog: pytest.LogCaptureFixture,
) -> None:
    one, two = invoices(2)
    note(inbox, one, two)
    sandbox.faults.add(Fault("basware", "status", path=one, status=400, times=1))
    caplog.set_level(logging.WARNING)
    assert read_ids(read()) == [two]
    assert f"document {one} was noted, but cannot be read" in caplog.text


def test_another_inbox_is_read_from_its_start(
    inbox: Inbox, invoices: Invoices, read: Sync, tmp_path: Path
) -> None:
    one, two = invoices(2)
    note(inbox, one, two)
    state = state_of(read())
    other_url = f"sqlite:///{tmp_path}/other.db"
    other = Inbox.open(other_url)
    note(other, two)
    other.close()
    assert read_ids(read(state=state, inbox_url=f"plain:{other_url}")) == [two]


def test_other_streams_are_read_as_ever(sandbox: Sandbox, inbox: Inbox, read: Sync) -> None:
    sandbox.basware.load({"companies": [{"companyCode": "1000", "name": "One", "active": True}]})
    assert len(read(streams=["companies"]).records("companies")) == 1


def test_it_does_not_go_with_the_other_mode(read: Sync) -> None:
    with pytest.raises(SetupError, match="exclude each other"):
        read(accounting_documents_mode="last_updated")


def test_an_inbox_that_cannot_be_opened(read: Sync) -> None:
    with pytest.raises(InboxError, match="inbox_url is not the address"):
        read(inbox_url="plain:nonsense")


def test_the_connection_check_opens_the_inbox(
    make_tap: Callable[..., Any], inbox: Inbox, url: str
) -> None:
    assert make_tap(inbox_url=f"plain:{url}").check_connection()
    with pytest.raises(InboxError):
        make_tap(inbox_url="plain:nonsense").check_connection()
