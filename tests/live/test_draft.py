"""`draft-mapping`: from what both systems have to a mapping.yml that delivers."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import simplejson
from ap_mapping import MappingError, load_mapping, parse_mapping, problems_of
from click.testing import CliRunner, Result
from sandbox.faults import Fault
from sandbox.seed import World, small_world
from sandbox.seed.builders import accounting_document
from sandbox.seed.demo import demo_world
from sandbox.server import Sandbox
from singer_delivery.operator.cli import main
from target_d365fo.target import TargetD365FO

ROOT = Path(__file__).parents[2]
Drafted = Callable[..., Result]
#: What a person writes into the gaps of the demo: lines that are taken out are None.
ANSWERS = {
    "companies.9000": None,
    "dimensions.BusinessUnit.import": "lists/ACC_LIST_1",
    "dimensions.Department.import": "lists/ACC_LIST_2",
    "tax_codes.DE16": None,
    "payment_terms.45N": None,
    "invoice_types.PREPAY": None,
    "masters.countries.USA": "US",
    "masters.countries.DEU": "DE",
    "masters.countries.GBR": "GB",
    "masters.countries.JPN": "JP",
}


@pytest.fixture
def drafted(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Drafted:
    """Run draft-mapping in a folder of its own, with the sandbox's settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    for plugin in ("TARGET_D365FO", "TARGET_BASWARE"):
        monkeypatch.setenv(f"{plugin}_MAX_ATTEMPTS", "1")

    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["draft-mapping", *arguments])
        assert result.exit_code == code, result.output
        return result

    return run


def small_demo(*, basware_masters: bool) -> World:
    return demo_world(invoices=80, vendors=60, basware_masters=basware_masters)


