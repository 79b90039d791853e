"""Metrics in the format of Prometheus; each service has its own registry of them."""

from __future__ import annotations

from recsys.errors import ConfigError

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """Counters, gauges and histograms of one service.

    Raises:
        ConfigError: prometheus-client is not installed.
    """

    def __init__(self) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
        except ImportError as error:
            raise ConfigError("the service needs prometheus-client; pip install 'recsys-towers[serve]'") from error
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        r = self._registry
        self.requests = Counter("recsys_requests", "Answers by route and status.", ["route", "status"], registry=r)
        self.seconds = Histogram("recsys_request_seconds", "Until the answer.", ["route"], buckets=_SECONDS, registry=r)
        self.batch = Histogram("recsys_batch_users", "Users in a batch.", buckets=(1, 2, 4, 8, 16, 32), registry=r)
        self.lists = Counter("recsys_lists", "Lists by arm and by who made them.", ["arm", "made_by"], registry=r)
        self.feedback = Counter("recsys_feedback_events", "Events: new, or sent before.", ["state"], registry=r)
        self.changes = Counter("recsys_model_changes", "Versions loaded and refused.", ["slot", "outcome"], registry=r)
        self.shadow = Histogram(
            "recsys_shadow_overlap", "Share of shown items that the shadow lists too.",
            buckets=tuple(n / 10 for n in range(11)), registry=r,
        )  # fmt: skip
        self.shadow_lost = Counter("recsys_shadow_lost", "Lists that the shadow had no time for.", registry=r)
        self.model = Gauge("recsys_model", "1 for the version that serves.", ["slot", "version"], registry=r)

    def page(self, versions: dict[str, str]) -> tuple[bytes, str]:
        """The page of all metrics and its content type.

        Args:
            versions: slot -> the version that serves.
        """
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        self.model.clear()
        for slot, version in versions.items():
            self.model.labels(slot, version).set(1)
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def count_list(self, arm: str, fallback: tuple[bool, ...]) -> None:
        """Counts a list as the engine's, the fallback's, or filled up from it."""
        made_by = "engine" if not any(fallback) else "fallback" if all(fallback) else "both"
        self.lists.labels(arm, made_by).inc()
