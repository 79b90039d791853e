r"""Diversity: lists whose items are unlike each other, by maximal marginal relevance or a determinantal point process.

MMR (Carbonell and Goldstein, 1998) fills each place with the candidate of the highest

.. math:: (1 - w) \, r_i - w \max_{j \in L} \mathrm{sim}(i, j),

r the relevance (`recsys.retrieval.rules.ranking.pool.Pool.relevance`) and L the list so far. The DPP takes, greedily
(Chen, Zhang and Zhou, 2018), the candidate of the highest :math:`(1 - w) \, r_i + w \log d_i^2`, where :math:`d_i^2` is
what is left of the variance of i given L under the kernel :math:`0.99 \, \mathrm{sim} + 0.01 \, I`.

The similarity is the cosine of the engine's item vectors, or of a column: the share of common values (Jaccard). Vectors
with a dense and a sparse part, as of a hybrid of towers and EASE, are compared by the dense part: the two are in units
of their own, which the factors of the user's vector level.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, TypeAlias

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Vectors
from recsys.retrieval.rules.items.column_values import ColumnValues
from recsys.retrieval.rules.ranking.pool import Pool

Alike: TypeAlias = Callable[[Rows], NDArray[np.float32]]
"""From item rows [B, D], padded with MISSING, to their similarities float32 [B, D, D]."""
_JITTER = 0.01
_LEAST = 1e-6


class Diversity(Config):
    """How much the items of a list are kept unlike each other.

    Args:
        method: ``mmr`` (maximal marginal relevance) or ``dpp`` (a determinantal point process).
        weight: of unlikeness against relevance, from 0 (none) to 1.
        column: of the items, whose common values make two items alike; None compares the engine's item vectors: the
            sparse ones of a linear item-item model, and of a hybrid with dense parts these alone, each as long as it
            is, whatever its weight. Give a column where linear parts decide a hybrid's lists.
        pool: candidates from which a list is chosen; None is half as many again as the list has places.
    """

    method: Literal["mmr", "dpp"] = "mmr"
    weight: float = Field(default=0.3, ge=0, le=1)
    column: str | None = None
    pool: int | None = Field(default=None, ge=1)


@dataclass(frozen=True, eq=False)
class DiversityRule:
    """Values candidates by how unlike they are to the list so far.

    Args:
        weight: of the term.
        method: ``mmr`` or ``dpp``.
        vectors: float32 [I, D], of length one or zero; None where something else is compared.
        values: of the column.
        scratch: memory that `start` writes to; what it returned before is lost.
        alike: the similarities of items by their rows.
    """

    name: ClassVar[str] = "diversity"
    weight: float
    method: str
    vectors: NDArray[np.float32] | None = None
    values: ColumnValues | None = None
    alike: Alike | None = None
    scratch: Scratch = field(default_factory=lambda: Scratch())

    @classmethod
    def of_vectors(cls, weight: float, method: str, items: Vectors) -> DiversityRule:
        """The rule that compares item vectors: their dense part, or the sparse part where they have no other."""
        if items.dense is None:
            assert items.sparse is not None, "a vector has a dense part or a sparse part"
            return cls(weight, method, alike=SparseCosines(items.sparse))
        dense = items.dense if items.valid is None else np.where(items.valid[:, None], items.dense, 0)
        length = np.linalg.norm(dense, axis=1, keepdims=True)
        return cls(weight, method, vectors=np.divide(dense, np.maximum(length, 1e-12), dtype=np.float32))

    def afresh(self) -> DiversityRule:
        """The rule with memory of its own."""
        return replace(self, scratch=Scratch())

    def start(self, pool: Pool, k: int) -> _Redundancy | _Repeats | _Variance:
        """See `recsys.retrieval.rules.ranking.pool.Term`."""
        rows = pool.rows[:, : pool.main]
        if self.method == "mmr" and self.values is not None and self.values.codes.shape[1] == 1:
            return _Repeats.of(self.values.take(rows)[:, :, 0], self.weight)
        similarity = self._similarity(rows)
        if self.method == "mmr":
            return _Redundancy.of(similarity, self.weight)
        return _Variance.of(similarity, k, self.weight)

    def _similarity(self, rows: Rows) -> NDArray[np.float32]:
        """float32 [B, D, D], within the candidates of each user."""
        if self.alike is not None:
            return self.alike(rows)
        if self.vectors is not None:
            (users, size), dim = rows.shape, self.vectors.shape[1]
            each = self.scratch.array("vectors", users * size * dim).reshape(-1, dim)
            np.take(self.vectors, rows.ravel(), axis=0, out=each, mode="clip")
            each[rows.ravel() == MISSING] = 0
            product = self.scratch.array("similarity", users * size * size).reshape(users, size, size)
            lists = torch.from_numpy(each).view(users, size, dim)
            torch.bmm(lists, lists.transpose(1, 2), out=torch.from_numpy(product))
            return product
        assert self.values is not None, "vectors, a column or similarities are compared"
        return jaccard(self.values.take(rows))


class Scratch:
    """Arrays that are made once and filled many times: the pages of new ones take longer than what is computed."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[np.float32]] = {}

    def array(self, name: str, size: int) -> NDArray[np.float32]:
        """float32 [size], not filled; the memory of the array of this name that was given before."""
        if len(self._arrays.get(name, ())) < size:
            self._arrays[name] = np.empty(size, np.float32)
        return self._arrays[name][:size]


