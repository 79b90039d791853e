"""What MLflow is told of a registered model: its inputs and outputs, and the environment that it needs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

import recsys
from recsys.data.feedback.given_history import EVENTS, TIMES
from recsys.registry.bundle import Bundle
from recsys.registry.pyfunc.served_as import ServedAs

PACKAGE = Path(recsys.__file__).parent
"""The code of this library, which is stored with a model, so that its environment is built from a registry alone."""

INPUTS = ("user_id", "history", EVENTS, TIMES, "k", "exclude", "candidates", "at")
"""The input columns of a model besides the columns of users."""

VERSION = "bundle"
"""The key of a model's configuration with the version of the bundle that it was registered with."""

_NEEDED = (
    *("mlflow", "torch", "numpy", "pandas", "scipy", "pyarrow", "pydantic", "safetensors", "threadpoolctl"),
    *("filelock", "implicit", "scikit-learn"),
)


def described(bundle: Bundle, served_as: ServedAs) -> dict[str, object]:
    """The arguments of ``mlflow.pyfunc.log_model`` that describe the model of ``bundle``.

    The ``model_config`` has its version, with which the model compares the bundle that it loads.
    """
    return {
        "signature": signature(bundle, served_as.rules.reasons),
        "input_example": input_example(bundle),
        "pip_requirements": requirements(),
        "code_paths": [str(PACKAGE)],
        "model_config": {VERSION: bundle.version},
    }


def requirements() -> list[str]:
    """The installed versions of the packages that loading a bundle and predicting need, as pip requirements.

    A local label of a version, as in ``2.8.0+cpu``, is left out, for a registry does not have it.
    """
    found = []
    for name in _NEEDED:
        try:
            found.append(f"{name}=={version(name).partition('+')[0]}")
        except PackageNotFoundError:
            continue
    return found


def signature(bundle: Bundle, reasons: bool = False) -> Any:
    """The MLflow signature of `recsys.registry.pyfunc.predictor.Predictor.predict`: optional input columns, output.

    Inputs are of any type: rows with holes turn integers into floats and lists into NaN, which a typed signature would
    refuse before the model sees them. The model checks them itself.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, Array, ColSpec, DataType, Schema

    item = DataType.long if bundle.items.vocabulary.holds_integers else DataType.string
    names = [*INPUTS, *(name for name in bundle.users.schema if name not in INPUTS)]
    inputs = [ColSpec(AnyType(), name, required=False) for name in names]
    lists = {
        "item_ids": item,
        "scores": DataType.double,
        "fallback": DataType.boolean,
        "unknown_items": DataType.string,
    } | ({"reasons": DataType.string} if reasons else {})
    outputs = [*(ColSpec(Array(kind), name) for name, kind in lists.items()), ColSpec(DataType.boolean, "unknown_user")]
    return ModelSignature(Schema(inputs), Schema(outputs))


def input_example(bundle: Bundle) -> pd.DataFrame:
    """An input example: one anonymous user whose history is the first item of the catalogue."""
    return pd.DataFrame({"history": [bundle.items.vocabulary.ids[:1].tolist()], "k": [3]})
