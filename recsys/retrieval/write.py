"""Batches from Python: lists of everybody, or of similar items, as the parts that `recsys recommend` writes."""

from __future__ import annotations

import logging

from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.engine import VectorModel
from recsys.ranking import check_fitted, dataset_of
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.frames import fallback_of
from recsys.retrieval.manifest import Manifest
from recsys.retrieval.output import Place
from recsys.retrieval.recommend import recommend
from recsys.retrieval.similar import SimilarityModel
from recsys.retrieval.similar_lists import options_for_items, similar_lists

_LOG = logging.getLogger("recsys.retrieval")


def write_recommendations(engine: VectorModel, data: Dataset | None, directory: Place, **options: object) -> Manifest:
    """Writes the lists of `recsys.retrieval.frames.recommend` as a batch: parts, ``_manifest.json`` and ``_SUCCESS``.

    A batch that was stopped is resumed, and memory does not grow with the number of users. See
    `recsys.retrieval.recommend.recommend` for the columns, and `recsys.retrieval.manifest.read_recommendations` for a
    frame of what was written.

    Args:
        engine: a fitted engine or a bundle.
        data: the users, their histories and the items; None is that of a bundle.
        directory: the folder, or an address as ``s3://bucket/lists``; new, empty, or written by an earlier batch.
        **options: those of ``[recommend]``: ``k``, ``where``, ``format``, ``layout``, ``users``, ``rules`` and others,
            see `recsys.retrieval.batch.RecommendOptions`.

    Returns:
        The parts with their digests, and counts.

    Raises:
        DataError: the engine is not fitted, a rule is wrong, or no user or item is left.
        ConfigError: an option is unknown or wrong.
        ArtifactError: a vector or a score is NaN or infinite, or ``directory`` holds other files.

    Example:
        >>> import tempfile
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> data = BlockTaste(users=30).dataset()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_recommendations(EASE().fit(data), data, f"{folder}/lists", k=5, layout="lists").rows
        150
    """
    data, parsed = _checked(engine, data), parse(RecommendOptions, options, "write_recommendations")
    return recommend(engine, data, directory, parsed, fallback=fallback_of(engine, data)())


def write_similar_items(engine: SimilarityModel, data: Dataset | None, directory: Place, **options: object) -> Manifest:
    """Writes the most similar items of every item as a batch, with the columns ``item_id, similar_id, rank, score``.

    Args:
        engine: a fitted engine or a bundle.
        data: the items; None is that of a bundle.
        directory: see `write_recommendations`.
        **options: those of `write_recommendations`; rules of single users are left out, with a
            warning by the logger ``recsys.retrieval``, see `recsys.retrieval.similar_lists.similar_lists`.

    Returns:
        The parts with their digests, and counts.

    Raises:
        DataError: the engine is not fitted, a rule is wrong, or no item is left.
        ConfigError: an option is unknown or wrong, or ``where`` names columns of users.
        ArtifactError: a vector is NaN or infinite, or ``directory`` holds other files.

    Example:
        >>> import tempfile
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> data = BlockTaste(users=30).dataset()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_similar_items(EASE().fit(data), data, f"{folder}/similar", k=3).rows
        72
    """
    data, parsed = _checked(engine, data), parse(RecommendOptions, options, "write_similar_items")
    for line in options_for_items(parsed)[1]:
        _LOG.warning("%s", line)
    return similar_lists(engine, data, directory, parsed)


def _checked(engine: VectorModel, data: Dataset | None) -> Dataset:
    check_fitted(engine)
    return dataset_of(engine, data)
