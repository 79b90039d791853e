"""The pyfunc model, kept as code: MLflow stores this file beside the bundle and runs it to load the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from recsys.json_values import JsonObject
from recsys.registry.bundle import Bundle
from recsys.registry.mlflow_client import imported
from recsys.registry.predictor import Predictor

mlflow = imported()
PythonModel: Any = mlflow.pyfunc.PythonModel


class Recommender(PythonModel):  # type: ignore[misc]
    """Pyfunc model over rows of ``user_id``, ``history`` and ``k``; see `recsys.registry.predictor.Predictor`."""

    def load_context(self, context: Any) -> None:
        self._answers = Predictor(Bundle.load(Path(context.artifacts["bundle"])))

    def predict(self, context: Any, model_input: pd.DataFrame, params: JsonObject | None = None) -> pd.DataFrame:
        return self._answers.answer(model_input)


mlflow.models.set_model(Recommender())
