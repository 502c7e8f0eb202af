"""What the receiver counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """The receiver's own metrics; `registry` is served by `--metrics-port`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "basware_webhook_requests",
            "Requests to the webhook, by what became of them.",
            ["outcome"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "basware_webhook_request_seconds",
            "Seconds from a request's head to its answer.",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5),
            registry=self.registry,
        )
        self.noted = Counter(
            "basware_webhook_noted", "Notifications new in the inbox.", registry=self.registry
        )
        self.repeated = Counter(
            "basware_webhook_repeated",
            "Notifications that were in the inbox before.",
            registry=self.registry,
        )
        self.runs = Counter(
            "basware_webhook_runs",
            "Runs that notifications have started, by how they ended.",
            ["outcome"],
            registry=self.registry,
        )
        self.running = Gauge(
            "basware_webhook_running", "Whether such a run is under way.", registry=self.registry
        )
        self.failures = Gauge(
            "basware_webhook_failed_runs",
            "How many runs have failed one after the other.",
            registry=self.registry,
        )
