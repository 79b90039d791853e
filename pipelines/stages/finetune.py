"""finetune: a bundle and newer data make a child bundle, at a fraction of the time of a full training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.config import RunConfig
from pipelines.workspace import ENGINE_CODE, Workspace, code_version
from recsys.atomic import atomic_path, claim, read_json, refuse_foreign, remove_folder, write_json
from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.readers import ingest
from recsys.data.interactions import Interactions
from recsys.data.merge import known_to, merged
from recsys.data.sources import resolve
from recsys.data.splits.split import Holdout
from recsys.engine import FitContext
from recsys.engines.two_tower.first_interactions import FirstInteractions
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.errors import ArtifactError, ConfigError, DataError
from recsys.registry.bundle import MANIFEST, Bundle, Lineage
from recsys.tracking import Tracker
from recsys.training.deterministic import deterministic

_CODE = (*ENGINE_CODE, "recsys/training/deterministic.py", "pipelines/stages/finetune.py", "recsys/data/merge.py")
_MADE_FROM = "made_from.json"


def run(
    config: RunConfig,
    workspace: Workspace,
    tracker: Tracker,
    interactions: Path,
    users: Path | None = None,
    items: Path | None = None,
    parent: Path | None = None,
) -> str:
    """Leaves ``bundles/NAME-finetuned/`` and ``dataset-finetuned/``; the parent stays as it is.

    The newer files join what the parent was trained on, so a child of a child knows all that came before it.
    Of each user with several new interactions the last one is held out (unless lists leave it out, for the user had
    that item before): half of them choose the epoch to stop at, the others are kept beside the child as the questions
    that it is asked when it stands for promotion. The child learns to rank what its parent did (``mask_seen_negatives``),
    unless ``[finetune]`` says otherwise.

    Returns:
        Where the child is and what it has grown by.

    Raises:
        ConfigError: the parent is of a kind that cannot be fine-tuned, or keeps no histories.
        DataError: the files hold nothing new, or less than an earlier child of the same parent knows, which would go.
    """
    source = parent or workspace.bundle(config.candidate)
    bundle = Bundle.load(source)
    if not isinstance(bundle.engine, TwoTower):
        raise ConfigError(f"{source} holds an engine of kind {bundle.engine.kind!r}; only two_tower can be fine-tuned")
    if bundle.histories is None:
        raise ConfigError(f"{source} keeps no histories of what it was trained on, which a fine-tune goes on from")
    old = bundle.data
    data, fresh = merged(old, ingest(newer_tables(config, interactions, users, items), joining=old).data)
    if not fresh.any():
        raise DataError(f"{interactions} holds no interaction that the dataset does not hold already")
    filtered = config.evaluate.filter_seen
    train, new, held = held_out(data.interactions, fresh, data.n_users, data.n_items, filtered)
    validation, asked = split_rows(held)
    options = finetune_config(bundle.engine, config)
    target = workspace.bundle(f"{source.name}-finetuned")
    for replaced in (target, questions(target), workspace.newer_dataset):
        refuse_foreign(replaced)
    _refuse_loss(target, bundle.version, data, interactions)
    cache_key = {
        "parent": bundle.version,
        "options": options.model_dump(mode="json"),
        "data": data.fingerprint,
        "new": hashlib.sha256(fresh.tobytes()).hexdigest(),
        "seed": config.seed,
        "filter_seen": filtered,
        "code": code_version(*_CODE),
    }
    checkpoints = workspace.checkpoints(target.name, cache_key)
    claim(checkpoints)
    context = FitContext(config.seed, validation, directory=checkpoints, filter_seen=filtered, tracker=tracker)
    with deterministic():
        child = TwoTower(options).finetune(bundle.engine, data, train, new, context)
    data.save(workspace.newer_dataset)
    about = {"run": config.name, "engine": target.name, "options": child.config.model_dump(mode="json")}
    lineage = Lineage(data.fingerprint, config=about, parent=bundle.version)
    save_questions(asked, target, lineage)
    Bundle(child, data, lineage).save(target)
    workspace.clear_checkpoints(target.name)
    return (
        f"{target}: {int(fresh.sum())} new interactions, {data.n_users - old.n_users} new users, "
        f"{data.n_items - old.n_items} new items"
    )


def _refuse_loss(child: Path, parent: str, data: Dataset, interactions: Path) -> None:
    """Keeps a child from being replaced by one that knows less."""
    if not (child / MANIFEST).exists():
        return
    earlier = Bundle.load(child)
    if earlier.lineage.parent != parent:
        return
    lost = int((~known_to(data, earlier.data.interactions, earlier.data)).sum())
    if lost:
        raise DataError(
            f"{child} was fine-tuned on {lost} interactions that {interactions} does not hold and would be replaced; "
            f"go on from it with --bundle {child}, or move it away"
        )


def newer_tables(config: RunConfig, interactions: Path, users: Path | None, items: Path | None) -> DataConfig:
    """The config of the newer tables: that of the run with other files."""
    files = {"interactions": interactions, "users": users, "items": items}
    return resolve(config.data).model_copy(update={"source": None, "test_interactions": None, **files})


def held_out(
    interactions: Interactions, fresh: NDArray[np.bool_], n_users: int, n_items: int, filter_seen: bool
) -> tuple[Interactions, NDArray[np.bool_], Holdout | None]:
    """Train without the last new interaction of each user that has several; which of it is new; what was held out.

    Where ``filter_seen``, an item that the user had before is not held out: no list could show it.

    Example:
        >>> import numpy as np
        >>> i = Interactions.of(np.array([0, 0, 0, 1]), np.array([4, 5, 6, 4]), np.array([1, 2, 3, 1]))
        >>> train, new, holdout = held_out(i, np.array([False, True, True, True]), 2, 7, filter_seen=True)
        >>> train.item.tolist(), new.tolist(), holdout.users.tolist(), holdout.targets.item.tolist()
        ([4, 5, 4], [False, True, True], [0], [6])
    """
    several = np.bincount(interactions.user[fresh], minlength=n_users) > 1
    last = interactions.offsets(n_users)[1:] - 1
    asked = np.flatnonzero(several)
    wanted = fresh & FirstInteractions.of(interactions, n_users, n_items).mask() if filter_seen else fresh
    asked = asked[wanted[last[asked]]]  # a late file may bring events that lie before old ones
    keep = np.ones(len(interactions), bool)
    keep[last[asked]] = False
    train = interactions.select(keep)
    if not len(asked):
        return train, fresh, None
    history = train.select(np.isin(train.user, asked))
    return (
        train,
        fresh[keep],
        Holdout(asked.astype(np.int32), history, interactions.select(~keep), filter_seen=filter_seen),
    )


def split_rows(held: Holdout | None) -> tuple[Holdout | None, Holdout | None]:
    """Every second user validates, the others are asked later; one alone validates."""
    if held is None or len(held) < 2:
        return held, None
    first, second = (held.of_users(held.users[start::2]) for start in (0, 1))
    return first, second


def questions(bundle: Path) -> Path:
    """Where the questions of a child are kept: beside it."""
    return bundle.with_name(f"{bundle.name}.questions")


def save_questions(asked: Holdout | None, child: Path, lineage: Lineage) -> None:
    """Replaces what stood beside ``child``, and says which child it is for, which is written later."""
    if asked is None:
        remove_folder(questions(child))
        return
    with atomic_path(questions(child)) as beside:
        asked.save(beside)
        write_json(beside / _MADE_FROM, _made_from(lineage))


def load_questions(child: Path, lineage: Lineage) -> Holdout:
    """What `save_questions` left beside ``child``.

    Raises:
        ConfigError: there are no questions.
        ArtifactError: they were held out from other data, or from what another parent had not seen.
    """
    kept = questions(child)
    if not kept.is_dir():
        raise ConfigError(f"{child} has no questions beside it; finetune keeps some where two users or more have news")
    header = kept / _MADE_FROM
    if not header.exists() or read_json(header) != _made_from(lineage):
        raise ArtifactError(
            f"the questions in {kept} were held out for another child than {child}, or do not say for which; "
            "run finetune again"
        )
    return Holdout.load(kept)


def _made_from(lineage: Lineage) -> dict[str, Any]:
    """What decides which interactions are held out, and the rows that they are written in."""
    return {"data": lineage.data_fingerprint, "parent": lineage.parent}


_SHAPE = (
    *("dim", "item_id", "user_id", "item_fusion", "user_fusion", "pooling", "heads", "layers", "expansion"),
    *("positions", "has_timestamps", "item_bias", "numeric"),
)
"""Options of the model that its weights were made for."""


def finetune_config(parent: TwoTower, config: RunConfig) -> Any:
    """The parent's config with ``[finetune]`` laid over it.

    Raises:
        ConfigError: ``[finetune]`` changes what the parent's weights or inputs were made for.
    """
    raw = parent.config.model_dump(mode="json")
    options = parse(TwoTower.Config, deep_merge(raw, config.finetune), "[finetune]")
    wanted = options.model_dump(mode="json")
    fixed = [(key, raw[key], wanted[key]) for key in ("tables", "features", "max_history")]
    fixed += [(f"model.{key}", raw["model"][key], wanted["model"][key]) for key in _SHAPE]
    changed = [f"{key} = {new!r} (the parent has {old!r})" for key, old, new in fixed if old != new]
    if changed:
        raise ConfigError(f"[finetune] cannot change {', '.join(changed)}: the weights go on; train anew for that")
    return options


def deep_merge(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(base)
    for key, value in top.items():
        inner = both.get(key)
        both[key] = deep_merge(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return both
