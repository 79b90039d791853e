"""A tracker that logs to an MLflow run."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
    """

    def __init__(self, uri: str, experiment: str, name: str, inner: Tracker | None = None) -> None:
        self._mlflow = mlflow_at(uri)
        self._client: Any = self._mlflow.MlflowClient(uri)
        self._inner = inner or SilentTracker()
        run = self._client.create_run(experiment_id(self._mlflow, uri, experiment), run_name=name)
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
        for name, value in metrics.items():
            self._client.log_metric(self.run_id, metric_name(name), float(value), step=step)

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
