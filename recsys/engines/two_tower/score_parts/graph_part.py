"""The graph part of the score: a low-pass filter of the user-item graph over the whole history, beside the towers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys.atomic import atomic_path
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import MISSING
from recsys.engines.graph.spectral import LowPassOptions, low_pass
from recsys.errors import ArtifactError
from recsys.seeding import stream

Floats = NDArray[np.float32]

_FILE = "graph.safetensors"

RANK = 64
"""Singular vectors at most; more fit single interactions of the sets it was chosen on."""


@dataclass(frozen=True, eq=False)
class GraphPart:
    r"""Spectral embeddings of items, and of users as the sum over all items of their history (Shen et al., CIKM 2021).

    .. math:: s_{ui} = \frac{z_u^\top o_i}{\sigma_u}, \quad z_u = \sum_{j \in h_u} D_j^{-t} V_j, \quad
        o_i = D_i^t V_i - \mathrm{mean}

    for the history h of a user and the first K singular vectors V of the normalised interaction matrix, see
    `recsys.engines.graph.spectral.LowPassOptions`. :math:`\sigma_u` is the standard deviation over the items of train,
    so that the scores of every user have mean 0 and deviation 1; items without interactions get 0, the average.

    A sequence encoder reads the newest events and learns what follows on them; a taste that stays is in the whole of a
    long history, which this part sums without training.

    Args:
        into: float32 [I, K], summed over the history.
        out: float32 [I, K], of the item that is scored; zero for items without interactions.
        items: I', the items with interactions.

    Example:
        >>> train = Interactions.of(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2]), np.arange(4), np.ones(4))
        >>> GraphPart.fit(train, n_users=2, n_items=3, seed=0).out.shape
        (3, 2)
    """

    into: Floats
    out: Floats
    items: int

    @classmethod
    def fit(cls, train: Interactions, n_users: int, n_items: int, seed: int) -> GraphPart:
        """The graph part of the interactions ``train``, of rank `RANK`, or less where their matrix has less."""
        seen, options = train.item_counts(n_items) > 0, LowPassOptions(rank=RANK)
        into, out = low_pass(train.to_csr(n_users, n_items), options, stream(seed, "two_tower", "graph"))
        centred = np.where(seen[:, None], out - out[seen].mean(0), 0).astype(np.float32)
        return cls(into.astype(np.float32), centred, int(seen.sum()))

    @property
    def rank(self) -> int:
        """K."""
        return int(self.into.shape[1])

    def of_rank(self, rank: int) -> GraphPart:
        """The part of the first ``rank`` singular vectors."""
        return GraphPart(self.into[:, :rank], self.out[:, :rank], self.items)

    def at_rows(self, rows: NDArray[np.integer], n_items: int) -> GraphPart:
        """The part for a vocabulary of ``n_items`` in which item i has the row ``rows[i]``."""
        into, out = (np.zeros((n_items, self.rank), np.float32) for _ in range(2))
        into[rows], out[rows] = self.into, self.out
        return GraphPart(into, out, self.items)

    def user_vectors(self, histories: Histories) -> Floats:
        """float32 [U, K]: zero for users without a history."""
        sums = np.asarray(histories.to_csr(len(self.into)) @ self.into, np.float32)
        variances = ((sums @ self.covariance) * sums).sum(1, keepdims=True)
        deviations = np.sqrt(np.maximum(variances, 0))
        vectors: Floats = np.divide(sums, deviations, out=np.zeros_like(sums), where=deviations > 1e-12)
        return vectors

    def item_vectors(self, rows: NDArray[np.integer]) -> Floats:
        """float32 [n, K] of the items at ``rows``, zero where MISSING."""
        vectors: Floats = self.out[rows] * (rows != MISSING)[:, None].astype(np.float32)
        return vectors

    def save(self, directory: Path) -> None:
        """Writes ``graph.safetensors``."""
        arrays = {"into": self.into, "out": self.out, "items": np.array([self.items])}
        with atomic_path(directory / _FILE) as beside:
            save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, beside)

    @classmethod
    def load(cls, directory: Path, n_items: int) -> GraphPart:
        """What `save` wrote.

        Raises:
            ArtifactError: it is missing, damaged, or not of a vocabulary of ``n_items``.
        """
        try:
            arrays = load_file(directory / _FILE)
            into, out, items = arrays["into"], arrays["out"], int(arrays["items"][0])
        except (OSError, SafetensorError, KeyError, IndexError) as error:
            raise ArtifactError(f"{directory / _FILE} does not hold a graph part ({error}); train again") from error
        if into.ndim != 2 or into.shape != out.shape or len(into) != n_items:
            raise ArtifactError(
                f"{directory / _FILE} has vectors of {into.shape} and {out.shape}, and there are {n_items} items; "
                "train again"
            )
        return cls(into, out, items)

    @cached_property
    def covariance(self) -> Floats:
        """float32 [K, K], of the item vectors over the items of train."""
        covariance: Floats = self.out.T @ self.out / np.float32(max(self.items, 1))
        return covariance
