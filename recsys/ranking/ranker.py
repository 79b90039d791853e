"""Exact top-k ranking: from user vectors and item vectors to the k best items of each user."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Vectors
from recsys.ranking.checks import check_finite_scores
from recsys.ranking.half_precision import HalfPrecision
from recsys.ranking.on_device import OnDevice
from recsys.ranking.top_values import Ranked, best_columns, tensor

_BLOCK_BYTES = 32 * 2**20
_ALIGNED = 16
"""Scores of a user begin a multiple of so many places (64 bytes, a cache line) after those of the user before."""
_USERS = 64
"""Blocks are a multiple of so many users where they may be so large: products of 96 take longer for each than of 64."""


class Ranker:
    """Top-k lists of many users, computed a block of users at a time.

    Items with equal scores are ordered by item row, so that lists are reproducible. The scores of a block share one
    buffer [block, I].

    Args:
        items: [I] vectors; rows that are not valid are never returned.
        candidates: the item rows that may be returned, in any order; None: all.
        block: users a block; None: as many as have about 32 MiB of scores, or as `OnDevice` has it.
        multiple: scores are computed for a multiple of so many users, the last of them zero where there are fewer. A
            matrix product of few rows has other last bits than one of many; with 32 a user's scores are the same beside
            any other users.
        last: bool [I], items whose scores follow those of the others in the table of a block, so that they lie side by
            side; None is all by their rows.
        device: where scores are computed and searched, see `OnDevice`; None, and vectors with a sparse part, are the
            CPU by its own ways. The lists are the same but for the last bits of scores.
    """

    def __init__(
        self,
        items: Vectors,
        candidates: NDArray[np.integer] | None = None,
        block: int | None = None,
        multiple: int = 1,
        last: NDArray[np.bool_] | None = None,
        device: torch.device | None = None,
    ) -> None:
        self.n_items = len(items)
        self._rows = None if candidates is None else np.unique(candidates).astype(np.int64)
        self._by_row = last is None
        if last is not None:
            rows = np.arange(len(items)) if self._rows is None else self._rows
            self._rows = rows[np.argsort(last[rows], kind="stable")]
        self._columns: Rows | None = None
        if self._rows is not None:
            self._columns = np.full(len(items) + 1, MISSING)
            self._columns[self._rows] = np.arange(len(self._rows))
        chosen = items if self._rows is None else items.take(self._rows)
        self._width = len(chosen)
        self._excluded = np.empty(0, np.int64) if chosen.valid is None else np.flatnonzero(~chosen.valid)
        self._there = OnDevice.of(chosen, self._excluded, device)
        self._dense = None
        if chosen.dense is not None and self._there is None:
            self._dense = torch.from_numpy(np.ascontiguousarray(chosen.dense)).T
        self._sparse = None if chosen.sparse is None else _transposed(chosen.sparse)
        block = block or (block_rows(self._width) if self._there is None else self._there.block_rows())
        step = multiple if multiple == 1 or block < _USERS else math.lcm(multiple, _USERS)
        self._multiple, self.block = multiple, max(block // step, 1) * step
        self._buffer = torch.empty(0, device=self.device)
        self._made: HalfPrecision | None = None

    @property
    def device(self) -> torch.device:
        """Where `scores` are."""
        return torch.device("cpu") if self._there is None else self._there.device

    def top_k(self, users: Vectors, k: int, exclude: Histories | None = None) -> Ranked:
        """The ``k`` items with the highest scores for each of ``users`` [U].

        Args:
            users: vectors; the list of a user who is not valid is empty, all MISSING.
            k: length of a list, at most the size of the catalogue.
            exclude: items that are left out, of each of the U users.

        Returns:
            Item rows [U, k] and scores [U, k], see `Ranked`.

        Raises:
            ArtifactError: a score is NaN or infinite.
        """
        k = min(k, self.n_items)
        rows = np.full((len(users), k), MISSING, np.int64)
        scores = np.full((len(users), k), -np.inf, np.float32)
        depth = min(k, self._width)
        half = self._half(depth) if depth else None
        step = self.block if half is None else 2 * self.block
        for start in range(0, len(users) if depth else 0, step):
            block = slice(start, min(start + step, len(users)))
            part, seen = users.take(block), None if exclude is None else exclude.take(block)
            best = (
                self.ranked(self.scores(part), part, depth, seen)
                if half is None
                else self._looked(half, part, depth, seen)
            )
            rows[block, :depth], scores[block, :depth] = best
        return rows, scores

    def _looked(self, half: HalfPrecision, users: Vectors, k: int, exclude: Histories | None) -> Ranked:
        """`ranked` by `HalfPrecision`, and by single precision where that finds no list."""
        assert users.dense is not None
        dense = np.ascontiguousarray(users.dense)
        if users.valid is not None:
            dense = np.where(users.valid[:, None], dense, np.float32(0))
        (rows, scores), lost = half.top_k(dense, k, self._pairs(exclude))
        if users.valid is not None:
            scores[~users.valid], lost = -np.inf, lost[users.valid[lost]]
        found = self._listed(rows, scores)
        for start in range(0, len(lost), self.block):
            some = lost[start : start + self.block]
            part = users.take(some)
            alone = self.ranked(self.scores(part), part, k, None if exclude is None else exclude.take(some))
            found[0][some], found[1][some] = alone
        return found

    def _half(self, k: int) -> HalfPrecision | None:
        """The way by half precision, where it pays for lists of ``k``."""
        items = self._alone(self._width, k) if self._by_row else None
        if items is None:
            return None
        if self._made is None:
            self._made = HalfPrecision(items, self._excluded)
        return self._made

    def _alone(self, width: int, k: int) -> NDArray[np.float32] | None:
        """The vectors of the first ``width`` candidates, where half precision pays for lists of ``k`` of them."""
        if self._dense is None or self._sparse is not None:
            return None
        items: NDArray[np.float32] = self._dense.T[:width].numpy()
        return items if HalfPrecision.pays(items, k) else None

    def ranked(self, table: torch.Tensor, users: Vectors, k: int, exclude: Histories | None = None) -> Ranked:
        """The ``k`` candidates with the highest scores for each user of one block.

        Args:
            table: [B, C] scores of the C candidates; those of excluded items are overwritten with -inf.
            users: [B] vectors; the lists of those that are not valid are empty.
            k: length of a list, at most C.
            exclude: see `top_k`.
        """
        self._mask(table, users, exclude)
        return self._listed(*best_columns(table, k, None if self._by_row else self._rows))

    def _mask(self, table: torch.Tensor, users: Vectors, exclude: Histories | None) -> None:
        """Overwrites what may not be listed of the scores [B, C] of one block with -inf."""
        pairs = self._pairs(exclude)
        if self._there is not None:
            self._there.mask(table, pairs, users.valid)
            return
        values = table.numpy()
        if len(self._excluded):
            values[:, self._excluded] = -np.inf
        if users.valid is not None:
            values[~users.valid] = -np.inf
        values[pairs] = -np.inf

    def _listed(self, rows: Rows, scores: NDArray[np.float32]) -> Ranked:
        """Item rows and scores from columns and scores, of which -inf ends a list."""
        ended = np.isneginf(scores)
        if not np.isfinite(scores).all():
            check_finite_scores(rows if self._rows is None else self._rows[rows], scores)
        rows[ended] = MISSING
        return (rows if self._rows is None else np.append(self._rows, MISSING)[rows]), scores

    def scores(self, users: Vectors) -> torch.Tensor:
        """[B, C]: the score of every candidate for a block of users; the next call overwrites it."""
        assert len(users) <= self.block, "the scores of a block share a buffer"
        size = -(-max(len(users), 1) // self._multiple) * self._multiple
        if self._there is not None and self._multiple > 1:  # of another size a product has other last bits there
            size = self.block
        if len(self._buffer) < size:
            aligned = -(-self._width // _ALIGNED) * _ALIGNED
            self._buffer = torch.empty((min(self.block, size), aligned), device=self.device)[:, : self._width]
        table = self._buffer[: len(users)]
        filled = False
        if users.dense is not None and (self._dense is not None or self._there is not None):
            rows = np.ascontiguousarray(users.dense)
            if size > len(rows) > 0:
                rows = np.pad(rows, ((0, size - len(rows)), (0, 0)))
            if self._there is not None:
                self._there.product(rows, self._buffer[: len(rows)])
            elif self._dense is not None:
                torch.matmul(tensor(rows), self._dense, out=self._buffer[: len(rows)])
            filled = True
        if self._sparse is not None and users.sparse is not None:
            product: Any = users.sparse @ self._sparse
            _add(table.numpy() if filled else table.zero_().numpy(), product)
            filled = True
        assert filled, "users and items must share a part"
        return table

    def _pairs(self, exclude: Histories | None) -> tuple[Rows, Rows]:
        """Rows and columns of the candidates that ``exclude`` has of each user."""
        if exclude is None:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        columns, owners = self.columns(exclude.items.astype(np.int64)), exclude.users()
        known = (columns >= 0) & (columns < self._width)
        return owners[known], columns[known]

    def columns(self, items: Rows) -> Rows:
        """The column of each item row among the candidates; MISSING for the others."""
        return items if self._columns is None else self._columns[np.minimum(items, self.n_items)]


def top_k(
    users: Vectors,
    items: Vectors,
    k: int,
    exclude: Histories | None = None,
    candidates: NDArray[np.integer] | None = None,
) -> Ranked:
    """The ``k`` items with the highest scores for each user, ties by the lower item row; see `Ranker`.

    Example:
        >>> rows, scores = top_k(Vectors(np.float32([[1, 0]])), Vectors(np.float32([[1, 0], [2, 1], [1, 5]])), k=2)
        >>> rows.tolist(), scores.tolist()
        ([[1, 0]], [[2.0, 1.0]])
    """
    return Ranker(items, candidates).top_k(users, k, exclude)


def block_rows(n_items: int) -> int:
    """The default number of users a block, for ``n_items`` items: about 32 MiB of scores."""
    return max(1, _BLOCK_BYTES // (4 * max(n_items, 1)))


def _transposed(part: sp.csr_array | NDArray[np.float32]) -> sp.csr_array | NDArray[np.float32]:
    """[S, I], contiguous; computed once and used for all blocks."""
    return sp.csr_array(part.T) if sp.issparse(part) else np.ascontiguousarray(part.T)


def _add(table: NDArray[np.float32], product: Any) -> None:
    if sp.issparse(product):
        entries = sp.coo_array(product)
        table[entries.row, entries.col] += entries.data
    else:
        table += product
