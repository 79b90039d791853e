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
        DataError: ``allow`` names ids that the catalogue does not hold, a list gives text where ids are integers or
            integers where they are text, or nothing is left.

    Example:
        >>> allowed_rows(Vocabulary.of(["a", "b", "c"]), allow=["c", "a"], deny=["a"]).tolist()
        [2]
    """
    if allow is None and not deny:
        return None
    for name, ids in (("allow", allow or ()), ("deny", deny)):
        _check_type(items, name, ids)
    rows = np.arange(len(items)) if allow is None else _known(items, allow)
    left = np.setdiff1d(rows, items.rows(list(deny)))
    if not len(left):
        raise DataError("the allow and deny lists leave no item to recommend; widen one of them")
    return left.astype(np.int64)


def _check_type(items: Vocabulary, name: str, ids: Sequence[int | str]) -> None:
    other = [item for item in ids if isinstance(item, str) == items.holds_integers]
    if other:
        given, held = ("text", "integers") if items.holds_integers else ("an integer", "text")
        raise DataError(
            f"the {name} list names {other[0]!r}, {given}, and the ids of the catalogue are {held}, as "
            f"{items.ids[:1].tolist()[0]!r}; write them as the data has them"
        )


def _known(items: Vocabulary, ids: Sequence[int | str]) -> Rows:
    rows = items.rows(list(ids))
    unknown = [item for item, row in zip(ids, rows, strict=True) if row == MISSING]
    if unknown:
        raise DataError(
            f"the allow list names {len(unknown)} items that the catalogue does not hold, first {unknown[:5]!r}; "
            "remove them or prepare the data with them"
        )
    return rows
