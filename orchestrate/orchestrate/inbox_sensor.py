"""A sensor on the inbox of basware-webhook: what is noted is delivered by one run at a time."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import dagster as dg
import sqlalchemy
from singer_delivery.errors import DeliveryError
from singer_delivery.secrets.references import reveal
from tap_basware.inbox import Inbox

from orchestrate.configuration import Tenant
from orchestrate.jobs import at_work
from orchestrate.meltano_run import setting

INTERVAL_SECONDS = 15
#: Notifications looked at in one go; those behind them come with the next look.
PAGE = 1000


def inbox_sensor(tenant: Tenant, job: dg.UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """Return the sensor of a tenant. Its cursor is the last position that a run was asked for."""

    @dg.sensor(
        name=f"{job.name}_sensor",
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING
        if tenant.started
        else dg.DefaultSensorStatus.STOPPED,
        description="Asks for a run when basware-webhook has noted something.",
    )
    def sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        try:
            url = reveal(setting(tenant, "tap-basware-noted", "inbox_url"), "inbox_url")
            if not _is_there(url):
                return dg.SkipReason("no inbox yet: basware-webhook has not run here")
            with closing(Inbox.open(url)) as inbox:
                return look(inbox, context.cursor, busy=bool(at_work(context.instance, job.name)))
        except DeliveryError as error:
            raise dg.Failure(str(error)) from None

    return sensor


def look(inbox: Inbox, cursor: str | None, *, busy: bool) -> dg.SensorResult | dg.SkipReason:
    """Ask for one run for whatever is behind the cursor, unless one is at work. Raises InboxError.

    Meltano's own bookmark says from where that run reads, so a run for many misses none.
    """
    identity, _, position = (cursor or "").rpartition(" ")
    known = int(position) if identity == inbox.identity else 0
    noted = inbox.after(known, limit=PAGE)
    if not noted:
        return dg.SkipReason("nothing new is noted")
    if busy:
        return dg.SkipReason("a run is at work; what came meanwhile is asked for after it")
    place = f"{inbox.identity} {noted[-1].position}"
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=place)], cursor=place)


def _is_there(url: str) -> bool:
    """Tell whether there is an inbox: looking at a SQLite file would make one."""
    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError:
        return True  # opening it says what is wrong
    is_file = parsed.get_backend_name() == "sqlite"
    return not is_file or Path(parsed.database or "").is_file()
