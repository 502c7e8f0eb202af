"""What a run tells OpenTelemetry, in memory and to a receiver that is really there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from singer_delivery.errors import ApiError
from singer_delivery.http import ApiSession, HttpOptions
from singer_delivery.otel import OpenTelemetry, template
from singer_delivery.telemetry import REQUESTS, current, using

from tests.singer_delivery.fake_system import record
from tests.singer_delivery.test_target import SCHEMA
from tests.singer_delivery.web import Answer, Reset, ScriptedServer

HERE = Path(__file__).parent


class Exported:
    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        traces = TracerProvider(shutdown_on_exit=False)
        traces.add_span_processor(SimpleSpanProcessor(self.spans))
        self.reader = InMemoryMetricReader()
        metrics = MeterProvider([self.reader], shutdown_on_exit=False)
        self.telemetry = OpenTelemetry(traces, metrics)

    @property
    def by_name(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.spans.get_finished_spans()}


@pytest.fixture
def exported() -> Iterator[Exported]:
    made = Exported()
    with using(made.telemetry):
        yield made
    made.telemetry.shutdown()


@pytest.fixture
def session() -> Iterator[tuple[ScriptedServer, ApiSession]]:
    with ScriptedServer() as server:
        made = ApiSession(
            server.url, options=HttpOptions(max_attempts=2), sleep=lambda seconds: None
        )
        yield server, made
        made.close()


def test_requests_of_threads_belong_to_the_batch(
    exported: Exported, session: tuple[ScriptedServer, ApiSession]
) -> None:
    server, api = session
    server.play(Answer(200), Answer(503))
    with (
        exported.telemetry.span("run target-x"),
        exported.telemetry.span("batch", stream="s"),
        ThreadPoolExecutor(1) as pool,
    ):
        pool.submit(api.get, "data/Vendors(dataAreaId='usmf')?$filter=IBAN eq 'x'").result()
    spans = exported.by_name
    run, batch, get = spans["run target-x"], spans["batch"], spans["GET /data/Vendors(…)"]
    assert batch.parent is not None
    assert get.parent is not None
    assert batch.parent.span_id == run.context.span_id
    assert get.parent.span_id == batch.context.span_id
    assert get.attributes is not None
    assert get.attributes["http.response.status_code"] == 200
    assert "IBAN" not in "".join(span.to_json() for span in spans.values())


def test_what_fails_is_an_error_without_words(
    exported: Exported, session: tuple[ScriptedServer, ApiSession]
) -> None:
    server, api = session
    server.play(Answer(404, body=b"secret body"), Reset())
    with pytest.raises(ApiError), exported.telemetry.span("batch"):
        api.get("missing")
    with pytest.raises(ApiError):
        api.request("POST", "lost", data=b"x")
    spans = exported.by_name
    assert [spans[name].status.is_ok for name in ("batch", "GET /missing")] == [False, False]
    lost = spans["POST /lost"].attributes
    assert lost is not None
    assert lost["error.type"] == "no_answer"
    assert "secret" not in "".join(span.to_json() for span in spans.values())


def test_durations_and_outcomes_are_metrics(
    exported: Exported, session: tuple[ScriptedServer, ApiSession]
) -> None:
    session[1].get("x")
    exported.telemetry.outcomes("vendor_invoices", {"delivered": 3})
    data = exported.reader.get_metrics_data()
    assert data is not None
    text = data.to_json()
    assert '"http.client.request.duration"' in text
    assert '"singer_delivery.documents"' in text
    assert '"value": 3' in text


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (
            "https://h/v1/accountingDocuments/1f0e2d3c-4b5a-6978-8796?x=1",
            "/v1/accountingDocuments/{id}",
        ),
        (
            "https://h/data/VendorsV2(dataAreaId='usmf',VendorAccountNumber='1')",
            "/data/VendorsV2(…)",
        ),
        ("https://h/data/$batch", "/data/$batch"),
        ("https://h/", "/"),
    ],
)
def test_names_are_few_and_name_nobody(url: str, path: str) -> None:
    assert template(url) == path


def test_without_an_address_nothing_is_noted() -> None:
    with current().span("run"), current().request("GET", "https://h") as answered:
        answered(200)
    code = "import singer_delivery.target, sys; sys.exit('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_attempts_and_waits_are_counted(session: tuple[ScriptedServer, ApiSession]) -> None:
    server, api = session
    REQUESTS.clear()
    server.play(Answer(429, headers={"Retry-After": "0.01"}), Answer(200))
    api.get("x")
    assert (REQUESTS.made, REQUESTS.throttled) == (2, 1)


# A whole run


def run(tmp_path: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    lines = [SCHEMA, {"type": "RECORD", "stream": "invoices", "record": record("a", "F-1")}]
    code = "from tests.singer_delivery.tiny_target import TinyTarget; TinyTarget.cli()"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=HERE.parents[1],
        env={**os.environ, "TARGET_TINY_LEDGER_URL": f"sqlite:///{tmp_path}/ledger.db", **env},
        input="".join(json.dumps(line) + "\n" for line in lines).encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_a_run_is_exported_by_otlp(tmp_path: Path) -> None:
    with ScriptedServer() as server:
        done = run(
            tmp_path,
            OTEL_EXPORTER_OTLP_ENDPOINT=server.url,
            OTEL_EXPORTER_OTLP_HEADERS="x-token=an-otel-secret",
            OTEL_RESOURCE_ATTRIBUTES="deployment.environment=production",
            OTEL_EXPORTER_OTLP_COMPRESSION="none",
        )
        sent = {seen.path: seen for seen in server.writes}
    assert done.returncode == 0, done.stderr
    traces = ExportTraceServiceRequest.FromString(sent["/v1/traces"].body)
    [resource] = traces.resource_spans
    about = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert about["service.name"] == "target-tiny"
    assert about["deployment.environment"] == "production"
    [scope] = resource.scope_spans
    assert [span.name for span in scope.spans] == ["batch", "run target-tiny"]
    assert sent["/v1/traces"].headers["x-token"] == "an-otel-secret"
    metrics = ExportMetricsServiceRequest.FromString(sent["/v1/metrics"].body)
    [metric] = metrics.resource_metrics[0].scope_metrics[0].metrics
    [point] = metric.sum.data_points
    assert (metric.name, point.as_int) == ("singer_delivery.documents", 1)


def test_a_collector_that_is_away_costs_seconds_and_no_delivery(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
        OTEL_EXPORTER_OTLP_HEADERS="x-token=an-otel-secret",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
    )
    assert done.returncode == 0, done.stderr
    assert b"an-otel-secret" not in done.stderr
