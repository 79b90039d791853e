"""Attribution of a trained model on synthetic data whose five modalities have known weights.

``python -m pipelines.benchmarks.planted`` draws the data (images and texts included), pretrains and trains as
``pipelines/configs/planted.toml`` says, and compares each modality's share of the attribution with its
share for an oracle that scores by the rule of the data, on the same evaluation users.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

CONFIG = Path(__file__).parent.parent / "configs" / "planted.toml"

BAR = 0.10
"""Largest difference of a share from the oracle's."""

WEIGHTS = {"text": 3.0, "image": 2.0, "tabular": 1.5, "graph": 2.0, "sequence": 2.5}


def main(
    output: Annotated[Path, typer.Option(help="Where the world and the run go.")] = Path("runs/planted"),
    users: Annotated[int, typer.Option(help="How many users.")] = 600,
    seed: Annotated[int, typer.Option(help="Of the world.")] = 0,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Changes one key of the config; repeatable.")] = None,
) -> None:
    """Prints a row per modality; exit code 1 if a share differs from the oracle's by over ten percentage points."""
    shares = compare(output, users, seed, set_ or ())
    print(f"{'modality':<10}{'planted':>9}{'found':>9}{'off':>9}")
    for name, (planted, found) in shares.items():
        print(f"{name:<10}{planted:>9.1%}{found:>9.1%}{found - planted:>+9.1%}")
    raise typer.Exit(int(any(abs(found - planted) > BAR for planted, found in shares.values())))


def compare(output: Path, users: int, seed: int, overrides: Sequence[str] = ()) -> dict[str, tuple[float, float]]:
    """Trains on synthetic data: modality -> (share of the oracle, share of the trained model), as fractions of 1.

    Args:
        output: folder of the data and the run.
        users: number of users.
        seed: of the data.
        overrides: ``section.key=value`` changes of the config.
    """
    from pipelines.config import read_run_config
    from pipelines.stages import run_stages
    from pipelines.stages.evaluate import attribution_options
    from pipelines.workspace import Workspace
    from recsys.data.synthetic.worlds import PlantedTaste
    from recsys.evaluation.planted import planted_attribution
    from recsys.experiment.attribution import attribute, sampled
    from recsys.registry.bundle import trained_on
    from recsys.tracking import ConsoleTracker

    world = PlantedTaste(users=users, weights=WEIGHTS).draw(seed)
    changed = [f"data.{table}={path}" for table, path in world.write(output / "world").items()]
    changed.append(f"pretrain.graph.share={min(0.3, world.taste.early)}")
    config, workspace = read_run_config(CONFIG, [*changed, *overrides]), Workspace(output)
    run_stages(config, workspace, ConsoleTracker(), "train")
    data, split, section = workspace.load_dataset(), workspace.load_split(), config.attribution
    assert section is not None, f"{CONFIG} has no [attribution]"
    engine = trained_on(workspace.bundle(section.engine), split.fingerprint).engine
    found = attribute(engine, data, split, attribution_options(config))
    holdout = sampled(split.test, section.users, config.seed)
    planted = planted_attribution(world, data, holdout, section.metric, config.seed)
    return {
        name: (planted.contributions[name].share, found.contributions[name].share) for name in planted.contributions
    }


if __name__ == "__main__":
    typer.run(main)
