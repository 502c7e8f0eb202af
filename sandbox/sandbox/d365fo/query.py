"""Reading: query options to rows, pages and counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sandbox.d365fo.errors import not_found, query_error
from sandbox.d365fo.filter_bounds import bounds_of, may_fail
from sandbox.d365fo.filter_compile import compile_node
from sandbox.d365fo.filter_syntax import parse
from sandbox.d365fo.resources import Options, entity_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.d365fo.filter_bounds import Bounds
    from sandbox.d365fo.filter_compile import Predicate
    from sandbox.d365fo.filter_syntax import Node
    from sandbox.d365fo.indexes import SetRows
    from sandbox.d365fo.model import EntitySet, Navigation
    from sandbox.d365fo.resources import Resource
    from sandbox.d365fo.state import D365State
    from sandbox.d365fo.tables import Record

_UNQUOTED = "$',()*:"
_KNOWN = frozenset({"$filter", "$count", "$orderby", "$skip", "$top", "$expand", "$select"})


@dataclass(frozen=True)
class Caller:
    """Where the request came in (`https://host:port`) and how its answer shall look."""

    base_url: str
    metadata: str = "minimal"  # odata.metadata of the Accept header: none, minimal, full
    page_size: int = 10_000


@dataclass
class Query:
    """Parsed query options. `cross_company` False: only the default company is seen."""

    filter: Node | None = None
    predicate: Predicate | None = None  # what `filter` means
    order: list[tuple[str, bool]] = field(default_factory=list)  # field, descending
    select: list[str] = field(default_factory=list)
    expand: list[Navigation] = field(default_factory=list)
    top: int | None = None
    skip: int = 0
    count: bool = False
    cross_company: bool = False


def is_cross_company(options: Options) -> bool:
    """Whether the URL asks for all companies of the user."""
    return any(name == "cross-company" and text.lower() == "true" for name, text in options)


def parse_query(state: D365State, entity: EntitySet, options: Options) -> Query:
    """Query options of a read. Raises ODataError 400 for what F&O refuses."""
    _refuse_unknown(options)
    given = dict(options)
    query = Query(cross_company=is_cross_company(options))
    query.top = _number(given, "$top")
    query.skip = _number(given, "$skip") or 0
    query.count = given.get("$count", "false").lower() == "true"
    if "$filter" in given:
        query.filter = parse(given["$filter"])
        query.predicate = compile_node(query.filter, entity, state.model)
    query.order = [_order_item(entity, item) for item in _list(given, "$orderby")]
    query.select = [_selected(entity, name) for name in _list(given, "$select") if name != "*"]
    query.expand = [_expanded(entity, name) for name in _list(given, "$expand")]
    return query


def read_entity(
    state: D365State, caller: Caller, resource: Resource, options: Options
) -> dict[str, Any]:
    """One entity by its key; in another company than the default one only with cross-company."""
    query = parse_query(state, resource.entity, options)
    record = state.find_key(resource.entity.name, resource.key or {})
    if record is None or not _visible(state, resource.entity, query, record):
        raise not_found()
    body = render(state, caller, query, resource.entity, record)
    return _with_context(caller, _context(resource.entity, query) + "/$entity", body)


def entity_body(
    state: D365State, caller: Caller, entity: EntitySet, record: Record
) -> dict[str, Any]:
    """A whole entity, as the answer to a write shows it."""
    body = render(state, caller, Query(), entity, record)
    return _with_context(caller, f"{entity.name}/$entity", body)


def read_count(state: D365State, resource: Resource, options: Options) -> int:
    """How many rows match, all pages together."""
    return len(_matching(state, resource.entity, parse_query(state, resource.entity, options)))


def read_collection(
    state: D365State, caller: Caller, resource: Resource, options: Options
) -> dict[str, Any]:
    """One page of rows, with a link to the next when there is more."""
    entity = resource.entity
    query = parse_query(state, entity, options)
    page = caller.page_size if query.top is None else min(query.top, caller.page_size)
    records = _matching(state, entity, query, None if query.count else query.skip + page + 1)
    rest = records[query.skip :]
    size = _page_rows(query, caller.page_size, len(rest))
    body: dict[str, Any] = {"@odata.count": len(records)} if query.count else {}
    body["value"] = [render(state, caller, query, entity, record) for record in rest[:size]]
    if _continues(query, caller.page_size) and size < len(rest):
        body["@odata.nextLink"] = _next_link(caller, entity, options, query, size)
    return _with_context(caller, _context(entity, query), body)


def render(
    state: D365State, caller: Caller, query: Query, entity: EntitySet, record: Record
) -> dict[str, Any]:
    """A row as JSON: annotations, then keys, then the other fields."""
    values = record.values
    row: dict[str, Any] = {}
    if caller.metadata == "full":
        location = f"{caller.base_url}/data/{entity_path(entity, values)}"
        row |= {"@odata.type": f"#{entity.full_type_name}", "@odata.id": location}
    if caller.metadata != "none":
        row["@odata.etag"] = record.etag
    if query.select:
        row |= {name: values[name] for name in query.select}
    else:
        row |= values
    for navigation in query.expand:
        row[navigation.name] = _related(state, caller, query, navigation, record)
    return row


def _related(
    state: D365State, caller: Caller, query: Query, navigation: Navigation, record: Record
) -> list[dict[str, Any]] | dict[str, Any] | None:
    target = state.model.sets[navigation.target]
    # The two sides are joined on the key of the "one" side, named alike in both.
    names = navigation.join or target.keys
    plain = Query(cross_company=query.cross_company)
    rows = [
        render(state, caller, plain, target, related)
        for related in state.find(target.name, **{name: record.values[name] for name in names})
        if _visible(state, target, query, related)
    ]
    return rows if navigation.many else next(iter(rows), None)


def _visible(state: D365State, entity: EntitySet, query: Query, record: Record) -> bool:
    if query.cross_company or not entity.per_company:
        return True
    return record.values["dataAreaId"] == state.default_company


def _matching(
    state: D365State, entity: EntitySet, query: Query, limit: int | None = None
) -> list[Record]:
    """The rows asked for in their order; more than `limit` need not be found."""
    with state.store.lock:
        rows = state.set_rows(entity.name)
        whole = query.filter is not None and may_fail(query.filter)
        company = "" if query.cross_company or not entity.per_company else state.default_company
        node = None if whole else query.filter
        bounds = bounds_of(node, entity, state.model, company=company)
        order = _Order.of(query)
        few = _with_values(rows, bounds, order, None if whole else limit)
        candidates = order.walk(rows, bounds) if few is None else few
        found = (
            record
            for record in candidates
            if _visible(state, entity, query, record)
            and (query.predicate is None or query.predicate(record.values))
        )
        if few is None and order.complete:
            return list(islice(found, None if whole else limit))
        return _sorted(rows, query, list(found))


@dataclass(frozen=True)
class _Order:
    """The order in which rows are walked; not `complete` where it is not the one asked for."""

    fields: tuple[str, ...]
    descending: bool
    complete: bool

    @classmethod
    def of(cls, query: Query) -> _Order:
        directions = {descending for _, descending in query.order}
        if len(directions) > 1:
            return cls((), descending=False, complete=False)
        fields = tuple(name for name, _ in query.order)
        return cls(fields, descending=True in directions, complete=True)

    def walk(self, rows: SetRows, bounds: Bounds) -> Iterator[Record]:
        return rows.within(self.fields, bounds.spans(self.fields), descending=self.descending)

    def width(self, rows: SetRows, bounds: Bounds) -> int:
        return rows.width(self.fields, bounds.spans(self.fields), descending=self.descending)


def _with_values(
    rows: SetRows, bounds: Bounds, order: _Order, limit: int | None
) -> list[Record] | None:
    """The rows that have one of the values the filter names; None where walking costs less."""
    wanted = bounds.equalities()
    if wanted is None or all(set(names) <= set(order.fields[: len(names)]) for names in wanted):
        return None
    count, width = rows.count(wanted), order.width(rows, bounds)
    # A walk comes past `limit` matches after some limit * width / count rows.
    enough = width if limit is None else min(width, limit * width // max(1, count))
    return rows.equal(wanted) if count < enough else None


def _sorted(rows: SetRows, query: Query, records: list[Record]) -> list[Record]:
    for name, descending in reversed(query.order):
        key = partial(rows.sort_key, fields=(name,))
        records = sorted(records, key=key, reverse=descending)
    return records


def _continues(query: Query, page_size: int) -> bool:
    """Whether a page may be followed by another: not when `$top` asked for less than a page.

    The server's own links carry `$skip` and, when the client gave no `$top`, the page size as
    `$top`; so a `$top` of exactly one page goes on too.
    """
    return query.top is None or query.top >= page_size


def _page_rows(query: Query, page_size: int, available: int) -> int:
    wanted = available if query.top is None else min(query.top, available)
    size = min(wanted, page_size)
    if query.top is not None and query.top - size == page_size and size > 1:
        return size - 1  # else the rest would look like the server's own endless `$top`
    return size


def _next_link(caller: Caller, entity: EntitySet, options: Options, query: Query, size: int) -> str:
    endless = query.top is None or query.top == caller.page_size
    top = caller.page_size if endless else (query.top or 0) - size
    kept = [(name, text) for name, text in options if name not in ("$skip", "$top")]
    kept += [("$skip", str(query.skip + size)), ("$top", str(top))]
    text = "&".join(f"{name}={quote(value, safe=_UNQUOTED)}" for name, value in kept)
    return f"{caller.base_url}/data/{entity.name}?{text}"


def _with_context(caller: Caller, context: str, body: dict[str, Any]) -> dict[str, Any]:
    if caller.metadata == "none":
        return body
    return {"@odata.context": f"{caller.base_url}/data/$metadata#{context}", **body}


def _context(entity: EntitySet, query: Query) -> str:
    fields = ",".join([*query.select, *(f"{nav.name}()" for nav in query.expand)])
    return f"{entity.name}({fields})" if fields else entity.name


def _refuse_unknown(options: Options) -> None:
    seen: set[str] = set()
    for name, text in options:
        if name == "$format" and text in ("json", "application/json"):
            continue
        if name.startswith("$") and name not in _KNOWN:
            raise query_error(f"The query parameter '{name}' is not supported.")
        if name in seen and name in _KNOWN:
            raise query_error(f"Query option '{name}' was specified more than once.")
        seen.add(name)


def _number(given: dict[str, str], name: str) -> int | None:
    if name not in given:
        return None
    if not given[name].isdecimal():
        msg = f"Invalid value '{given[name]}' for {name} query option found."
        raise query_error(msg)
    return int(given[name])


def _list(given: dict[str, str], name: str) -> Sequence[str]:
    if name not in given:
        return []
    items = [item.strip() for item in given[name].split(",")]
    if "" in items:
        raise query_error(f"The value of the query option '{name}' is malformed.")
    return items


def _order_item(entity: EntitySet, item: str) -> tuple[str, bool]:
    name, *direction = item.split()
    if direction not in ([], ["asc"], ["desc"]):
        raise query_error(f"Syntax error in '$orderby': '{item}'.")
    return _selected(entity, name), direction == ["desc"]


def _selected(entity: EntitySet, name: str) -> str:
    if name not in entity.fields:
        msg = f"Could not find a property named '{name}' on type '{entity.full_type_name}'."
        raise query_error(msg)
    return name


def _expanded(entity: EntitySet, name: str) -> Navigation:
    navigation = entity.navigations.get(name)
    if navigation is None:  # nested options and nested $expand end here as well
        msg = f"Could not find a property named '{name}' on type '{entity.full_type_name}'."
        raise query_error(msg)
    return navigation
