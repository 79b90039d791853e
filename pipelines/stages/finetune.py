"""finetune: a bundle and newer data make a child bundle, at a fraction of the time of a full training."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.config import RunConfig
from pipelines.stages.choose import candidate_name
from pipelines.stages.final import served_bundle
from pipelines.stages.fine_tunable import check_kind, fine_tunable
from pipelines.stages.names_check import check_newer_columns
from pipelines.stages.prepare import log_findings
from pipelines.stages.served_data import RUN_DATA, run_fingerprint
from pipelines.workspace import ENGINE_CODE, Workspace, code_version
from recsys.atomic import claim, refuse_foreign
from recsys.data.dataset import Dataset
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.issues import ValidationIssues
from recsys.data.ingest.readers import ingest
from recsys.data.interactions import Interactions
from recsys.data.merge import MergeMode, known_to, listed_again, merged
from recsys.data.sources import resolve
from recsys.engine import FitContext
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig
from recsys.errors import ConfigError, DataError
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.intervals import paired_test
from recsys.evaluation.metrics import parse_metric
from recsys.experiment.finetune import FineTuned, finetune_config, finetune_engine
from recsys.names import check_name
from recsys.registry.bundle import MANIFEST, Bundle, Lineage
from recsys.registry.gate import GateConfig
from recsys.tracking import Tracker, one_line

_CODE = (*ENGINE_CODE, "pipelines/stages/finetune.py")
_SUFFIX = re.compile(r"(?:-finetuned(?:-(\d+))?)+$")


@dataclass(frozen=True)
class NewerData:
    """The newer tables that `run` is given.

    Args:
        interactions: columns as in the config.
        users: their users, new ones included; None where there is no table of them.
        items: their items.
        mode: ``"append"`` where ``interactions`` holds new ones alone, ``"replace"`` where it is a newer export of all.
    """

    interactions: Path
    users: Path | None = None
    items: Path | None = None
    mode: MergeMode = "append"

    def words(self) -> list[str]:
        """The options of `recsys finetune` that name them."""
        files = {"--interactions": self.interactions, "--users": self.users, "--items": self.items}
        mode = [] if self.mode == "append" else ["--mode", self.mode]
        return [word for option, file in files.items() if file is not None for word in (option, str(file))] + mode


def run(
    config: RunConfig,
    workspace: Workspace,
    tracker: Tracker,
    newer: NewerData,
    parent: Path | None = None,
    name: str | None = None,
    command: Sequence[str] = ("CONFIG",),
) -> str:
    """Writes ``bundles/NAME/`` and ``dataset-finetuned/``; the parent stays as it is.

    The newer tables join the data that the parent was trained on (`recsys.data.merge.merged`), so that a child of a
    child has all that came before it. Of each user with several new interactions the last one is held out: half of
    these users validate, the others stay in the child's bundle as the evaluation users of its promotion.

    Args:
        config: the run; ``[finetune]`` changes options of the parent's engine.
        workspace: where bundles are.
        tracker: sees training.
        newer: the newer tables.
        parent: a bundle; None takes that of the promoted engine, fitted on all interactions where that was done.
        name: of the child; None counts on from the parent's name, see `child_name`.
        command: the words of the command line that name the run, CONFIG and its options, for the next steps.

    Returns:
        Where the child is, what it has grown by, how it compares with its parent on the held-out users, and the
        commands that promote it and recommend.

    Raises:
        ConfigError: the parent is of a kind that cannot be fine-tuned, or keeps no histories; or the name is taken.
        DataError: the tables hold nothing new, or less than an earlier child of the same parent was trained on.
    """
    promoted = candidate_name(config, workspace)
    check_kind(config, workspace, parent or workspace.bundle(promoted), [*command, *newer.words()])
    source = parent or served_bundle(config, workspace, promoted)
    bundle = Bundle.load(source)
    engine = fine_tunable(bundle, source)
    target = _target(config, workspace, source, name)
    data, new = _joined(config, bundle.data, newer, tracker)
    options = finetune_config(engine, config.finetune)
    if newer.mode == "append":
        _refuse_loss(target, bundle.version, data, newer.interactions)
    cache_key = _cache_key(config, bundle, options, data, new)
    checkpoints = workspace.checkpoints(target.name, cache_key)
    claim(checkpoints)
    context = FitContext(config.seed, directory=checkpoints, filter_seen=config.evaluate.filter_seen, tracker=tracker)
    child = finetune_engine(engine, data, new, options, context)
    data.save(workspace.newer_dataset)
    about = {"run": config.name, "engine": target.name, "options": child.engine.config.model_dump(mode="json")}
    about[RUN_DATA] = run_fingerprint(workspace)
    lineage = Lineage(data.fingerprint, config=about, parent=bundle.version)
    Bundle(child.engine, data, lineage, evaluation=child.evaluation).save(target)
    workspace.clear_checkpoints(target.name)
    grown = (
        f"{target}: {int(new.sum())} new interactions, {data.n_users - bundle.data.n_users} new users, "
        f"{data.n_items - bundle.data.n_items} new items"
    )
    return "\n".join([grown, _comparison(config, engine, child, data), *_next_steps(config, target, command)])


def _next_steps(config: RunConfig, child: Path, command: Sequence[str]) -> list[str]:
    """The commands that promote the child and make lists with it; nothing where the config has no such sections."""
    given, bundle = shlex.join(command), f"--bundle {shlex.quote(str(child))}"
    steps = [] if config.promote is None else [f"  recsys promote {given} {bundle}"]
    if config.recommend is not None:
        steps.append(f"  recsys recommend {given}{'' if steps else f' {bundle}'}")
    return ["next, until which lists stay as they are:", *steps] if steps else []


def _comparison(config: RunConfig, parent: TwoTower, child: FineTuned, data: Dataset) -> str:
    """A line with the metric of the gate for child and parent on the users that were held out, and a paired test."""
    if child.evaluation is None:
        return "  child and parent are not compared: fewer than two users have several new interactions"
    metric = (GateConfig() if config.promote is None else config.promote.gate).metric
    ks = (parse_metric(metric)[1],)
    now, before = (evaluate(engine, data, child.evaluation, ks=ks).values[metric] for engine in (child.engine, parent))
    found = paired_test(now, before)
    return (
        f"  {metric} on {len(now)} users with newer interactions: child {now.mean():.4f}, parent {before.mean():.4f}, "
        f"difference {found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}], p = {found.p:.3f}"
    )


def child_name(parent: str) -> str:
    """The name of a child: the base name of its parent and how many fine-tunings led to it.

    Example:
        >>> child_name("two_tower"), child_name("two_tower-finetuned-9")
        ('two_tower-finetuned-1', 'two_tower-finetuned-10')
    """
    found = _SUFFIX.search(parent)
    if found is None:
        return f"{parent}-finetuned-1"
    before = int(found.group(1)) if found.group(1) else found.group().count("-finetuned")
    return f"{parent[: found.start()]}-finetuned-{before + 1}"


def _joined(config: RunConfig, old: Dataset, newer: NewerData, tracker: Tracker) -> tuple[Dataset, NDArray[np.bool_]]:
    """Old and newer data as one, and which interactions are new."""
    tables, issues = newer_tables(config, newer.interactions, newer.users, newer.items), ValidationIssues()
    read = ingest(tables, issues, joining=old).data
    data, new = merged(old, read, newer.mode, config.data.positive_from or 0.0)
    _check_columns(config, old, read, newer)
    whole = newer.mode == "replace"
    log_findings(read, issues, tracker, data.feedback if whole else data.feedback - old.feedback)
    for note in issues.notes:  # of rows that are new, and so were never looked at
        if len(note.rows):
            column = "" if note.column is None else f"column {note.column!r}, "
            tracker.info(f"  {column}{len(note.rows):,} row{'s' * (len(note.rows) > 1)}: {note.found}")
    if newer.items is not None and not whole:
        _warn_of_short_catalogue(old, read, newer.items, tracker)
    _log_growth(old, data, tracker)
    if not new.any():
        raise DataError(f"{newer.interactions} holds no interaction that the dataset does not hold already")
    known = known_to(read, old.interactions, old, timed=old.has_timestamps) | _taken_back(read, old.interactions, old)
    if newer.mode == "append" and not old.has_timestamps and known.all():
        tracker.info(
            f"  warning: {newer.interactions} holds all {len(known)} interactions of the dataset; where it is a newer "
            "export of all of them, give --mode replace"
        )
    elif whole and not known.all():
        tracker.info(
            f"  warning: {newer.interactions} lacks {int((~known).sum())} of {len(known)} interactions of the dataset, "
            "which are gone from the child; where it holds new ones alone, give --mode append"
        )
    return data, new


def _check_columns(config: RunConfig, old: Dataset, read: Dataset, newer: NewerData) -> None:
    """Refuses newer tables that lack a column that the config names."""
    given = [str(path) for path in (newer.users, newer.items) if path is not None]
    if given:
        users = old.users if newer.users is None else read.users
        check_newer_columns(config, (users, old.items if newer.items is None else read.items), ", ".join(given))


def _warn_of_short_catalogue(old: Dataset, read: Dataset, items: Path, tracker: Tracker) -> None:
    """Warns of a newer items table that lists a few of the old ids, by which nothing is withdrawn."""
    again = listed_again(old.items, read.items)
    if again.still and not again.is_whole:
        tracker.info(
            f"  warning: {items} lists {again.still:,} of the {again.before:,} items that were listed; taken as a "
            "list of changes: nothing is withdrawn; if it is meant as the whole catalogue, export it again, as it is "
            "cut or has lost most items, or give a full export of interactions and items with --mode replace"
        )


def _log_growth(old: Dataset, data: Dataset, tracker: Tracker) -> None:
    """Logs which users and items are new, and which items the newer table no longer lists."""
    for what, before, after in (("users", old.users, data.users), ("items", old.items, data.items)):
        added = after.vocabulary.ids[len(before) :]
        if len(added):
            tracker.info(f"  {len(added):,} new {what}: {_some(added)}")
    gone = np.setdiff1d(data.items.unlisted[data.items.unlisted < old.n_items], old.items.unlisted)
    if len(gone):
        ids = _some(data.items.vocabulary.ids[gone])
        tracker.info(f"  {len(gone):,} no longer in the items table, so not recommended: {ids}")


def _some(ids: NDArray[np.generic]) -> str:
    """The first five ids."""
    more = f" and {len(ids) - 5:,} more" if len(ids) > 5 else ""
    return ", ".join(one_line(str(value)) for value in ids[:5].tolist()) + more


def _taken_back(data: Dataset, events: Interactions, named: Dataset) -> NDArray[np.bool_]:
    """Bool [E]: which of ``events``, whose rows are those of ``named``, a later row of ``data`` took back."""
    gone = replace(data, interactions=data.settled.select(data.settled.weight > 0))
    return known_to(gone, events, named, timed=data.has_timestamps)


def _target(config: RunConfig, workspace: Workspace, source: Path, name: str | None) -> Path:
    """The folder of the child."""
    chosen = name or child_name(source.name)
    if name is not None:
        check_name("--name", name)
        if name in config.engines:
            raise ConfigError(f"--name {name} is an engine of this run, whose bundle would be replaced; choose another")
    target = workspace.bundle(chosen)
    if target.resolve() == source.resolve():
        raise ConfigError(f"--name {name} is the parent, which stays as it is; choose another")
    for replaced in (target, workspace.newer_dataset):
        refuse_foreign(replaced)
    return target


def _cache_key(
    config: RunConfig, bundle: Bundle, options: TwoTowerConfig, data: Dataset, new: NDArray[np.bool_]
) -> dict[str, object]:
    return {
        "parent": bundle.version,
        "options": options.model_dump(mode="json"),
        "data": data.fingerprint,
        "new": hashlib.sha256(new.tobytes()).hexdigest(),
        "seed": config.seed,
        "filter_seen": config.evaluate.filter_seen,
        "code": code_version(*_CODE),
    }


def _refuse_loss(child: Path, parent: str, data: Dataset, interactions: Path) -> None:
    """Keeps a child from being replaced by one that was trained on fewer interactions."""
    if not (child / MANIFEST).exists():
        return
    earlier = Bundle.load(child)
    if earlier.lineage.parent != parent:
        return
    theirs = earlier.data.interactions
    held = known_to(data, theirs, earlier.data) | _taken_back(data, theirs, earlier.data)
    lost = int((~held).sum())
    if lost:
        raise DataError(
            f"{child} was fine-tuned on {lost} interactions that {interactions} does not hold and would be replaced; "
            f"go on from it with --bundle {child}, give this child another --name, or move that one away"
        )


def newer_tables(config: RunConfig, interactions: Path, users: Path | None, items: Path | None) -> DataConfig:
    """The config of the newer tables: that of the run with other files."""
    files = {"interactions": interactions, "users": users, "items": items}
    return resolve(config.data).model_copy(update={"source": None, "test_interactions": None, **files})
