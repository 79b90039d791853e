import numpy as np
import pandas as pd
import pytest

from recsys.engines.baselines.als import ALS
from recsys.engines.baselines.ease import EASE
from recsys.errors import ConfigError
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.manifest import read_recommendations
from recsys.retrieval.rules.options import RuleOptions
from recsys.retrieval.similar import Neighbours
from recsys.retrieval.similar_lists import similar_lists
from recsys.retrieval.write import write_similar_items
from recsys.tracking import SilentTracker
from tests.retrieval.conftest import world

DATA = world()
OPTIONS = RecommendOptions(k=5, shard_size=8)


@pytest.mark.parametrize("engine", [ALS(factors=4), EASE()], ids=["dense", "sparse"])
def test_every_item_has_the_items_of_the_highest_cosine_and_not_itself(tmp_path, engine):
    fitted = engine.fit(DATA)
    manifest = similar_lists(fitted, DATA, tmp_path, OPTIONS)
    table = read_recommendations(tmp_path)
    assert table.columns.tolist() == ["item_id", "similar_id", "rank", "score"]
    assert manifest.rows == len(table) == DATA.n_items * 5
    assert (table["item_id"] != table["similar_id"]).all()
    ids = DATA.items.vocabulary.ids
    for row in range(DATA.n_items):
        cosine = Neighbours(fitted.similarity_vectors(DATA.items)).cosines(row)
        cosine[row] = -np.inf
        part = table[table["item_id"] == ids[row]]
        np.testing.assert_allclose(part["score"], np.sort(cosine)[::-1][:5], atol=1e-5)


def test_rules_hold_for_similar_items_too(tmp_path):
    rules = RuleOptions(exploration={"share": 0.4}, reasons=True)
    similar_lists(
        ALS(factors=4).fit(DATA), DATA, tmp_path, OPTIONS.model_copy(update={"rules": rules, "deny": ("item 7",)})
    )
    table = read_recommendations(tmp_path)
    assert "item 7" not in table["similar_id"].tolist()
    assert table["reason"].str.contains("exploration").groupby(table["item_id"]).sum().eq(2).all()
    assert read_recommendations(tmp_path, ["item 1"])["item_id"].unique().tolist() == ["item 1"]


class Told(SilentTracker):
    def __init__(self):
        self.lines = []

    def info(self, message):
        self.lines.append(message)


def test_rules_of_single_users_are_left_out_and_told(tmp_path):
    engine, told = EASE().fit(DATA), Told()
    pairs = pd.DataFrame({"user_id": ["item 1"], "item_id": ["item 2"]})
    own = RuleOptions(candidates=pairs, exclusions=pairs, blocked=True)
    similar_lists(engine, DATA, tmp_path / "own", OPTIONS.model_copy(update={"rules": own}), told)
    similar_lists(engine, DATA, tmp_path / "plain", OPTIONS)
    pd.testing.assert_frame_equal(read_recommendations(tmp_path / "own"), read_recommendations(tmp_path / "plain"))
    assert any(
        "do not hold for similar items and are left out: candidates, exclusions, blocked" in x for x in told.lines
    )


def test_rules_of_single_users_are_told_in_python_too(tmp_path, caplog):
    write_similar_items(EASE().fit(DATA), DATA, tmp_path, k=5, rules={"blocked": True})
    assert caplog.messages == ["rules of single users do not hold for similar items and are left out: blocked"]


def test_an_approximate_index_is_kept_beside_the_bundle_and_built_once(tmp_path, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr("recsys.retrieval.approximate.search.EXACT_UP_TO", 1)
    engine, options = ALS(factors=4).fit(DATA), OPTIONS.model_copy(update={"index": "faiss"})
    similar_lists(engine, DATA, tmp_path / "one", options, beside=tmp_path / "als")
    assert (tmp_path / "als.similar.faiss" / "items.faiss").is_file()
    monkeypatch.setattr("recsys.retrieval.approximate.store.build", None)
    similar_lists(engine, DATA, tmp_path / "two", options, beside=tmp_path / "als")
    pd.testing.assert_frame_equal(read_recommendations(tmp_path / "one"), read_recommendations(tmp_path / "two"))


def test_freshness_of_similar_items_needs_a_column(tmp_path):
    options = OPTIONS.model_copy(update={"rules": RuleOptions(freshness={"days": 3})})
    with pytest.raises(ConfigError, match="by an item column"):
        similar_lists(ALS(factors=4).fit(DATA), DATA, tmp_path, options)
