"""Checks of what a ranking is asked for, and of the vectors and scores that it has."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset, check_dataset
from recsys.data.vocabulary import Ids, Rows
from recsys.engine import Engine, VectorModel, Vectors
from recsys.errors import ArtifactError, DataError, described

_FROM_CONSTRUCTION = {"config", "options_", "given_table", "tables_given", "fitted_parts"}
"""Attributes that an engine may have before its fit: its options, and tables and parts that were given as objects."""


@runtime_checkable
class HasData(Protocol):
    """A model that is kept with its dataset, such as a bundle."""

    @property
    def data(self) -> Dataset: ...


def check_k(k: object) -> None:
    """Checks the length of a list.

    Raises:
        DataError: it is no whole number of at least 1.
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer):
        remedy = f"; give {int(k)}" if isinstance(k, float) and k.is_integer() else ""
        raise DataError(f"k = {k!r} is no whole number{remedy}")
    if k < 1:
        raise DataError(f"k = {k}; k must be at least 1")


def check_fitted(model: object) -> None:
    """Checks that an engine was fitted or loaded.

    Raises:
        DataError: it has its options alone, or is no engine.
    """
    if isinstance(model, type) or not hasattr(model, "item_vectors"):
        raise DataError(f"{described(model)} is no engine; give a fitted one, as EASE().fit(data), or a bundle")
    learnt = (name for name in vars(model) if name not in _FROM_CONSTRUCTION and not name.startswith("_"))
    if isinstance(model, Engine) and not any(learnt):
        raise DataError(f"{model!r} is not fitted; call fit(data) first, or load one that was saved")


def dataset_of(model: VectorModel, data: Dataset | None) -> Dataset:
    """``data``, or the dataset that ``model`` is kept with.

    Raises:
        DataError: there is neither.
    """
    if data is not None:
        check_dataset(data)
        return data
    if isinstance(model, HasData):
        return model.data
    raise DataError(f"{model.kind} is an engine without a dataset; give the dataset that the ids refer to")


def check_finite(vectors: Vectors, ids: Ids, what: str) -> None:
    """Checks that no valid vector has a NaN or infinite entry.

    Args:
        vectors: [n]; rows that are not valid are not checked.
        ids: [n], for the message.
        what: the owner of the vectors, for the message: ``"items of ease"``.

    Raises:
        ArtifactError: names the first such id and how many there are.

    Example:
        >>> check_finite(Vectors(np.float32([[1], [np.nan]])), np.array([7, 8]), "items of ease")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        recsys.errors.ArtifactError: 1 of 2 vectors of the items of ease hold a NaN or infinite entry, first that of ...
    """
    finite = np.ones(len(vectors), bool)
    if vectors.dense is not None:
        finite &= np.isfinite(vectors.dense).all(axis=1)
    if isinstance(vectors.sparse, np.ndarray):
        finite &= np.isfinite(vectors.sparse).all(axis=1)
    elif vectors.sparse is not None and not np.isfinite(vectors.sparse.data).all():
        entries = np.flatnonzero(~np.isfinite(vectors.sparse.data))
        finite[np.searchsorted(vectors.sparse.indptr, entries, side="right") - 1] = False
    bad = np.flatnonzero(~finite if vectors.valid is None else ~finite & vectors.valid)
    if len(bad):
        raise ArtifactError(
            f"{len(bad)} of {len(vectors)} vectors of the {what} hold a NaN or infinite entry, first that of "
            f"{ids[bad[0]]}; train the engine again, with a lower learning rate or more regularization"
        )


def check_finite_scores(rows: Rows, scores: NDArray[np.float32]) -> None:
    """Refuses top-k lists with a score that is NaN or +inf; -inf marks padding. `torch.topk` ranks NaN above all else.

    Raises:
        ArtifactError: names the first such item row and its score.
    """
    bad = np.isnan(scores) | np.isposinf(scores)
    if bad.any():
        raise ArtifactError(
            f"the score of item row {int(rows[bad][0])} is {float(scores[bad][0])}, so items cannot be ranked; "
            "train the engine again, with a lower learning rate or more regularization"
        )
