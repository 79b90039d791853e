"""Encoders of features, by the kind of the column.

An encoder is built as ``ENCODERS[kind].build(column, dim, **options)`` from a fitted `recsys.data.features.features` column, and
called on the values that the column's ``transform`` gives; it returns [n, dim]. A missing value has a learned vector.
"""

from recsys.choices import Choices
from recsys.encoders.encoder import Encoder

ENCODERS: Choices[type[Encoder]] = Choices(
    "encoder",
    {
        "categorical": "recsys.encoders.categorical:CategoricalEncoder",
        "tags": "recsys.encoders.tags:TagsEncoder",
        "numeric": "recsys.encoders.numeric:NumericEncoder",
        "time": "recsys.encoders.vector:VectorEncoder",
        "embedding": "recsys.encoders.vector:VectorEncoder",
    },
)

__all__ = ["ENCODERS", "Encoder"]
