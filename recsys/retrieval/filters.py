"""Allow and deny lists: the items that may be recommended."""

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
        allow: ids of items that may be recommended; None is every item.
        deny: ids of items that are not recommended; ids that are not in the catalogue are ignored.

    Raises:
        DataError: an id of ``allow`` is not in the catalogue, an id is of another type (text or integer) than those of
            the catalogue, or no item is left.

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
    of_other_type = [item for item in ids if isinstance(item, str) == items.holds_integers]
    if of_other_type:
        given, expected = ("text", "integers") if items.holds_integers else ("an integer", "text")
        raise DataError(
            f"the {name} list names {of_other_type[0]!r}, {given}, and the ids of the catalogue are {expected}, "
            f"such as {items.ids[:1].tolist()[0]!r}; write ids of that type"
        )


def _known(items: Vocabulary, ids: Sequence[int | str]) -> Rows:
    rows = items.rows(list(ids))
    unknown = [item for item, row in zip(ids, rows, strict=True) if row == MISSING]
    if unknown:
        raise DataError(
            f"the allow list names {len(unknown)} items that are not in the catalogue, first {unknown[:5]!r}; "
            "remove them from the list, or add them to the items table and prepare the data again"
        )
    return rows
