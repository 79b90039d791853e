"""The first promotion: without a champion, the candidate is held against the baseline of the run."""

import pandas as pd
import pytest

from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.stages.promote import REFUSED, open_store
from pipelines.workspace import Workspace
from recsys.atomic import read_json
from recsys.errors import ConfigError
from recsys.evaluation.evaluate import evaluate
from recsys.registry.bundle import Bundle
from recsys.registry.store import CHAMPION
from recsys.retrieval.manifest import Manifest
from recsys.seeding import stream
from recsys.tracking import SilentTracker
from tests.pipelines.test_promote import unplotted  # noqa: F401  a fixture
from tests.pipelines.test_run import Ears, pytestmark  # noqa: F401  the warnings of MLflow
from tests.pipelines.world import N_USERS, write_world

BEHIND = ["promote.engine=popularity", "evaluate.baseline=ease"]


def model(workspace):
    return Manifest.load(workspace.recommendations).model_version


def test_a_first_candidate_behind_the_named_baseline_is_refused_and_what_would_pass_recommends(tmp_path):
    path, workspace, ears = write_world(tmp_path), Workspace(tmp_path / "out"), Ears()
    assert run_stages(read_run_config(path, BEHIND), workspace, ears) == REFUSED
    decision = read_json(workspace.decision)
    assert (decision["promoted"], decision["engine"], decision["baseline"]) == (False, "popularity", "ease")
    assert decision["instead"] == "ease"
    (rule,) = (rule for rule in decision["rules"] if rule["name"] == "first")
    assert not rule["passed"]
    assert "of the baseline ease" in rule["reason"]
    assert any('promote.engine = "ease" would pass' in line for line in ears.heard)
    assert any("the candidate was refused; ease recommends instead" in line for line in ears.heard)
    assert model(workspace).startswith("ease@")
    assert Bundle.load(workspace.final.bundle("ease")).version in model(workspace)
    assert any("final/popularity: not fitted on all interactions" in line for line in ears.heard)
    assert sum(line.count(rule["reason"]) for line in ears.heard) == 1
    assert not workspace.final.bundle("popularity").exists()
    again = Ears()
    assert run_stages(read_run_config(path, BEHIND), workspace, again) == REFUSED
    assert {"promote", "recommend"} <= again.reused()
    anyone = read_run_config(path, [*BEHIND, "promote.gate.first=any"])
    assert run_stages(anyone, workspace, SilentTracker()) == 0
    assert model(workspace) == "tiny/2"
    assert workspace.final.bundle("popularity").exists()
    strict = read_run_config(path, ["promote.gate.min_gain=9"])
    assert run_stages(strict, workspace, SilentTracker()) == REFUSED
    assert model(workspace) == "tiny/2"


def write_content_world(directory):
    """Half of the users begin with item 100 and half end with it; it is of another kind than all else."""
    path, rng = write_world(directory), stream(3, "content")
    rows = []
    for user in range(N_USERS):
        others = rng.permutation(12)[:3].tolist()
        items = [100, *others] if user % 2 else [*others, 100]
        rows += [(f"u{user:04d}", item, 1_000_000 + step) for step, item in enumerate(items)]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    frame.to_csv(directory / "interactions.csv", index=False)
    items = pd.DataFrame({"item_id": [*range(12), 100], "kind": [*"abababababab", "c"]})
    items.to_csv(directory / "items.csv", index=False)
    text = path.read_text(encoding="utf-8")
    text = text.replace("[engines.popularity]\n\n[engines.ease]\nregularization = 1.0", "[engines.content_knn]")
    text = text.replace('baseline = "popularity"\n', "").replace('engine = "ease"', 'engine = "content_knn"')
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("final", ["true", "false"])
def test_without_a_popularity_engine_one_is_fitted_as_the_baseline_and_recommends(tmp_path, final):
    path, workspace = write_content_world(tmp_path), Workspace(tmp_path / "out")
    config = read_run_config(path, [f"train.final={final}", "data.item_schema.kind=categorical"])
    assert run_stages(config, workspace, SilentTracker()) == REFUSED
    decision = read_json(workspace.decision)
    assert (decision["baseline"], decision["instead"]) == ("popularity", None)
    assert model(workspace).startswith("popularity@")


def test_with_too_few_users_nothing_passes_and_the_baseline_recommends(tmp_path):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    strict = read_run_config(path, ["promote.gate.min_users=1000"])
    assert run_stages(strict, workspace, SilentTracker()) == REFUSED
    assert read_json(workspace.decision)["instead"] is None
    assert model(workspace).startswith("popularity@")


@pytest.mark.parametrize("refit", ["true", "false"])
def test_the_best_engine_is_the_best_on_validation(tmp_path, refit):
    path, workspace, ears = write_world(tmp_path), Workspace(tmp_path / "out"), Ears()
    parts = 'engines.hybrid.parts=["popularity", "ease"]'
    config = read_run_config(path, ["promote.engine=best", parts, f"split.refit={refit}"])
    assert run_stages(config, workspace, ears) == 0
    choice, decision = read_json(workspace.choice), read_json(workspace.decision)
    values = choice["validation"]
    assert set(values) == {"popularity", "ease", "hybrid"}
    assert values[choice["engine"]] == max(values.values())
    assert (decision["engine"], decision["chosen"]) == (choice["engine"], choice)
    champion = Bundle.load(open_store(config, workspace).download(CHAMPION))
    assert champion.lineage.config["engine"] == choice["engine"]
    assert champion.lineage.config["chosen"] == {"metric": "ndcg@10", "validation": max(values.values())}
    if refit == "false":
        data, split = workspace.load_dataset(), workspace.load_split()
        engine = Bundle.load(workspace.bundle("ease")).engine
        assert values["ease"] == pytest.approx(evaluate(engine, data, split.validation, ks=(10,)).mean("ndcg@10"))
    again = Ears()
    assert run_stages(config, workspace, again) == 0
    assert {"choose", f"final/{choice['engine']}", "promote", "recommend"} <= again.reused()


def test_an_engine_may_be_called_best(tmp_path):
    path = write_world(tmp_path)
    named = read_run_config(path, ["promote.engine=best", "engines.best.kind=ease"])
    assert (named.promotes_best, named.candidates) == (False, ("best",))
    assert read_run_config(path, ["promote.engine=best"]).candidates == ("popularity", "ease")
    with pytest.raises(ConfigError, match="is no engine of this run"):
        read_run_config(path, ["promote.engine=bets"])