class SparseCosines:
    """Cosines of item vectors that are as long as the catalogue, as those of a linear item-item model.

    Args:
        vectors: [I, S], a CSR matrix or an array.

    Example:
        >>> SparseCosines(np.float32([[3, 0], [0, 2], [5, 0]]))(np.array([[0, 1, 2, MISSING]]))[0, 0].tolist()
        [1.0, 0.0, 1.0, 0.0]
    """

    def __init__(self, vectors: sp.csr_array | NDArray[np.float32]) -> None:
        self._vectors = vectors
        squares = vectors.multiply(vectors) if isinstance(vectors, sp.csr_array) else vectors * vectors
        self._scale = 1 / np.maximum(np.sqrt(np.ravel(squares.sum(axis=1))), 1e-12)

    def __call__(self, rows: Rows) -> NDArray[np.float32]:
        """float32 [B, D, D]: those of the items at ``rows`` [B, D]; 0 where a row is MISSING."""
        found = np.zeros((*rows.shape, rows.shape[1]), np.float32)
        for each, row in zip(found, rows, strict=True):
            known = np.flatnonzero(row != MISSING)
            part, scale = self._vectors[row[known]], self._scale[row[known]]
            product = part @ part.T
            wide = product.toarray() if sp.issparse(product) else np.asarray(product)
            each[np.ix_(known, known)] = wide * scale[:, None] * scale
        return found


def jaccard(codes: NDArray[np.int32]) -> NDArray[np.float32]:
    """float32 [B, D, D]: the values that two candidates share, as a share of those that either has.

    Args:
        codes: int32 [B, D, T], padded with MISSING.
    """
    shared = np.zeros((len(codes), codes.shape[1], codes.shape[1]), np.float32)
    for tag in range(codes.shape[2]):
        mine = codes[:, :, None, tag]
        known = mine != MISSING
        for other in range(codes.shape[2]):
            shared += (mine == codes[:, None, :, other]) & known
    count = (codes != MISSING).sum(2, dtype=np.float32)
    either = count[:, :, None] + count[:, None, :] - shared
    found: NDArray[np.float32] = np.divide(shared, either, out=np.zeros_like(shared), where=either > 0)
    return found


