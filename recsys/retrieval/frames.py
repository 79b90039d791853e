"""Recommendations, scores, similar items and embeddings of a fitted engine as DataFrames."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.moment import Moment
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.data.vocabulary import Ids as IdArray
from recsys.engine import Request, VectorModel, Vectors
from recsys.errors import ArtifactError, DataError, check_kind, described
from recsys.json_values import JsonMapping
from recsys.ranking import check_fitted, check_k, dataset_of
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.requested_users import BLOCK, Ids, RequestedUsers, check_column, known_rows
from recsys.retrieval.retriever import item_vectors, similarity_vectors, user_vectors
from recsys.retrieval.rules.block import Given
from recsys.retrieval.rules.conditions import names_users
from recsys.retrieval.rules.eligible import ItemRules, eligible_items
from recsys.retrieval.rules.items.named_items import named_items
from recsys.retrieval.rules.options import RuleOptions
from recsys.retrieval.rules.pairs.paired import paired_scores
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.rules.reasons import reason_texts
from recsys.retrieval.rules.ruled import RuledRetriever
from recsys.retrieval.similar import Neighbours, SimilarityModel, find_item
from recsys.retrieval.top_up import HasFallback, Lists

_LOG = logging.getLogger("recsys.retrieval")


class RecommendKeys(ItemRules):
    """Options of `recommend` that ``[recommend]`` has, too: those of `recsys.retrieval.rules.eligible.ItemRules`.

    Args:
        at: the time of the recommendation: a date, a datetime, ISO text or seconds since 1970 UTC, in data without
            timestamps a position. Interactions from then on are left out of histories; None is now.
    """

    at: Moment | None = None


def recommend(
    engine: VectorModel,
    data: Dataset | None = None,
    users: Ids | pd.DataFrame | None = None,
    k: int = 10,
    *,
    histories: Sequence[Ids] | Interactions | None = None,
    items: Ids | None = None,
    exclude: Ids = (),
    filter_seen: bool = True,
    rules: RuleOptions | JsonMapping | None = None,
    **options: object,
) -> pd.DataFrame:
    """Top-k recommendation: the ``k`` items with the highest scores of each user, by exact search.

    Equal scores are ordered as the items are in ``data``. Users of whom the engine knows nothing, and lists with fewer
    than ``k`` items, are served by the fallback (`recsys.retrieval.fallback.Fallback`): the most popular items among
    users of the same columns. It is that of a bundle, or else it is counted from the interactions of ``data`` that the
    histories are taken from.

    Lists that are to be measured (`recsys.evaluation.compare.evaluate_lists`) must not know the truth: give the train
    part as ``histories``, or the moment from which on the truth is as ``at``.

    Args:
        engine: a fitted engine or a bundle.
        data: the dataset that the ids refer to; its interactions are the histories of its users. None is that of a
            bundle.
        users: user ids; None is all users. Or a frame with ``user_id`` and columns of users, also of users whom
            ``data`` does not have; given cells replace those of ``data``, and a value that no user has is rare.
        k: items a user gets; fewer only where fewer may be recommended.
        histories: instead of ``users``, the histories of anonymous users: item ids, oldest first. Their user ids are
            0 to n - 1. Beside a frame of users, their histories, one for each row. Items that ``data`` does not have
            are passed over, with a warning by the logger ``recsys.retrieval``. They end at the newest time of
            ``data``, or a second before ``at``, a second apart. Or interactions, as ``split.train``, which are the
            histories of the users of ``data``.
        items: ids of items that may be recommended; None is all that the items table of ``data`` lists.
        exclude: ids of items that are not recommended to any user.
        filter_seen: whether items of a user's history are left out of the user's list.
        rules: other rules of lists, as `recsys.retrieval.rules.options.RuleOptions` or a dict of its keys:
            ``{"caps": [{"column": "brand", "most": 2}], "reasons": True}``.
        **options: ``at``, ``where``, ``allow``, ``deny`` and ``unlisted`` as in ``[recommend]``, see `RecommendKeys`:
            ``at="2024-06-01"``, ``where="in_stock and price < 100"``.

    Returns:
        ``user_id, item_id, rank`` (from 1) and ``score``, and ``reason`` where the rules ask for reasons. The frame's
        ``attrs["fallback_from"]`` says whose lists hold items of the fallback: user id -> the rank of the first one, 1
        where all are. The score of such an item is its probability, or, below items of the engine, goes on from the
        last of them.

    Raises:
        DataError: the engine is not fitted, ``k`` is no whole number, an id or a column is unknown, ids and
            ``histories`` are both given, or no item may be recommended.
        ConfigError: an option is unknown or wrong.
        ArtifactError: a vector or a score is NaN or infinite.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> data = BlockTaste(users=30).dataset()
        >>> engine = EASE().fit(data)
        >>> recommend(engine, data, ["u003"], k=2)[["user_id", "rank"]].values.tolist()
        [['u003', 1], ['u003', 2]]
        >>> recommend(engine, data, histories=[[100, 102]], k=3)["user_id"].tolist()
        [0, 0, 0]

        Lists that are measured, of histories without the truth:

        >>> from recsys.data.splits.split import split
        >>> from recsys.evaluation.compare import evaluate_lists
        >>> parts = split(data, "temporal")
        >>> lists = recommend(EASE().fit(data, parts.train), data, k=10, histories=parts.train)
        >>> test = parts.test.targets
        >>> ids = {"user_id": data.users.vocabulary.ids[test.user], "item_id": data.items.vocabulary.ids[test.item]}
        >>> bool(evaluate_lists(lists, pd.DataFrame(ids)).to_frame()["value"].max() > 0.1)
        True
    """
    data = _checked(engine, data, k)
    keys = parse(RecommendKeys, options, "recommend")
    chosen = RequestedUsers.of(data, users, histories, keys.at)
    for line in chosen.told:
        _LOG.warning("%s", line)
    parsed = rules if isinstance(rules, RuleOptions) else parse(RuleOptions, dict(rules or {}), "rules")
    plan = RulePlan.of(data, named_items(data, items, exclude, keys), parsed, keys.at)
    retriever = RuledRetriever.of(engine, plan, at=keys.at, fallback=fallback_of(engine, chosen.counted))
    blocks: list[pd.DataFrame] = []
    fallback_from: dict[int | str, int] = {}
    for block, request in chosen.requests():
        given = Given.of(request, filter_seen, chosen.names(block, request))
        lists = retriever.rank(retriever.encode(request), k, given)
        user, column = np.nonzero(lists.rows != MISSING)
        places = {"user": block[user], "item": lists.rows[user, column], "rank": column + 1}
        told = {} if lists.reasons is None else {"reason": reason_texts(lists.reasons[user, column])}
        blocks.append(pd.DataFrame({**places, "score": lists.scores[user, column], **told}))
        fallback_from |= _fallback_from(chosen.ids[block], lists)
    found = pd.concat(blocks, ignore_index=True) if blocks else _no_rows()
    ids = {"user_id": chosen.ids[found["user"]], "item_id": data.items.vocabulary.ids[found["item"]]}
    result = pd.DataFrame({**ids, **found.drop(columns=["user", "item"])})
    result.attrs["fallback_from"] = fallback_from
    return result


def _checked(engine: VectorModel, data: Dataset | None, k: int = 1) -> Dataset:
    """The dataset, after the checks of what is asked."""
    check_k(k)
    check_fitted(engine)
    return dataset_of(engine, data)


def fallback_of(model: VectorModel, data: Dataset) -> Callable[[], Fallback]:
    """Returns the fallback of a bundle, or that of ``data``, which is counted when it is called."""
    own = model.fallback if isinstance(model, HasFallback) else None
    return partial(Fallback.fit, data) if own is None else (lambda: own)


def score(engine: VectorModel, data: Dataset | None, pairs: pd.DataFrame) -> pd.DataFrame:
    """``pairs`` (``user_id, item_id``) with a column ``score``; NaN where the user or the item has no vector.

    Scores of one user order items; scores of different users need not be comparable.

    Raises:
        DataError: a column is missing, or an id is unknown.
        ArtifactError: a vector holds NaN or an infinite value.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> data = BlockTaste(users=30).dataset()
        >>> pairs = pd.DataFrame({"user_id": ["u000", "u001"], "item_id": [100, 101]})
        >>> score(EASE().fit(data), data, pairs).columns.tolist()
        ['user_id', 'item_id', 'score']
    """
    data = _checked(engine, data)
    check_kind("pairs", pairs, pd.DataFrame, "give a frame with the columns user_id and item_id")
    for name, table in (("user_id", data.users), ("item_id", data.items)):
        check_column(pairs, name, table.vocabulary, "pairs")
    user = known_rows(data.users.vocabulary, pairs["user_id"].tolist(), "user")
    item = known_rows(data.items.vocabulary, pairs["item_id"].tolist(), "item")
    items, found = item_vectors(engine, data.items), np.full(len(pairs), np.nan, np.float32)
    distinct, position = np.unique(user, return_inverse=True)
    for start in range(0, len(distinct), BLOCK):
        vectors = user_vectors(engine, Request.from_dataset(data, distinct[start : start + BLOCK]))
        inside = np.flatnonzero((position >= start) & (position < start + BLOCK))
        for part in np.array_split(inside, max(1, -(-len(inside) // BLOCK))):
            found[part] = paired_scores(vectors.take(position[part] - start), items.take(item[part]))
    return pairs.assign(score=found)


def similar_items(
    engine: SimilarityModel,
    data: Dataset | None,
    item: int | str,
    k: int = 10,
    *,
    items: Ids | None = None,
    exclude: Ids = (),
    **options: object,
) -> pd.DataFrame:
    """The ``k`` items whose vectors have the highest cosine with that of ``item``: ``item_id, rank, similarity``.

    Args:
        engine: a fitted engine.
        data: the dataset that the item ids refer to.
        item: an id, a title or a part of a title; of any item, whether it may be listed or not.
        k: the number of items, at most.
        items: ids of items that may be listed; None is all that the items table of ``data`` lists.
        exclude: ids of items that are not listed.
        **options: ``where``, ``allow``, ``deny`` and ``unlisted`` as in ``[recommend]``, see
            `recsys.retrieval.rules.eligible.ItemRules`.

    Raises:
        DataError: there is no such item, the engine has no vector for it, an id or a column is unknown, ``where`` names
            columns of users, or no item may be listed.
        ConfigError: an option is unknown or wrong.
        ArtifactError: a vector holds NaN or an infinite value.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> data = BlockTaste(users=30).dataset()
        >>> similar_items(EASE().fit(data), data, 100, k=3)["rank"].tolist()
        [1, 2, 3]
    """
    data = _checked(engine, data, k)
    if not isinstance(item, int | str | np.integer):
        raise DataError(f"item is {described(item)}; give one id or title, and ask for each of several items")
    rules = named_items(data, items, exclude, parse(ItemRules, options, "similar_items"))
    if rules.where is not None and names_users(rules.where):
        raise DataError(f"where = {rules.where!r} names columns of users, and similar items have no user")
    met = eligible_items(data.items, rules).mask(data.n_items)
    neighbours, row = Neighbours(similarity_vectors(engine, data.items)), find_item(data.items, str(item))
    if not neighbours.has(row):
        raise DataError(f"{type(engine).__name__} has no vector for the item {item!r}; it was not in its training data")
    rows, similarity = neighbours.of(row, k, met)
    ids = data.items.vocabulary.ids[rows]
    return pd.DataFrame({"item_id": ids, "rank": np.arange(len(rows)) + 1, "similarity": similarity})


def embeddings(engine: VectorModel, data: Dataset | None, of: Literal["items", "users"]) -> pd.DataFrame:
    """``item_id`` or ``user_id`` and ``vector`` (float32 [D]); ids without a vector are left out.

    Raises:
        ArtifactError: the vectors of the engine are sparse, as those of a linear item-item model, or not finite.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.als import ALS
        >>> data = BlockTaste(users=30).dataset()
        >>> embeddings(ALS(factors=4).fit(data), data, "items").columns.tolist()
        ['item_id', 'vector']
    """
    data = _checked(engine, data)
    if of not in ("items", "users"):
        raise DataError(f"of = {of!r}: give 'items' or 'users'")
    if of == "items":
        return _vector_frame(engine, "item_id", [(data.items.vocabulary, item_vectors(engine, data.items))])
    requests = RequestedUsers.of(data).requests()
    blocks = ((request.users.vocabulary, user_vectors(engine, request)) for _, request in requests)
    return _vector_frame(engine, "user_id", blocks)


def _vector_frame(engine: VectorModel, column: str, blocks: Iterable[tuple[Vocabulary, Vectors]]) -> pd.DataFrame:
    ids: list[object] = []
    rows: list[NDArray[np.float32]] = []
    for vocabulary, vectors in blocks:
        if vectors.dense is None or vectors.sparse is not None:
            raise ArtifactError(f"the vectors of {type(engine).__name__} are sparse; it has no embeddings")
        kept = np.arange(len(vectors)) if vectors.valid is None else np.flatnonzero(vectors.valid)
        ids += vocabulary.ids[kept].tolist()
        rows += list(vectors.dense[kept])
    return pd.DataFrame({column: ids, "vector": pd.Series(rows, dtype=object)})


def _fallback_from(ids: IdArray, lists: Lists) -> dict[int | str, int]:
    """User id -> the rank of the list's first item of the fallback, of the users who have one."""
    users = np.flatnonzero(lists.fallback.any(axis=1))
    ranks = lists.fallback[users].argmax(axis=1) + 1
    return dict(zip(ids[users].tolist(), ranks.tolist(), strict=True))


def _no_rows() -> pd.DataFrame:
    return pd.DataFrame({"user": np.zeros(0, int), "item": np.zeros(0, int), "rank": [], "score": []})
