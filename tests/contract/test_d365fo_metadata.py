"""Every entity set, field and value that we exchange with Dynamics is in its `$metadata`.

The exchanges are those of a real delivery of the demo's invoices; the document is a tenant's.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from defusedxml import ElementTree
from sandbox.d365fo.multipart import Changeset, boundary_of, parse_batch
from sandbox.journal import Exchange
from sandbox.seed import demo_world
from sandbox.server import Sandbox
from target_d365fo.target import TargetD365FO

from tests.contract.plugins import messages, settings
from tests.reference import METADATA, reference_text

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"
NAMESPACE = "Microsoft.Dynamics.DataEntities."
#: `field operator value` in a filter; names of enum types and string contents are taken out first.
OPERAND = re.compile(r"\b([A-Za-z_]\w*) (?:eq|ne|gt|ge|lt|le)\b")


@dataclass(frozen=True)
class Model:
    """Entity sets with their properties' types, and enums with their members."""

    sets: dict[str, dict[str, str]]
    enums: dict[str, set[str]]


@pytest.fixture(scope="module")
def model() -> Model:
    root = ElementTree.fromstring(reference_text(METADATA).encode())
    types = {
        entity.get("Name"): {
            field.get("Name"): field.get("Type") for field in entity.iter(f"{EDM}Property")
        }
        for entity in root.iter(f"{EDM}EntityType")
    }
    return Model(
        sets={
            entity_set.get("Name"): types[entity_set.get("EntityType").removeprefix(NAMESPACE)]
            for entity_set in root.iter(f"{EDM}EntitySet")
        },
        enums={
            enum.get("Name"): {member.get("Name") for member in enum.iter(f"{EDM}Member")}
            for enum in root.iter(f"{EDM}EnumType")
        },
    )


@pytest.fixture(scope="module")
def exchanges(
    sandbox_server: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Exchange]]:
    """A delivery of the demo's invoices, in one transaction each and then line by line."""
    seen: list[Exchange] = []
    for mode in ("derived", "number_sequence"):
        sandbox_server.reset()
        world = demo_world(invoices=40)
        sandbox_server.load(world)
        directory = tmp_path_factory.mktemp(mode)
        config = {
            **settings(sandbox_server, "target-d365fo", directory),
            "header_reference": mode,
        }
        records = messages("accounting_documents", "invoiceId", world.documents())
        with contextlib.redirect_stdout(io.StringIO()):
            TargetD365FO(config=config).listen(records)
        seen += sandbox_server.journal.requests("d365fo")
    yield seen
    sandbox_server.reset()


@dataclass(frozen=True)
class Use:
    """One use of an entity set: a URL and, for writes, a body."""

    method: str
    url: str
    body: bytes

    @property
    def entity_set(self) -> str:
        return urlsplit(self.url).path.split("/data/")[-1].split("(")[0].split("/")[0]

    @property
    def options(self) -> dict[str, str]:
        pairs = [part.partition("=") for part in urlsplit(self.url).query.split("&") if part]
        return {unquote(name): unquote(value.replace("+", " ")) for name, _, value in pairs}


def uses(exchanges: list[Exchange]) -> Iterator[Use]:
    """Return every use, those inside batches included."""
    for exchange in exchanges:
        if not exchange.path.endswith("/$batch"):
            yield Use(exchange.method, exchange.raw_path, exchange.body)
            continue
        boundary = boundary_of(exchange.headers["content-type"])
        assert boundary
        for part in parse_batch(exchange.body, boundary):
            for operation in part.operations if isinstance(part, Changeset) else (part,):
                yield Use(operation.method, operation.target, operation.body)


def entity_uses(exchanges: list[Exchange]) -> list[Use]:
    return [use for use in uses(exchanges) if use.entity_set and "$" not in use.entity_set]


def test_reads_and_writes_are_seen(exchanges: list[Exchange]) -> None:
    seen = {(use.method, use.entity_set) for use in entity_uses(exchanges)}
    assert {
        ("POST", "VendorInvoiceHeaders"),
        ("POST", "VendorInvoiceLines"),
        ("GET", "VendorInvoiceHeaders"),
        ("GET", "VendInvoiceJourBiEntities"),
        ("GET", "DimensionIntegrationFormats"),
        ("GET", "DimensionParameters"),
    } <= seen


def test_every_entity_set_exists(exchanges: list[Exchange], model: Model) -> None:
    assert {use.entity_set for use in entity_uses(exchanges)} <= set(model.sets)


def test_every_field_that_a_read_names_exists(exchanges: list[Exchange], model: Model) -> None:
    unknown = []
    for use in entity_uses(exchanges):
        named = set(filter(None, use.options.get("$select", "").split(",")))
        named |= {part.split()[0] for part in use.options.get("$orderby", "").split(",") if part}
        literals_out = re.sub(r"'(?:[^']|'')*'", "''", use.options.get("$filter", ""))
        named |= set(OPERAND.findall(literals_out))
        unknown += [f"{use.entity_set}.{name}" for name in named - set(model.sets[use.entity_set])]
    assert unknown == []


def test_every_field_that_a_write_sets_exists_with_that_type(
    exchanges: list[Exchange], model: Model
) -> None:
    problems = []
    for use in entity_uses(exchanges):
        if use.method not in {"POST", "PATCH"}:
            continue
        for name, value in json.loads(use.body, parse_float=Decimal).items():
            kind = model.sets[use.entity_set].get(name)
            if name.startswith("@odata"):
                continue
            if kind is None or not fits(value, kind, model):
                problems.append(f"{use.entity_set}.{name}: {value!r} for {kind}")
    assert problems == []


def fits(value: Any, kind: str, model: Model) -> bool:
    """Tell whether a JSON value can be of an Edm type."""
    match kind:
        case "Edm.String":
            return isinstance(value, str)
        case "Edm.Decimal" | "Edm.Double":
            return isinstance(value, int | Decimal) and not isinstance(value, bool)
        case "Edm.Int32" | "Edm.Int64":
            return isinstance(value, int) and not isinstance(value, bool)
        case "Edm.DateTimeOffset":
            return bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(value)))
        case "Edm.Boolean":
            return isinstance(value, bool)
        case _:
            return value in model.enums[kind.removeprefix(NAMESPACE)]
