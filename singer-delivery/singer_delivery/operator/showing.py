"""The commands `show` and `payload`: one document with its whole history in plain words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click
import simplejson
from sqlalchemy import Connection, Row, select

from singer_delivery import payloads as kept
from singer_delivery.errors import DeliveryError
from singer_delivery.operator.access import Desk
from singer_delivery.operator.filters import Filter
from singer_delivery.operator.listing import facts
from singer_delivery.operator.masking import Mask
from singer_delivery.operator.options import mask_option
from singer_delivery.operator.parcels import latest_payloads, record_of
from singer_delivery.operator.queries import (
    Listed,
    chunks,
    covers,
    family,
    history,
    named,
)
from singer_delivery.operator.rendering import moment, plain
from singer_delivery.operator.story import BY_PEOPLE, short, told
from singer_delivery.redaction import mask_ibans
from singer_delivery.schema import payloads, runs


@click.command()
@click.argument("name", metavar="KEY|NUMBER")
@click.option("--payload", is_flag=True, help="With the kept records, bank accounts masked.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@mask_option
@click.pass_obj
def show(desk: Desk, name: str, *, payload: bool, as_json: bool, masked: tuple[str, ...]) -> None:
    """Show a document with its whole history: the invoice, its response, its payments.

    Times are UTC. A number in front of a line is that of the event in the audit trail.
    """
    with desk.reading() as connection:
        members = _members(connection, name)
        rows = history(connection, (member.place for member in members))
        kept_rows = _kept(connection, members)
        known_runs = _runs(connection, {row.run_id for row in rows if row.run_id})
    first = {(row.system, row.stream, row.key): row.number for row in reversed(rows)}
    members = sorted(members, key=lambda member: (first.get(member.place, 0), member.place))
    records = _records(desk, kept_rows, Mask(masked)) if payload else {}
    if as_json:
        click.echo(_as_json(members, rows, kept_rows, records))
        return
    for line in _documents(members, kept_rows):
        click.echo(line)
    click.echo("History (times in UTC)")
    for line in _history(rows, several=len(members) > 1):
        click.echo(f"  {line}")
    for line in _of_runs(rows, known_runs):
        click.echo(line)
    for digest, record in records.items():
        click.echo(f"Payload {short(digest)}")
        click.echo(record if isinstance(record, str) else _pretty(record))


@click.command()
@click.argument("name", metavar="KEY|NUMBER")
@click.option("--stream", default="", metavar="S", help="Kind: vendor_invoices, …")
@click.option("--system", default="", metavar="URL-PART", help="Part of the address.")
@mask_option
@click.pass_obj
def payload(desk: Desk, name: str, *, stream: str, system: str, masked: tuple[str, ...]) -> None:
    """Print the record that a document was last received as, to be edited for `replay --edit`.

    Bank accounts are masked; where they are left as they are printed, `replay` puts them back.
    """
    chosen = Filter(stream=stream, system=system)
    with desk.reading() as connection:
        found = [one for one in named(connection, name) if covers(chosen, one)]
        digests = latest_payloads(connection, (one.place for one in found))
    with_payload = [one for one in found if digests[one.place]] or found
    if len(with_payload) != 1:
        which = "; ".join(f"{one.stream} {one.key}" for one in with_payload)
        words = f"names {len(found)} documents ({which}): add --stream" if found else "is not known"
        msg = f"{plain(name)} {words}"
        raise DeliveryError(msg)
    [one] = with_payload
    digest = digests[one.place]
    loaded = kept.load(desk.engine, *one.place, digest) if digest else None
    record, _ = record_of(loaded, str(one))
    click.echo(_pretty(Mask(masked).value(record)))


def _members(connection: Connection, name: str) -> list[Listed]:
    found = sorted(named(connection, name), key=lambda one: one.place)
    if not found:
        msg = f"no document has the key or the number {plain(name)}"
        raise DeliveryError(msg)
    # Of one number, an invoice and its payments are one family; two vendors' invoices are two.
    related = family(connection, found[:1])
    others = [one for one in found if one.place not in {member.place for member in related}]
    if others:
        which = "; ".join(
            f"{one.key} ({one.stream}, {' '.join(filter(None, (one.entity, one.vendor)))})"
            for one in found
        )
        msg = f"{plain(name)} is the number of several documents, show one of them: {plain(which)}"
        raise DeliveryError(msg)
    return related


def _kept(connection: Connection, members: Sequence[Listed]) -> list[Row[Any]]:
    """Return what is known of kept records, without their content, oldest first."""
    places = {member.place for member in members}
    names = ("system", "stream", "key", "digest", "source", "received_at", "erased_at")
    columns = [payloads.c[name] for name in names]
    rows: list[Row[Any]] = []
    for system, stream in sorted({place[:2] for place in places}):
        keys = sorted(key for where, kind, key in places if (where, kind) == (system, stream))
        for chunk in chunks(keys):
            query = select(*columns).where(
                payloads.c.system == system,
                payloads.c.stream == stream,
                payloads.c.key.in_(chunk),
            )
            rows += connection.execute(query.order_by(payloads.c.received_at))
    return rows


def _runs(connection: Connection, names: Iterable[str]) -> dict[str, Row[Any]]:
    return {
        row.run_id: row
        for chunk in chunks(sorted(names))
        for row in connection.execute(select(runs).where(runs.c.run_id.in_(chunk)))
    }


def _records(desk: Desk, rows: Iterable[Row[Any]], mask: Mask) -> dict[str, Any]:
    """Return the masked records by digest; a word for those that are erased."""
    found: dict[str, Any] = {}
    for row in rows:
        loaded = kept.load(desk.engine, row.system, row.stream, row.key, row.digest)
        gone = loaded is None or loaded.record is None
        found[row.digest] = "erased" if gone else mask.value(loaded.record if loaded else None)
    return found


# In words


def _documents(members: Sequence[Listed], kept_rows: Sequence[Row[Any]]) -> list[str]:
    lines = []
    for member in members:
        lines.append(plain(f"{member} — {member.status.replace('_', ' ')}"))
        lines += [f"  {plain(mask_ibans(fact))}" for fact in _facts(member) if fact]
        for row in kept_rows:
            if (row.system, row.stream, row.key) == member.place:
                lines.append(f"  {_payload(row)}")
        lines.append("")
    return lines


def _facts(member: Listed) -> list[str]:
    business = (
        ("legal entity", member.entity),
        ("vendor", member.vendor),
        ("number", member.number),
        ("amount", member.amount),
    )
    return [
        f"key {member.key}, for {member.system}",
        ", ".join(f"{name} {value}" for name, value in business if value),
        f"known there as {member.remote_key}" if member.remote_key else "",
        f"because: {member.reason}" if member.reason else "",
        f"last change {moment(member.at)}, sent {member.attempts} time(s)" if member.at else "",
    ]


def _payload(row: Row[Any]) -> str:
    state = f"erased {moment(row.erased_at)}" if row.erased_at else "kept"
    return f"payload {row.digest} from {row.source}, received {moment(row.received_at)}, {state}"


def _history(rows: Sequence[Row[Any]], *, several: bool) -> list[str]:
    wide = len(str(rows[-1].number)) if rows else 1
    kinds = max((len(row.stream) for row in rows), default=0)
    return [
        "  ".join(
            (
                f"{row.number:>{wide}}",
                moment(row.at),
                *((f"{row.stream:<{kinds}}",) if several else ()),
                _told(row) + _by_run(row),
            )
        )
        for row in rows
    ] or ["nothing is recorded of it: it is older than the audit trail"]


def _told(row: Row[Any]) -> str:
    detail = json.loads(row.detail)
    return told(row.kind, detail, system=row.system, payload=row.payload, actor=row.actor)


def _by_run(row: Row[Any]) -> str:
    return f"  [run {short(row.run_id)}]" if row.run_id and row.kind not in BY_PEOPLE else ""


def _of_runs(rows: Sequence[Row[Any]], known: dict[str, Row[Any]]) -> list[str]:
    told_of = dict.fromkeys(row.run_id for row in rows if row.run_id in known)
    lines = [
        f"  {short(run)}  "
        + plain(
            f"{known[run].plugin or 'a plugin'} by {known[run].actor or 'somebody'}"
            f" on {known[run].host.split()[0]}, from {moment(known[run].started_at)} to "
            f"{moment(known[run].ended_at) or 'an end that is not known'}"
        )
        for run in told_of
    ]
    return ["Runs", *lines] if lines else []


# For programs


def _as_json(
    members: Sequence[Listed],
    rows: Sequence[Row[Any]],
    kept_rows: Sequence[Row[Any]],
    records: dict[str, Any],
) -> str:
    about = [
        {
            **facts(member),
            "payloads": [
                {
                    "digest": row.digest,
                    "source": row.source,
                    "received_at": row.received_at,
                    "erased_at": row.erased_at,
                    **({"record": records[row.digest]} if row.digest in records else {}),
                }
                for row in kept_rows
                if (row.system, row.stream, row.key) == member.place
            ],
        }
        for member in members
    ]
    happened = [
        {
            "number": row.number,
            "at": row.at,
            "system": row.system,
            "stream": row.stream,
            "key": row.key,
            "kind": row.kind,
            "run_id": row.run_id,
            "actor": row.actor,
            "payload": row.payload,
            "words": _told(row),
            "detail": json.loads(row.detail),
        }
        for row in rows
    ]
    return _pretty({"documents": about, "events": happened})


def _pretty(value: Any) -> str:
    exact: str = simplejson.dumps(value, use_decimal=True, indent=2, ensure_ascii=False)
    return exact
