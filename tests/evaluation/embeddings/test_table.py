"""Embedding tables in a notebook, and the functions of unit vectors and neighbours."""

import numpy as np
import pytest

from recsys.data.vocabulary import Vocabulary
from recsys.embedding_table import EmbeddingTable, rank_neighbours, unit_rows
from recsys.errors import DataError
from recsys.seeding import stream

VECTORS = stream(0, "table").normal(size=(30, 8)).astype(np.float32)
TABLE = EmbeddingTable(Vocabulary(np.arange(100, 130)), VECTORS, {"embedder": "<b>"})


def test_a_frame_has_a_row_for_each_id_in_the_order_that_is_asked_for():
    assert TABLE.to_frame().shape == (30, 8)
    frame = TABLE.to_frame([120, 101])
    assert frame.index.tolist() == [120, 101]
    np.testing.assert_array_equal(frame.to_numpy(), VECTORS[[20, 1]])


def test_an_unknown_id_has_no_row_in_a_frame():
    with pytest.raises(DataError, match="no vector of the id 7"):
        TABLE.to_frame([101, 7, 102])


def test_a_notebook_shows_the_size_the_source_and_the_first_rows():
    assert repr(TABLE) == "EmbeddingTable(30 ids, 8 dimensions, embedder='<b>')"
    html = TABLE._repr_html_()
    assert "&lt;b&gt;" in html
    assert "104" in html
    assert "105" not in html


def test_unit_rows_have_length_one_and_zero_stays_zero():
    unit = unit_rows(np.array([[3, 4], [0, 0], [1e-20, 0]], np.float32))
    assert unit.dtype == np.float32
    assert np.linalg.norm(unit[0]) == pytest.approx(1)
    assert unit[1].tolist() == [0, 0]
    assert np.isfinite(unit).all()


def test_neighbours_are_those_of_the_slow_way_and_ties_go_to_the_lower_row():
    unit = VECTORS.astype(float) / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    rows, cosine = TABLE.neighbours(4, 5)
    slow = sorted((-float(unit[4] @ unit[row]), row) for row in range(30) if row != 4)[:5]
    assert rows.tolist() == [row for _, row in slow]
    np.testing.assert_allclose(cosine, [-value for value, _ in slow], atol=1e-6)
    assert rank_neighbours(np.ones((2, 4)), np.array([0, 2]), 10).tolist() == [[1, 2, 3], [0, 1, 3]]
