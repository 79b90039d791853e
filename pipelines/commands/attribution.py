"""attribution: what each modality of a trained two-tower engine or hybrid contributes to a metric on the test users.

``recsys attribution CONFIG`` after a run of CONFIG; ``[attribution.modalities]`` names the modalities. The report of a
run whose config has an ``[attribution]`` section holds it too.
"""

from __future__ import annotations

from dataclasses import asdict

from pipelines.config import RunConfig
from pipelines.stages.evaluate import attribution_options
from pipelines.workspace import Workspace
from recsys.atomic import write_json
from recsys.errors import ConfigError
from recsys.evaluation.attribution import attribution_table
from recsys.experiment.attribution import attribute
from recsys.registry.bundle import trained_on


def run(config: RunConfig, workspace: Workspace) -> str:
    """Writes ``attribution.json``; returns the attribution as a Markdown table.

    Raises:
        ConfigError: the config has no ``[attribution]``, or its engine cannot be masked.
        ArtifactError: the engine was trained on another split than that of the run.
    """
    if config.attribution is None:
        raise ConfigError("the config has no [attribution] section; name the engine and its modalities there")
    split, bundle = workspace.load_split(), workspace.bundle(config.attribution.engine)
    workspace.check_unchanged(f"train/{config.attribution.engine}", bundle)
    engine = trained_on(bundle, split.fingerprint).engine
    attribution = attribute(engine, workspace.load_dataset(), split, attribution_options(config))
    with workspace.lock():
        write_json(workspace.directory / "attribution.json", asdict(attribution))
    return attribution_table(attribution)
