"""The command line: settings, connection check, errors in words."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from ap_mapping import load_mapping
from click.testing import CliRunner, Result
from sandbox.seed.builders import accounting_document
from singer_delivery.errors import AccessDenied, DeliveryError, SetupError, Unavailable
from target_d365fo.sources import basware_source, canonical_source
from target_d365fo.target import TargetD365FO

from tests.readme_settings import ROOT, assert_current
from tests.target_d365fo.conftest import Dynamics, messages


def run(dynamics: Dynamics, *arguments: str, text: str = "", **settings: Any) -> Result:
    file = dynamics.directory / "config.json"
    file.write_text(json.dumps(dynamics.config(**settings)))
    return CliRunner().invoke(
        TargetD365FO.cli, ["--config", str(file), *arguments], input=text, catch_exceptions=False
    )


def test_the_settings_table_is_current() -> None:
    assert_current("target-d365fo")


def test_every_setting_has_a_title_and_a_description() -> None:
    properties = TargetD365FO.config_jsonschema["properties"]
    for name, schema in properties.items():
        if not name.startswith(("stream_map", "faker", "flatten")):
            assert schema.get("title"), name
            assert schema.get("description"), name
    assert properties["client_secret"]["secret"]
    assert properties["ledger_url"]["secret"]


def test_the_readme_tells_about_both_invoice_streams() -> None:
    text = (ROOT / "target-d365fo" / "README.md").read_text(encoding="utf-8")
    assert "`accounting_documents`" in text
    assert "`vendor_invoices`" in text
    assert f"`{canonical_source().key_field}`" in text


def test_the_connection_check_names_what_it_saw_and_writes_nothing(dynamics: Dynamics) -> None:
    found = dynamics.target().check_connection()

    assert "ledger dimension format MainAccount" in found
    assert "mapping for usmf, demf, gbsi, jpmf" in found
    methods = {request.split()[0] for request in dynamics.requests("/data")}
    assert methods == {"GET"}


def test_the_connection_check_of_meltano_writes_nothing(dynamics: Dynamics) -> None:
    text = messages("meltano_test_stream", [{"id": 1}], ["id"])

    dynamics.target().listen(io.StringIO(text))

    assert dynamics.headers() == []


@pytest.mark.parametrize(
    ("settings", "kind", "text"),
    [
        ({"client_secret": "wrong"}, AccessDenied, "the client secret is wrong"),
        ({"tenant_id": "00000000-0000-0000-0000-000000000000"}, DeliveryError, "tenant"),
        ({"base_url": "https://contoso.example"}, SetupError, "is not a Dynamics host"),
        ({"header_reference_prefix": "bw-"}, SetupError, "use up to 8 capital letters or digits"),
        ({"mapping_file": "/nowhere.yml"}, SetupError, "Give the path of mapping.yml"),
        ({"dimension_delimiter": "/"}, SetupError, "dimension delimiter '/' is none of"),
    ],
)
def test_what_is_set_wrong_is_said_before_anything_is_sent(
    dynamics: Dynamics, settings: dict[str, Any], kind: type[DeliveryError], text: str
) -> None:
    error = dynamics.deliver(accounting_document(), expect=kind, **settings)

    assert text in error
    assert "entra-secret" not in error
    assert dynamics.headers() == []


def test_an_unreachable_environment_is_told_with_its_address(dynamics: Dynamics) -> None:
    error = dynamics.deliver(
        accounting_document(),
        base_url="https://localhost:1",
        scope=f"{dynamics.sandbox.d365fo_url}/.default",
        max_attempts=1,
        expect=Unavailable,
    )

    assert "https://localhost:1/data" in error
    assert "check the address" in error


def test_a_malformed_mapping_is_told_with_file_and_line(dynamics: Dynamics, tmp_path: Path) -> None:
    file = tmp_path / "mapping.yml"
    file.write_text("version: 1\ncompanies: {1000: {legal_entity: usmf}}\ncompannies: {}\n")

    error = dynamics.deliver(accounting_document(), expect=SetupError, mapping_file=str(file))

    assert "mapping.yml, line 3" in error


def test_a_field_that_only_the_mapping_knows_is_told_before_it_rejects_everything(
    dynamics: Dynamics, tmp_path: Path
) -> None:
    file = tmp_path / "mapping.yml"
    file.write_text(
        "version: 1\ncompanies: {1000: {legal_entity: usmf}}\n"
        "line: {fields: {LineComment: '{text1}'}}\n"
    )

    error = dynamics.deliver(accounting_document(), expect=SetupError, mapping_file=str(file))

    assert "mapping.yml, line.fields:" in error
    assert "LineComment" in error


def test_without_an_invoice_dynamics_is_asked_nothing_not_even_for_a_token(
    dynamics: Dynamics,
) -> None:
    state = dynamics.deliver()

    assert "accounting_documents" in state
    assert list(dynamics.sandbox.journal.requests()) == []


def test_a_malformed_mapping_ends_a_run_without_invoices_too(
    dynamics: Dynamics, tmp_path: Path
) -> None:
    file = tmp_path / "mapping.yml"
    file.write_text("version: 1\n")

    assert "companies" in dynamics.deliver(expect=SetupError, mapping_file=str(file))


def test_a_schema_that_is_none_stands_in_nobodys_way(dynamics: Dynamics) -> None:
    dynamics.deliver(accounting_document(), schema={"properties": {"invoiceId": {"type": "text"}}})

    assert len(dynamics.headers()) == 1


def test_posted_invoices_that_are_not_shown_name_the_setting(dynamics: Dynamics) -> None:
    dynamics.fault(
        "status",
        path="VendInvoiceJourBiEntities",
        status=404,
        body=json.dumps({"error": {"message": "Resource not found for the segment 'X'."}}),
        times=-1,
    )

    error = dynamics.deliver(accounting_document(), expect=SetupError)

    assert "set posted_lookup to false" in error
    dynamics.deliver(accounting_document(), posted_lookup=False)
    assert len(dynamics.headers()) == 1


def test_on_the_command_line_errors_are_one_line_and_exit_code_one(dynamics: Dynamics) -> None:
    result = run(dynamics, text="garbage\n")

    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_test_on_the_command_line(dynamics: Dynamics) -> None:
    assert run(dynamics, "--test").exit_code == 0
    assert run(dynamics, "--test", client_secret="wrong").exit_code == 1
    assert dynamics.headers() == []


def test_a_garbled_line_costs_that_line_only(dynamics: Dynamics) -> None:
    text = messages("accounting_documents", [accounting_document()], ["invoiceId"])
    lines = text.splitlines(keepends=True)
    target = dynamics.target()

    with pytest.raises(DeliveryError, match="1 unreadable input line"):
        target.listen(io.StringIO("".join([lines[0], '{"type": "RECO\n', *lines[1:]])))

    assert len(dynamics.headers()) == 1


def test_logs_name_the_document_and_no_content(
    dynamics: Dynamics, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    document = accounting_document(supplierBankIBAN="DE02120300000000202051")

    dynamics.deliver(document)

    [record] = [r for r in caplog.records if r.getMessage().startswith("invoice INV-1")]
    assert "delivered as BW" in record.getMessage()
    assert record.__dict__["document_legal_entity"] == "usmf"
    assert "DE02" not in str([r.__dict__ for r in caplog.records])


def test_a_source_knows_what_to_answer_even_for_a_record_that_is_no_invoice() -> None:
    facts = basware_source(load_mapping(ROOT / "mapping.yml")).facts(
        {"companyCode": "1000", "grossSum": {"no": "number"}, "paymentBlock": "maybe"}
    )

    assert facts["legal_entity"] == "usmf"
    assert facts["payment_block"] is False
