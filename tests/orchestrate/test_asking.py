"""What asks for runs: schedules and the sensor, never twice for the same."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from orchestrate.configuration import load_configuration
from orchestrate.definitions import build
from orchestrate.inbox_sensor import look
from tap_basware.inbox import Inbox
from tap_basware.notification import ACCOUNTING_DOCUMENTS, Notification

ROOT = Path(__file__).parents[2]
NINE = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.fixture
def definitions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dg.Definitions:
    monkeypatch.setenv("TAP_BASWARE_NOTED_INBOX_URL", f"sqlite:///{tmp_path}/inbox.db")
    return build(load_configuration({"MELTANO_PROJECT_ROOT": str(ROOT)}))


def note(inbox: Inbox, *numbers: int) -> None:
    inbox.note(
        [
            Notification(
                task_id=f"t{number}",
                task_status="New",
                task_type=ACCOUNTING_DOCUMENTS,
                task_sub_type="",
                document_id=f"d{number}",
            )
            for number in numbers
        ]
    )


def begin(instance: dg.DagsterInstance, definitions: dg.Definitions, job: str, **tags: str) -> None:
    found = definitions.resolve_job_def(job)
    instance.create_run_for_job(found, tags=tags, status=dg.DagsterRunStatus.STARTED)


def requested(definitions: dg.Definitions, name: str, instance: dg.DagsterInstance) -> list[str]:
    schedule = definitions.resolve_schedule_def(name)
    context = dg.build_schedule_context(
        instance, NINE, repository_def=definitions.get_repository_def()
    )
    found = schedule.evaluate_tick(context).run_requests or []
    return [request.partition_key or "all" for request in found]


def test_a_schedule_asks_for_each_legal_entity_but_those_at_work(
    definitions: dg.Definitions, instance: dg.DagsterInstance
) -> None:
    everyone = ["usmf", "demf", "gbsi", "jpmf", "unmapped"]
    name = "sandbox_invoices_schedule"
    assert requested(definitions, name, instance) == everyone
    begin(instance, definitions, "sandbox_invoices", **{"dagster/partition": "demf"})
    assert requested(definitions, name, instance) == ["usmf", "gbsi", "jpmf", "unmapped"]
    assert requested(definitions, "sandbox_payments_schedule", instance) == everyone[:-1]
    shared = "sandbox_shared_masters_schedule"
    assert requested(definitions, shared, instance) == ["all"]
    begin(instance, definitions, "sandbox_shared_masters")
    assert requested(definitions, shared, instance) == []


def test_one_run_for_all_that_was_noted_and_the_next_after_it(tmp_path: Path) -> None:
    with closing(Inbox.open(f"sqlite:///{tmp_path}/inbox.db")) as inbox:
        assert isinstance(look(inbox, None, busy=False), dg.SkipReason)
        note(inbox, 1, 2, 3)
        first = look(inbox, None, busy=False)
        assert isinstance(first, dg.SensorResult)
        assert len(first.run_requests or []) == 1
        cursor = first.cursor
        assert isinstance(look(inbox, cursor, busy=False), dg.SkipReason)
        note(inbox, 4)
        assert isinstance(look(inbox, cursor, busy=True), dg.SkipReason)  # it is not forgotten
        second = look(inbox, cursor, busy=False)
        assert isinstance(second, dg.SensorResult)
        [one], [other] = first.run_requests or [], second.run_requests or []
        assert one.run_key != other.run_key
    with closing(Inbox.open(f"sqlite:///{tmp_path}/other.db")) as another:
        note(another, 1)
        assert isinstance(look(another, second.cursor, busy=False), dg.SensorResult)


def test_the_sensor_waits_for_an_inbox_and_makes_none(
    definitions: dg.Definitions, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    sensor = definitions.resolve_sensor_def("sandbox_invoices_noted_sensor")
    context = dg.build_sensor_context(instance, definitions=definitions)
    assert not sensor.evaluate_tick(context).run_requests
    assert not list(tmp_path.glob("inbox.db*"))
    with closing(Inbox.open(f"sqlite:///{tmp_path}/inbox.db")) as inbox:
        note(inbox, 1)
    assert len(sensor.evaluate_tick(context).run_requests or []) == 1
    begin(instance, definitions, "sandbox_invoices_noted")
    assert not sensor.evaluate_tick(context).run_requests
