"""What moves while it is counted, and a hundred thousand of them: with systems of a few lines."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from singer_delivery.database import open_database
from singer_delivery.differences import Kind
from singer_delivery.document import Document, Outcome, Status
from singer_delivery.ledger import Ledger
from singer_delivery.ledger_books import INVOICES, LedgerBooks
from singer_delivery.live import Booking, LiveSystem, Sought, State
from singer_delivery.reconcile import Inquiry, Reconciliation, Window

DAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 3, tzinfo=UTC)


def booking(which: int, state: State, side: str, **changes: object) -> Booking:
    """Invoice number so and so, of 10 euros and so many cents."""
    known = Booking(
        side=side,
        document_id=f"id{which:08}",
        legal_entity="usmf",
        vendor=f"V{which % 100}",
        number=f"INV-{which}",
        currency="EUR",
        gross=Decimal(1000 + which) / 100,
        day=DAY,
        state=state,
        reference=f"REF{which}" if side == "receiver" else "",
        detail={"ours": True},
    )
    return replace(known, **changes)  # type: ignore[arg-type]


@dataclass
class Script(LiveSystem):
    """A system that shows one thing first, and another when it is looked at again."""

    name: str
    first: Callable[[], Iterator[Booking]]
    then: dict[str, list[Booking]] = field(default_factory=dict)
    looked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.title = self.name.capitalize()

    @property
    def system(self) -> str:
        return f"https://{self.name}.example"

    def books(self, since: date | None = None, until: date | None = None) -> Iterator[Booking]:
        yield from self.first()

    def look(self, wanted: Sequence[Sought]) -> Iterator[Booking]:
        for sought in wanted:
            self.looked.append(sought.document_id)
            yield from self.then.get(sought.document_id, [])


def ledger_row(number: int) -> tuple[Document, Outcome]:
    known = booking(number, State.PENDING, "receiver")
    detail = {
        "legal_entity": known.legal_entity,
        "vendor": known.vendor,
        "invoice_number": known.number,
        "currency": known.currency,
        "gross": str(known.gross),
        "header_reference": known.reference,
    }
    document = Document(known.document_id, None, "", remote_key=known.reference, detail=detail)
    return document, Outcome(Status.DELIVERED, remote_key=known.reference)


@dataclass
class Books:
    """A ledger in a folder."""

    url: str

    def deliver(self, *numbers: int) -> None:
        ledger = Ledger.open(self.url, "https://receiver.example")
        ledger.settle_many(INVOICES, [ledger_row(number) for number in numbers], "r")
        ledger.close()

    def ask(self, source: Script, receiver: Script, window: Window | None = None) -> Reconciliation:
        engine = open_database(self.url)
        books = LedgerBooks(engine, receiver.system, source.system)
        try:
            return Inquiry(books, source, receiver, window or Window(), now=NOW).run()
        finally:
            engine.dispose()


@pytest.fixture
def books(tmp_path: Path) -> Books:
    return Books(f"sqlite:///{tmp_path}/ledger.db")


def source_of(*bookings: Booking) -> Script:
    then = {each.document_id: [each] for each in bookings}
    return Script("source", lambda: iter(bookings), then)


def test_an_invoice_that_is_posted_while_it_is_read_is_no_duplicate(books: Books) -> None:
    books.deliver(1)
    pending = booking(1, State.PENDING, "receiver")
    posted = booking(1, State.POSTED, "receiver", reference="APIN-1")
    receiver = Script("receiver", lambda: iter([pending, posted]), {"id00000001": [posted]})

    result = books.ask(source_of(booking(1, State.TRANSFERRED, "source")), receiver)

    assert result.differences == []
    assert receiver.looked == ["id00000001"]


def test_an_invoice_that_is_delivered_while_it_is_read_is_in_the_ledger(books: Books) -> None:
    held = booking(1, State.PENDING, "receiver")

    def late() -> Iterator[Booking]:
        books.deliver(1)
        yield held

    receiver = Script("receiver", late, {"id00000001": [held]})
    Ledger.open(books.url, "https://receiver.example").close()
    source = Script(
        "source",
        lambda: iter([booking(1, State.WAITING, "source")]),
        {"id00000001": [booking(1, State.TRANSFERRED, "source")]},
    )

    assert books.ask(source, receiver).differences == []


def test_what_stays_wrong_at_the_second_look_is_told(books: Books) -> None:
    books.deliver(1, 2)
    held = booking(2, State.PENDING, "receiver")
    receiver = Script("receiver", lambda: iter([held]), {"id00000002": [held]})
    source = source_of(*(booking(n, State.TRANSFERRED, "source") for n in (1, 2)))

    [difference] = books.ask(source, receiver).differences

    assert (difference.kind, difference.number) == (Kind.MISSING, "INV-1")


def test_an_old_invoice_of_the_ledger_is_no_matter_of_later_days(books: Books) -> None:
    """The ledger of older versions keeps no date; the second look finds it."""
    books.deliver(1)
    old = booking(1, State.POSTED, "receiver", day=date(2020, 1, 1))
    receiver = Script("receiver", lambda: iter(()), {"id00000001": [old]})
    source = Script("source", lambda: iter(()))

    assert books.ask(source, receiver, Window(since=DAY)).differences == []


def test_a_description_that_a_clerk_added_to_still_names_its_document(books: Books) -> None:
    books.deliver(1)
    told = {"description": "Basware ID00000001, see Bob"}
    held = booking(1, State.POSTED, "receiver", document_id="", number="X", detail=told)
    receiver = Script("receiver", lambda: iter([held]))

    source = source_of(booking(1, State.TRANSFERRED, "source"))
    assert books.ask(source, receiver).differences == []


def test_thousands_take_little_memory(books: Books) -> None:
    """Some 3 kB an invoice for all that the three say of it."""
    count = 2000
    books.deliver(*range(count))

    def all_of(state: State, side: str) -> Script:
        return Script(side, lambda: (booking(n, state, side) for n in range(count)))

    tracemalloc.start()
    try:
        result = books.ask(all_of(State.TRANSFERRED, "source"), all_of(State.PENDING, "receiver"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert result.documents == count
    assert result.differences == []
    assert peak / count < 4000
