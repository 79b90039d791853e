"""The dataset that lists are made from: that of the run, or the newer one that the model was fine-tuned on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipelines.workspace import Workspace
from recsys.data.dataset import Dataset
from recsys.data.merge import known_to
from recsys.errors import ArtifactError
from recsys.files.stored_json import read_object
from recsys.registry.bundle import Bundle
from recsys.tracking import Tracker

RUN_DATA = "run_data"
"""Entry of a child's lineage: the fingerprint of the run's dataset when the child was made."""


@dataclass(frozen=True, eq=False)
class Served:
    """A dataset that lists are made from.

    Args:
        data: users with their histories, and items.
        folder: where it was loaded from; None is the bundle of the model.
    """

    data: Dataset
    folder: Path | None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The prepared dataset in ``folder``.

        Raises:
            ArtifactError: there is none.
        """
        return cls(Dataset.load(folder), folder)


def served_data(bundle: Path, version: str, workspace: Workspace, tracker: Tracker) -> Served:
    """The newest dataset that is known for the model in ``bundle``.

    That of the run for a model of the run. A fine-tuned child has seen newer tables than the run, unless these were
    prepared anew since: its lists are made from what it was fine-tuned on, with its new users, what users had by then,
    and the items that are listed since. The line that is logged names the dataset. So does one about interactions that
    the model has not learnt from, as where a newer model was refused by the gate.

    Args:
        bundle: the folder of the model.
        version: its name in messages.
        workspace: the folder of the run, with its dataset.
        tracker: sees which dataset is taken, and a warning where newer data are known and not used.
    """
    data = workspace.load_dataset()
    lineage = read_object(bundle / "bundle.json", "lineage")["lineage"]
    if lineage["data_fingerprint"] == data.fingerprint:
        _tell_of_unused(data, version, workspace, tracker)
        return Served(data, workspace.dataset)
    model = Bundle.load(bundle)
    if lineage["parent"] is not None:
        if lineage["config"].get(RUN_DATA) == data.fingerprint:
            newer = _newer(model, workspace, tracker, version)
            if newer is not None:
                return newer
        _warn_of_older(data, model, version, workspace, tracker)
    _tell_of_newer(data, model, version, tracker)
    return Served(data, workspace.dataset)


def run_fingerprint(workspace: Workspace) -> str:
    """The fingerprint of the run's dataset; empty where there is none."""
    try:
        return str(read_object(workspace.dataset / "dataset.json", "fingerprint")["fingerprint"])
    except ArtifactError:
        return ""


def _newer(child: Bundle, workspace: Workspace, tracker: Tracker, version: str) -> Served | None:
    """What ``child`` was fine-tuned on; None where it is gone and the bundle keeps no histories."""
    latest, head = workspace.newer_dataset, f"recommend: {version} was fine-tuned on newer data than the run's:"
    try:
        data = Dataset.load(latest)
    except ArtifactError:
        data = None
    if data is not None and data.fingerprint == child.data_fingerprint:
        tracker.info(f"{head} lists are made from {latest}")
        return Served(data, latest)
    if not child.keep_histories:
        return None
    later = "" if data is None else f"; {latest} is of another fine-tuning, and --dataset {latest} takes that"
    tracker.info(f"{head} lists are made from the data in its bundle{later}")
    return Served(child.data, None)


def _tell_of_newer(data: Dataset, model: Bundle, version: str, tracker: Tracker) -> None:
    """Says what of the run's dataset ``model`` has not learnt from, and how it would."""
    if model.keep_histories and (told := _unknown_to(model.data, data)):
        tracker.info(
            f"recommend: the run's tables are newer than what {version} has learnt from, by {told}; `recsys run` or "
            "`recsys finetune` learns from them, and `recsys promote` says why the last candidate was refused"
        )


def _tell_of_unused(data: Dataset, version: str, workspace: Workspace, tracker: Tracker) -> None:
    """Says where a fine-tuning read newer data than the run has, which lists of its parent are made without."""
    latest = workspace.newer_dataset
    try:
        told = _unknown_to(data, Dataset.load(latest))
    except ArtifactError:
        return
    if told:
        tracker.info(
            f"recommend: {latest}, which a fine-tuning made, is newer than what {version} has learnt from, by {told}; "
            f"lists are made without it: promote the fine-tuned bundle, or give --dataset {latest}"
        )


def _unknown_to(known: Dataset, data: Dataset) -> str:
    """How many interactions of ``data`` are not in ``known``, in words; empty where there is none."""
    count = int((~known_to(known, data.interactions, data, known.has_timestamps)).sum())
    return f"{count:,} interaction{'s' * (count > 1)}" if count else ""


def _warn_of_older(data: Dataset, child: Bundle, version: str, workspace: Workspace, tracker: Tracker) -> None:
    """Warns where the dataset of the run lacks what ``child`` was fine-tuned on."""
    lost = int((~known_to(data, child.data.interactions, child.data, data.has_timestamps)).sum())
    if lost or not child.keep_histories:
        which = f"{lost:,} of the interactions" if lost else "interactions"
        tracker.info(
            f"  warning: {version} was fine-tuned on newer data, and lists are made from the dataset of the run, which "
            f"{'lacks' if lost else 'may lack'} {which} that it has learnt from: users may get what they have, and new "
            f"users nothing; give --dataset {workspace.newer_dataset}, or the folder of the data it was fine-tuned on"
        )
