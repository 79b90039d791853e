"""Content-kNN: what it is centred by, and which tags it counts."""

import numpy as np
import pandas as pd
import pytest

from recsys.data.read import read_dataset
from recsys.embedding_table import EmbeddingTable, unit_rows
from recsys.engine import FitContext, Request
from recsys.engines.baselines.content_knn import ContentKNN
from tests.engines.two_tower.test_two_tower import world

DATA = world(new_items=3)
DRAWN = np.random.default_rng(0).normal(size=(23, 4)).astype(np.float32) + 2


def centred(rows: np.ndarray) -> ContentKNN:
    """By a table of the items at ``rows``; 20 and above were never touched."""
    table = EmbeddingTable(DATA.items.take(rows).vocabulary, DRAWN[rows], {})
    return ContentKNN(table="t", centred=True).fit(DATA, context=FitContext(tables={"t": table}))


@pytest.mark.parametrize("rows", [np.arange(23), np.arange(5, 23)], ids=["all", "some"])
def test_it_is_centred_by_the_items_of_training(rows):
    vectors = unit_rows(DRAWN)[rows]
    expected = unit_rows(vectors - vectors[rows < 20].mean(0))
    assert centred(rows).item_vectors(DATA.items).dense[rows] == pytest.approx(expected, abs=1e-6)


def test_a_table_of_items_that_nobody_touched_has_nothing_to_be_centred_by(tmp_path):
    engine = centred(np.arange(20, 23))
    engine.save(tmp_path / "e")
    for model in (engine, ContentKNN.load(tmp_path / "e")):
        items = model.item_vectors(DATA.items)
        assert items.valid.tolist() == [False] * 20 + [True] * 3
        assert items.dense[20:] == pytest.approx(unit_rows(DRAWN[20:]))
        assert not model.user_vectors(Request.from_dataset(DATA, np.arange(2))).valid.any()


def test_blanks_around_a_tag_do_not_count_and_a_repeated_tag_counts_once():
    clean, blanks = (
        ContentKNN(columns=["tags"]).fit(
            read_dataset(
                pd.DataFrame({"user_id": ["a", "a", "b"], "item_id": [1, 2, 3]}),
                items=pd.DataFrame({"item_id": [1, 2, 3], "tags": cells}),
                schema={"tags": "tags"},
            )
        )
        for cells in (["Drama|War", "War", "Drama"], ["Drama| War|War ", " War", "Drama |"])
    )
    assert clean.source.ids.tolist() == blanks.source.ids.tolist() == ["tags=Drama", "tags=War"]
    assert clean.weights.tolist() == blanks.weights.tolist()
