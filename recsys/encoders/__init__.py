"""Encoders of features, by the kind of the column.

An encoder is built as ``ENCODERS[kind].build(column, dim, **options)`` from a fitted column (see
`recsys.data.features.features`) and called on the values of the column's ``transform``; it returns [n, dim]. A missing
value gets a learned vector.
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
