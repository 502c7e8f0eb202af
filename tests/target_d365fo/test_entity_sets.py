"""Any stream goes to any entity set, by configuration; F&O's missing upsert is made up for."""

from __future__ import annotations

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from singer_delivery.dispatch import Part
from singer_delivery.errors import DeliveryError, SetupError
from singer_delivery.rehearsal import Rehearsed
from target_d365fo.rehearsal import RehearsedD365FO

from tests.target_d365fo.conftest import Dynamics, Row, messages

GROUPS = {
    "groups": {
        "entity_set": "VendorGroups",
        "fields": {"code": "VendorGroupId", "name": "Description"},
        "constants": {"dataAreaId": "usmf"},
    }
}


@pytest.fixture(autouse=True)
def metadata_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def group(code: str = "90", name: str = "Carriers", **fields: Any) -> dict[str, Any]:
    return {"code": code, "name": name, **fields}


def deliver(dynamics: Dynamics, *records: Row, **settings: Any) -> str:
    options = {"stream": "groups", "keys": ["code"], "entity_sets": GROUPS} | settings
    return dynamics.deliver(*records, **options)


def stored(dynamics: Dynamics, code: str = "90") -> list[str]:
    rows = dynamics.sandbox.d365fo.rows("VendorGroups")
    return [row["Description"] for row in rows if row["VendorGroupId"] == code]


def writes(dynamics: Dynamics) -> list[str]:
    return [r.split()[0] for r in dynamics.requests("VendorGroups") if not r.startswith("GET")]


def test_created_changed_and_left_alone(dynamics: Dynamics) -> None:
    deliver(dynamics, group(name="Carriers"))
    deliver(dynamics, group(name="Haulage"))
    deliver(dynamics, group(name="Haulage"))

    assert stored(dynamics) == ["Haulage"]
    assert writes(dynamics) == ["POST", "PATCH"]


def test_what_dynamics_holds_counts_without_the_ledger(dynamics: Dynamics) -> None:
    deliver(dynamics, group())
    dynamics.forget()

    deliver(dynamics, group())

    assert writes(dynamics) == ["POST"]


def test_a_batch_is_read_at_once(dynamics: Dynamics) -> None:
    deliver(dynamics, *(group(f"9{n:02}") for n in range(30)))

    assert len([r for r in dynamics.requests("VendorGroups") if r.startswith("GET")]) == 1


def test_keys_that_dynamics_holds_for_equal_are_one_row(dynamics: Dynamics) -> None:
    deliver(dynamics, group("ab", "first"), group("AB", "second"))

    assert stored(dynamics, "ab") == ["second"]


def test_a_stream_named_like_an_entity_set_needs_no_setting(dynamics: Dynamics) -> None:
    record = {"dataAreaId": "usmf", "VendorGroupId": "91", "Description": "Plain", "_sdc_x": 1}

    deliver(dynamics, record, stream="VendorGroups", keys=["VendorGroupId"])

    assert stored(dynamics, "91") == ["Plain"]


def test_a_role_gives_a_stream_its_place(dynamics: Dynamics) -> None:
    deliver(dynamics, group(), stream="tap_x-groups", stream_roles={"tap_x-groups": "groups"})

    assert stored(dynamics) == ["Carriers"]


def test_a_stream_without_a_place_says_what_to_configure(dynamics: Dynamics) -> None:
    error = deliver(dynamics, {"id": 1}, stream="opportunities", keys=["id"], expect=SetupError)

    assert "stream opportunities has no place to go: configure it under entity_sets" in error


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ({"fields": {"code": "VendorGroup"}}, "VendorGroups has no field VendorGroup "),
        ({"constants": {"Company": "usmf"}}, "VendorGroups has no field Company "),
        ({"keys": ["Id"]}, "VendorGroups has no field Id "),
        ({"entity_set": "vendorgroups"}, "did you mean VendorGroups"),
    ],
)
def test_unknown_names_are_told_before_anything_is_sent(
    dynamics: Dynamics, setting: dict[str, Any], text: str
) -> None:
    configured = {"groups": GROUPS["groups"] | setting}

    error = deliver(dynamics, group(), entity_sets=configured, expect=SetupError)

    assert text in error
    assert writes(dynamics) == []


