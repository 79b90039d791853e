"""What Faiss builds of item vectors, by inner product: inverted lists and neighbour graphs (extra ``faiss``)."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ConfigError

FaissIndex = Any
"""An index of Faiss, which has no types."""
_TRAINED, _ROUNDS = 64, 10
"""Vectors a list that k-means sees, and its rounds: with the defaults of Faiss (256 and 25) building takes four times
as long, and recall is the same."""
_HALF = 1e-2, 6e4
"""The largest component of vectors that 16 bits tell apart."""
_SCANNED = 4
"""One vector of an inverted list costs what so many do in the matrix product of an exact scan."""
_MET = 20
"""And one node that a search of the graph meets; it meets about 32 for each that it keeps."""
_USER_LENGTH = 32.0
"""Of users in the graph: beside it, errors of the squared lengths of items are small, and so are those of its own."""
_LINKS, _BUILT_WITH = 32, 64
"""Neighbours of a node of the graph, and candidates when it is built."""


class Kind:
    """A kind of index, which searches more widely, and finds more, with more ``breadth``.

    Args:
        vectors: float32 [n, D], the items.
    """

    name: ClassVar[str]
    unit: ClassVar[str]
    """What breadth counts."""
    least: ClassVar[int] = 1

    def build(self, vectors: NDArray[np.float32]) -> FaissIndex:
        """The index of Faiss over all ``vectors``, whose ids are the rows."""
        raise NotImplementedError

    def most(self, index: FaissIndex) -> int:
        """The breadth that finds everything, or the largest that pays."""
        raise NotImplementedError

    def scans(self, index: FaissIndex, breadth: int, share: float) -> bool:
        """Whether an exact scan of a ``share`` of the items costs less than a search for them."""
        raise NotImplementedError

    def search(
        self, index: FaissIndex, users: NDArray[np.float32], depth: int, breadth: int, allowed: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        """int64 [U, depth]: the ids of what is found among ``allowed``, best first; -1 where it is less."""
        raise NotImplementedError


class InvertedLists(Kind):
    """About ``2 sqrt(n)`` clusters of half-precision vectors, of which ``nprobe`` are searched.

    IVF (Jégou, Douze, Schmid, 2011) with scalar quantization to 16 bits.

    Args:
        rescaled: whether vectors are divided by their largest component, as 16 bits tell small numbers badly apart.
            Where scores are to be those of the vectors they are not, and are kept whole where the range is wrong.
    """

    name, unit = "inverted lists", "nprobe"

    def __init__(self, rescaled: bool = True) -> None:
        self._rescaled = rescaled

    def build(self, vectors: NDArray[np.float32]) -> FaissIndex:
        faiss = require_faiss()
        count, dim = vectors.shape
        lists, cells, metric = faiss.IndexFlatIP(dim), round(2 * count**0.5), faiss.METRIC_INNER_PRODUCT
        largest = float(np.abs(vectors).max(initial=0))
        if self._rescaled and largest:
            vectors, largest = vectors / np.float32(largest), 1.0
        if _HALF[0] < largest < _HALF[1]:
            index = faiss.IndexIVFScalarQuantizer(lists, dim, cells, faiss.ScalarQuantizer.QT_fp16, metric)
        else:
            index = faiss.IndexIVFFlat(lists, dim, cells, metric)
        index.cp.max_points_per_centroid, index.cp.niter = _TRAINED, _ROUNDS
        index.train(vectors)
        index.add(vectors)
        return index

    def most(self, index: FaissIndex) -> int:
        return int(index.nlist)

    def scans(self, index: FaissIndex, breadth: int, share: float) -> bool:
        return share <= _SCANNED * breadth / self.most(index)

    def search(
        self, index: FaissIndex, users: NDArray[np.float32], depth: int, breadth: int, allowed: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        faiss, nearest = require_faiss(), min(breadth, int(index.nlist))
        given = {} if allowed is None else {"sel": _bitmap(faiss, allowed)}
        parameters = faiss.SearchParametersIVF(nprobe=nearest, **given)
        close, cells = index.quantizer.search(users, nearest)
        order = np.argsort(cells[:, 0], kind="stable")  # one after the other, as they read the same lists
        asked = [np.ascontiguousarray(each[order]) for each in (users, cells, close)]
        scores, ids = np.empty((len(users), depth), np.float32), np.empty((len(users), depth), np.int64)
        rows, *others = [faiss.swig_ptr(each) for each in (*asked, scores, ids)]
        index.search_preassigned_c(len(users), rows, depth, *others, False, parameters)
        found = np.empty_like(ids)
        found[order] = ids
        return found


class Graph(Kind):
    """A graph of near neighbours, of which a search keeps the best ``efSearch`` nodes that it has met.

    HNSW (Malkov, Yashunin, 2018) over half-precision vectors with one component more, which makes all of them equally
    long, so that the nearest of them to a user is the one with the largest inner product (Bachrach et al., 2014). Built
    by one thread, for the graph depends on the order in which items enter.
    """

    name, unit, least = "neighbour graph", "efSearch", 128

    def build(self, vectors: NDArray[np.float32]) -> FaissIndex:
        faiss = require_faiss()
        squares = np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64)
        longest = float(squares.max(initial=0)) ** 0.5 or 1.0
        missing = np.sqrt(np.maximum(1 - squares / longest**2, 0))
        whole = np.column_stack([vectors / longest, missing]).astype(np.float32)
        index = faiss.IndexHNSWSQ(whole.shape[1], faiss.ScalarQuantizer.QT_fp16, _LINKS, faiss.METRIC_L2)
        index.hnsw.efConstruction = _BUILT_WITH
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)
        try:
            index.train(whole)
            index.add(whole)
        finally:
            faiss.omp_set_num_threads(threads)
        return index

    def most(self, index: FaissIndex) -> int:
        return min(4096, int(index.ntotal))

    def scans(self, index: FaissIndex, breadth: int, share: float) -> bool:
        return breadth * _LINKS * _MET >= share * int(index.ntotal)

    def search(
        self, index: FaissIndex, users: NDArray[np.float32], depth: int, breadth: int, allowed: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        faiss = require_faiss()
        given = {} if allowed is None else {"sel": _bitmap(faiss, allowed)}
        parameters = faiss.SearchParametersHNSW(efSearch=max(breadth, depth), **given)
        lengths = np.linalg.norm(users.astype(np.float64), axis=1, keepdims=True)
        scaled = users / np.where(lengths > 0, lengths / _USER_LENGTH, 1)  # the order of items is the same
        longer = np.column_stack([scaled, np.zeros(len(users))]).astype(np.float32)
        found: NDArray[np.int64] = index.search(longer, depth, params=parameters)[1]
        return found


def require_faiss() -> ModuleType:
    """The module of Faiss.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise ConfigError(
            "approximate search needs Faiss: pip install 'recsys-towers[faiss]', or use index = 'exact'"
        ) from error
    return faiss


def _bitmap(faiss: ModuleType, allowed: NDArray[np.bool_]) -> object:
    return faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def write(index: FaissIndex, path: Path) -> None:
    """Writes an index of Faiss into a file."""
    require_faiss().write_index(index, str(path))


def read(path: Path) -> FaissIndex:
    """The index of Faiss in a file."""
    return require_faiss().read_index(str(path))


def flat(vectors: NDArray[np.float32]) -> FaissIndex:
    """The exact index of Faiss."""
    index = require_faiss().IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index
