"""What `export` and `similar` ask: the model that recommends, unless another is named."""

import pytest

from pipelines.cli import main
from pipelines.stages import run_stages
from pipelines.stages.finetune import NewerData
from pipelines.stages.finetune import run as finetune
from pipelines.stages.promote import REFUSED, open_store, run
from recsys.registry.bundle import version_of
from recsys.registry.gate import Decision
from recsys.retrieval.manifest import Manifest
from recsys.tracking import SilentTracker
from tests.pipelines.shop import Shop
from tests.pipelines.test_promote import unplotted  # noqa: F401  a fixture
from tests.pipelines.test_run import pytestmark  # noqa: F401  the warnings of MLflow


@pytest.fixture
def shop(tmp_path, capsys):
    return Shop(tmp_path, capsys)


def test_after_a_refusal_the_champion_is_asked_and_not_the_refused_candidate(shop):
    shop.changes = ["promote.engine=popularity", "promote.gate.first=any"]
    assert shop.run() == 0
    champion = version_of(shop.workspace.final.bundle("popularity"))
    shop.changes = ["promote.engine=ease", "promote.gate.min_gain=9"]
    assert shop.run() == REFUSED
    assert "the model is tiny/1" in shop.export()
    assert shop.exported_bundle == champion == version_of(open_store(shop.config(), shop.workspace).locate())
    assert "by tiny/1:" in shop.command("similar", "Film 3")
    assert "by tiny/1" in shop.command("similar", "--all")
    assert Manifest.load(shop.out / "similar").model_version == "tiny/1"
    assert "the model is tiny/2" in shop.export("--alias", "2")
    assert shop.exported_bundle == version_of(open_store(shop.config(), shop.workspace).locate("2")) != champion
    assert "by tiny/2:" in shop.command("similar", "Film 3", "--alias", "2")
    assert "by ease:" in shop.command("similar", "Film 3", "--engine", "ease")
    assert "give --alias or --engine, not both" in shop.export("--alias", "1", "--engine", "ease", code=1)
    assert "nobody" in shop.export("--alias", "nobody", code=1)


def test_a_refused_first_candidate_is_not_asked_but_what_recommends_in_its_place(shop):
    shop.changes = ["promote.engine=popularity", "evaluate.baseline=ease"]
    assert shop.run() == REFUSED
    recommends = Manifest.load(shop.workspace.recommendations).model_version
    assert recommends.startswith("ease@")
    assert f"the model is {recommends}" in shop.export()
    assert "by ease:" in shop.command("similar", "Film 3")


def test_the_engine_that_recommends_by_name_is_asked(shop):
    shop.changes = ["recommend.engine=popularity"]
    shop.run()
    recommends = Manifest.load(shop.workspace.recommendations).model_version
    assert f"the model is {recommends}" in shop.export()


def test_before_any_promotion_the_engine_that_would_be_promoted_is_asked(shop):
    run_stages(shop.config(), shop.workspace, SilentTracker(), "train")
    assert "the model is ease@" in shop.export()
    assert "by ease:" in shop.command("similar", "Film 3")
    assert "has been registered" in shop.export("--alias", "champion", code=1)


def test_a_promoted_child_is_asked_with_what_it_was_fine_tuned_on(shop):
    shop.changes = ["engines.two_tower.training.epochs=1", "finetune.training.epochs=1", "promote.engine=two_tower"]
    shop.changes += ["promote.gate.min_users=1", "promote.gate.min_gain=-9", "promote.gate.first=any"]
    run_stages(shop.config(), shop.workspace, SilentTracker(), "promote")
    newer = shop.path.with_name("newer.csv")
    rows = [f"u{user:04d},{item},{2_000_000 + item}" for user in range(6) for item in (99, 98, 97)]
    newer.write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n", encoding="utf-8")
    finetune(shop.config(), shop.workspace, SilentTracker(), NewerData(newer))
    child = shop.workspace.bundle("two_tower-finetuned-1")
    run(shop.config(), shop.workspace, SilentTracker(), child)
    if open_store(shop.config(), shop.workspace).version_at("champion") != "2":
        open_store(shop.config(), shop.workspace).promote("2", Decision(True, "2", "1", ()))
    assert "the model is tiny/2" in shop.export()
    assert shop.exported_bundle == version_of(child)
    assert "tiny/2 has no vector for '99'" in shop.command("similar", "99", code=1), "the child knows the item"
    assert "of 15 items by tiny/2" in shop.command("similar", "--all")


def test_a_bundle_is_a_model_by_itself(shop, capsys):
    run_stages(shop.config(), shop.workspace, SilentTracker(), "train")
    words = ["--bundle", str(shop.workspace.bundle("ease")), "--output", str(shop.exported), "--what", "vectors"]
    with pytest.raises(SystemExit) as done:
        main(["export", *words, "--engine", "ease"])
    assert done.value.code == 1
    assert "--bundle names the model itself" in capsys.readouterr().err