def test_unknown_fields_of_the_schema_are_told_before_anything_is_sent(
    dynamics: Dynamics,
) -> None:
    error = deliver(
        dynamics,
        {"dataAreaId": "usmf", "VendorGroupId": "9", "colour": "red"},
        stream="VendorGroups",
        keys=["VendorGroupId"],
        schema={"properties": {"VendorGroupId": {}, "colour": {}}},
        expect=SetupError,
    )

    assert "VendorGroups has no field colour" in error
    assert writes(dynamics) == []


class TestModes:
    """upsert is the default; create never changes, update never creates."""

    def deliver(self, dynamics: Dynamics, mode: str, record: Row) -> Any:
        deliver(dynamics, record, entity_sets={"groups": GROUPS["groups"] | {"mode": mode}})
        ledger = dynamics.targets[-1].ledger
        return ledger.outcomes("groups")[-1]

    def test_create(self, dynamics: Dynamics) -> None:
        assert self.deliver(dynamics, "create", group(name="A")).status == "delivered"
        assert self.deliver(dynamics, "create", group(name="A")).status == "unchanged"
        assert (
            "other values in Description"
            in self.deliver(dynamics, "create", group(name="B")).reason
        )

    def test_update(self, dynamics: Dynamics) -> None:
        assert "does not exist" in self.deliver(dynamics, "update", group(name="A")).reason
        self.deliver(dynamics, "upsert", group(name="A"))
        assert self.deliver(dynamics, "update", group(name="B")).status == "delivered"
        assert stored(dynamics) == ["B"]

    def test_create_where_dynamics_gives_the_key(self, dynamics: Dynamics) -> None:
        """The ledger alone knows what was created, by the record's own key."""
        setting = {
            "entity_set": "VendorInvoiceHeaders",
            "fields": {"vendor": "InvoiceAccount", "number": "InvoiceNumber"},
            "constants": {"dataAreaId": "usmf"},
            "mode": "create",
        }
        for number in ("N-1", "N-1", "N-2"):
            record = {"id": 7, "vendor": "US-0001", "number": number}
            deliver(dynamics, record, keys=["id"], entity_sets={"groups": setting})

        assert [header["InvoiceNumber"] for header in dynamics.headers()] == ["N-1"]
        [entry] = dynamics.targets[-1].ledger.outcomes("groups")
        assert "has changed since; send its key" in entry.reason


def test_an_incomplete_key_rejects_the_record(dynamics: Dynamics) -> None:
    setting = {"groups": {"entity_set": "VendorGroups", "fields": GROUPS["groups"]["fields"]}}

    deliver(dynamics, group(), entity_sets=setting)

    [entry] = dynamics.targets[-1].ledger.outcomes("groups")
    assert "the key of VendorGroups is incomplete: dataAreaId missing" in entry.reason


def test_a_refused_row_has_the_reason_and_others_arrive(dynamics: Dynamics) -> None:
    rows = [
        {
            "dataAreaId": "usmf",
            "InvoiceAccount": account,
            "InvoiceNumber": f"N{n}",
            "HeaderReference": f"R{n}",
        }
        for n, account in enumerate(("US-0001", "nobody"))
    ]

    deliver(dynamics, *rows, stream="VendorInvoiceHeaders", keys=["HeaderReference"])

    reasons = {
        e.key: e.reason for e in dynamics.targets[-1].ledger.outcomes("VendorInvoiceHeaders")
    }
    assert reasons['["usmf", "R0"]'] == ""
    assert "'nobody'" in reasons['["usmf", "R1"]']


