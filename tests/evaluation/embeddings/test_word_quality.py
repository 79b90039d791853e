"""Tests of word vectors made from a catalogue whose answers are known."""

import tracemalloc

import numpy as np
import pytest

from recsys.data.vocabulary import Vocabulary
from recsys.embedding_table import EmbeddingTable
from recsys.evaluation.embeddings.word_quality import _drawn, _incidence, _ppmi, word_quality
from recsys.seeding import stream

KINDS = ("horror", "comedy", "western")
"""Tags; each has six words of its own, singular and plural, and texts that hold one of them and its name."""
SINGULAR = {kind: [f"{kind[:3]}{letter}x" for letter in "abc"] for kind in KINDS}
TAGS = [[kind] for kind in KINDS for _ in range(60)]
TEXTS = [[SINGULAR[kind][turn % 3] + "s" * (turn % 2), kind, "the"] for kind in KINDS for turn in range(60)]
NAMES = sorted({word for text in TEXTS for word in text} | {"unread"})


def table(vector):
    return EmbeddingTable(Vocabulary(np.array(NAMES, object)), np.array([vector(n) for n in NAMES], np.float32), {})


def knowing(name):
    """A direction a tag, one for plurals, one for names of tags, and a little of the word's own."""
    own = [0.3 * (name[3:4] == letter) for letter in "abc"]
    return [*(float(name[:3] == kind[:3]) for kind in KINDS), name.endswith("xs"), name in KINDS, *own]


def test_vectors_that_know_all_answer_all():
    found = word_quality(table(knowing), TEXTS, TAGS)
    assert found.words == 3 * 7 + 1
    assert found.similarity.value > 0.6
    assert (found.plurals.value, found.tags.value) == (1, 1)


def test_random_vectors_come_to_chance():
    rng = np.random.default_rng(0)
    found = word_quality(table(lambda name: rng.normal(size=64)), TEXTS, TAGS)
    assert found.similarity.value == pytest.approx(found.similarity.chance, abs=0.2)
    assert found.plurals.value == pytest.approx(found.plurals.chance, abs=0.15)
    assert found.tags.chance == 1 / 2
    assert found.tags.value == pytest.approx(found.tags.chance, abs=0.25)


def test_questions_are_counted_by_hand():
    found = word_quality(table(knowing), TEXTS, TAGS)
    # nine singular words with a plural; each against the eight others
    assert found.plurals.questions == 9 * 8
    # five telling words a tag; each against the ten words of the two other tags
    assert found.tags.questions == 15 * 10
    # 18 words of at most a tenth of the texts, each in no text with another
    assert found.similarity.questions == 18 * 17 / 2


def test_a_catalogue_without_tags_asks_about_plurals_alone():
    found = word_quality(table(knowing), TEXTS, [[] for _ in TEXTS])
    assert (found.similarity, found.tags) == (None, None)
    assert found.plurals.value == 1


def test_words_that_no_text_holds_are_not_asked_about():
    found = word_quality(table(knowing), [[] for _ in TEXTS], TAGS)
    assert vars(found) == {"words": 0, "similarity": None, "plurals": None, "tags": None}


def test_only_the_most_frequent_words_are_asked_about(monkeypatch):
    monkeypatch.setattr("recsys.evaluation.embeddings.word_quality.MOST_WORDS", 4)
    found = word_quality(table(knowing), TEXTS, TAGS)
    assert found.words == 4  # "the" and the names of the tags
    assert (found.similarity, found.plurals, found.tags) == (None, None, None)


def test_the_information_is_that_of_whole_matrices():
    rng = stream(0, "information")
    texts, tags = ([[str(name) for name in rng.choice(12, 3)] for _ in range(40)] for _ in range(2))
    held, told = (_incidence(rows, {str(name): name for name in range(12)}) for rows in (texts, tags))
    with np.errstate(divide="ignore"):
        expected = np.log((held.T @ told).toarray() * 40 / np.outer(held.sum(0), told.sum(0)))
    np.testing.assert_allclose(_ppmi(held, told).toarray(), np.maximum(expected, 0), atol=1e-12)


@pytest.mark.parametrize("ends", [[], [1], [2, 2, 2], [3, 1, 3, 3, 2, 1], list(range(9))])
@pytest.mark.parametrize("most", [3, 1000])
def test_the_pairs_are_those_drawn_from_the_written_out_ones(ends, most):
    ends = np.array(ends, np.int64)
    first, second = np.nonzero(ends[:, None] != ends)
    drawn = slice(None) if len(first) <= most else stream(5, "analogies").choice(len(first), most, replace=False)
    found = _drawn(ends, 5, most)
    assert (found[0].tolist(), found[1].tolist()) == (first[drawn].tolist(), second[drawn].tolist())


def test_many_words_and_tags_take_little_memory():
    names = [f"word{row:04d}{end}" for row in range(1000) for end in ("", "s")]
    vectors = stream(0, "many").normal(size=(len(names), 8)).astype(np.float32)
    words = EmbeddingTable(Vocabulary(np.array(names, object)), vectors, {})
    tracemalloc.start()
    try:
        found = word_quality(words, [[name] for name in names], [[f"tag {name}"] for name in names], 0, 1, 40)
        highest = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.plurals.questions == 40
    assert highest < 8 * len(names) ** 2 / 4
