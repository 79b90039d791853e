"""Item-to-item lists: the most similar items of every item, as a batch with its rules, parts and manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.engine import Request, Vectors
from recsys.errors import ConfigError
from recsys.retrieval.batch import Batch, RecommendOptions
from recsys.retrieval.manifest import Manifest
from recsys.retrieval.output import Place
from recsys.retrieval.recommend import write_batch
from recsys.retrieval.retriever import similarity_vectors
from recsys.retrieval.rules.conditions import names_users
from recsys.retrieval.rules.options import RuleOptions
from recsys.retrieval.similar import SimilarityModel
from recsys.tracking import SilentTracker, Tracker

ID_COLUMNS = ("item_id", "similar_id")
_OF_USERS = ("candidates", "exclusions", "blocked")
"""Rules of single users."""


class ItemToItem:
    """An engine's similarity as an engine whose users are items: the score of two items is the cosine of their vectors.

    Args:
        engine: a fitted engine.
        items: [I] the catalogue.

    Raises:
        ArtifactError: the vector of an item holds NaN or an infinite value.
    """

    def __init__(self, engine: SimilarityModel, items: EntityTable) -> None:
        self.kind = engine.kind
        self._items, self._vectors = items, of_length_one(similarity_vectors(engine, items))

    def user_vectors(self, request: Request) -> Vectors:
        """[U] the vectors of the items that ask."""
        return self._vectors.take(self._items.vocabulary.rows(request.users.vocabulary.ids))

    def item_vectors(self, items: EntityTable, at: int | None = None) -> Vectors:
        """[I] the vectors of the catalogue."""
        return self._vectors


def of_length_one(vectors: Vectors) -> Vectors:
    """The vectors divided by their lengths, dense and sparse part together; zero vectors stay zero.

    Example:
        >>> of_length_one(Vectors(np.float32([[0, 4], [0, 0]]))).dense.tolist()
        [[0.0, 1.0], [0.0, 0.0]]
    """
    squares = np.zeros(len(vectors))
    for part in (vectors.dense, vectors.sparse):
        if part is not None:
            squares += np.ravel(sp.csr_array(part).power(2).sum(axis=1))
    factor = (1 / np.maximum(np.sqrt(squares), 1e-12)).astype(np.float32)
    factor[squares == 0] = 0
    sparse = vectors.sparse
    scaled = sp.csr_array(sp.diags_array(factor) @ sparse) if sp.issparse(sparse) else _scaled(sparse, factor)
    return Vectors(_scaled(vectors.dense, factor), scaled, vectors.valid)


def _scaled(part: NDArray[np.float32] | None, factor: NDArray[np.float32]) -> NDArray[np.float32] | None:
    return None if part is None else part * factor[:, None]


def similar_lists(
    engine: SimilarityModel,
    data: Dataset,
    directory: Place,
    options: RecommendOptions | None = None,
    tracker: Tracker | None = None,
    model_version: str = "",
    made_from: str = "",
    beside: Path | None = None,
) -> Manifest:
    """The most similar items of all items: parts with ``item_id, similar_id, rank, score``, and a manifest.

    The rules of ``options`` hold as in a batch for users: an item never stands in its own list, and items that may not
    be recommended stand in none; rules of single users are left out, see `options_for_items`. ``score`` is the cosine.
    Items without a vector have no list.

    Args:
        engine: a fitted engine.
        data: the items.
        directory: the output folder, or an address; new, empty, or written by an earlier batch.
        options: those of a batch; ``users`` and ``filter_seen`` do not apply.
        tracker: reports progress, and which rules are left out.
        model_version: recorded in every part and in the manifest.
        made_from: see `recsys.retrieval.recommend.recommend`.
        beside: the folder of the bundle, beside which an approximate index is kept as ``NAME.similar.faiss``; None
            keeps it in memory.

    Raises:
        ConfigError: ``where`` names columns of users, or items are kept fresh by their first interaction, which pairs
            of items do not have.
        DataError: a rule is wrong, or leaves no item.

    Example:
        >>> import tempfile
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> data = BlockTaste(users=30).dataset()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     similar_lists(EASE().fit(data), data, Path(folder) / "similar", RecommendOptions(k=3)).rows
        72
    """
    own, told = options_for_items(options or RecommendOptions())
    for line in told:
        (tracker or SilentTracker()).info(f"  similar: {line}")
    freshness = own.rules.freshness
    if freshness is not None and freshness.column is None:
        raise ConfigError("similar items are kept fresh by an item column; give recommend.rules.freshness.column")
    rows = np.arange(data.n_items)
    itself = Interactions.of(rows, rows, np.full(len(rows), np.iinfo(np.int64).min // 2))
    pairs = Dataset(data.name, data.items, data.items, itself, data.has_timestamps, data.has_order)
    index = None if beside is None else beside.with_name(f"{beside.name}.similar")
    model = ItemToItem(engine, data.items)
    batch = Batch(model, pairs, own, model_version, made_from, of_users=False, beside=index)
    return write_batch(batch, directory, tracker)


def options_for_items(options: RecommendOptions) -> tuple[RecommendOptions, tuple[str, ...]]:
    """The options of lists for users as those of similar items, and a line about the rules that are left out.

    Rules of single users (``candidates``, ``exclusions``, ``blocked``) are left out, for similar items have no user.

    Raises:
        ConfigError: ``where`` names columns of users.

    Example:
        >>> own, told = options_for_items(RecommendOptions(rules={"blocked": True, "caps": []}))
        >>> own.rules.blocked, told
        (False, ('rules of single users do not hold for similar items and are left out: blocked',))
    """
    if options.where is not None and names_users(options.where):
        raise ConfigError(
            f"where = {options.where!r} names columns of users, and similar items have no user; give "
            "--set recommend.where=CONDITION, a condition on items alone"
        )
    default = {name: RuleOptions.model_fields[name].default for name in _OF_USERS}
    given = [name for name, value in default.items() if getattr(options.rules, name) != value]
    told = f"rules of single users do not hold for similar items and are left out: {', '.join(given)}"
    rules = options.rules.model_copy(update=default)
    update = {"users": None, "since": None, "incremental": False, "filter_seen": True, "id_columns": ID_COLUMNS}
    return options.model_copy(update={**update, "rules": rules}), (told,) if given else ()
