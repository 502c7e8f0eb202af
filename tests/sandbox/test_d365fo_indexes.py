"""Indexed reads: whatever is asked, and written in between, the answer is that of a plain scan."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandbox.clock import Clock
from sandbox.d365fo.errors import ODataError
from sandbox.d365fo.filter_compile import compile_filter
from sandbox.d365fo.query import Caller, read_collection, read_count
from sandbox.d365fo.resources import Resource
from sandbox.d365fo.state import D365State
from sandbox.d365fo.switches import D365Switches
from sandbox.d365fo.tables import Record
from sandbox.d365fo.values import fold

HEADERS, VIEW = "VendorInvoiceHeaders", "VendInvoiceInfoTableBiEntities"
#: The same columns in the set and in its view: text, enum, number, date, moment, and the keys.
COLUMNS = {
    HEADERS: ("dataAreaId", "HeaderReference", "Currency", "IsApproved", "ImportedAmount", "Date"),
    VIEW: ("dataAreaId", "TableRefId", "CurrencyCode", "Approved", "ImportedAmount", "TransDate"),
}
NO_YES = "Microsoft.Dynamics.DataEntities.NoYes"
CALLER = Caller("https://environment", page_size=4)
STATE = D365State(Clock(), D365Switches())

COMPANIES = ["usmf", "demf", "frrt"]
TEXTS = ["", "a", "A", "b", "a b", "ab", "B*", "é"]
DAYS = ["2026-01-01", "2026-01-02", "2026-01-03"]
HOURS = ["00:00:00Z", "12:00:00Z", "12:00:00.5Z", "23:59:59Z"]
LITERALS = (
    [f"'{text}'" for text in COMPANIES],
    [f"'{text}'" for text in ["", "1", "3", "10", "5*"]],
    [f"'{text}'" for text in [*TEXTS, "A ", "B"]],
    [f"{NO_YES}'No'", f"{NO_YES}'Yes'"],
    [str(number) for number in range(-3, 4)],
    [f"{day}T{hour}" for day, hour in product(DAYS, HOURS)],
)
ORDERED = ["eq", "ne", "ge", "gt", "le", "lt"]


@st.composite
def comparisons(draw: st.DrawFn, names: tuple[str, ...], columns: list[int]) -> str:
    column = draw(st.sampled_from(columns))
    operator = draw(st.sampled_from(["eq", "ne"] if column == 3 else ORDERED))
    sides = [names[column], draw(st.sampled_from(LITERALS[column]))]
    if draw(st.integers(0, 9)) == 0 and operator in ("eq", "ne"):
        sides.reverse()
    return f"{sides[0]} {operator} {sides[1]}"


def filters(names: tuple[str, ...], columns: list[int]) -> st.SearchStrategy[str]:
    leaves = comparisons(names, columns)
    odd = st.sampled_from(["ImportedAmount divby ImportedAmount eq 1", f"{names[3]} ne null"])
    return (
        leaves
        | odd
        | st.recursive(
            leaves,
            lambda inner: st.one_of(
                st.lists(inner, min_size=2, max_size=4).map(lambda x: f"({' or '.join(x)})"),
                st.lists(inner, min_size=2, max_size=3).map(lambda x: f"({' and '.join(x)})"),
                inner.map("not ({})".format),
            ),
            max_leaves=8,
        )
    )


@st.composite
def reads(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """An entity set and query options, about a few columns, so that filter and order meet."""
    name = draw(st.sampled_from([HEADERS, VIEW]))
    names = COLUMNS[name]
    columns = draw(st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True))
    way = st.sampled_from(["", " desc"])
    order = [names[column] for column in draw(st.permutations(columns))]
    order = order[: draw(st.integers(0, 3))]
    one = draw(st.booleans())
    first = draw(way)
    ways = [first if one else draw(way) for _ in order]
    options = {
        "$filter": draw(st.none() | filters(names, columns)),
        "$orderby": ",".join(map("".join, zip(order, ways, strict=True))),
        "$top": draw(st.none() | st.integers(0, 12).map(str)),
        "$skip": draw(st.none() | st.integers(0, 5).map(str)),
        "$count": draw(st.none() | st.just("true")),
        "$select": names[1],
        "cross-company": draw(st.sampled_from(["true", "false"])),
    }
    return name, {option: text for option, text in options.items() if text}


writes = st.tuples(
    st.sampled_from(["insert", "insert", "update", "delete", "insert into the view"]),
    st.tuples(
        st.sampled_from(COMPANIES),
        st.sampled_from(TEXTS),
        st.sampled_from(["No", "Yes"]),
        st.integers(-2, 2),
        st.sampled_from(DAYS),
    ),
    st.sampled_from([False, False, False, True]),
)


class _FailedError(Exception):
    pass


def write(state: D365State, number: int, kind: str, row: tuple[Any, ...], *, fails: bool) -> None:
    """One write, in a transaction that may fail afterwards."""
    columns = COLUMNS[VIEW if "view" in kind else HEADERS]
    values = dict(zip(columns[2:], row[1:], strict=True))
    stored = state.records(HEADERS)
    with suppress(_FailedError), state.store.transaction():
        if "insert" in kind or not stored:
            key = {columns[0]: row[0], columns[1]: str(number)}
            state.load({VIEW if "view" in kind else HEADERS: [key | values]})
        elif kind == "update":
            values["Date"] += "T12:00:00Z"
            state.update(HEADERS, stored[number % len(stored)], values)
        else:
            state.delete(HEADERS, stored[number % len(stored)])
        if fails:
            raise _FailedError


def scan(state: D365State, name: str, options: dict[str, str]) -> list[Record]:
    """Every row looked at, then sorted field by field. Raises ODataError."""
    entity = state.model.sets[name]
    records = state.records(name)
    if options["cross-company"] == "false":
        records = [item for item in records if item.values["dataAreaId"] == state.default_company]
    if "$filter" in options:
        holds = compile_filter(options["$filter"], entity, state.model)
        records = [item for item in records if holds(item.values)]
    for item in reversed(options["$orderby"].split(",") if "$orderby" in options else []):
        field, _, way = item.partition(" ")
        members = state.model.enums.get(entity.fields[field].type)
        records.sort(key=partial(_sorts_as, field, members), reverse=way == "desc")
    return records


def _sorts_as(field: str, members: Any, record: Record) -> Any:
    value = record.values[field]
    return members[value] if members else fold(value)


def etags(records: list[Record]) -> list[str]:
    return [record.etag for record in records]


def check(state: D365State, name: str, options: dict[str, str]) -> None:
    """Compare a page and the count with what a scan finds."""
    resource, given = Resource(state.model.sets[name]), list(options.items())
    try:
        wanted = scan(state, name, options)
    except ODataError as error:
        with pytest.raises(ODataError, match=error.message):
            read_collection(state, CALLER, resource, given)
        return
    assert read_count(state, resource, given) == len(wanted)
    body = read_collection(state, CALLER, resource, given)
    rest = wanted[int(options.get("$skip", 0)) :]
    found = [row["@odata.etag"] for row in body["value"]]
    assert found == etags(rest)[: len(found)]
    top = min(int(options.get("$top", len(rest))), len(rest))
    if "@odata.nextLink" in body:
        assert min(top, CALLER.page_size) - 1 <= len(found) < len(rest)
    else:
        assert len(found) == top
    assert body.get("@odata.count", len(wanted)) == len(wanted)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(writes, st.lists(reads(), max_size=3)), max_size=15))
def test_indexed_answers_are_those_of_a_scan(steps: list[Any]) -> None:
    STATE.reset()
    STATE.default_company = "usmf"
    for number, ((kind, row, fails), questions) in enumerate(steps):
        write(STATE, number, kind, row, fails=fails)
        for name, options in questions:
            check(STATE, name, options)


@settings(max_examples=150, deadline=None)
@given(st.lists(writes, min_size=8, max_size=25), st.lists(reads(), min_size=1, max_size=4))
def test_many_rows_answer_the_same_before_and_after_more_writes(
    steps: list[Any], questions: list[Any]
) -> None:
    STATE.reset()
    STATE.default_company = "usmf"
    for number, (kind, row, fails) in enumerate([*steps, *steps]):
        write(STATE, number, kind, row, fails=fails)
        if number % len(steps) == len(steps) - 1:
            for name, options in questions:
                check(STATE, name, options)


@pytest.mark.parametrize("name", [HEADERS, VIEW])
@pytest.mark.parametrize("column", range(6))
def test_every_comparison_in_every_order(name: str, column: int) -> None:
    STATE.reset()
    STATE.default_company = "usmf"
    rows = product(COMPANIES[:2], TEXTS[:4], ["No", "Yes"], [-1, 2], DAYS)
    for number, row in enumerate(rows):
        write(STATE, number, "insert", row, fails=False)
    field = COLUMNS[name][column]
    operators = ["eq", "ne"] if column == 3 else ORDERED
    orders = [field, f"{field} desc", f"dataAreaId,{field}", COLUMNS[name][1]]
    for operator, literal, order in product(operators, LITERALS[column], orders):
        where = {"$filter": f"{field} {operator} {literal}"}
        check(STATE, name, {**where, "$orderby": order, "cross-company": "true"})


def test_an_error_behind_the_page_is_still_one() -> None:
    STATE.reset()
    for number, amount in enumerate([1, 1, 0]):
        write(STATE, number, "insert", ("usmf", "a", "No", amount, DAYS[0]), fails=False)
    where = {"$filter": "ImportedAmount divby ImportedAmount eq 1", "cross-company": "true"}
    check(STATE, HEADERS, {**where, "$top": "1"})
    with pytest.raises(ODataError, match="divide by zero"):
        scan(STATE, HEADERS, where)
