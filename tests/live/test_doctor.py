"""The doctor: what is broken is named, with what to do, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from sandbox.d365fo.tokens import UNREGISTERED_CLIENT_ID
from sandbox.faults import Fault
from sandbox.seed import small_world
from sandbox.seed.builders import accounting_document, coding_row
from sandbox.server import Sandbox
from singer_delivery.examination import Verdict, skew
from singer_delivery.operator.cli import main
from target_basware.unmapped import KINDS
from target_d365fo.doctor import READ_BY

from tests.pipelines.shell import MAPPING
from tests.pipelines.test_least_rights import documented

Examined = Callable[..., dict[str, tuple[str, str, str]]]


@pytest.fixture
def examined(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Examined:
    """Run the doctor; return what it says by subject: verdict, words, remedy."""
    world = small_world()
    world.add(basware={"accountingDocuments": [accounting_document(number="DOCTOR-1")]})
    sandbox.load(world)
    monkeypatch.chdir(tmp_path)
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    for plugin in ("TARGET_D365FO", "TARGET_BASWARE"):
        monkeypatch.setenv(f"{plugin}_MAPPING_FILE", MAPPING)
        monkeypatch.setenv(f"{plugin}_MAX_ATTEMPTS", "1")

    def run(*, wrong: bool = False, **extra: str) -> dict[str, tuple[str, str, str]]:
        for name, value in extra.items():
            monkeypatch.setenv(name, value)
        result = CliRunner().invoke(main, ["doctor", "--format", "json"])
        assert result.exit_code == int(wrong), result.output
        return {
            f"{title}: {each['about']}": (each["verdict"], each["says"], each["remedy"])
            for title, findings in json.loads(result.stdout).items()
            for each in findings
        }

    return run


def test_a_tenant_that_is_ready(examined: Examined, sandbox: Sandbox) -> None:
    found = examined()
    assert {verdict for verdict, _, _ in found.values()} <= {"fine", "warning", "unknown"}
    for about in (
        "Basware: connection",
        "Basware: look-up of invoices",
        "Basware: scopes of masters",
        "Dynamics: rights for invoices",
        "Dynamics: dimension formats",
        "Dynamics: dimensions",
        "Dynamics: legal entities",
        "Dynamics: terms of payment",
        "Dynamics: clock",
    ):
        assert found[about][0] == "fine", found[about]
    assert found["Dynamics: manual numbers"][0] == "unknown"
    assert "lower and to a higher number" in found["Dynamics: manual numbers"][2]


def test_nothing_is_written(examined: Examined, sandbox: Sandbox, tmp_path: Path) -> None:
    examined()
    asked = [*sandbox.journal.requests("basware"), *sandbox.journal.requests("d365fo")]
    written = [each.path for each in asked if each.method != "GET"]
    assert set(written) == {"/v1/tokens"}
    assert list(tmp_path.iterdir()) == []


def test_what_mappings_do_not_know_is_listed(examined: Examined) -> None:
    found = examined()
    assert found["Basware: mapping of companies"][:2] == ("warning", "not in the mapping: 9000")
    assert "DE16" in found["Basware: mapping of taxCodes"][1]
    assert "45N" in found["Basware: mapping of paymentTerms"][1]


WAITING = "Basware: mapping of waiting "


def test_what_waits_is_held_against_the_mapping(examined: Examined, sandbox: Sandbox) -> None:
    found = examined()
    for kind in KINDS:
        assert found[f"{WAITING}{kind}"][0] == "fine", kind
    rows = [coding_row(net=1, tax_code="DE16", profitCenterCode="P1", cost_center="CC-01")]
    options = {"paymentMethod": "Wire", "invoiceTypeCode": "PREPAY", "payment_term": "45N"}
    sandbox.basware.load(
        {
            "accountingDocuments": [
                accounting_document(company="2000", number="GAPS", rows=rows, **options),
                accounting_document(company="9000", number="NOWHERE"),
            ]
        }
    )
    found = examined()
    for kind, code in {
        "companies": "9000",
        "taxCodes": "DE16 (demf)",
        "paymentTerms": "45N (demf)",
        "payment methods": "Wire (demf)",
        "invoice types": "PREPAY (demf)",
        "coding fields": "profitCenterCode (demf)",
    }.items():
        verdict, says, remedy = found[f"{WAITING}{kind}"]
        assert verdict == "warning"
        assert f"invoices use {code}, " in says
        assert "mapping.yml" in remedy


def test_without_invoices_that_wait_it_says_so(examined: Examined, sandbox: Sandbox) -> None:
    sandbox.load(small_world())
    assert examined()["Basware: mapping of what waits"][0] == "unknown"


def test_what_the_mapping_translates_to_has_to_exist(examined: Examined, tmp_path: Path) -> None:
    text = Path(MAPPING).read_text()
    for old, new in {
        "KGM: kg": "KGM: nokg",
        "currencies: {values: {}}": "currencies: {values: {X: NOC}}",
        "main_accounts: {field: accountCode, values: {}}": "main_accounts: {values: {X: '99'}}",
        "vendors: {field: supplierCode, values: {}}": "vendors: {values: {X: NOBODY}}",
        "import: costCenters}": "import: costCenters, values: {X: NO-CC, Y: CC-01}}",
        "Check: CHECK": "Check: NOCHECK",
        "2%D7": "9%D9",
        "  60N: Net60\n": "",
        "  Department: {coding": "  #",
        "[Department, ": "[",
    }.items():
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "mapping.yml"
    file.write_text(text)
    found = examined(TARGET_D365FO_MAPPING_FILE=str(file))
    for about, words in {
        "units": "nokg",
        "currencies": "NOC",
        "main accounts": "99",
        "vendors": "NOBODY",
        "dimension values": "names NO-CC (CostCenter), which",
        "methods of payment": "NOCHECK",
        "cash discounts": "9%D9",
        "terms of payment without a code": "Net60 (usmf)",
        "methods of payment without a code": "CHECK (usmf)",
        "dimensions without a coding field": "Department (usmf)",
    }.items():
        verdict, says, remedy = found[f"Dynamics: {about}"]
        assert verdict == "warning", about
        assert words in says, says
        assert "mapping.yml" in remedy
    assert found["Dynamics: dimensions"][0] == "fine"


def test_duplicate_policies_are_named(examined: Examined) -> None:
    found = examined()
    assert found["Dynamics: duplicate policy of usmf"][0] == "fine"
    verdict, says, remedy = found["Dynamics: duplicate policy of gbsi"]
    assert (verdict, says) == ("warning", "Dynamics accepts a number that was used")
    assert "Check the invoice number used" in remedy


@pytest.mark.parametrize(
    ("variable", "value", "about", "words"),
    [
        ("TARGET_BASWARE_CLIENT_SECRET", "plain:wrong-one", "Basware: connection", "client_secret"),
        ("TARGET_BASWARE_BASE_URL", "https://localhost:1", "Basware: connection", "localhost:1"),
        ("TARGET_D365FO_CLIENT_SECRET", "plain:wrong-one", "Dynamics: connection", "AADSTS7000215"),
        ("TARGET_D365FO_CLIENT_ID", UNREGISTERED_CLIENT_ID, "Dynamics: connection", "Entra"),
        ("TARGET_D365FO_BASE_URL", "https://localhost:1", "Dynamics: connection", "AADSTS50001"),
        ("TARGET_D365FO_BASE_URL", "http://contoso.com", "Dynamics: settings", "not encrypted"),
        ("TARGET_D365FO_TENANT_ID", "", "Dynamics: settings", "tenant_id"),
        ("TARGET_D365FO_CLIENT_SECRET", "vault:none", "Dynamics: settings", "vault"),
        ("TARGET_D365FO_MAPPING_FILE", "/nowhere.yml", "Dynamics: mapping", "cannot be read"),
        ("TARGET_BASWARE_MAPPING_FILE", "/nowhere.yml", "Basware: mapping", "cannot be read"),
    ],
)
def test_settings_that_are_wrong(
    examined: Examined, variable: str, value: str, about: str, words: str
) -> None:
    found = examined(wrong=True, **{variable: value})
    verdict, says, _ = found[about]
    assert verdict == "wrong"
    assert words in says
    assert "wrong-one" not in str(found)


def test_one_system_in_trouble_does_not_hide_the_other(examined: Examined) -> None:
    found = examined(wrong=True, TARGET_BASWARE_CLIENT_SECRET="plain:wrong-one")
    assert [about for about in found if about.startswith("Basware")] == ["Basware: connection"]
    assert found["Dynamics: rights for invoices"][0] == "fine"


def test_scopes_that_are_missing(examined: Examined, sandbox: Sandbox) -> None:
    granted = "accountingDocuments.read,accountingDocuments.write,vendors.write"
    sandbox.switches.set("basware.granted_scopes", granted)
    found = examined()
    assert found["Basware: scope requestStatus.read"][0] == "warning"
    verdict, says, remedy = found["Basware: scopes of masters"]
    assert verdict == "warning"
    assert "accounts.write" in says
    assert "vendors.write" not in says
    assert "Ask Basware" in remedy
    assert found["Basware: mapping of companies"][0] == "unknown"
    sandbox.switches.set("basware.granted_scopes", "accountingDocuments.read")
    found = examined(wrong=True)
    assert "accountingDocuments.write" in found["Basware: connection"][1]


def test_a_look_up_that_is_not_enabled(examined: Examined, sandbox: Sandbox) -> None:
    sandbox.switches.set("basware.status_enabled", False)
    verdict, _, remedy = examined()["Basware: look-up of invoices"]
    assert verdict == "warning"
    assert "enable accountingDocuments/status" in remedy


@pytest.mark.parametrize(
    ("entity_set", "flow", "verdict"),
    [
        ("VendorInvoiceLines", "invoices", "wrong"),
        ("VendSettlementBiEntities", "payments", "warning"),
        ("VendorsV3", "masters", "warning"),
    ],
)
def test_entity_sets_that_may_not_be_read(
    examined: Examined, sandbox: Sandbox, entity_set: str, flow: str, verdict: str
) -> None:
    sandbox.faults.add(Fault("d365fo", "status", path=f"/{entity_set}[?]", status=403, times=-1))
    found = examined(wrong=verdict == "wrong")[f"Dynamics: rights for {flow}"]
    assert found[0] == verdict
    assert f"not readable: {entity_set} (" in found[1]
    assert "Security configuration" in found[2]


def test_dimension_formats_that_are_not_active(examined: Examined, sandbox: Sandbox) -> None:
    sandbox.faults.add(
        Fault(
            "d365fo",
            "status",
            path="DimensionIntegrationFormats",
            status=200,
            body='{"value": []}',
            times=-1,
        )
    )
    found = examined(wrong=True)
    wrong = {about: words for about, words in found.items() if words[0] == "wrong"}
    assert set(wrong) <= {"Dynamics: dimension formats", "Dynamics: dimensions"}
    assert any("activate" in remedy or "add them" in remedy for _, _, remedy in wrong.values())


def test_a_mapping_that_names_what_is_not_there(examined: Examined, tmp_path: Path) -> None:
    file = tmp_path / "mapping.yml"
    text = Path(MAPPING).read_text().replace("usmf", "zzzz").replace("US-CA", "NO-SUCH")
    file.write_text(text.replace("CostCenter", "NoSuchDimension"))
    found = examined(wrong=True, TARGET_D365FO_MAPPING_FILE=str(file))
    assert found["Dynamics: legal entities"][0] == "wrong"
    assert "zzzz" in found["Dynamics: legal entities"][1]
    assert found["Dynamics: sales tax groups"][0] == "warning"
    assert "NO-SUCH" in found["Dynamics: sales tax groups"][1]
    assert found["Dynamics: dimensions"][0] == "wrong"
    assert "NoSuchDimension" in found["Dynamics: dimensions"][1]


def test_a_clock_that_is_wrong() -> None:
    assert skew(-30).verdict is Verdict.FINE
    finding = skew(3600)
    assert finding.verdict is Verdict.WRONG
    assert "3600 s ahead of" in finding.says
    assert "behind" in skew(-120).says


def test_the_sets_that_are_tried_are_those_documented() -> None:
    rights = documented()
    for names in READ_BY.values():
        assert all("read" in rights.get(name, ()) for name in names)


def test_the_text_shows_what_to_do(examined: Examined, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARGET_BASWARE_CLIENT_SECRET", "plain:wrong-one")
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0] == "Basware"
    assert lines[1].startswith("  WRONG    connection: ")
    assert "  ok       rights for invoices: all 6 entity sets are readable" in lines
    assert any(line.startswith("           -> ") for line in lines)
    assert lines[-1] == "1 wrong"
