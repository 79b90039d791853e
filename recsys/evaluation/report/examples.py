"""Example lists of a report: a few test users, what they had, what came, and what two engines recommended."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Dataset
from recsys.data.histories import Histories
from recsys.data.ingest.reading.image_files import IMAGE_FORMATS, read_image_file
from recsys.data.schema import Kind
from recsys.data.splits.holdout import Holdout
from recsys.data.vocabulary import MISSING
from recsys.evaluation.evaluate import Result
from recsys.evaluation.report.verdict import two_best
from recsys.json_values import JsonObject
from recsys.seeding import stream

_HISTORY, _TARGETS, _LIST = 6, 3, 6
_SIZE = (84, 120)
_LONGEST = 120
"""Letters of a title."""
_CASES = ("both", "first", "second", "neither")


@dataclass(frozen=True)
class ExampleOptions:
    """Which examples a report shows.

    Args:
        users: how many; one of each case, then again.
        images: the folder that the paths of image columns start from; None shows no pictures.
    """

    users: int = 4
    images: Path | None = None


def examples(
    data: Dataset, holdout: Holdout, results: Mapping[str, Result], pair: tuple[str, str], options: ExampleOptions
) -> JsonObject:
    """What a report shows of lists, as ``examples`` in ``report.json``.

    Test users are of four cases: a target is in the first ten of both engines, of the first or second alone, or of
    neither. Users are drawn at random from each in turn, so that failures are shown as well as hits.

    Args:
        data: the dataset that the holdout's rows refer to.
        holdout: the evaluation users.
        results: engine -> its lists.
        pair: the two engines.
        options: how many, and where pictures are.

    Returns:
        ``{"engines", "cases": {CASE: share of the users}, "users": [{"user", "case", "history_length", "history",
        "targets", "lists": {ENGINE: [...]}}], "items": {ROW: {"id", "title", "image"}}}``; the lists hold rows.
    """
    first, second = (_hits(results[name]) for name in pair)
    masks = dict(zip(_CASES, (first & second, first & ~second, ~first & second, ~first & ~second), strict=True))
    ends = np.concatenate([[0], np.cumsum(results[pair[0]].target_counts)])
    users, shown = [], set[int]()
    for case, place in _chosen(masks, options.users):
        history = Histories.from_interactions(holdout.history, holdout.users[place : place + 1])
        row: JsonObject = {
            "user": str(data.users.vocabulary.ids[holdout.users[place]])[:_LONGEST],
            "case": case,
            "history_length": len(history.items),
            "history": _rows(history.items[::-1][:_HISTORY]),
            "targets": _rows(results[pair[0]].targets[ends[place] : ends[place + 1]][:_TARGETS]),
            "lists": {name: _rows(results[name].items[place, :_LIST]) for name in pair},
        }
        users.append(row)
        shown.update(row["history"], row["targets"], *row["lists"].values())
    shares = {case: float(mask.mean()) for case, mask in masks.items()}
    return {
        "engines": list(pair),
        "cases": shares,
        "users": users,
        "items": _items(data, sorted(shown), options.images),
    }


def lists_of(
    data: Dataset,
    holdout: Holdout,
    results: Mapping[str, Result],
    baseline: str,
    options: ExampleOptions,
) -> JsonObject | None:
    """The examples of the engine that leads and of the baseline, or of the second where the baseline leads.

    None with fewer than two engines, no evaluation user, or no example wanted.
    """
    if len(results) < 2 or not options.users or not len(holdout):
        return None
    _, leader, second = two_best({name: result.values for name, result in results.items()})
    return examples(data, holdout, results, (leader, second if leader == baseline else baseline), options)


def _hits(result: Result) -> NDArray[np.bool_]:
    """Bool [U]: whether any target is among the first ten."""
    owners = np.repeat(np.arange(len(result.users)), result.target_counts)
    return np.bincount(owners, result.found, minlength=len(result.users)) > 0


def _chosen(masks: Mapping[str, NDArray[np.bool_]], n: int) -> list[tuple[str, int]]:
    """``n`` users as (case, place), a case after the other."""
    rng = stream(0, "examples")
    queues = {case: rng.permutation(np.flatnonzero(mask)).tolist()[:n] for case, mask in masks.items()}
    found: list[tuple[str, int]] = []
    while len(found) < n and any(queues.values()):
        found += [(case, queue.pop(0)) for case, queue in queues.items() if queue]
    return sorted(found[:n], key=lambda pair: _CASES.index(pair[0]))


def _rows(items: NDArray[np.integer]) -> list[int]:
    return [int(row) for row in items if row != MISSING]


def _items(data: Dataset, rows: list[int], images: Path | None) -> dict[str, JsonObject]:
    part = data.items.take(np.array(rows, np.int64))
    column = next(iter(part.schema.names(Kind.IMAGE)), None)
    found: dict[str, JsonObject] = {}
    for place, (row, title) in enumerate(zip(rows, part.titles(), strict=True)):
        found[str(row)] = {"id": str(part.vocabulary.ids[place])[:_LONGEST], "title": title[:_LONGEST]}
        cell = None if column is None or images is None else part.columns[column].iloc[place]
        if images is not None and isinstance(cell, str) and (picture := _thumbnail(images / cell)) is not None:
            found[str(row)]["image"] = picture
    return found


def _thumbnail(path: Path) -> str | None:
    """The image as a small data URI; None where there is none or it cannot be decoded."""
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(read_image_file(path)), formats=IMAGE_FORMATS) as image:
                image.draft("RGB", _SIZE)
                small = ImageOps.fit(image.convert("RGB"), _SIZE)
                target = io.BytesIO()
                small.save(target, "JPEG", quality=62, optimize=True)
    except Exception:  # decoders raise many kinds of exceptions on damaged files
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(target.getvalue()).decode()}"
