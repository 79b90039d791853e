"""Exact top-k lists by way of a product in half precision: bounds of its errors say which items to score again."""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray

from recsys.data.vocabulary import Rows, places
from recsys.ranking.top_values import Ranked, best_columns, tensor

_FEWEST = 8192
"""Items below which a product in single precision is soon done."""
_MANY = 300
"""Items for each of a list, below which the second look takes longer than the product saves."""
_STRIPS = 24
"""Strips for each item of a list, at least, so that few of the best items share a strip."""
_DEEPEST = 16
"""Columns of a strip at most."""
_WIDEST = 1024
"""Entries of a vector at most, so that errors of sums are small beside those of rounded entries."""
_MOST = 16
"""Candidates for each item of a list at most; for a user who has more they would cost more than single precision."""
_ENTRIES = 2**18
"""Entries of vectors that are multiplied at a time in the second look, so that they stay in the cache."""
_APART = 8
"""Items at most that are scored for every user, as they are so long that bounds for all would follow theirs."""
_LONGER = 2
"""Times the longest of the others that such an item is long."""
_LARGEST = 1e37
"""Products of lengths of vectors above which sums may overflow."""
_INFINITELY_LOW = np.int16(-128)
"""The bits of -inf in bfloat16."""
_LOWEST = np.int16(-32640)
"""The number of the lowest finite one, see `_ordered`."""
_TINY = float(np.finfo(np.float32).tiny)