@dataclass(eq=False)
class _Repeats:
    """MMR by a column of one value an item: minus the weight for the candidates whose value is in the list, else 0."""

    codes: NDArray[np.int32]
    value: NDArray[np.float32]
    weight: float

    @classmethod
    def of(cls, codes: NDArray[np.int32], weight: float) -> _Repeats:
        return cls(codes, np.zeros(codes.shape, np.float32), weight)

    def __post_init__(self) -> None:
        self._users = np.arange(len(self.codes))
        self._taken = np.zeros((len(self.codes), int(self.codes.max(initial=0)) + 2), bool)
        self._taken[:, MISSING] = True  # of no value there is no repeat

    def values(self) -> NDArray[np.float32]:
        return self.value

    def took(self, picked: Rows) -> None:
        codes = np.where(picked == MISSING, MISSING, self.codes[self._users, picked])
        users = np.flatnonzero(~self._taken[self._users, codes])
        if len(users):
            self._taken[users, codes[users]] = True
            self.value[users] -= (self.codes[users] == codes[users, None]) * np.float32(self.weight)


@dataclass(eq=False)
class _Redundancy:
    """MMR: the highest similarity of each candidate with the list so far, negated and weighted.

    Args:
        similarity: float32 [B, D, D].
        highest: float32 [B, D]; nought of lists without an item of the pool.
        empty: bool [B], those lists.
        weight: of the similarity.
    """

    similarity: NDArray[np.float32]
    highest: NDArray[np.float32]
    empty: NDArray[np.bool_]
    weight: float

    @classmethod
    def of(cls, similarity: NDArray[np.float32], weight: float) -> _Redundancy:
        highest, empty = np.zeros(similarity.shape[:2], np.float32), np.ones(len(similarity), bool)
        return cls(similarity, highest, empty, weight)

    def __post_init__(self) -> None:
        self._likeness, self._value = np.empty_like(self.highest), np.empty_like(self.highest)
        self._rows = self.similarity.reshape(-1, self.similarity.shape[2])
        self._first = np.arange(len(self.highest)) * self.highest.shape[1]

    def values(self) -> NDArray[np.float32]:
        np.multiply(self.highest, np.float32(-self.weight), out=self._value)
        return self._value

    def took(self, picked: Rows) -> None:
        self._rows.take(self._first + picked, axis=0, out=self._likeness, mode="clip")
        none = picked == MISSING
        if np.count_nonzero(none):
            self._likeness[none] = -np.inf
        if np.count_nonzero(self.empty):
            first = self.empty & ~none
            self.highest[first] = self._likeness[first]
            self.empty &= ~first
        np.maximum(self.highest, self._likeness, out=self.highest)


@dataclass(eq=False)
class _Variance:
    """DPP: what is left of the variance of each candidate, by an incremental Cholesky factorisation.

    Args:
        kernel: float32 [B, D, D].
        factors: float32 [B, k, D], the rows of the factor.
        left: float32 [B, D], the variances.
        weight: of the logarithm of the variances.
        steps: rows that are filled.
    """

    kernel: NDArray[np.float32]
    factors: NDArray[np.float32]
    left: NDArray[np.float32]
    weight: float
    steps: int = 0

    @classmethod
    def of(cls, similarity: NDArray[np.float32], k: int, weight: float) -> _Variance:
        kernel = np.multiply(similarity, np.float32(1 - _JITTER), out=similarity)
        diagonal = np.arange(kernel.shape[1])
        kernel[:, diagonal, diagonal] = 1.0
        left = np.ones(kernel.shape[:2], np.float32)
        return cls(kernel, np.zeros((len(kernel), k, kernel.shape[1]), np.float32), left, weight)

    def values(self) -> NDArray[np.float32]:
        found: NDArray[np.float32] = np.log(np.maximum(self.left, _LEAST)) * np.float32(self.weight)
        return found

    def took(self, picked: Rows) -> None:
        users = np.flatnonzero(picked != MISSING)
        column = picked[users]
        before = self.factors[:, : self.steps]
        mine = before[users, :, column]  # [n, steps]
        explained = np.matmul(mine[:, None], before if len(users) == len(before) else before[users])[:, 0]
        row = self.kernel[users, column] - explained
        row /= np.sqrt(np.maximum(self.left[users, column], _LEAST))[:, None]
        self.factors[users, self.steps] = row
        self.left[users] -= row * row
        self.steps += 1
