"""attribution: what each modality of a trained two-tower engine or hybrid is worth on the test questions.

``recsys attribution CONFIG`` after a run of CONFIG; ``[attribution.modalities]`` says what is weighed. The report of a run whose
config has a ``[attribution]`` holds it too.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.config import AttributionSection, RunConfig
from pipelines.workspace import Workspace
from recsys.atomic import write_json
from recsys.data.dataset import Dataset
from recsys.data.splits.split import Holdout, Split
from recsys.engines.two_tower.modalities import hidden_parts, masked
from recsys.errors import ArtifactError, ConfigError
from recsys.evaluation.attribution import Attribution, Coalition, Values, attribution_table, build_attribution
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.metrics import parse_metric
from recsys.registry.bundle import Bundle
from recsys.seeding import stream


def run(config: RunConfig, workspace: Workspace) -> str:
    """Leaves ``attribution.json``; the same as a table.

    Raises:
        ConfigError: the config has no ``[attribution]``, or its engine cannot be masked.
        ArtifactError: the engine was trained on another split than is prepared now.
    """
    if config.attribution is None:
        raise ConfigError("the config has no [attribution] section; name the engine and its modalities there")
    attribution = measure(config.attribution, config, workspace.load_dataset(), workspace.load_split(), workspace)
    write_json(workspace.directory / "attribution.json", asdict(attribution))
    return attribution_table(attribution)


def measure(
    section: AttributionSection, config: RunConfig, data: Dataset, split: Split, workspace: Workspace
) -> Attribution:
    """The attribution of the trained engine that ``section`` names.

    Raises:
        ConfigError: it is neither a two-tower engine nor a hybrid, or has no such inputs.
        ArtifactError: it was trained on another split.
    """
    engine = trained_on(split, workspace.bundle(section.engine)).engine
    holdout = sampled(split.test, section.users, config.seed)
    k = parse_metric(section.metric)[1]

    def ask(seen: Coalition) -> Values:
        hidden: Any = masked(engine, hidden_parts(section.modalities, seen))
        result = evaluate(hidden, data, holdout, ks=(k,))
        return result.values[section.metric]

    slices = user_slices(data, split, holdout)
    return build_attribution(ask, list(section.modalities), section.metric, slices, config.seed)


def trained_on(split: Split, directory: Path) -> Bundle:
    """The bundle in ``directory``, which may be asked the questions of ``split``.

    Raises:
        ArtifactError: it was trained on another split, and may have learnt the answers.
    """
    bundle = Bundle.load(directory)
    if bundle.lineage.split_fingerprint != split.fingerprint:
        raise ArtifactError(
            f"{directory} was trained on another split than the one it is asked now, whose answers it may have learnt; "
            "train again"
        )
    return bundle


def sampled(holdout: Holdout, users: int, seed: int) -> Holdout:
    """The questions of at most ``users`` random users."""
    if len(holdout) <= users:
        return holdout
    kept = np.sort(
        stream(seed, "ledger").choice(holdout.users, users, replace=False)
    )  # the name of the stream of published figures
    return holdout.of_users(kept)


def user_slices(data: Dataset, split: Split, holdout: Holdout) -> dict[str, NDArray[np.bool_]]:
    """Users with the shorter histories, and those whose targets are rare or were never touched in training."""
    lengths = np.bincount(holdout.history.user, minlength=data.n_users)[holdout.users]
    touched = split.final_train.item_counts(data.n_items)
    common = np.quantile(touched[touched > 0], 0.8)
    asked = np.bincount(holdout.targets.user, minlength=data.n_users)

    def mostly(items: NDArray[np.bool_]) -> NDArray[np.bool_]:
        of_user = np.bincount(holdout.targets.user, items[holdout.targets.item], minlength=data.n_users)
        return np.asarray(of_user[holdout.users] > asked[holdout.users] / 2)

    return {
        "short histories": lengths <= np.quantile(lengths, 0.25),
        "cold items": mostly(touched == 0),
        "tail": mostly((touched > 0) & (touched < common)),
    }
