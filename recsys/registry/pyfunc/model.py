"""The MLflow pyfunc model ("model from code"): MLflow stores this file with a bundle and runs it to load the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from recsys.errors import ArtifactError, DataError
from recsys.json_values import JsonObject
from recsys.registry.bundle import Bundle
from recsys.registry.mlflow_client import imported
from recsys.registry.pyfunc.predictor import Predictor
from recsys.registry.pyfunc.served_as import SERVED_AS, ServedAs
from recsys.registry.pyfunc.serving import VERSION

mlflow = imported()
PythonModel: Any = mlflow.pyfunc.PythonModel


class Recommender(PythonModel):  # type: ignore[misc]
    """Top-k recommendation as a pyfunc model; input and output are those of `Predictor.predict`."""

    def load_context(self, context: Any) -> None:
        bundle = Bundle.load(Path(context.artifacts["bundle"]))
        if bundle.version != context.model_config[VERSION]:
            raise ArtifactError(
                f"{context.artifacts['bundle']} is another bundle than the one that this model was registered with; "
                "restore it, or register another version"
            )
        served_as = context.artifacts.get(SERVED_AS)
        self._predictor = Predictor(bundle, None if served_as is None else ServedAs.load(Path(served_as)))

    def predict(self, context: Any, model_input: pd.DataFrame, params: JsonObject | None = None) -> pd.DataFrame:
        try:
            return self._predictor.predict(model_input)
        except DataError as error:  # MLflow's server answers other exceptions without their message
            raise mlflow.MlflowException.invalid_parameter_value(str(error)) from error


mlflow.models.set_model(Recommender())
