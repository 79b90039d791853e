"""Embeddings measured on worlds whose answers are known."""

import numpy as np
import pytest

from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Vocabulary
from recsys.embedding_table import EmbeddingTable
from recsys.evaluation.embeddings.quality import embedding_quality

ITEMS = Vocabulary(np.arange(40))
TAGS = [["even", "all"] if row % 2 == 0 else ["odd", "all"] for row in range(40)]
EVENTS = Interactions.of(np.repeat([0, 1], 5), np.array([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]), np.tile(np.arange(5), 2))
RANDOM = np.random.default_rng(0).normal(size=(40, 64))


def quality(vectors, tags=TAGS, events=EVENTS, **rest):
    return embedding_quality(EmbeddingTable(ITEMS, vectors.astype(np.float32), {}), ITEMS, tags, events, **rest)


def test_a_table_that_knows_the_tags_agrees_in_full():
    vectors = np.array([[1, 0] if row % 2 == 0 else [0, 1] for row in range(40)])
    found = quality(vectors)
    assert (found.agreement, found.recall_at_1, found.r_precision, found.alignment) == (1, 1, 1, 0)
    assert found.uniformity == pytest.approx(np.log(19 / 39 + 20 / 39 * np.exp(-4)), abs=0.01)


def test_a_random_table_comes_to_chance():
    found = quality(RANDOM)
    assert found.agreement_chance == pytest.approx(19 / 39 + 20 / 39 / 3)
    assert (found.recall_at_1_chance, found.r_precision_chance) == (1, pytest.approx(19 / 39))
    assert found.agreement == pytest.approx(found.agreement_chance, abs=0.1)
    assert found.r_precision == pytest.approx(found.r_precision_chance, abs=0.1)
    assert found.alignment == pytest.approx(2, abs=0.3)


def test_one_half_of_the_tags_in_common_is_a_third_by_jaccard():
    found = quality(RANDOM, [[f"own{row}", "all"] for row in range(40)])
    assert found.agreement == pytest.approx(1 / 3)
    assert (found.r_precision, found.r_precision_chance) == (None, None)


def test_a_sample_asks_some_items_for_their_neighbours_among_all():
    every, some = quality(RANDOM), quality(RANDOM, sample=20)
    assert some != every
    assert some.agreement == pytest.approx(every.agreement, abs=0.1)
    assert some == quality(RANDOM, sample=20)


def test_what_cannot_be_measured_is_none_and_never_a_number():
    found = quality(RANDOM, [[] for _ in range(40)], Interactions.empty())
    assert (found.agreement, found.recall_at_1, found.r_precision_chance, found.alignment) == (None,) * 4
    assert found.uniformity is not None
    lone = embedding_quality(EmbeddingTable(Vocabulary([3]), np.ones((1, 4), np.float32), {}), ITEMS, TAGS, EVENTS)
    assert set(vars(lone).values()) == {None}