def test_values_take_the_type_of_their_field(dynamics: Dynamics) -> None:
    record = {
        "dataAreaId": "usmf",
        "HeaderReference": "R1",
        "InvoiceAccount": "US-0001",
        "InvoiceNumber": 4711,
        "InvoiceDate": "2026-02-16",
        "IsOnHold": True,
        "ImportedAmount": "12.50",
        "Comment": None,
    }

    for _ in range(2):
        deliver(dynamics, record, stream="VendorInvoiceHeaders", keys=["HeaderReference"])

    [header] = dynamics.headers()
    assert header["InvoiceNumber"] == "4711"
    assert header["InvoiceDate"] == "2026-02-16T12:00:00Z"
    assert (header["IsOnHold"], header["ImportedAmount"]) == ("Yes", Decimal("12.5"))
    [entry] = dynamics.targets[-1].ledger.outcomes("VendorInvoiceHeaders")
    assert entry.status == "unchanged"


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
@pytest.mark.parametrize("before", [(), (group(name="Old"),)])
def test_a_lost_answer_is_settled_by_reading_back(
    dynamics: Dynamics, kind: str, before: tuple[Row, ...]
) -> None:
    deliver(dynamics, *before)
    method = "PATCH" if before else "POST"
    dynamics.fault(kind, method=method, path="VendorGroups")

    deliver(dynamics, group(name="New"))

    assert stored(dynamics) == ["New"]
    assert writes(dynamics).count(method) == (2 if kind == "reset_before" else 1)


def test_a_row_that_cannot_be_found_again_is_not_sent_twice(dynamics: Dynamics) -> None:
    setting = {
        "entity_set": "VendorInvoiceHeaders",
        "constants": {"dataAreaId": "usmf", "InvoiceAccount": "US-0001"},
        "fields": {"id": "InvoiceNumber"},
        "mode": "create",
    }
    dynamics.fault("reset_after", method="POST", path="VendorInvoiceHeaders")

    for _ in range(2):
        deliver(dynamics, {"id": "N-1"}, keys=["id"], entity_sets={"groups": setting})

    assert len(dynamics.headers()) == 1
    [entry] = dynamics.targets[-1].ledger.outcomes("groups")
    assert "look for it in Dynamics" in entry.reason


def test_a_record_without_its_key_is_reported(dynamics: Dynamics) -> None:
    error = deliver(dynamics, {"name": "x"}, group(), expect=DeliveryError)

    assert "STATE was held back" in error
    assert stored(dynamics) == ["Carriers"]


def test_half_a_character_rejects_its_record(dynamics: Dynamics) -> None:
    deliver(dynamics, group("91", "x\ud800"), group("92"))

    assert dynamics.entry({"document_id": '["91"]'}, "groups").status == "rejected"
    assert stored(dynamics, "92") == ["Carriers"]


def test_a_dry_run_tells_what_is_created_and_what_is_changed(dynamics: Dynamics) -> None:
    deliver(dynamics, group("91", "old"))
    before = len(writes(dynamics))
    rehearsal = RehearsedD365FO(config=dynamics.config(entity_sets=GROUPS))
    found: list[Rehearsed] = []
    rehearsal.rehearsed = found.append
    records = [group("91", "new"), group("92")]

    rehearsal.listen(io.StringIO(messages("groups", records, ["code"])))
    rehearsal.close()

    assert len(writes(dynamics)) == before
    told = [part for each in found for part in (each.dispatch.parts if each.dispatch else ())]
    deliver(dynamics, *records)
    sent = [
        Part(r.method, r.raw_path, r.body)
        for r in dynamics.sandbox.journal.requests(system="d365fo", path="VendorGroups")
        if r.method != "GET"
    ][before:]
    assert sorted(told, key=repr) == sorted(sent, key=repr)
    assert {part.method for part in told} == {"POST", "PATCH"}
