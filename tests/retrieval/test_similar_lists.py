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
    pairs = pd.DataFrame({"user_id": ["item 1"], "item_id": ["item 2"]})
    rules = RuleOptions(exclusions=pairs, exploration={"share": 0.4}, reasons=True)
    similar_lists(
        ALS(factors=4).fit(DATA), DATA, tmp_path, OPTIONS.model_copy(update={"rules": rules, "deny": ("item 7",)})
    )
    table = read_recommendations(tmp_path)
    assert "item 7" not in table["similar_id"].tolist()
    assert "item 2" not in table.loc[table["item_id"] == "item 1", "similar_id"].tolist()
    assert table["reason"].str.contains("exploration").groupby(table["item_id"]).sum().eq(2).all()
    assert read_recommendations(tmp_path, ["item 1"])["item_id"].unique().tolist() == ["item 1"]


def test_freshness_of_similar_items_needs_a_column(tmp_path):
    options = OPTIONS.model_copy(update={"rules": RuleOptions(freshness={"days": 3})})
    with pytest.raises(ConfigError, match="by an item column"):
        similar_lists(ALS(factors=4).fit(DATA), DATA, tmp_path, options)
