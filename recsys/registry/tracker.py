"""A tracker that logs to an MLflow run."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from recsys.registry.mlflow_client import experiment_id, mlflow_at
from recsys.tracking import SilentTracker, Tracker


class MlflowTracker:
    """Logs parameters, metrics, data and files to one MLflow run.

    The run gets the status FINISHED at the end of the ``with`` block, or FAILED if the block raises.

    Args:
        uri: tracking URI; see `recsys.registry.mlflow_client.local_uri` for a local one.
        experiment: name of the experiment; created if missing.
        name: name of the run.
        inner: tracker that gets the messages of `info` and `progress`, such as one that prints; None drops them.
        tags: of the run, by which `find_run` finds it.
    """

    def __init__(
        self, uri: str, experiment: str, name: str, inner: Tracker | None = None, tags: Mapping[str, str] | None = None
    ) -> None:
        self._mlflow = mlflow_at(uri)
        self._client: Any = self._mlflow.MlflowClient(uri)
        self._inner = inner or SilentTracker()
        identifier = experiment_id(self._mlflow, uri, experiment)
        run = self._client.create_run(identifier, run_name=name, tags=dict(tags or {}))
        self.run_id: str = run.info.run_id

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.set_terminated(self.run_id, "FINISHED" if kind is None else "FAILED")

    def log_params(self, params: Mapping[str, object]) -> None:
        """Logs parameters as text; a nested mapping becomes dotted names, ``{"a": {"b": 1}}`` the parameter ``a.b``."""
        entries = [self._mlflow.entities.Param(key, value) for key, value in _flat(params).items()]
        for start in range(0, len(entries), 100):
            self._client.log_batch(self.run_id, params=entries[start : start + 100])

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Logs metrics under the names that `metric_name` gives."""
        self.log_curve([(step or 0, metrics)])

    def log_curve(self, points: Iterable[tuple[int, Mapping[str, float]]]) -> None:
        """Logs the metrics of many steps at once."""
        now, metric = int(time.time() * 1000), self._mlflow.entities.Metric
        found = [
            metric(metric_name(name), float(value), now, step)
            for step, metrics in points
            for name, value in metrics.items()
        ]
        for start in range(0, len(found), 1000):
            self._client.log_batch(self.run_id, metrics=found[start : start + 1000])

    def log_artifact(self, path: Path) -> None:
        if path.is_dir():
            self._client.log_artifacts(self.run_id, str(path), path.name)
        else:
            self._client.log_artifact(self.run_id, str(path))

    def log_data(self, name: str, fingerprint: str, source: str, context: str = "training") -> None:
        """Logs the dataset as an input of the run, with the fingerprint as its digest."""
        entities = self._mlflow.entities
        dataset = entities.Dataset(name, fingerprint, source_type="local", source=json.dumps({"uri": source}))
        tag = entities.InputTag("mlflow.data.context", context)
        self._client.log_inputs(self.run_id, [entities.DatasetInput(dataset, [tag])])

    def info(self, message: str) -> None:
        self._inner.info(message)

    def progress(self, message: str) -> None:
        self._inner.progress(message)


def find_run(uri: str, experiment: str, tags: Mapping[str, str]) -> str | None:
    """The id of the finished run with all of ``tags``, the newest of several; None where there is none."""
    mlflow = mlflow_at(uri)
    client = mlflow.MlflowClient(uri)
    where = [f"tags.`{name}` = '{value}'" for name, value in tags.items()]
    filters = " and ".join([*where, "attributes.status = 'FINISHED'"])
    found = client.search_runs([experiment_id(mlflow, uri, experiment)], filters, max_results=1)
    return str(found[0].info.run_id) if found else None


def metric_name(name: str) -> str:
    """The name of a metric in MLflow, which does not allow ``@``.

    Example:
        >>> metric_name("recall@10")
        'recall_at_10'
    """
    return name.replace("@", "_at_")


def _flat(params: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    result: dict[str, str] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            result |= _flat(value, f"{prefix}{key}.")
        else:
            result[f"{prefix}{key}"] = str(value)[:6000]
    return result
