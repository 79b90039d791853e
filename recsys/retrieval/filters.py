"""Which items may be recommended at all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsys.data.vocabulary import MISSING, Rows, Vocabulary
from recsys.errors import DataError


def allowed_rows(
    items: Vocabulary, allow: Sequence[int | str] | None = None, deny: Sequence[int | str] = ()
) -> Rows | None:
    """The rows of ``items`` that may be recommended; None is all of them.

    Args:
        items: the catalogue.
        allow: ids that may be recommended; None is every item.
        deny: ids that may not; ids that the catalogue does not hold are denied already.

    Raises:
        DataError: ``allow`` names ids that the catalogue does not hold, or nothing is left.

    Example:
        >>> allowed_rows(Vocabulary.of(["a", "b", "c"]), allow=["c", "a"], deny=["a"]).tolist()
        [2]
    """
    if allow is None and not deny:
        return None
    rows = np.arange(len(items)) if allow is None else _known(items, allow)
    left = np.setdiff1d(rows, items.rows(list(deny)))
    if not len(left):
        raise DataError("the allow and deny lists leave no item to recommend; widen one of them")
    return left.astype(np.int64)


def _known(items: Vocabulary, ids: Sequence[int | str]) -> Rows:
    rows = items.rows(list(ids))
    unknown = [item for item, row in zip(ids, rows, strict=True) if row == MISSING]
    if unknown:
        raise DataError(
            f"the allow list names {len(unknown)} items that the catalogue does not hold, first {unknown[:5]!r}; "
            "remove them or prepare the data with them"
        )
    return rows
