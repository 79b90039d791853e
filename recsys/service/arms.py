"""Comparing the arms of an experiment: clicks on the lists of the champion and of the challenger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recsys.data.feedback.event_meanings import LIKE
from recsys.errors import DataError
from recsys.evaluation.intervals import Difference, Interval, paired_test, ratio_interval, unpaired_test
from recsys.files.stored_json import as_written
from recsys.service.exposures import CHALLENGER, CHAMPION
from recsys.service.logs.json_log import read_log

_User = object
_Counts = dict[str, dict[_User, list[int]]]
"""Arm -> user -> lists shown, and lists with a click."""


@dataclass(frozen=True)
class Arm:
    """One arm.

    Args:
        users: who were shown a list.
        exposures: lists that were shown.
        clicked: lists of which an item was clicked.
        rate: ``clicked / exposures`` with the 95 % bootstrap interval over users.
    """

    users: int
    exposures: int
    clicked: int
    rate: Interval


@dataclass(frozen=True)
class ArmComparison:
    """Both arms and their difference, the mean over users of the share of lists with a click.

    Args:
        arms: champion and challenger.
        unpaired: challenger minus champion, of users who were in one arm alone; None where an arm has none.
        paired: the same of users who were in both, because the share or the name of the experiment was changed; None
            without such users.
        unplaced: clicks that belong to no list.
    """

    arms: Mapping[str, Arm]
    unpaired: Difference | None
    paired: Difference | None
    unplaced: int

    def __str__(self) -> str:
        lines = [f"{'arm':12}{'users':>9}{'lists':>10}{'clicked':>10}   rate [95 % interval]"]
        for name, arm in self.arms.items():
            rate = f"{arm.rate.value:.4f} [{arm.rate.low:.4f}, {arm.rate.high:.4f}]"
            lines.append(f"{name:12}{arm.users:9,}{arm.exposures:10,}{arm.clicked:10,}   {rate}")
        for what, found in (("users of one arm", self.unpaired), ("users of both arms, paired", self.paired)):
            if found is not None:
                interval = f"{found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}], p = {found.p:.3g}"
                lines.append(f"challenger - champion, {what}: {interval}")
        lines += [f"{self.unplaced:,} clicks belong to no list of the file"] if self.unplaced else []
        return "\n".join(lines)


def compare_arms(exposures: str | Path) -> ArmComparison:
    """Clicks on the lists of each arm of an experiment of ``recsys serve --challenger``.

    A feedback event belongs to the list that it names by ``exposure_id``, else to the last list before it that its user
    was shown and that holds the item. Dislikes and removals are no clicks. Users are the unit: an interval resamples
    users with all their lists.

    Args:
        exposures: the file ``exposures.jsonl`` in the folder of the service.

    Raises:
        ArtifactError: the file is missing or damaged.
        DataError: it holds no list of one of the arms.
    """
    with as_written(Path(exposures)):
        counts, unplaced = _counted(read_log(Path(exposures)))
    missing = [name for name, users in counts.items() if not users]
    if missing:
        raise DataError(f"{exposures} holds no list of the {missing[0]}; was --challenger given, and its alias set?")
    champion, challenger = (_rates(counts[name]) for name in (CHAMPION, CHALLENGER))
    both = [user for user in champion if user in challenger]
    alone = [[rate for user, rate in arm.items() if user not in set(both)] for arm in (challenger, champion)]
    first, second = (np.array(rates, np.float64) for rates in alone)
    theirs, its = (np.array([arm[user] for user in both], np.float64) for arm in (challenger, champion))
    unpaired = unpaired_test(first, second) if len(first) and len(second) else None
    arms = {name: _arm(users) for name, users in counts.items()}
    return ArmComparison(arms, unpaired, paired_test(theirs, its) if both else None, unplaced)


def _counted(records: Iterable[dict[str, object]]) -> tuple[_Counts, int]:
    lists: dict[object, tuple[str, _User, frozenset[object]]] = {}
    by_user: dict[_User, list[object]] = {}
    clicked: set[object] = set()
    unplaced = 0
    for record in records:
        user = record["user_id"]
        if record["kind"] == "exposure":
            items = record["item_ids"]
            if not isinstance(items, list):
                raise TypeError(f"the items of a list are {items!r}")
            lists[record["exposure_id"]] = str(record["arm"]), user, frozenset(items)
            by_user.setdefault(user, []).append(record["exposure_id"])
        elif record["meaning"] == LIKE:
            named, item = record["exposure_id"], record["item_id"]
            holding = (each for each in reversed(by_user.get(user, [])) if item in lists[each][2])
            found = named if named in lists and lists[named][1] == user else next(holding, None)
            unplaced += found is None
            clicked |= {found} - {None}
    counts: _Counts = {CHAMPION: {}, CHALLENGER: {}}
    for exposure, (arm, user, _) in lists.items():
        count = counts[arm].setdefault(user, [0, 0])
        count[0] += 1
        count[1] += exposure in clicked
    return counts, unplaced


def _rates(users: Mapping[_User, list[int]]) -> dict[_User, float]:
    return {user: clicked / shown for user, (shown, clicked) in users.items()}


def _arm(users: Mapping[_User, list[int]]) -> Arm:
    counts: NDArray[np.int64] = np.array(list(users.values()), np.int64)
    shown, clicked = counts[:, 0], counts[:, 1]
    return Arm(len(users), int(shown.sum()), int(clicked.sum()), ratio_interval(clicked, shown))
