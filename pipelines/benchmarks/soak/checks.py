"""What is held against a run once it is over: versions, failures, feedback and memory."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.benchmarks.soak.load import Answered, Client, Failed
from pipelines.benchmarks.soak.supervisor import Life
from pipelines.benchmarks.soak.world import World


@dataclass(frozen=True)
class Move:
    """The alias was given to a version at some moment between two."""

    version: str
    before: float
    after: float


def staleness(answers: Iterable[Answered], moves: Sequence[Move]) -> list[float]:
    """Seconds for which each answer's version was no longer the champion when it was asked for; infinite where it was
    not the champion before the answer came.
    """
    ends = [move.after for move in moves[1:]] + [float("inf")]
    reigns = defaultdict(list)
    for move, end in zip(moves, ends, strict=True):
        reigns[move.version].append((move.before, end))
    found = []
    for answer in answers:
        late = [max(0.0, answer.sent - end) for begin, end in reigns[answer.version] if begin <= answer.came]
        found.append(min(late, default=float("inf")))
    return found


def unexplained(failed: Iterable[Failed], away: Sequence[Sequence[float]]) -> list[Failed]:
    """Failures that do not touch an absence of the service."""
    return [each for each in failed if not any(each.sent <= back and gone <= each.ended for gone, back in away)]


def log_faults(path: Path, client: Client) -> list[str]:
    """Acknowledged events that the log does not have exactly once."""
    logged = Counter(json.loads(line)["event_id"] for line in path.read_text().splitlines())
    sent = [event.event_id for person in client.people for event in person.events]
    return [f"event {key} stands in the log {logged[key]} times" for key in sent if logged[key] != 1] + [
        f"event {key} stands in the log, and it was not acknowledged" for key in logged.keys() - set(sent)
    ]


def list_faults(world: World, client: Client) -> list[str]:
    """Lists of people with feedback that are not those of the version after the events that were acknowledged."""
    by_version = defaultdict(list)
    for person in client.people:
        for version, n, items in person.lists:
            by_version[version].append((person, n, items))
    faults = []
    for version, lists in by_version.items():
        expected = world.after(version, [(person.user, person.events[:n]) for person, n, _ in lists])
        faults += [
            f"user {person.user} after {n} events by {version}: {items}, and it gives {wanted}"
            for (person, n, items), wanted in zip(lists, expected, strict=True)
            if items != wanted
        ]
    return faults


def table_faults(world: World, client: Client, version: str) -> list[str]:
    """Last lists of people without dislikes that are not those from a table which has the events."""
    liking = [person for person in client.people if not person.dislikes and person.events]
    expected = world.in_table(version, [event for person in liking for event in person.events])
    last = [(person.user, *person.lists[-1]) for person in liking]
    return [
        f"user {user} by {version}: {items}, and from a table with the events {expected.get(user, ())}"
        for user, served, _, items in last
        if served != version or items != expected.get(user, ())
    ]


@dataclass(frozen=True)
class Memory:
    """Resident memory: medians of the first and the last quarter of the run, MiB, and MiB an hour within lives."""

    first: float
    last: float
    slope: float
    longest: float


def memory(lives: Sequence[Life], warm: float) -> Memory:
    """Medians and slope of the memory of processes that have been ready for ``warm`` seconds.

    The slope is that of least squares with an intercept for each life; ``longest`` is that of the longest life alone.
    """
    kept = [np.array([pair for pair in life.memory if pair[0] >= life.ready + warm]).reshape(-1, 2) for life in lives]
    kept = [samples for samples in kept if len(samples) > 1]
    centred = np.concatenate([samples - samples.mean(axis=0) for samples in kept])
    whole, longest = np.concatenate(kept), max(kept, key=len)
    begin, end = whole[0, 0], whole[-1, 0]
    quarter = (end - begin) / 4
    first, last = whole[whole[:, 0] <= begin + quarter, 1], whole[whole[:, 0] >= end - quarter, 1]
    alone = longest - longest.mean(axis=0)
    return Memory(float(np.median(first)), float(np.median(last)), _slope(centred), _slope(alone))


def _slope(centred: np.ndarray) -> float:
    return float(3600 * (centred[:, 0] @ centred[:, 1]) / (centred[:, 0] @ centred[:, 0]))
