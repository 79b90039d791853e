"""The nearest items."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from pipelines.commands.similar import similar_items
from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.data.entities import EntityTable
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.engine import Vectors
from recsys.errors import DataError
from recsys.retrieval.similar import Neighbours, find_item
from recsys.tracking import SilentTracker
from tests.pipelines.world import write_world

_ITEMS = EntityTable(
    Vocabulary(np.array([7, 8, 9])),
    pd.DataFrame({"title": ["Star Wars", "Star Trek", None]}),
    Schema.of({"title": "text"}),
)


@pytest.mark.parametrize(("text", "row"), [("9", 2), ("star trek", 1), ("trek", 1), ("Star", 0)])
def test_an_item_is_found_by_id_title_or_part(text, row):
    assert find_item(_ITEMS, text) == row


def test_an_unknown_title_names_the_nearest():
    with pytest.raises(DataError, match="did you mean 'Star Wars'"):
        find_item(_ITEMS, "Star Warts")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("star wart", r"did you mean 'Star Wars' \(id 7\), 'Star Trek' \(id 8\)\? An item is asked for by its title"),
        ("the trek of stars", r"did you mean 'Star Trek' \(id 8\)"),
        ("xyz", "ask by a part of the title or by the id, as 7, 8, 9"),
        ("", "ask by a part of the title or by the id, as 7, 8, 9"),
        (" ", "ask by a part of the title or by the id, as 7, 8, 9"),
    ],
)
def test_an_unknown_title_names_close_ones_with_their_ids_and_how_to_ask(text, told):
    with pytest.raises(DataError, match=told):
        find_item(_ITEMS, text)


def test_titles_are_found_in_columns_of_other_languages():
    frame = pd.DataFrame({"Bezeichnung": ["Pfanne rot", "Topf"]})
    assert EntityTable(Vocabulary.of([7, 8]), frame, Schema.of({"Bezeichnung": "categorical"})).titles()[1] == "Topf"


def test_an_item_without_title_is_called_by_its_id():
    assert _ITEMS.titles() == ["Star Wars", "Star Trek", "9"]


def test_cosine_joins_the_dense_and_the_sparse_part():
    dense = np.array([[1, 0], [1, 1], [0, 0]], np.float32)
    sparse = sp.csr_array(np.array([[0, 1], [0, 0], [0, 0]], np.float32))
    both = np.hstack([dense, sparse.toarray()]).astype(np.float64)
    expected = both @ both[0] / np.maximum(np.linalg.norm(both, axis=1) * np.linalg.norm(both[0]), 1e-12)
    np.testing.assert_allclose(Neighbours(Vectors(dense, sparse)).cosines(0), expected)
    np.testing.assert_allclose(Neighbours(Vectors(dense, sparse.toarray())).cosines(0), expected)


def test_an_item_that_the_engine_does_not_place_has_no_neighbours(tmp_path):
    path, workspace = write_world(tmp_path), Workspace(tmp_path / "out")
    items = tmp_path / "items.csv"
    items.write_text(items.read_text() + "77,Unseen\n")
    config = read_run_config(path)
    run_stages(config, workspace, SilentTracker(), "train")
    with pytest.raises(DataError, match="ease has no vector for 'Unseen'"):
        similar_items(config, workspace, "Unseen", 3, "ease")
    assert "Unseen" not in similar_items(config, workspace, "Film 3", 20, "ease")


def test_lists_have_ids_and_say_how_many_other_items_match(tmp_path):
    config, workspace = read_run_config(write_world(tmp_path)), Workspace(tmp_path / "out")
    run_stages(config, workspace, SilentTracker(), "train")
    first, heading, *lines = similar_items(config, workspace, "film", 3, "ease").splitlines()
    assert first.startswith("the first of 12 items that match is taken; 11 others match: Film 1 (id 1), Film 2 (id 2)")
    assert first.endswith("8 more; ask by the id")
    assert heading == "nearest to Film 0 (id 0) by ease:"
    assert all(title == f"Film {key}" for _, key, title in (line.split(maxsplit=2) for line in lines))
    heading, *lines = similar_items(config, workspace, "Film 11", 12, "ease").splitlines()
    assert heading == "nearest to Film 11 (id 11) by ease:", "the title itself is no part of others"
    assert {line.index("Film") for line in lines} == {14}
