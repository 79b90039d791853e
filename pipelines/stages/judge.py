"""judge: metrics of the candidate, the champion and the baseline on the same users, and the decision of the gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.config import RunConfig
from pipelines.stages.choose import on_validation
from pipelines.workspace import POPULARITY, Workspace
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.merge import known_to
from recsys.engine import VectorModel
from recsys.engines.baselines.popularity import Popularity
from recsys.errors import ArtifactError
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.report.report import Report
from recsys.registry.bundle import MANIFEST, Bundle, version_of
from recsys.registry.candidate import Candidate
from recsys.registry.gate import Decision, EvaluationResult, GateConfig, decide, significantly_behind


@dataclass(frozen=True)
class Judge:
    """Evaluates bundles on the users of a candidate; values that the report of the run holds are taken from it.

    Args:
        config: the run.
        workspace: its folder.
    """

    config: RunConfig
    workspace: Workspace

    def decide(
        self, candidate: Candidate, version: str, champion: EvaluationResult | None, gate: GateConfig
    ) -> Decision:
        """The verdict on the candidate; without a champion it is compared with the baseline of the run.

        A refusal without a champion names the engine of the run that would pass.
        """
        ours, baseline = self.result(candidate, candidate.bundle, version), None
        if champion is None and gate.first == "baseline":
            baseline = self._baseline(candidate)
        decision = decide(ours, champion, gate, baseline)
        if decision.promoted or baseline is None or not candidate.of_run or len(ours.users) < gate.min_users:
            return decision
        return replace(decision, instead=self._passing(candidate, baseline, gate))

    def result(self, candidate: Candidate, bundle: Bundle | Path, model: str) -> EvaluationResult:
        """The metrics of a bundle on the candidate's evaluation users: those of the report where it is current."""
        version = version_of(bundle) if isinstance(bundle, Path) else bundle.version
        values = self._reported(candidate, version)
        if values is None:
            engine = (Bundle.load(bundle) if isinstance(bundle, Path) else bundle).engine
            return self._evaluated(candidate, engine, model)
        return self._with_values(candidate, model, values)

    def _baseline(self, candidate: Candidate) -> EvaluationResult:
        """The metrics of ``evaluate.baseline`` if one is named, else of popularity."""
        name = self.config.evaluate.baseline
        if name is None or name == candidate.bundle.name:
            name = self._named_popularity()
        folder = self.workspace.bundle(name)
        if name in self.config.engines and (folder / MANIFEST).is_file():
            return self.result(candidate, folder, name)
        popularity = Popularity().fit(candidate.data, self._train(candidate))
        return self._evaluated(candidate, popularity, POPULARITY)

    def _named_popularity(self) -> str:
        """The first engine of kind ``popularity``, or the name of the one that is fitted where there is none."""
        kinds = {name: str(raw.get("kind", name)) for name, raw in self.config.engines.items()}
        return next((name for name, kind in kinds.items() if kind == POPULARITY), POPULARITY)

    def earlier(self, candidate: Candidate) -> Interactions:
        """The interactions that no target is among, those of validation included."""
        return self.workspace.load_split().train_and_validation if candidate.of_run else self._train(candidate)

    def _train(self, candidate: Candidate) -> Interactions:
        """The interactions that the candidate could learn from."""
        if candidate.of_run:
            return self.workspace.load_split().final_train
        targets = replace(candidate.data, interactions=candidate.holdout.targets)
        return candidate.data.interactions.select(~known_to(targets, candidate.data.interactions, candidate.data))

    def _passing(self, candidate: Candidate, baseline: EvaluationResult, gate: GateConfig) -> str | None:
        """The best engine of the run that is not behind the baseline: by validation, or by the report after a refit."""
        bundles = {name: self.workspace.bundle(name) for name in self.config.engines}
        results = {name: self.result(candidate, folder, name) for name, folder in bundles.items()}
        passing = [name for name, found in results.items() if not significantly_behind(found, baseline, gate)]
        split = self.workspace.load_split()
        best = on_validation(self.config, self.workspace, candidate.data, split, passing, gate.metric)
        if len(best) < len(passing):
            best = {name: float(results[name].values[gate.metric].mean()) for name in passing}
        return max(best, key=lambda name: best[name], default=None)

    def _evaluated(self, candidate: Candidate, engine: VectorModel, model: str) -> EvaluationResult:
        values = evaluate(engine, candidate.data, candidate.holdout, ks=self.config.evaluate.ks).values
        return self._with_values(candidate, model, values)

    def _with_values(
        self, candidate: Candidate, model: str, values: Mapping[str, NDArray[np.float64]]
    ) -> EvaluationResult:
        data: Dataset = candidate.data
        return EvaluationResult(model, data.fingerprint, candidate.fingerprint, candidate.holdout.users, values)

    def _reported(self, candidate: Candidate, version: str) -> Mapping[str, NDArray[np.float64]] | None:
        """The values of the report, if it is of this bundle, dataset, split, users and options; else None."""
        report = self._report if candidate.of_run else None
        if report is None:
            return None
        content = report.content
        split, names = content["split"], content["settings"].get("bundles", {})
        same = (
            content["data"]["fingerprint"] == candidate.data.fingerprint
            and split["fingerprint"] == candidate.fingerprint
            and split["filter_seen"] == self.config.evaluate.filter_seen
            and all(f"recall@{k}" in content["engines"][self.config.baseline] for k in self.config.evaluate.ks)
            and np.array_equal(report.users, candidate.holdout.users)
        )
        name = next((name for name, made in names.items() if made == version), None)
        return report.values[name] if same and name is not None else None

    @cached_property
    def _report(self) -> Report | None:
        """The report of the run; None where it is not there or is damaged."""
        try:
            return Report.load(self.workspace.directory)
        except ArtifactError:
            return None
