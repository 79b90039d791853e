"""Evaluation reports from Python: of fitted engines, and of recommendation lists from any library."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from recsys.choices import did_you_mean
from recsys.data.dataset import Dataset, check_dataset
from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import VectorModel
from recsys.errors import ConfigError, DataError, check_kind, described
from recsys.evaluation.evaluate import evaluate, measure, relevant
from recsys.evaluation.metrics import check_lengths
from recsys.evaluation.report.build import DataSummary, RunDetails, build_report
from recsys.evaluation.report.examples import ExampleOptions, lists_of
from recsys.evaluation.report.report import Report
from recsys.ranking import check_fitted

_LOG = logging.getLogger("recsys.evaluation")
_USER, _ITEM = "user_id", "item_id"


def evaluate_engines(
    engines: VectorModel | Mapping[str, VectorModel],
    data: Dataset,
    holdout: Split | Holdout,
    baseline: str | None = None,
    ks: Sequence[int] = (1, 5, 10, 20, 50, 100),
    **unknown: object,
) -> Report:
    """Ranking metrics of fitted engines with bootstrap intervals, and paired tests against a baseline.

    Args:
        engines: name in the report -> fitted engine; a single engine is named by its kind, such as ``ease``.
        data: the dataset that was split.
        holdout: the evaluation users and their targets; of a split, ``test`` is taken.
        baseline: the engine that the others are tested against, with Holm's correction; None takes the first.
        ks: list lengths of the metrics.
        **unknown: refused; whether lists leave out seen items belongs to the split, ``rs.split(..., filter_seen=...)``.

    Raises:
        ConfigError: an option is unknown.
        DataError: ``baseline`` is none of the engines, there is none, a list length is below 1, or an argument is of
            another kind.
        ArtifactError: a vector holds NaN or an infinite value.

    Example:
        >>> from recsys.data.splits.split import split
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.popularity import Popularity
        >>> data = BlockTaste(users=30).dataset()
        >>> parts = split(data)
        >>> report = evaluate_engines(Popularity().fit(data, parts.train), data, parts, ks=(10,))
        >>> report.to_frame()["metric"].tolist()[:3]
        ['hit_rate@10', 'map@10', 'mrr@10']
    """
    _refuse(unknown)
    named = engines if isinstance(engines, Mapping) else _by_kind(engines)
    _check(list(named), baseline, ks)
    for engine in named.values():
        check_fitted(engine)
    check_dataset(data)
    test = holdout.test if isinstance(holdout, Split) else holdout
    check_kind("holdout", test, Holdout, "give a split, or its part split.test")
    results = {name: evaluate(engine, data, test, ks=ks) for name, engine in named.items()}
    shown = lists_of(data, test, results, next(iter(named)) if baseline is None else baseline, ExampleOptions())
    return build_report(DataSummary.of(data), holdout, results, baseline, RunDetails(examples=shown))


def evaluate_lists(
    lists: pd.DataFrame | Mapping[str, pd.DataFrame],
    truth: pd.DataFrame,
    baseline: str | None = None,
    ks: Sequence[int] = (10, 20),
) -> Report:
    """The metrics, intervals and tests of `evaluate_engines` for recommendation lists from any library.

    A list is ordered by ``rank`` (ascending) where the frame has such a column, else by ``score`` (descending, equal
    ones in the order of the rows), else by the order of the rows. The users of ``truth`` are the evaluation users; one
    without a list has 0 in every metric, and lists of other users do not count. Where nothing of the truth is in any
    list, the logger ``recsys.evaluation`` warns: lists that were made from data with the truth leave it out as seen.

    Args:
        lists: name -> a frame of ``user_id``, ``item_id`` and optionally ``rank`` or ``score``; or one such frame.
        truth: a frame of ``user_id``, ``item_id``: the relevant items of each test user; duplicate pairs count once.
        baseline: the name that the others are tested against, with Holm's correction; None takes the first.
        ks: list lengths of the metrics.

    Raises:
        DataError: a column is missing, an id, rank or score is missing, ids are of another type than in ``truth``, an
            item occurs twice in the list of a user, or ``baseline`` is none of the lists.

    Example:
        >>> truth = pd.DataFrame({"user_id": ["ann", "bob"], "item_id": [1, 2]})
        >>> mine = pd.DataFrame({"user_id": ["ann", "ann"], "item_id": [3, 1]})
        >>> report = evaluate_lists(mine, truth, ks=(2,))
        >>> report.to_frame().set_index("metric")["value"][["recall@2", "mrr@2"]].tolist()
        [0.5, 0.25]
    """
    named = lists if isinstance(lists, Mapping) else {"lists": lists}
    remedy = "give a frame of user_id and item_id; several lists are a mapping, as {'mine': frame, 'theirs': other}"
    for name, frame in {**named, "truth": truth}.items():
        check_kind(name, frame, pd.DataFrame, remedy)
    _check(list(named), baseline, ks)
    _check_frame("truth", truth, truth)
    if truth.empty:
        raise DataError("truth has no rows; give the relevant items of each test user")
    for name, frame in named.items():
        _check_frame(name, frame, truth)
    users = pd.Index(truth[_USER].unique())
    items = pd.Index(pd.concat([truth[_ITEM], *(frame[_ITEM] for frame in named.values())]).unique())
    targets = Interactions.of(users.get_indexer(pd.Index(truth[_USER])), items.get_indexer(pd.Index(truth[_ITEM])))
    everyone = np.arange(len(users), dtype=np.int32)
    holdout = Holdout(everyone, Interactions.empty(), targets, filter_seen=False)
    wanted, nothing = relevant(holdout, everyone), np.zeros(len(users), np.int64)
    depth = min(max(ks), len(items))
    for name, frame in named.items():
        _warn_without_hits(name, frame, truth)
    results = {
        name: measure(everyone, _ranked(frame, users, items, depth), nothing, wanted, ks, len(items))
        for name, frame in named.items()
    }
    return build_report(DataSummary("lists", targets.fingerprint, len(users), len(items)), holdout, results, baseline)


def _refuse(unknown: Mapping[str, object]) -> None:
    for name, value in unknown.items():
        if name == "filter_seen":
            raise ConfigError(
                f"evaluate has no option filter_seen: it belongs to the split, as rs.split(..., filter_seen={value!r})"
            )
        known = ("engines", "data", "holdout", "baseline", "ks")
        raise ConfigError(f"evaluate has no option {name!r}{did_you_mean(name, known)}; it has {', '.join(known)}")


def _warn_without_hits(name: str, frame: pd.DataFrame, truth: pd.DataFrame) -> None:
    """Warns where there are lists and none has a pair of the truth, which is hardly ever by chance."""
    if frame.empty or len(frame[[_USER, _ITEM]].merge(truth[[_USER, _ITEM]].drop_duplicates())):
        return
    if not frame[_USER].isin(truth[_USER].unique()).any():
        cause = "no user of truth has a list; check that both have the same ids of users"
    else:
        cause = (
            "where data has the truth, rs.recommend(engine, data) leaves it out as seen: give the histories before it, "
            "as rs.recommend(engine, data, histories=split.train) or at=MOMENT, or else check that both have the same "
            "ids of items"
        )
    _LOG.warning("every metric of %s is 0: none of the %s rows of truth is in a list; %s", name, len(truth), cause)


def _by_kind(engine: VectorModel) -> dict[str, VectorModel]:
    """A single engine, under the name of its kind."""
    if isinstance(engine, list | tuple):
        raise DataError(
            f"engines are {described(engine)}, which gives them no names in the report; write a mapping, as "
            "{'ease': ease, 'knn': knn}"
        )
    check_fitted(engine)
    return {engine.kind: engine}


def _check(names: Sequence[str], baseline: str | None, ks: Sequence[int]) -> None:
    if unnamed := [name for name in names if not isinstance(name, str)]:
        raise DataError(f"the name {unnamed[0]!r} is {described(unnamed[0])}; names in a report are texts")
    if not names:
        raise DataError("nothing to evaluate: give at least one engine or list")
    if baseline is not None and not (isinstance(baseline, str) and baseline in names):
        raise DataError(f"baseline is {described(baseline)}, none of those evaluated: {', '.join(names)}")
    if not isinstance(ks, Sequence):
        raise DataError(f"ks is {described(ks)}; give list lengths, as ks=(10,)")
    if not ks or not all(isinstance(k, int | np.integer) and k >= 1 for k in ks):
        raise DataError(f"ks = {list(ks)}: give one or more list lengths, whole numbers of at least 1")
    check_lengths(ks)


def _check_frame(name: str, frame: pd.DataFrame, truth: pd.DataFrame) -> None:
    """Checks that ids are given, of the types that ``truth`` has, and that no user has an item twice."""
    for column in (_USER, _ITEM):
        if column not in frame:
            raise DataError(f"{name} has no column {column!r}; it has: {', '.join(map(str, frame.columns))}")
    order = [column for column in ("rank", "score") if column in frame][:1]
    for column in (_USER, _ITEM, *order):
        if frame[column].isna().any():
            row = int(np.flatnonzero(frame[column].isna())[0])
            raise DataError(f"{name} has no {column} in row {row}; leave such rows out")
        own, theirs = _type(frame[column]), _type(truth[column]) if column in (_USER, _ITEM) else ""
        if theirs and len(frame) and own != theirs:
            raise DataError(f"{name} has {own} in {column}, and truth has {theirs}; convert one of them")
    twice = frame.duplicated([_USER, _ITEM]).to_numpy()
    if frame is not truth and twice.any():
        user, item = (frame.loc[twice, column].iloc[0] for column in (_USER, _ITEM))
        raise DataError(f"{name} lists the item {item} twice for the user {user}; keep it once")


def _type(ids: pd.Series) -> str:
    """The Python type of the ids, such as ``int``; all of them where they are mixed."""
    if pd.api.types.is_integer_dtype(ids):
        return "int"
    return " and ".join(sorted({type(key).__name__ for key in ids.tolist()}))


def _ranked(frame: pd.DataFrame, users: pd.Index, items: pd.Index, depth: int) -> Rows:
    """Int64 [U, depth]: the lists as item rows, MISSING after their end."""
    user, item = users.get_indexer(pd.Index(frame[_USER])), items.get_indexer(pd.Index(frame[_ITEM]))
    keys = np.arange(len(frame), dtype=np.float64)
    if "rank" in frame:
        keys = frame["rank"].to_numpy(np.float64)
    elif "score" in frame:
        keys = -frame["score"].to_numpy(np.float64)
    order = np.lexsort((keys, user))
    order = order[user[order] >= 0]
    user, item = user[order], item[order]
    starts = np.searchsorted(user, np.arange(len(users)))
    place = np.arange(len(user)) - starts[user]
    rows = np.full((len(users), depth), MISSING, np.int64)
    rows[user[place < depth], place[place < depth]] = item[place < depth]
    return rows