def filled(file: Path) -> None:
    """Fill the gaps in, as their comments say."""
    lines = file.read_text(encoding="utf-8").splitlines()
    for problem in problems_of(file):
        assert problem.line
        answer = ANSWERS[problem.path]
        line = lines[problem.line - 1]
        lines[problem.line - 1] = "#" if answer is None else line.replace("!gap", answer)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def delivered(sandbox: Sandbox, mapping: Path, documents: list[dict[str, Any]]) -> set[str]:
    """Deliver documents with a mapping; return the descriptions of what Dynamics has then."""
    config = {
        "base_url": sandbox.d365fo_url,
        "authority": sandbox.entra_url,
        "tenant_id": "11111111-2222-3333-4444-555555555555",
        "client_id": "99999999-8888-7777-6666-555555555555",
        "client_secret": "entra-secret",
        "ca_file": str(sandbox.ca_file),
        "ledger_url": f"sqlite:///{mapping.parent}/ledger.db",
        "mapping_file": str(mapping),
        "read_back_wait_seconds": 0,
    }
    target = TargetD365FO(config=config)
    schema: dict[str, Any] = {"properties": {}}
    stream = "accounting_documents"
    lines: list[dict[str, Any]] = [
        {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": ["invoiceId"]},
        *({"type": "RECORD", "stream": stream, "record": each} for each in documents),
    ]
    text = "".join(simplejson.dumps(line, use_decimal=True) + "\n" for line in lines)
    with redirect_stdout(io.StringIO()):
        target.listen(io.StringIO(text))
    target.ledger.close()
    return {row["InvoiceDescription"] for row in sandbox.d365fo.rows("VendorInvoiceHeaders")}


@pytest.mark.parametrize("basware_masters", [False, True])
def test_a_draft_with_its_gaps_filled_delivers_the_demo(
    drafted: Drafted, sandbox: Sandbox, tmp_path: Path, basware_masters: bool
) -> None:
    world = small_demo(basware_masters=basware_masters)
    sandbox.load(world)

    drafted()

    file = tmp_path / "mapping.yml"
    with pytest.raises(MappingError, match="is a gap, to be filled in"):
        load_mapping(file)
    filled(file)
    waiting = [d for d in world.documents() if d["processingStatus"] == "WaitingForTransfer"]
    there = delivered(sandbox, file, waiting)
    expected = {f"Basware {d['invoiceId']}" for d in world.documents(outcome="delivered")}
    assert there == expected


def test_both_are_only_read_and_the_file_alone_is_written(
    drafted: Drafted, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.load(small_world())
    drafted()
    asked = [*sandbox.journal.requests("basware"), *sandbox.journal.requests("d365fo")]
    assert {each.path for each in asked if each.method != "GET"} == {"/v1/tokens"}
    assert len(asked) < 80
    assert {each.name for each in tmp_path.iterdir()} == {"mapping.yml", "cache"}


def test_what_basware_lists_is_matched_without_invoices(
    drafted: Drafted, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.load(small_world())
    drafted()
    text = (tmp_path / "mapping.yml").read_text()
    assert "  DE19: {sales_tax_group: DE-DOM, item_sales_tax_group: FULL}\n" in text
    assert '  7D2-NT30: {term: Net30, cash_discount: "2%D7"}\n' in text
    assert "# demf: both are 19 %, no other pair is\n" in text
    assert "      30N: 30D\n" in text
    paths = [problem.path for problem in problems_of("mapping.yml")]
    assert "companies.9000" in paths
    assert "payment_terms.45N" in paths
    assert "dimensions.Department" in paths  # no invoice tells which field carries it
    assert "  CostCenter:\n    # the same name; no invoice that was read has a value\n" in text
    assert text.index("  1000: ") < text.index("  2000: ") < text.index("  9000: ")
    assert "mapping.schema.json" in text.splitlines()[0]


def test_codes_of_dynamics_where_basware_has_none(
    drafted: Drafted, sandbox: Sandbox, tmp_path: Path
) -> None:
    world = small_world(("usmf",))
    companies = world.basware["companies"]
    world.basware.clear()
    world.add(basware={"companies": companies[:1]})
    sandbox.load(world)
    drafted()
    text = (tmp_path / "mapping.yml").read_text().replace("USA: !gap", "USA: US")
    text = text.replace("import: !gap", "import: null").replace("!gap", "{coding_field: x}")
    mapping = parse_mapping(text)
    entity = mapping.for_legal_entity("usmf")
    assert entity.payment_term("Net30") == "Net30"
    assert entity.tax_groups("CAST725").sales_tax_group == "US-CA"


def test_no_companies_at_all_is_a_gap(drafted: Drafted, sandbox: Sandbox) -> None:
    world = small_world(("usmf",))
    world.basware.clear()
    sandbox.load(world)
    text = drafted("--output", "-").stdout
    with pytest.raises(MappingError, match="companies: is a gap"):
        parse_mapping(text)


def test_a_file_that_is_there_is_not_overwritten(
    drafted: Drafted, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "mapping.yml"
    file.write_text("mine")
    result = drafted(code=1)
    assert "--onto mapping.yml adds to it" in result.output
    assert file.read_text() == "mine"
    assert not sandbox.journal.requests("basware")
    sandbox.load(small_world())
    drafted("--force")
    assert "companies:" in file.read_text()


def test_a_mapping_that_is_there_is_kept_and_added_to(
    drafted: Drafted, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.load(small_demo(basware_masters=True))
    file = tmp_path / "mapping.yml"
    mine = (ROOT / "mapping.yml").read_text(encoding="utf-8")
    less = mine.replace("  DE07: {sales_tax_group: DE-DOM, item_sales_tax_group: RED}\n", "")
    less = less.replace("HUR: hr, ", "").replace("  4000: {legal_entity: jpmf}\n", "")
    file.write_text(less.replace("  jpmf:\n", "#"))
    file.write_text(less[: less.index("  jpmf:\n    tax_codes")])
    before = file.read_text()

    result = drafted("--onto", "mapping.yml")

    text = file.read_text()
    lines = iter(text.splitlines())
    kept = [line for line in before.splitlines() if not line.startswith("units")]
    assert all(line in lines for line in kept)
    assert "units: {values: {H87: ea, KGM: kg, HUR: hr}}\n" in text
    assert "  DE07: {sales_tax_group: DE-DOM, item_sales_tax_group: RED}\n" in text
    assert "  4000: {legal_entity: jpmf}\n" in text
    gaps = [each.path for each in problems_of(file)]
    assert gaps == ["companies.9000", "tax_codes.DE16", "payment_terms.45N", "invoice_types.PREPAY"]
    assert "4 gaps" in result.stderr

    drafted("--onto", "mapping.yml")
    assert file.read_text().count("\n") == text.count("\n")


def test_sections_that_would_close_a_mapping_are_not_added(
    drafted: Drafted, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.load(small_demo(basware_masters=True))
    file = tmp_path / "mine.yml"
    file.write_text("version: 1\ncompanies:\n  1000: {legal_entity: usmf}\n")
    result = drafted("--onto", "mine.yml", "--output", "-")
    assert "payment_methods" not in result.stdout
    assert "invoice_types" not in result.stdout
    assert (
        "note: invoice_types is left out, as your mapping has it: all codes pass" in result.stderr
    )
    assert file.read_text().count("\n") == 3


def test_what_may_not_be_read_is_told(drafted: Drafted, sandbox: Sandbox) -> None:
    world = small_world()
    world.add(basware={"accountingDocuments": [accounting_document(number="DRAFT-1")]})
    sandbox.load(world)
    sandbox.switches.set(
        "basware.granted_scopes", "accountingDocuments.read,accountingDocuments.write"
    )
    sandbox.faults.add(Fault("d365fo", "status", path="/PaymentTerms[?]", status=403, times=-1))
    result = drafted("--output", "-")
    assert "# taxCodes of Basware could not be read, so invoices alone tell" in result.stdout
    assert "note: PaymentTerms of Dynamics could not be read" in result.stderr
    assert "  # GAP: usmf: it is due after 30 days, no term" in result.stdout


def test_errors_are_words(drafted: Drafted, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("a: [")
    result = drafted("--onto", "mine.yml", code=1)
    assert "Traceback" not in result.output
    config = tmp_path / "basware.json"
    config.write_text(json.dumps({"base_url": "https://localhost:1"}))
    result = drafted("--config", "target-basware=basware.json", code=1)
    assert "no credentials: set client_id" in result.output
