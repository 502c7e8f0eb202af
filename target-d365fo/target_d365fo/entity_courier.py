"""Delivering the records of any stream to an entity set: created, changed, or left as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from singer_delivery.courier import Courier
from singer_delivery.dispatch import Dispatch
from singer_delivery.document import HELD, Document, Entry, Outcome, Status, fingerprint
from singer_delivery.errors import BadInput, InDoubt
from tap_d365fo import odata
from tap_d365fo.client import D365Client
from tap_d365fo.errors import BusinessRefusal, is_duplicate_key

from target_d365fo.compare import Row, changes, digest
from target_d365fo.entity_rules import EntityRules
from target_d365fo.operations import part
from target_d365fo.payload import check_texts

#: Longer keys are replaced by their hash, to fit into the ledger.
MAX_KEY = 200
#: Detail for `read_back` alone.
CONTENT = "_content"
LOST = (
    "the answer to its creation was lost, and Dynamics gave it a key that we do not know; look for "
    "it in Dynamics, and if it is not there, send it under another key"
)


@dataclass(frozen=True)
class EntityPlan:
    """Create the row, or change these fields of the row that is there."""

    change: Row | None = None


class EntityCourier(Courier):
    """F&O has no upsert: one read for the batch tells which rows are there."""

    def __init__(
        self,
        client: D365Client,
        rules: EntityRules,
        stream: str,
        key_properties: Sequence[str] = (),
    ) -> None:
        """`key_properties` identify a record whose entity key F&O will only give it."""
        self.stream = stream
        self._client = client
        self._rules = rules
        self._key_properties = key_properties

    def prepare(self, record: Row) -> Document:
        """Turn a record into a row; raises Rejected."""
        row = self._rules.row(record)
        check_texts(row, "correct it where the record comes from")
        rules = self._rules
        key = rules.key(row) if rules.mode == "create" else rules.required_key(row)
        written = {name: row[name] for name in rules.keys} if key else {}
        return Document(
            key=_short(written) if key else self._record_key(record),
            payload=row,
            fingerprint=fingerprint(row),
            natural_key=json.dumps(_identity(key), default=str) if key else "",
            remote_key=_words(written),
            label=f"{rules.entity.name} {_words(written) or self._record_key(record)}",
            detail={
                "entity_set": rules.entity.name,
                "key": {name: str(value) for name, value in written.items()},
                "legal_entity": row.get("dataAreaId"),
                CONTENT: {"fields": list(row), "digest": digest([(row, row)])},
            },
        )

    def identify(self, record: Row) -> Document:
        """Return what can be told of a record that is no row; raises BadInput without key."""
        key = self._record_key(record)
        return Document(
            key=key,
            payload=None,
            fingerprint=fingerprint(record),
            label=f"{self._rules.entity.name} {key}",
            detail={"entity_set": self._rules.entity.name},
        )

    def _record_key(self, record: Row) -> str:
        """Return the record's own key; without key properties, the record is its own."""
        values = {name: record.get(name) for name in self._key_properties}
        missing = [name for name, value in values.items() if value in (None, "")]
        if missing:
            msg = f"a record of stream {self.stream} has no {', '.join(missing)}, which is its key"
            raise BadInput(msg)
        return _short(values) if values else fingerprint(record)

    def survey(
        self, batch: Sequence[Document], known: Mapping[str, Entry]
    ) -> Mapping[str, Outcome | EntityPlan]:
        """Read the rows of the batch, and compare each with what would be sent."""
        keys = {document.key: self._rules.key(document.payload) for document in batch}
        fields = {name for document in batch for name in document.payload}
        stored = self._read([key for key in keys.values() if key], sorted(fields))
        return {
            document.key: self._decide(document, keys[document.key], stored, known)
            for document in batch
        }

    def _read(
        self, keys: Sequence[Mapping[str, Any]], fields: Sequence[str]
    ) -> dict[tuple[Any, ...], Row]:
        names = self._rules.keys
        rows = self._client.lookup(
            self._rules.entity.name,
            keys,
            select=tuple(dict.fromkeys((*names, *fields))),
            orderby=names,
        )
        return {tuple(odata.comparable(row[name]) for name in names): row for row in rows}

    def _decide(
        self,
        document: Document,
        key: Mapping[str, Any] | None,
        stored: Mapping[tuple[Any, ...], Row],
        known: Mapping[str, Entry],
    ) -> Outcome | EntityPlan:
        mode = self._rules.mode
        if key is None:
            return _by_ledger(document, known.get(document.key))
        row = stored.get(_identity(key))
        if row is None and mode == "update":
            return Outcome(Status.REJECTED, f"{document} does not exist; create it in Dynamics")
        if row is None:
            return EntityPlan()
        change = changes(row, document.payload)
        if not change:
            return Outcome(Status.UNCHANGED, remote_key=document.remote_key)
        if mode == "create":
            return Outcome(
                Status.REJECTED,
                f"{document} is already there with other values in {', '.join(change)}",
            )
        return EntityPlan(change)

    def send(self, document: Document, plan: EntityPlan) -> Outcome:
        """Create or change the row; returns REJECTED with the infolog's words."""
        entity = self._rules.entity.name
        try:
            if plan.change is None:
                created = self._client.create(entity, document.payload)
                names = {name: created.get(name) for name in self._rules.keys}
                return Outcome(Status.DELIVERED, remote_key=_words(names))
            key = self._rules.required_key(document.payload)
            self._client.update(entity, key, plan.change)
        except BusinessRefusal as refusal:
            if plan.change is None and is_duplicate_key(refusal.problem):
                msg = f"Dynamics says that {document} is already there"
                raise InDoubt(msg, request_id=refusal.request_id) from None
            reason = refusal.problem.text
            return Outcome(Status.REJECTED, reason, request_id=refusal.request_id or "")
        return Outcome(Status.DELIVERED, remote_key=document.remote_key)

    def dispatch(self, document: Document, plan: EntityPlan | None = None) -> Dispatch:
        """Return what `send` would put on the wire."""
        entity = self._rules.entity.name
        if plan is None or plan.change is None:
            made = self._client.creation(entity, document.payload)
        else:
            key = self._rules.required_key(document.payload)
            made = self._client.change(entity, key, plan.change)
        return Dispatch((part(made),))

    def read_back(self, entries: Sequence[Entry]) -> Mapping[str, Outcome]:
        """Return the rows that have exactly the values that were sent.

        A row whose key F&O gives out cannot be found again: it is rejected rather than sent twice.
        """
        keyed = {
            entry.key: key
            for entry in entries
            if entry.detail.get("key") and (key := self._rules.key(entry.detail["key"]))
        }
        fields = {name for e in entries for name in e.detail.get(CONTENT, {}).get("fields", ())}
        known = sorted(fields & set(self._rules.entity.properties))
        stored = self._read(list(keyed.values()), known)
        held = {
            entry.key: Outcome(Status.DELIVERED, remote_key=entry.remote_key)
            for entry in entries
            if entry.key in keyed
            and (row := stored.get(_identity(keyed[entry.key])))
            and digest([(entry.detail[CONTENT]["fields"], row)]) == entry.detail[CONTENT]["digest"]
        }
        lost = Outcome(Status.REJECTED, LOST, detail={"lost": True})
        return held | {entry.key: lost for entry in entries if entry.key not in keyed}


def _by_ledger(document: Document, entry: Entry | None) -> Outcome | EntityPlan:
    """Judge a record whose key F&O gives out: only the ledger can tell whether it was created."""
    if entry and entry.detail.get("lost"):
        return Outcome(Status.REJECTED, LOST, detail={"lost": True})
    if entry is None or entry.status not in HELD:
        return EntityPlan()
    if entry.fingerprint == document.fingerprint:
        return Outcome(Status.UNCHANGED, remote_key=entry.remote_key)
    return Outcome(
        Status.REJECTED,
        f"{document} was created before as {entry.remote_key}, and has changed since; send its "
        "key in Dynamics to change it there",
    )


def _identity(key: Mapping[str, Any] | None) -> tuple[Any, ...]:
    return tuple(odata.comparable(value) for value in (key or {}).values())


def _words(key: Mapping[str, Any]) -> str:
    return ",".join(str(value) for value in key.values() if value is not None)


def _short(key: Mapping[str, Any]) -> str:
    text = json.dumps([str(value) for value in key.values()], ensure_ascii=False)
    return text if len(text) <= MAX_KEY else fingerprint(text)
