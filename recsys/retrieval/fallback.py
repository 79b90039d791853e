"""The fallback: popularity among users of the same segments, for users of whom an engine knows nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from recsys.atomic import read_json, write_json
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.digest import short_digest
from recsys.engine import Request, Vectors
from recsys.errors import ArtifactError
from recsys.files.stored_csr import checked_csr
from recsys.retrieval.segments import Segmentation, SegmentColumn


@dataclass(frozen=True, eq=False)
class Fallback:
    """Ranks items by the probability that a user of given columns chooses them (see `recsys.retrieval.segments`).

    Without a column that tells anything, and for a user whose columns are missing, it is overall popularity: the share
    of each item among all (user, item) pairs. The score is an inner product, as of an engine: an item's vector has its
    share and its counts by segment, a user's the weights. Items without interactions have the score 0 and come last.

    Args:
        items: [I] ids of the counted items.
        popularity: float32 [I], the share of each item; they sum to one.
        counts: float32 [S, I], choices by the users of each segment, the segments of all columns one after another.
        segmentation: the columns with their parameters.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> data = BlockTaste().dataset()
        >>> fallback = Fallback.fit(data)
        >>> fallback.columns
        ('team',)
        >>> fallback.user_vectors(Request.from_dataset(data, np.array([0, 3]))).sparse.shape
        (2, 3)
    """

    items: Vocabulary
    popularity: NDArray[np.float32]
    counts: sp.csr_array
    segmentation: Segmentation

    @classmethod
    def fit(cls, data: Dataset) -> Fallback:
        """Counts the interactions of ``data``; repeated pairs count once.

        Args:
            data: the columns of its users and the interactions.
        """
        choices = data.interactions.to_csr(data.n_users, data.n_items)
        segmentation = Segmentation.fit(data.users, choices)
        parts = [sp.csr_array(column.shares_of(data.users).T @ choices) for column in segmentation.columns]
        counts = sp.vstack(parts, format="csr") if parts else sp.csr_array((0, data.n_items))
        popularity = np.asarray(choices.sum(0), np.float64).ravel() / max(choices.nnz, 1)
        return cls(
            data.items.vocabulary, popularity.astype(np.float32), sp.csr_array(counts, dtype=np.float32), segmentation
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of users whose values are segments; empty where it is overall popularity."""
        return tuple(column.name for column in self.segmentation.columns)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of counts and parameters."""
        arrays = (array.tobytes() for array in self._arrays().values())
        return short_digest([self.items.fingerprint, repr(self.segmentation), *arrays])

    def user_vectors(self, request: Request) -> Vectors:
        """[U]: the weight of overall popularity, and those of the segments."""
        rest, parts, first = np.ones(len(request)), [], 0
        fitted = self.segmentation
        for column, strength, weight in zip(fitted.columns, fitted.strengths, fitted.weights, strict=True):
            shares = column.shares_of(request.users)
            size = self._sizes[first : first + column.size] + strength
            first += column.size
            rest -= weight * (shares @ ((size - strength) / size))
            parts.append(shares @ sp.diags_array(weight / size))
        sparse = sp.hstack(parts, format="csr") if parts else sp.csr_array((len(request), 0))
        return Vectors(rest.astype(np.float32)[:, None], sp.csr_array(sparse, dtype=np.float32))

    def item_vectors(self, items: EntityTable) -> Vectors:
        """[I]: the share of each item, and its counts by segment; zero for items that were not counted."""
        rows = self.items.rows(items.vocabulary.ids)
        known = np.flatnonzero(rows != MISSING)
        dense = np.zeros((len(rows), 1), np.float32)
        dense[known, 0] = self.popularity[rows[known]]
        place = sp.csr_array((np.ones(len(known), np.float32), (known, rows[known])), (len(rows), len(self.items)))
        return Vectors(dense, sp.csr_array(place @ self.counts.T, dtype=np.float32))

    @cached_property
    def _sizes(self) -> NDArray[np.float64]:
        """float64 [S]: the number of choices by the users of each segment."""
        return np.asarray(self.counts.sum(1), np.float64).ravel()

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return {
            "popularity": self.popularity,
            "data": self.counts.data,
            "indices": self.counts.indices.astype(np.int32),
            "indptr": self.counts.indptr.astype(np.int64),
        }

    def save(self, directory: Path) -> None:
        """Writes what `load` needs into ``directory``."""
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / "segments.json", asdict(self.segmentation))
        self.items.save(directory / "items.parquet")
        save_file(self._arrays(), directory / "counts.safetensors")

    @classmethod
    def load(cls, directory: Path) -> Fallback:
        """What `save` wrote.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        raw, items = read_json(directory / "segments.json"), Vocabulary.load(directory / "items.parquet")
        try:
            columns = tuple(_column(**column) for column in raw["columns"])
            segmentation = Segmentation(columns, tuple(raw["strengths"]), tuple(raw["weights"]))
            arrays = load_file(directory / "counts.safetensors")
            counts = checked_csr(arrays, (sum(column.size for column in columns), len(items)))
            if arrays["popularity"].shape != (len(items),):
                raise ValueError("its counts do not fit its items")
            if not (np.isfinite(counts.data).all() and np.isfinite(arrays["popularity"]).all()):
                raise ValueError("its counts are not finite")
            return cls(items, arrays["popularity"], counts, segmentation)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError, ArtifactError) as error:
            raise ArtifactError(f"{directory} does not hold a fallback ({error!r}); train again") from error


def _column(name: str, kind: str, separator: str, values: list[str], edges: list[float]) -> SegmentColumn:
    return SegmentColumn(name, kind, separator, tuple(values), tuple(edges))