class HalfPrecision:
    """Top-k lists of user vectors among item vectors: a product in bfloat16, and a second look at the best of it.

    With u', v' the vectors rounded to bfloat16, u·v is within |u - u'| |v| + |u'| |v - v'| of u'·v', and so each item
    of the list within twice that of the k-th highest u'·v'. Those items, about one and a half times k, are scored in
    single precision, each by itself: lists and scores are the same beside any other users. On CPUs that multiply
    bfloat16 in hardware the product takes a quarter of the time of one in single precision. The bound of |v| is that
    of the longest item, so that a few items much longer than all others are scored for every user instead.

    Args:
        items: float32 [C, D].
        left_out: int64, columns that are never listed; their vectors may hold anything.
    """

    def __init__(self, items: NDArray[np.float32], left_out: Rows) -> None:
        self._items, self._left_out = torch.from_numpy(items), left_out
        half = torch.zeros((-(-len(items) // _DEEPEST) * _DEEPEST, items.shape[1]), dtype=torch.bfloat16)
        half[: len(items)] = self._items
        half[torch.from_numpy(left_out)] = 0
        rounded = half[: len(items)].float().numpy()
        lengths, errors = _lengths(rounded), _errors(items, rounded)
        errors[left_out] = 0
        self._apart = _far_longer(lengths + errors)
        lengths[self._apart] = errors[self._apart] = 0
        self._length, self._error = float((lengths + errors).max()), float(errors.max())
        self._half, self._table = half.T.contiguous(), torch.empty(0, dtype=torch.bfloat16)

    @staticmethod
    def pays(items: NDArray[np.float32], k: int) -> bool:
        """Whether lists of ``k`` of these items [C, D] are found sooner than by a product in single precision."""
        return _in_hardware() and len(items) >= max(_FEWEST, _MANY * k) and items.shape[1] <= _WIDEST

    def top_k(self, users: NDArray[np.float32], k: int, excluded: tuple[Rows, Rows]) -> tuple[Ranked, Rows]:
        """The ``k`` columns with the highest scores for each of ``users`` [B, D], ties by the lower column.

        Args:
            users: one block of users.
            k: length of a list, for which `pays` holds.
            excluded: rows and columns of the pairs of user and item that are not listed.

        Returns:
            The lists, where a score of -inf ends a short one, and the users whose list was not found, as the bounds
            leave too many items or a vector is not finite.
        """
        table, margin, apart = self._product(users, excluded)
        strips = _strips(table.shape[1], k)
        highest = _highest(table, strips)
        kth = _kth(highest, k)
        cut = _cut(kth, margin)
        # users with too many candidates are told by the highest of strips, before negative scores are put in order
        lost = ~np.isfinite(margin) | _exceeds(highest, np.maximum(cut, 0), _MOST * k)
        negative = np.flatnonzero(((kth <= 0) | (cut <= 0)) & ~lost)
        if len(negative):
            rows = torch.from_numpy(negative)
            table[rows] = torch.from_numpy(_ordered(table[rows].numpy()))
            highest[negative] = _highest(table[rows], strips)
            cut[negative] = _cut(_kth(highest[negative], k), margin[negative])
            lost[negative] = _exceeds(highest[negative], cut[negative], _MOST * k)
        cut[lost] = np.iinfo(np.int16).max
        owners, columns = _at_least(table.numpy(), highest, cut)
        counts = np.bincount(owners, minlength=len(users))
        lost |= counts > _MOST * k
        kept = ~lost[owners]
        user, long = np.nonzero(apart & ~lost[:, None])
        owners, columns = np.append(owners[kept], user), np.append(columns[kept], self._apart[long])
        return self._best(users, owners, columns, k), np.flatnonzero(lost)

    def _product(
        self, users: NDArray[np.float32], excluded: tuple[Rows, Rows]
    ) -> tuple[torch.Tensor, NDArray[np.float64], NDArray[np.bool_]]:
        """The bits of u'·v' [B, C'], by how much u·v may differ from them [B], and which items apart are listed [B, A].

        Of excluded pairs and of items apart the bits are those of -inf.
        """
        half = tensor(users).bfloat16()
        if len(self._table) < len(users):
            self._table = torch.empty((len(users), self._half.shape[1]), dtype=torch.bfloat16)
        found = torch.mm(half, self._half, out=self._table[: len(users)]).view(torch.int16)
        bits = found.numpy()
        bits[:, len(self._items) :] = _INFINITELY_LOW
        bits[:, self._apart] = 0
        bits[:, self._left_out] = _INFINITELY_LOW
        bits[excluded] = _INFINITELY_LOW
        apart = bits[:, self._apart] == 0
        bits[:, self._apart] = _INFINITELY_LOW
        rounded = half.float().numpy()
        lengths, errors, width = _lengths(rounded), _errors(users, rounded), users.shape[1]
        sums = (lengths + errors) * self._length
        rounding = errors * self._length + lengths * self._error
        margin = rounding + 2.0**-22 * width * sums + _TINY * width * (1 + lengths + self._length)
        return found, np.where(sums < _LARGEST, margin, np.inf), apart

    def _best(self, users: NDArray[np.float32], owners: Rows, columns: Rows, k: int) -> Ranked:
        """The lists from the candidates [n]: pairs of user and column."""
        key = np.sort(owners * len(self._items) + columns)
        owners, columns = np.divmod(key, len(self._items))
        counts = np.bincount(owners, minlength=len(users))
        place = places(counts)
        scores = torch.full((len(users), max(int(counts.max(initial=0)), k)), -np.inf)
        listed = np.zeros(scores.shape, np.int64)
        size = max(_ENTRIES // max(users.shape[1], 1), 1)
        for part in (slice(start, start + size) for start in range(0, len(owners), size)):
            vectors = self._items.index_select(0, torch.from_numpy(columns[part])).numpy()
            scores.numpy()[owners[part], place[part]] = np.einsum("nd,nd->n", vectors, users[owners[part]])
        listed[owners, place] = columns
        best, found = best_columns(scores, k)
        return np.take_along_axis(listed, best, axis=1), found


def _ordered(bits: NDArray[np.int16]) -> NDArray[np.int16]:
    """Integers in the order of the bfloat16 with these bits, equal to them where it is positive; its own inverse."""
    return bits ^ ((bits >> 15) & np.int16(0x7FFF))


def _highest(table: torch.Tensor, strips: int) -> NDArray[np.int16]:
    """The highest of each strip of a table [B, C]: columns c, c + strips, c + 2 strips and so on."""
    found: NDArray[np.int16] = table.view(len(table), -1, strips).amax(1).numpy()
    return found


def _kth(highest: NDArray[np.int16], k: int) -> NDArray[np.int16]:
    place = highest.shape[1] - k
    found: NDArray[np.int16] = np.partition(highest, place, axis=1)[:, place]
    return found


def _exceeds(highest: NDArray[np.int16], cut: NDArray[np.int16], most: int) -> NDArray[np.bool_]:
    """Bool [B]: whether more than ``most`` strips have an entry that is at least the ``cut`` of their row."""
    found: NDArray[np.bool_] = (highest >= cut[:, None]).sum(1) > most
    return found


def _cut(kth: NDArray[np.int16], margin: NDArray[np.float64]) -> NDArray[np.int16]:
    """The least ordered bits of an item of the list, where the k-th highest has ``kth``; of -inf there is none.

    Products are rounded to the nearest bfloat16, and so is what none of these items is below.
    """
    value = (_ordered(kth).astype(np.int32) << 16).view(np.float32).astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):  # users without a bound are lost
        value -= 2 * margin + np.where(np.isfinite(value), np.abs(value), 0) * 2.0**-8
        single = np.nextafter(value.astype(np.float32), np.float32(-np.inf))
    return np.maximum(_ordered(torch.from_numpy(single).bfloat16().view(torch.int16).numpy()), _LOWEST)


def _at_least(table: NDArray[np.int16], highest: NDArray[np.int16], cut: NDArray[np.int16]) -> tuple[Rows, Rows]:
    """Rows and columns of the entries that are at least the ``cut`` of their row."""
    strips = highest.shape[1]
    owners, strip = np.divmod(np.flatnonzero(highest >= cut[:, None]), strips)
    inside = table.reshape(len(table), -1, strips)[owners, :, strip]
    found, depth = np.divmod(np.flatnonzero(inside >= cut[owners, None]), inside.shape[1])
    return owners[found], strip[found] + depth * strips


def _strips(width: int, k: int) -> int:
    """Strips of a table with ``width`` columns."""
    depth = _DEEPEST
    while width // depth < _STRIPS * k and depth > 1:
        depth //= 2
    return width // depth


def _far_longer(lengths: NDArray[np.float64]) -> Rows:
    """The places of the few ``lengths`` that are far above all others; empty without any, and where one is not finite.

    Example:
        >>> _far_longer(np.array([1.0, 30.0, *[1.5] * 20, 2.9])).tolist()
        [1]
    """
    if len(lengths) <= _APART or not np.isfinite(lengths).all():
        return np.empty(0, np.int64)
    order = np.argpartition(lengths, len(lengths) - _APART - 1)
    others = lengths[order[len(lengths) - _APART - 1]]
    return np.sort(order[-_APART:][lengths[order[-_APART:]] > _LONGER * others])


def _lengths(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """float64 [n]: the length of each vector, rounded up."""
    found: NDArray[np.float64] = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)) * (1 + 1e-9)
    return found


def _errors(vectors: NDArray[np.float32], rounded: NDArray[np.float32]) -> NDArray[np.float64]:
    """float64 [n]: the length of what rounding changed, NaN or infinite where the vector is not finite."""
    with np.errstate(invalid="ignore"):
        return _lengths(vectors - rounded)


@functools.cache
def _in_hardware() -> bool:
    """Whether this CPU multiplies matrices of bfloat16."""
    return bool(torch.cpu._is_amx_tile_supported())
