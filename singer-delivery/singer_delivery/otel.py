"""Traces and metrics by OpenTelemetry, exported by OTLP over HTTP (extra `otel`).

A span for the run, for each batch and for each request; names and counts alone. All the rest is
set as the specification says, by OTEL_ variables.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.metrics import MeterProvider as AnyMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from singer_delivery.redaction import REDACTOR
from singer_delivery.telemetry import Answered

SCOPE = "singer_delivery"
#: Seconds that an export may take, at the end of a run as well.
PATIENCE = 5
#: Parts of a path that name one document: a key in parentheses, or anything with several digits.
KEY = re.compile(r"\([^/]*\)")
IDENTIFIER = re.compile(r"[^/]*\d[^/]*\d[^/]*|[^/]{33,}")
VERSIONED = re.compile(r"v\d+(\.\d+)?")


def exporting(plugin: str) -> OpenTelemetry:
    """Return telemetry that is exported to where the environment says."""
    _keep_headers_secret()
    named = {SERVICE_NAME: plugin}
    resource = Resource.create(named).merge(OTELResourceDetector().detect())
    traces = TracerProvider(resource=resource, shutdown_on_exit=False)
    traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=_patience())))
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(timeout=_patience()))
    metrics = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
    return OpenTelemetry(traces, metrics)


def _patience() -> float:
    return float(os.environ.get("OTEL_EXPORTER_OTLP_TIMEOUT") or PATIENCE)


def _keep_headers_secret() -> None:
    for name, value in os.environ.items():
        if name.startswith("OTEL_EXPORTER_OTLP") and name.endswith("HEADERS"):
            for pair in value.split(","):
                REDACTOR.add(unquote(pair.partition("=")[2]).strip())


class OpenTelemetry:
    """Notes what happens as spans and metrics; safe to share between threads."""

    def __init__(self, traces: TracerProvider, metrics: AnyMeterProvider) -> None:
        self._providers = traces, metrics
        self._tracer = traces.get_tracer(SCOPE)
        meter = metrics.get_meter(SCOPE)
        self._documents = meter.create_counter(
            "singer_delivery.documents", "{document}", "Documents by what became of them."
        )
        self._seconds = meter.create_histogram(
            "http.client.request.duration", "s", "Duration of attempts at requests."
        )
        #: The run and the part of it that is under way: threads of a pool know no context.
        self._open: list[Span] = []

    @contextmanager
    def span(self, name: str, /, **attributes: str) -> Iterator[None]:
        """Enclose a part of a run; an exception that leaves it marks it as failed."""
        with self._tracer.start_as_current_span(
            name,
            attributes={f"singer.{key}": value for key, value in attributes.items()},
            # Its text may hold what belongs into no trace.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            self._open.append(span)
            try:
                yield
            except BaseException as error:
                if not (isinstance(error, SystemExit) and not error.code):
                    span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise
            finally:
                self._open.remove(span)

    @contextmanager
    def request(self, method: str, url: str, /) -> Iterator[Answered]:
        """Enclose one attempt at a request, in any thread."""
        known = {**_address(url), "http.request.method": method}
        path = template(url)
        begun = time.monotonic()
        with self._tracer.start_as_current_span(
            f"{method} {path}",
            self._parent(),
            kind=SpanKind.CLIENT,
            attributes={**known, "url.template": path},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:

            def answered(status: int) -> None:
                known["http.response.status_code"] = status
                span.set_attribute("http.response.status_code", status)

            try:
                yield answered
            finally:
                status = known.get("http.response.status_code")
                if status is None:
                    known["error.type"] = "no_answer"
                elif int(status) >= 400:
                    known["error.type"] = str(status)
                if "error.type" in known:
                    span.set_attribute("error.type", known["error.type"])
                    span.set_status(Status(StatusCode.ERROR))
                self._seconds.record(time.monotonic() - begun, known)

    def _parent(self) -> Context | None:
        if trace.get_current_span().get_span_context().is_valid or not self._open:
            return None
        return trace.set_span_in_context(self._open[-1])

    def outcomes(self, stream: str, counts: Mapping[str, int], /) -> None:
        """Count documents of a stream by status."""
        for status, number in counts.items():
            about = {"singer.stream": stream, "singer.outcome": status}
            self._documents.add(number, about)

    def shutdown(self) -> None:
        """Export what is left."""
        for provider in self._providers:
            provider.shutdown()  # type: ignore[union-attr]


def template(url: str) -> str:
    """Return the path of a URL without the keys of single documents, and without its query."""
    parts = KEY.sub("(…)", urlsplit(url).path).split("/")
    return "/".join(
        "{id}" if IDENTIFIER.fullmatch(part) and not VERSIONED.fullmatch(part) else part
        for part in parts
    )


def _address(url: str) -> dict[str, str | int]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return {"server.address": parts.hostname or "", "server.port": port}
