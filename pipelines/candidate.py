"""What stands for promotion, and which of its questions the champion can be asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipelines.config import PromoteSection
from pipelines.stages.finetune import load_questions
from pipelines.workspace import Workspace
from recsys.data.dataset import Dataset
from recsys.data.merge import check_ids, known_to, remap_items
from recsys.data.splits.split import Holdout
from recsys.errors import PromotionError
from recsys.registry.bundle import Bundle


@dataclass(frozen=True, eq=False)
class Candidate:
    """What stands for promotion, and what it and the champion are asked.

    Args:
        bundle: its folder.
        data: what the rows of ``questions`` refer to.
        questions: that neither has learnt from.
        fingerprint: of the questions.
        own: whether it is the run's engine, with a report, and not a child.
    """

    bundle: Path
    data: Dataset
    questions: Holdout
    fingerprint: str
    own: bool


def candidate_of(section: PromoteSection, workspace: Workspace, bundle: Path | None) -> Candidate:
    """The engine of the run with the run's test questions, or a child with those that its fine-tuning held out.

    Raises:
        ConfigError: no questions are kept beside the bundle.
        ArtifactError: they are those of another child.
    """
    if bundle is None:
        split = workspace.load_split()
        made = workspace.bundle(section.engine), workspace.load_dataset(), split.test, split.fingerprint
        return Candidate(*made, own=True)
    child = Bundle.load(bundle)
    held = load_questions(bundle, child.lineage)
    return Candidate(bundle, child.data, held, held.fingerprint, own=False)


def unanswered(candidate: Candidate, champion: Bundle, version: str) -> Candidate:
    """The candidate with the users alone whose answers the champion cannot have learnt.

    A champion from which the same test questions were held out, refit or not, saw none of their answers, also where the
    columns of users and items have changed since. Another one may have been trained on what is now asked, so users are
    left out of whom it holds a target. Without a clock another file may count positions anew, so a target is one that
    the user has at all; it may just come again, so that those users are left out of what a child is asked too.

    Raises:
        ArtifactError: its ids are of another type, so that it would know nobody and lose to anything.
        PromotionError: it holds one of every user, or any of those that are kept beside a child; or it does not keep
            what it was made from.
    """
    way_out = "begin without a champion under another promote.model"
    check_ids(champion.data, candidate.data, f"the champion (version {version})", way_out)
    if candidate.own and _same_questions(champion, candidate):
        return candidate
    if champion.histories is None:
        raise PromotionError(
            f"the champion (version {version}) keeps no histories, so nothing tells whether it has learnt the answers "
            f"to the questions of {candidate.bundle}: promote on the data and the split that it was made from, or "
            f"{way_out}"
        )
    asked, timed = candidate.questions, champion.data.has_timestamps and candidate.data.has_timestamps
    known = np.unique(asked.targets.user[known_to(champion.data, asked.targets, candidate.data, timed)])
    if not len(known):
        return candidate
    left = asked.users[~np.isin(asked.users, known)]
    if not len(left) or (timed and not candidate.own):
        raise PromotionError(
            f"the champion (version {version}) was made from data that hold the questions of {candidate.bundle}; "
            "it may have learnt the answers: fine-tune on newer data, promote the engine of a run on newer data, or "
            "keep the split that the champion was trained with"
        )
    kept = asked.of_users(left)
    return replace(candidate, questions=kept, fingerprint=kept.fingerprint)


def _same_questions(champion: Bundle, candidate: Candidate) -> bool:
    """Whether these very questions were held out of the champion, whatever else its tables hold."""
    made, data = champion.lineage, candidate.data
    if made.parent is not None:
        return False
    questions = made.config.get("questions")
    if questions is None:  # champions of before have the fingerprint of their whole split
        return (made.data_fingerprint, made.split_fingerprint) == (data.fingerprint, candidate.fingerprint)
    asked = remap_items(candidate.questions, data, champion.data)
    return asked is not None and bool(questions == asked.held_out_fingerprint)
