from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sandbox.server import Sandbox
from singer_delivery.document import Entry, Status
from singer_delivery.errors import DeliveryError
from target_basware.target import TargetBasware

STREAM = "transfer_outcomes"


@dataclass
class Run:
    """One run of the target: what it wrote, how it ended, and what its ledger knows."""

    states: list[dict[str, Any]] = field(default_factory=list)
    error: DeliveryError | None = None
    entries: dict[str, Entry] = field(default_factory=dict)

    def status(self, key: str) -> Status:
        return self.entries[key].status

    def reason(self, key: str) -> str:
        return self.entries[key].reason


@pytest.fixture
def config(sandbox: Sandbox, tmp_path: Path) -> dict[str, Any]:
    return {
        "base_url": sandbox.basware_url,
        "client_id": "basware-client",
        "client_secret": "basware-secret",
        "ca_file": str(sandbox.ca_file),
        "ledger_url": f"sqlite:///{tmp_path}/ledger.db",
        "max_attempts": 2,
        "read_back_wait_seconds": 0,
        "confirm_wait_seconds": 0,
    }


@pytest.fixture
def make_target(config: dict[str, Any]) -> Iterator[Callable[..., TargetBasware]]:
    made: list[TargetBasware] = []

    def make(**settings: Any) -> TargetBasware:
        made.append(TargetBasware(config={**config, **settings}))
        return made[-1]

    yield make
    for target in made:
        for client in target._clients.values():
            client.session.close()
        if "ledger" in vars(target):
            target.ledger.close()


@pytest.fixture
def deliver(make_target: Callable[..., TargetBasware]) -> Callable[..., Run]:
    """Give outcomes to the target; a DeliveryError ends the run and is kept."""

    def run(*outcomes: dict[str, Any], stream: str = STREAM, **settings: Any) -> Run:
        target, written, result = make_target(**settings), io.StringIO(), Run()
        schema = {
            "type": "SCHEMA",
            "stream": stream,
            "schema": {"properties": {"document_id": {"type": "string"}}},
            "key_properties": ["document_id"],
        }
        records = [{"type": "RECORD", "stream": stream, "record": each} for each in outcomes]
        state = {"type": "STATE", "value": {"seen": len(outcomes)}}
        lines = "".join(json.dumps(message) + "\n" for message in (schema, *records, state))
        with redirect_stdout(written):
            try:
                target.listen(io.StringIO(lines))
            except DeliveryError as error:
                result.error = error
        result.states = [json.loads(line) for line in written.getvalue().splitlines()]
        keys = [str(each.get("document_id")) for each in outcomes]
        result.entries = target.ledger.lookup("transfer_responses", keys)
        return result

    return run


def outcome(key: str = "i1", *, success: bool = True, **more: Any) -> dict[str, Any]:
    voucher = {"voucher_number": f"V-{key}"} if success else {}
    return {
        "document_id": key,
        "sequence": 1,
        "version": "2026-01-01T00:00:00Z",
        "success": success,
        "message": "Transferred to usmf" if success else "Vendor 10045 is on hold",
        "transfer_date": "2026-01-31T12:00:00Z",
        "source_system": "D365FO",
        "payment_block": False,
        "legal_entity": "usmf",
        **voucher,
        **more,
    }


@pytest.fixture(name="outcome")
def outcome_fixture() -> Callable[..., dict[str, Any]]:
    return outcome


@pytest.fixture
def invoices(sandbox: Sandbox) -> Callable[..., None]:
    """Put invoices with these ids into Basware."""

    def put(*ids: str, **fields: Any) -> None:
        base = {"companyCode": "1000", "supplierCode": "S1", "currencyCode": "EUR"}
        read = {"lastUpdated": outcome()["version"]}  # nothing has changed since
        documents = [{"invoiceId": each, **base, **read, **fields} for each in ids]
        sandbox.basware.load({"accountingDocuments": documents})

    return put


Streams = Mapping[str, Sequence[dict[str, Any]]]


@dataclass
class MasterRun:
    """One run of the target over master data."""

    target: TargetBasware
    states: list[dict[str, Any]] = field(default_factory=list)
    error: DeliveryError | None = None

    def entry(self, resource: str, key: str) -> Entry:
        return self.target.ledger.lookup(resource, [key])[key]

    def status(self, resource: str, key: str) -> Status:
        return self.entry(resource, key).status

    def reason(self, resource: str, key: str) -> str:
        return self.entry(resource, key).reason


def key_of(stream: str) -> list[str]:
    return {"companies": ["companyCode"], "lists": ["listKey", "externalCode"]}.get(
        stream, ["externalCode"]
    )


def messages(
    streams: Streams,
    *,
    complete: Iterable[str] = (),
    keys: Mapping[str, list[str]] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the Singer messages of whole streams; all SCHEMAs first, a record of each in turn."""
    for stream, records in streams.items():
        names = (keys or {}).get(stream, key_of(stream))
        fields = dict.fromkeys([*names, *(name for record in records for name in record)])
        properties: dict[str, Any] = {name: {} for name in fields}
        yield {
            "type": "SCHEMA",
            "stream": stream,
            "schema": {"properties": properties},
            "key_properties": names,
        }
    for row in itertools.zip_longest(*streams.values()):
        for stream, record in zip(streams, row, strict=True):
            if record is not None:
                yield {"type": "RECORD", "stream": stream, "record": record, "version": 1}
    for stream in complete:
        yield {"type": "ACTIVATE_VERSION", "stream": stream, "version": 1}
    yield {"type": "STATE", "value": {"seen": sum(map(len, streams.values()))}}


@pytest.fixture
def feed(make_target: Callable[..., TargetBasware]) -> Callable[..., MasterRun]:
    """Give streams of master data to the target; `complete` names those that came whole."""

    def run(
        streams: Streams,
        *,
        complete: Iterable[str] = (),
        keys: Mapping[str, list[str]] | None = None,
        **settings: Any,
    ) -> MasterRun:
        settings = {"confirm_wait_seconds": 10, **settings}
        result, written = MasterRun(make_target(**settings)), io.StringIO()
        text = "".join(
            json.dumps(message) + "\n"
            for message in messages(streams, complete=complete, keys=keys)
        )
        with redirect_stdout(written):
            try:
                result.target.listen(io.StringIO(text))
            except DeliveryError as error:
                result.error = error
        result.states = [json.loads(line) for line in written.getvalue().splitlines()]
        return result

    return run
