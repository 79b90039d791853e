"""foresee: whether the gate will refuse the candidate, before anything more is spent on it."""

from __future__ import annotations

from pipelines.config import RunConfig
from pipelines.stages.choose import candidate_name
from pipelines.stages.judge import Judge
from pipelines.stages.track import tracking_place
from pipelines.workspace import Workspace
from recsys.registry.bundle import version_of
from recsys.registry.candidate import Candidate, compared_bundle, exclude_leaked_users, load_champion, measured_version
from recsys.registry.mlflow_client import relocate
from recsys.registry.store import CHAMPION, Store


def refusal(config: RunConfig, workspace: Workspace) -> str | None:
    """Why the gate will refuse the engine of ``[promote]``; None if it passes, or is the champion's recipe already.

    The gate judges the measured bundle, so that the fit of a refused one on all interactions can be spared. Nothing is
    registered or decided here.
    """
    assert config.promote is not None
    store, split = Store(*tracking_place(config, workspace)), workspace.load_split()
    if config.promote.tracking_uri is None:
        relocate(store.uri, store.name)
    bundle = workspace.bundle(candidate_name(config, workspace))
    candidate = Candidate(bundle, workspace.load_dataset(), split.test, split.fingerprint, of_run=True)
    judge, before, result = Judge(config, workspace), store.version_at(CHAMPION), None
    champion = None if before is None else load_champion(store, before)
    if before is not None and champion is not None:
        if version_of(bundle) in (champion.version, measured_version(champion)):
            return None
        compared = compared_bundle(candidate, champion, store, before)
        candidate = exclude_leaked_users(candidate, compared, before)
        result = judge.result(candidate, compared, before)
    decision = judge.decide(candidate, bundle.name, result, config.promote.gate)
    return None if decision.promoted else str(decision)
