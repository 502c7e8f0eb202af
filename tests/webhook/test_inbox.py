from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy
from tap_basware.inbox import Inbox, InboxError
from tap_basware.notification import Notification


def about(document: str, task: str = "") -> Notification:
    return Notification(
        task or f"task-{document}", "New", "AccountingDocuments", "WaitingForTransfer", document
    )


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/inbox.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def inbox(url: str) -> Iterator[Inbox]:
    inbox = Inbox.open(url)
    yield inbox
    inbox.close()


def test_positions_grow_in_the_order_of_noting(inbox: Inbox) -> None:
    assert len(inbox.note([about("a"), about("b")])) == 2
    assert inbox.note([about("c")]) == [about("c")]
    found = inbox.after(0, limit=10)
    assert [each.document_id for each in found] == ["a", "b", "c"]
    assert [each.position for each in found] == sorted(each.position for each in found)
    assert [each.document_id for each in inbox.after(found[0].position, limit=1)] == ["b"]
    assert inbox.after(found[-1].position, limit=10) == []


def test_a_task_is_noted_once(inbox: Inbox) -> None:
    assert inbox.note([about("a", "t"), about("b", "t")]) == [about("a", "t")]
    assert inbox.note([about("a", "t"), about("c", "u")]) == [about("c", "u")]
    assert [each.document_id for each in inbox.after(0, limit=10)] == ["a", "c"]


def test_what_is_noted_survives(url: str) -> None:
    one = Inbox.open(url)
    one.note([about("a")])
    one.close()
    other = Inbox.open(url)
    assert other.identity == one.identity
    assert len(other.after(0, limit=10)) == 1
    other.close()


def test_a_position_is_never_given_twice(inbox: Inbox) -> None:
    inbox.note([about("a"), about("b")])
    last = inbox.after(0, limit=10)[-1].position
    assert inbox.forget(datetime.now(UTC) + timedelta(days=1)) == 2
    inbox.note([about("c")])
    assert [each.document_id for each in inbox.after(last, limit=10)] == ["c"]


def test_only_what_is_old_is_forgotten(inbox: Inbox) -> None:
    inbox.note([about("a")])
    assert inbox.forget(datetime.now(UTC) - timedelta(days=1)) == 0
    assert inbox.latest() is not None


def test_a_reader_never_passes_a_writer(url: str) -> None:
    """Whoever reads behind the last position it saw has seen all, however many write."""
    writers = [Inbox.open(url) for _ in range(4)]
    reader = Inbox.open(url)
    seen: list[str] = []
    done = threading.Event()

    def write(number: int) -> None:
        for count in range(25):
            writers[number].note([about(f"{number}-{count}")])

    def read() -> None:
        position = 0
        while True:
            last_look = done.is_set()
            found = reader.after(position, limit=7)
            seen.extend(each.document_id for each in found)
            position = found[-1].position if found else position
            if last_look and not found:
                return

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    reading = threading.Thread(target=read)
    for thread in (*threads, reading):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    reading.join()
    assert sorted(seen) == sorted(f"{number}-{count}" for number in range(4) for count in range(25))
    for each in (*writers, reader):
        each.close()


def test_subscriptions_are_remembered(inbox: Inbox) -> None:
    inbox.remember_subscription("AccountingDocuments", "All")
    inbox.remember_subscription("AccountingDocuments", "All")
    assert list(inbox.subscribed()) == [("AccountingDocuments", "All")]
    inbox.forget_subscription("AccountingDocuments", "All")
    assert inbox.subscribed() == {}


def test_an_inbox_of_a_newer_version_is_refused(url: str) -> None:
    Inbox.open(url).close()
    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE basware_inbox SET version = 2"))
    engine.dispose()
    with pytest.raises(InboxError, match="newer version"):
        Inbox.open(url)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "inbox_url is not the address"),
        ("mysql://host/db", "inbox_url is not the address"),
        ("sqlite:////proc/nowhere/inbox.db", "cannot be used"),
        ("postgresql://user:hush-hush@127.0.0.1:1/db", "cannot be used"),
    ],
)
def test_an_inbox_that_cannot_be_opened(url: str, words: str) -> None:
    with pytest.raises(InboxError, match=words) as caught:
        Inbox.open(url)
    assert "hush-hush" not in str(caught.value)
