"""Spectral graph filter in closed form: an ideal low-pass filter plus two-hop neighbours."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pydantic import Field

from recsys.config import Config
from recsys.configurable import EngineConfig
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Engine, FitContext, Request, Vectors
from recsys.engines.singular import by_degrees, degrees, truncated_svd
from recsys.engines.sparse import rows_of
from recsys.engines.storage import (
    csr_from,
    csr_parts,
    decayed_history,
    known_rows,
    load_arrays,
    save_arrays,
    seen_table,
)
from recsys.errors import ConfigError
from recsys.seeding import stream

Floats = NDArray[np.float32]
_LARGEST = 1e9
"""Of the weights of a normalised matrix; the fourth powers of larger ones, and of their inverses, are no float32."""


class LowPassOptions(Config):
    """Options of the low-pass filter: the projection on the K lowest frequencies of the item-item graph.

    Args:
        rank: K, singular vectors kept.
        users: exponent c; an interaction weighs ``degree of its user ** -c``.
        items: exponent b, likewise of its item.
        popularity_exponent: exponent t; an item of the history weighs ``degree ** -t``, a scored item ``degree ** t``.
    """

    rank: int = Field(512, ge=1)
    users: float = Field(0.4, ge=-10, le=10)
    items: float = Field(0.4, ge=-10, le=10)
    popularity_exponent: float = Field(0.35, ge=-10, le=10)


class TwoHopOptions(Config):
    """Options of the two-hop part: items of the users who share an item with the history.

    Args:
        users: exponent c; a path through a user weighs ``degree ** -c``.
        history: exponent a, of the history's item.
        output: exponent b, of the item that is scored.
        neighbours: items kept for each scored item; 0 keeps all.
    """

    users: float = Field(0.5, ge=-10, le=10)
    history: float = Field(0.6, ge=-10, le=10)
    output: float = Field(0.4, ge=-10, le=10)
    neighbours: int = Field(500, ge=0)


class SpectralConfig(EngineConfig):
    """Options of both parts and of their mix.

    Args:
        low_pass: of the dense part.
        two_hop: of the sparse part.
        mix: share of the sparse part, each in units of its root mean square over pairs of different items.
        decay: weight of one step back in time when a user's history is summed; 1 ignores the order.
    """

    low_pass: LowPassOptions = LowPassOptions()
    two_hop: TwoHopOptions = TwoHopOptions()
    mix: float = Field(0.5, ge=0, le=1)
    decay: float = Field(1.0, gt=0, le=1)


class Spectral(Engine):
    r"""Low-pass graph filter plus two-hop neighbours, without training (after Shen et al., CIKM 2021, "How Powerful is
    Graph Convolution for Recommendation?", with free exponents and one norm for both parts).

    .. math:: x \,[(1 - m)\, D^{-t} V V^\top D^{t} + m\, D^{-a} R^\top D_U^{-c} R\, D^{-b}]

    scores a history x. V [I, K] are the first right singular vectors of the normalised matrix
    :math:`D_U^{-c} R D^{-b}` of R [U, I] (an ideal low-pass of the signal x), D and :math:`D_U` the degrees of items
    and users. The first part is dense, K numbers a user and an item; the second is sparse, the history against an
    item's neighbours. Use it where the order of events is unknown; its singular vectors also start `LightGCN`.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste(items=14).dataset()
        >>> Spectral(low_pass={"rank": 4}).fit(data).item_table().dim
        2
    """

    kind = "spectral"
    Config = SpectralConfig
    config: SpectralConfig

    items: Vocabulary
    counts: NDArray[np.int64]
    into: Floats
    """float32 [I, K]: summed over the history, the dense part of the user's vector."""
    out: Floats
    """float32 [I, K]: the dense part of an item's vector."""
    hops: sp.csr_array
    """float32 [I, I]: the sparse part of an item's vector."""

    def _fit(self, data: Dataset, train: Interactions, context: FitContext) -> None:
        self.items, self.counts = data.items.vocabulary, train.item_counts(data.n_items)
        matrix, options, mix = train.to_csr(data.n_users, data.n_items), self.config.low_pass, self.config.mix
        rank = min(options.rank, *matrix.shape)
        self.into = self.out = np.zeros((data.n_items, 0), np.float32)
        self.hops = sp.csr_array((data.n_items, data.n_items), dtype=np.float32)
        if mix < 1:
            context.tracker.progress(
                f"spectral: {rank} singular vectors of {data.n_users:,} users x {data.n_items:,} items"
            )
            self.into, self.out = low_pass(matrix, options, stream(context.seed, "spectral"))
            self.into *= np.float32((1 - mix) / (_norm_of_product(self.out, self.into) or 1))
        if mix > 0:
            context.tracker.progress(f"spectral: two hops of {len(train):,} interactions")
            self.hops = two_hops(matrix, self.config.two_hop)
            with np.errstate(invalid="ignore"):  # told below
                self.hops.data *= np.float32(mix / (np.linalg.norm(self.hops.data) or 1))
        if not all(np.isfinite(part).all() for part in (self.into, self.out, self.hops.data)):
            raise ConfigError(_refusal("of low_pass and two_hop"))

    def user_vectors(self, request: Request) -> Vectors:
        history = decayed_history(request, self.items, self.counts, self.config.decay)
        known = np.diff(history.indptr) > 0
        return Vectors(np.asarray(history @ self.into, np.float32), history, known)

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        rows = known_rows(items, self.items, self.counts)
        dense = np.where((rows >= 0)[:, None], self.out[rows], np.float32(0))
        return Vectors(dense, rows_of(self.hops, rows), rows >= 0)

    def item_table(self) -> EmbeddingTable:
        """The dense part of the items that training saw."""
        return seen_table(self.kind, self.config, self.items, self.counts > 0, self.out)

    def save(self, directory: Path) -> None:
        arrays = {**csr_parts(self.hops), "counts": self.counts, "into": self.into, "out": self.out}
        save_arrays(directory, self.config, self.items, arrays)

    @classmethod
    def load(cls, directory: Path) -> Self:
        config, items, arrays = load_arrays(directory, SpectralConfig, ("counts", "out"))
        engine = cls(config)
        engine.items, engine.counts, engine.hops = items, arrays["counts"], csr_from(arrays, len(items))
        engine.into, engine.out = arrays["into"], arrays["out"]
        return engine


def low_pass(matrix: sp.csr_array, options: LowPassOptions, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """The low-pass filter as two factors: float32 [I, K] of the history's items and of the scored ones.

    Args:
        matrix: R [U, I].
        options: rank, at most the shorter side of ``matrix``, and exponents.
        rng: of the randomised decomposition.

    Raises:
        ConfigError: with these exponents the weights of interactions are too small or too large for float32.
    """
    matrix = by_degrees(matrix, -options.users, -options.items)
    if matrix.nnz and not 1 / _LARGEST < matrix.data.max() < _LARGEST:
        raise ConfigError(_refusal(f"low_pass.users = {options.users:g} and low_pass.items = {options.items:g}"))
    vectors, _ = truncated_svd(matrix, min(options.rank, *matrix.shape), rng)
    powers = (-options.popularity_exponent, options.popularity_exponent)
    into, out = (degrees(matrix, 0, power) @ vectors for power in powers)
    return into, out


def _refusal(options: str) -> str:
    told = f"spectral cannot be computed with the exponents {options}: weights overflow or vanish"
    return f"{told}; set them between 0 and 1"


def two_hops(matrix: sp.csr_array, options: TwoHopOptions, block: int = 2048) -> sp.csr_array:
    r"""float32 [I, I]: :math:`d_i^{-b} \sum_u R_{ui} d_u^{-c} R_{uj} d_j^{-a}` for scored items i and history items j.

    The diagonal is zero. Each row keeps its ``options.neighbours`` largest entries (0 keeps all), and more where some
    are equal to the smallest of these. Memory is that of ``block`` whole rows and of the result.
    """
    into = by_degrees(matrix, -options.users, -options.history)
    back = sp.csr_array(by_degrees(matrix, 0, -options.output).T)
    parts = []
    for start in range(0, matrix.shape[1], block):
        part = sp.csr_array(back[start : start + block] @ into)
        rows = np.repeat(np.arange(part.shape[0]), np.diff(part.indptr))
        part.data[part.indices == rows + start] = 0
        if options.neighbours:
            part.data[part.data < _kth_largest(part, options.neighbours)[rows]] = 0
        part.eliminate_zeros()
        part.sort_indices()
        parts.append(part)
    return sp.csr_array(sp.vstack(parts, format="csr"))


def _kth_largest(matrix: sp.csr_array, k: int) -> Floats:
    """float32 [n]: the k-th largest entry of each row, -inf where it has fewer."""
    found = np.full(matrix.shape[0], -np.inf, np.float32)
    for row in np.flatnonzero(np.diff(matrix.indptr) > k):
        found[row] = np.partition(matrix.data[matrix.indptr[row] : matrix.indptr[row + 1]], -k)[-k]
    return found


def _norm_of_product(left: Floats, right: Floats) -> float:
    """The Frobenius norm of ``left @ right.T`` without its diagonal, in the memory of the two factors."""
    a, b = left.astype(np.float64), right.astype(np.float64)
    whole = ((a.T @ a) * (b.T @ b)).sum() - ((a * b).sum(1) ** 2).sum()
    return float(np.sqrt(max(whole, 0)))
