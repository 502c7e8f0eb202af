"""Which streams there are, and what they look like."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.errors import AccessDenied, DeliveryError, SetupError
from tap_d365fo.curated import CURATED
from tap_d365fo.discovery import COMPOSED, ORDER
from tap_d365fo.tap import TapD365FO

from .tap_run import discover, run, select


@pytest.fixture
def config(config: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    return {
        **config,
        "metadata_cache": str(tmp_path / "metadata"),
        "ledger_url": f"sqlite:///{tmp_path}/ledger.db",
    }


def names(catalog: dict[str, Any]) -> list[str]:
    return [stream["tap_stream_id"] for stream in catalog["streams"]]


def properties(catalog: dict[str, Any], name: str) -> dict[str, Any]:
    (stream,) = (s for s in catalog["streams"] if s["tap_stream_id"] == name)
    return dict(stream["schema"]["properties"])


def forget(config: dict[str, Any], *entity_sets: str, **fields: str) -> None:
    """Take entity sets out of what is known of $metadata; give VendorsV3 other fields."""
    (file,) = Path(config["metadata_cache"]).iterdir()
    kept = json.loads(file.read_text())
    for entity_set in entity_sets:
        del kept["sets"][entity_set]
    vendor = kept["sets"]["VendorsV3"]
    declared = json.loads(kept["types"][vendor])
    declared["properties"] |= fields
    kept["types"][vendor] = json.dumps(declared)
    file.write_text(json.dumps(kept))


def test_what_is_offered_in_the_order_that_works(config: dict[str, Any]) -> None:
    found = names(discover(config))

    assert found[: len(ORDER)] == list(ORDER)
    assert found[-1] == "transfer_outcomes"
    assert set(found) == {c.name for c in CURATED} | set(COMPOSED) | {"transfer_outcomes"}
    assert len(found) == len(set(found))


def test_the_metadata_is_asked_for_once(config: dict[str, Any], environment: Sandbox) -> None:
    discover(config)
    discover(config)
    run(config, select(discover(config), "vendor_groups"))

    assert asked(environment, "metadata") == 1


def asked(environment: Sandbox, pattern: str) -> int:
    return sum(
        bool(re.search(pattern, request.path)) for request in environment.journal.requests("d365fo")
    )


def test_types_are_those_of_the_metadata(config: dict[str, Any]) -> None:
    discover(config)
    forget(config, Custom_ES="Edm.Int64", Odd="Other.Type", Blob="Edm.Binary")

    catalog = discover(config)
    vendors = properties(catalog, "vendors")
    rates = properties(catalog, "exchange_rates")

    assert vendors["dataAreaId"] == {"type": "string"}
    assert vendors["VendorGroupId"] == {"type": ["string", "null"]}
    assert vendors["Custom_ES"] == {"type": ["integer", "null"]}
    assert vendors["Odd"] == {"type": ["string", "null"]}
    assert vendors["OnHoldStatus"]["description"].startswith("One of No, ")
    assert rates["Rate"] == {"type": ["number", "null"]}
    assert rates["StartDate"] == {"type": "string", "format": "date-time"}
    assert "BankAccounts" in vendors


def test_a_set_that_is_missing_costs_its_stream_and_one_line(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    discover(config)
    forget(config, "VendSettlementBiEntities", "VendorGroups")

    with caplog.at_level(logging.INFO):
        found = names(discover(config))

    assert not {"vendor_groups", "vendor_settlements", "vendor_payments"} & set(found)
    lines = [r.getMessage() for r in caplog.records if "is not offered" in r.getMessage()]
    assert sorted(lines) == [
        "Stream vendor_groups is not offered: the environment has no VendorGroups",
        "Stream vendor_payments is not offered: the environment has no VendSettlementBiEntities",
        "Stream vendor_settlements is not offered: the environment has no VendSettlementBiEntities",
    ]


def test_without_its_change_feed_a_stream_is_read_whole(
    config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    discover(config)
    forget(config, "VendTableBiEntities")
    catalog = select(discover(config), "vendors")
    first = run(config, catalog)

    with caplog.at_level(logging.INFO):
        second = run(config, catalog, first.state)

    assert len(second.records("vendors")) == 60
    assert second.activated == ["vendors"]
    assert "vendors is read whole in every run: the environment has no VendTableBiEntities" in (
        caplog.text
    )


def test_any_other_entity_set_is_offered_when_it_is_asked_for(
    config: dict[str, Any], environment: Sandbox
) -> None:
    environment.d365fo.load({"UnitsOfMeasure": [{"UnitSymbol": "ea"}, {"UnitSymbol": "kg"}]})
    config["entity_sets"] = ["UnitsOfMeasure", "Fiscal*", "VendorG*"]

    catalog = discover(config)
    output = run(config, select(catalog, "UnitsOfMeasure"))

    assert set(names(catalog)) - set(names(discover(config | {"entity_sets": []}))) == {
        "UnitsOfMeasure",
        "FiscalPeriods",
        "FiscalCalendars",
        "FiscalCalendarYears",
    }
    assert [record["UnitSymbol"] for record in output.records("UnitsOfMeasure")] == ["ea", "kg"]
    # A catalog may come from a time when the setting was there.
    again = run(config | {"entity_sets": []}, select(catalog, "UnitsOfMeasure"))
    assert len(again.records("UnitsOfMeasure")) == 2


def test_a_set_that_is_asked_for_and_not_there_is_named(config: dict[str, Any]) -> None:
    with pytest.raises(SetupError, match="did you mean UnitsOfMeasure"):
        discover(config | {"entity_sets": ["unitsofmeasure"]})


def test_a_selected_stream_that_the_environment_lost_is_named(config: dict[str, Any]) -> None:
    catalog = select(discover(config), "vendor_groups", "vendors")
    forget(config, "VendorGroups")

    with pytest.raises(SetupError, match=r"stream vendor_groups is selected .* no entity set Vend"):
        run(config, catalog)
    renamed = json.loads(json.dumps(catalog).replace("vendor_groups", "nonsense"))
    with pytest.raises(SetupError, match="stream nonsense is selected"):
        run(config, renamed)


def test_a_field_that_the_environment_lost_is_not_asked_for(config: dict[str, Any]) -> None:
    discover(config)
    forget(config, Custom_ES="Edm.Int64")
    catalog = select(discover(config), "vendors")
    (file,) = Path(config["metadata_cache"]).iterdir()
    file.unlink()

    output = run(config, catalog)

    assert len(output.records("vendors")) == 60
    assert "Custom_ES" not in output.records("vendors")[0]


def test_the_outcomes_ask_the_environment_nothing(
    config: dict[str, Any], environment: Sandbox
) -> None:
    catalog = select(discover(config), "transfer_outcomes")
    (file,) = Path(config["metadata_cache"]).iterdir()
    file.unlink()
    before = asked(environment, "")

    run(config, catalog)
    TapD365FO(config=config).sync_all()

    assert asked(environment, "") == before
    assert not file.exists()


def test_the_check_reads_every_selected_stream(config: dict[str, Any]) -> None:
    tap = TapD365FO(config=config, catalog=select(discover(config), "vendors", "vendor_groups"))

    lines = tap.check_connection()

    assert lines[0].endswith("first legal entity demf")
    assert "vendors: VendorsV3, VendTableBiEntities readable" in lines
    assert "vendor_groups: VendorGroups readable" in lines


def test_the_check_names_what_may_not_be_read(config: dict[str, Any], environment: Sandbox) -> None:
    catalog = select(discover(config), "vendors", "vendor_groups", "tax_codes")
    for entity_set in ("VendorGroups", "TaxCodes"):
        environment.faults.add(Fault("d365fo", "status", path=entity_set, status=403, times=-1))

    with pytest.raises(AccessDenied) as caught:
        TapD365FO(config=config, catalog=catalog).check_connection()

    assert "vendor_groups: GET" in str(caught.value)
    assert "tax_codes: GET" in str(caught.value)
    assert "vendors:" not in str(caught.value)
    assert "privilege to view these data entities" in str(caught.value)


def test_a_metadata_document_that_cannot_be_had_is_said(
    config: dict[str, Any], environment: Sandbox
) -> None:
    environment.faults.add(Fault("d365fo", "status", path="metadata", status=403, times=-1))

    with pytest.raises(DeliveryError, match="403"):
        discover(config)
