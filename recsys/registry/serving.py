"""What MLflow is told of a registered model: its inputs and outputs, and the environment that it needs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

import recsys
from recsys.data.feedback.event_meanings import EventMeanings
from recsys.json_values import JsonMapping, JsonObject
from recsys.registry.bundle import Bundle

PACKAGE = Path(recsys.__file__).parent
"""The code of this library, which is stored with a model, so that its environment is built from a registry alone."""

INPUTS = ("user_id", "history", "history_events", "k", "exclude", "candidates")
"""The input columns of a model besides the columns of users."""

VERSION = "bundle"
"""The key of a model's configuration with the version of the bundle that it was registered with."""

SERVED_AS = "served_as"
"""The key of a model's configuration with `ServedAs`; models that were registered before do not have it."""

_NEEDED = (
    *("mlflow", "torch", "numpy", "pandas", "scipy", "pyarrow", "pydantic", "safetensors", "threadpoolctl"),
    *("filelock", "implicit", "scikit-learn"),
)


@dataclass(frozen=True)
class ServedAs:
    """What a config says of the lists of its model, wherever they are made.

    Args:
        filter_seen: whether lists leave out items of the history.
        events: what events mean and weigh.
    """

    filter_seen: bool = True
    events: EventMeanings = field(default_factory=EventMeanings)

    def to_dict(self) -> JsonObject:
        """JSON values."""
        return asdict(self)

    @classmethod
    def of_dict(cls, value: JsonMapping | None) -> ServedAs:
        """What `to_dict` gave; the defaults for None."""
        return cls() if value is None else cls(value["filter_seen"], EventMeanings(**value["events"]))


def described(bundle: Bundle, served_as: ServedAs) -> dict[str, object]:
    """The arguments of ``mlflow.pyfunc.log_model`` that describe the model of ``bundle``.

    The ``model_config`` has its version, with which the model compares the bundle that it loads, and ``served_as``.
    """
    return {
        "signature": signature(bundle),
        "input_example": input_example(bundle),
        "pip_requirements": requirements(),
        "code_paths": [str(PACKAGE)],
        "model_config": {VERSION: bundle.version, SERVED_AS: served_as.to_dict()},
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


def signature(bundle: Bundle) -> Any:
    """The MLflow signature of `recsys.registry.predictor.Predictor.predict`: its optional input columns, its output.

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
    }
    outputs = [*(ColSpec(Array(kind), name) for name, kind in lists.items()), ColSpec(DataType.boolean, "unknown_user")]
    return ModelSignature(Schema(inputs), Schema(outputs))


def input_example(bundle: Bundle) -> pd.DataFrame:
    """An input example: one anonymous user whose history is the first item of the catalogue."""
    return pd.DataFrame({"history": [bundle.items.vocabulary.ids[:1].tolist()], "k": [3]})
