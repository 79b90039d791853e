"""A tracker that keeps the training curve for the report and passes everything on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from recsys.tracking import Tracker


class CurveTracker:
    """Keeps the metrics that carry a step: ``[{"step": 1, "loss": 5.2, "recall@10": 0.07}, ...]``."""

    def __init__(self, inner: Tracker) -> None:
        self.inner = inner
        self._points: dict[int, dict[str, float]] = {}

    @property
    def points(self) -> list[dict[str, float]]:
        return [{"step": step, **values} for step, values in sorted(self._points.items())]

    def log_params(self, params: Mapping[str, object]) -> None:
        self.inner.log_params(params)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if step is not None:
            self._points.setdefault(step, {}).update(metrics)
        self.inner.log_metrics(metrics, step)

    def log_artifact(self, path: Path) -> None:
        self.inner.log_artifact(path)

    def info(self, message: str) -> None:
        self.inner.info(message)

    def progress(self, message: str) -> None:
        self.inner.progress(message)
