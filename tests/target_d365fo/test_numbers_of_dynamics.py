"""A number that Dynamics gave to a header is one of one legal entity, and perhaps not for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sandbox.seed.builders import accounting_document, coding_row
from target_d365fo.payload import header_reference, is_derived

from tests.target_d365fo.conftest import ROOT, Dynamics

MODES = ("derived", "number_sequence")


def invoice(net: str = "100.00", **options: Any) -> dict[str, Any]:
    """The same document in one of its versions."""
    named = {"number": "INV-1", "invoice_id": "b77c1f00d", **options}
    return accounting_document(rows=[coding_row(net=net)], **named)


def another(**options: Any) -> dict[str, Any]:
    """A document of another legal entity."""
    named = {"company": "2000", "number": "INV-2", "invoice_id": "f00d0b77c", **options}
    return accounting_document(rows=[coding_row(net="70.00")], **named)


@pytest.fixture
def unnamed(tmp_path: Path) -> str:
    """A mapping whose descriptions name no document."""
    file = tmp_path / "unnamed.yml"
    text = (ROOT / "mapping.yml").read_text("utf-8")
    file.write_text(text.replace('"Basware {invoiceId}"', '"From Basware"'), "utf-8")
    return str(file)


def by_entity(dynamics: Dynamics) -> dict[str, str]:
    return {row["dataAreaId"]: row["HeaderReference"] for row in dynamics.headers()}


def delete_header(dynamics: Dynamics, reference: str) -> None:
    """A clerk deletes a draft."""
    state = dynamics.sandbox.d365fo
    for name in ("VendorInvoiceLines", "VendorInvoiceHeaders"):
        for record in state.records(name):
            if record.values["HeaderReference"] == reference:
                state.delete(name, record)


def enter_by_hand(dynamics: Dynamics, reference: str, **fields: Any) -> None:
    """A clerk enters an invoice that has nothing to do with Basware."""
    row = {
        "dataAreaId": "usmf",
        "HeaderReference": reference,
        "InvoiceAccount": "US-0002",
        "InvoiceNumber": "BY-HAND",
        "InvoiceDescription": "Rent",
        **fields,
    }
    dynamics.sandbox.d365fo.load({"VendorInvoiceHeaders": [row]})


@pytest.mark.parametrize("then", MODES)
@pytest.mark.parametrize("number", ["INV-1", "INV-1b"])
def test_the_same_number_in_another_legal_entity_is_another_invoice(
    dynamics: Dynamics, number: str, then: str
) -> None:
    dynamics.deliver(invoice(), another(), header_reference="number_sequence")
    references = by_entity(dynamics)
    assert references["usmf"] == references["demf"]

    dynamics.deliver(invoice("250.00", number=number), header_reference=then)

    kept = by_entity(dynamics)
    assert kept["demf"] == references["demf"]
    assert len(dynamics.headers()) == 2
    assert dynamics.status(invoice()) == "delivered"
    assert sorted(line["NetAmount"] for line in dynamics.lines()) == [70, 250]


@pytest.mark.parametrize("number", ["INV-1", "INV-1b"])
def test_also_where_descriptions_name_no_document(
    dynamics: Dynamics, unnamed: str, number: str
) -> None:
    settings = {"header_reference": "number_sequence", "mapping_file": unnamed}
    dynamics.deliver(invoice(), another(), **settings)

    dynamics.deliver(invoice("250.00"), **settings)
    dynamics.deliver(invoice("300.00", number=number), **settings)

    assert sorted(line["NetAmount"] for line in dynamics.lines()) == [70, 300]
    assert dynamics.status(invoice()) == "delivered"


def test_a_document_moved_to_another_legal_entity_leaves_the_number_there_alone(
    dynamics: Dynamics,
) -> None:
    dynamics.deliver(invoice(), another(), header_reference="number_sequence")

    dynamics.deliver(invoice("250.00", company="2000"), header_reference="number_sequence")

    assert [row["dataAreaId"] for row in dynamics.headers()] == ["demf", "demf"]
    assert sorted(line["NetAmount"] for line in dynamics.lines()) == [70, 250]


def test_a_freed_number_given_to_another_of_our_documents(dynamics: Dynamics) -> None:
    dynamics.sandbox.switches.d365fo.continuous_numbers = True
    dynamics.deliver(invoice(), header_reference="number_sequence")
    [reference] = by_entity(dynamics).values()
    delete_header(dynamics, reference)
    dynamics.deliver(another(company="1000"), header_reference="number_sequence")
    assert by_entity(dynamics) == {"usmf": reference}

    dynamics.deliver(invoice("250.00"), header_reference="number_sequence")

    assert sorted(line["NetAmount"] for line in dynamics.lines()) == [70, 250]
    assert dynamics.status(invoice()) == "delivered"


@pytest.mark.parametrize("mode", MODES)
def test_a_freed_number_given_to_an_invoice_entered_by_hand(dynamics: Dynamics, mode: str) -> None:
    """Nothing tells whether the draft was edited beyond recognition: somebody has to look."""
    dynamics.deliver(invoice(), header_reference="number_sequence")
    [reference] = by_entity(dynamics).values()
    delete_header(dynamics, reference)
    enter_by_hand(dynamics, reference)

    dynamics.deliver(invoice("250.00"), header_reference=mode)

    assert [row["InvoiceNumber"] for row in dynamics.headers()] == ["BY-HAND"]
    reason = dynamics.reason(invoice())
    assert f'pending invoice {reference} ("Rent") has the reference' in reason
    assert "but is invoice BY-HAND of vendor US-0002" in reason

    delete_header(dynamics, reference)
    dynamics.deliver(invoice("250.00"), header_reference=mode)

    assert dynamics.status(invoice()) == "delivered"


def test_a_draft_edited_beyond_recognition_is_not_delivered_twice(dynamics: Dynamics) -> None:
    dynamics.deliver(invoice(), header_reference="number_sequence")
    [record] = dynamics.sandbox.d365fo.records("VendorInvoiceHeaders")
    changes = {"InvoiceNumber": "INV-0001", "InvoiceDescription": "checked"}
    dynamics.sandbox.d365fo.update("VendorInvoiceHeaders", record, {**record.values, **changes})

    for version in (invoice(), invoice("250.00")):
        dynamics.deliver(version, header_reference="number_sequence")

        assert len(dynamics.headers()) == 1
        assert "put b77c1f00d into its description" in dynamics.reason(version)


@pytest.mark.parametrize("prefix", ["BW", "", "ACCOUNTS", "X1"])
def test_a_derived_reference_is_told_by_its_document(prefix: str) -> None:
    reference = header_reference("4711", prefix)

    assert is_derived(reference, "4711")
    assert is_derived(reference.lower(), "4711")
    assert not is_derived(reference, "4712")
    assert not is_derived(reference[:-1], "4711")


def test_a_number_of_dynamics_is_not_derived() -> None:
    assert not is_derived("001750001", "4711")
    assert not is_derived("", "4711")
