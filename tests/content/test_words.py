"""Embedders of words: a catalogue that teaches them nothing, and files of vectors."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from recsys.content import EMBEDDERS, EmbedderContext
from recsys.content.text.words import read_word_vectors
from recsys.data.entities import EntityTable
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.errors import ConfigError, DataError

LEARNERS = ("word2vec", "fasttext", "glove", "dan")


def fitted(kind, titles, folder, **options):
    table = EntityTable(
        Vocabulary(np.arange(len(titles))), pd.DataFrame({"title": titles}), Schema.of({"title": "text"})
    )
    return EMBEDDERS[kind](**options).fit_transform(table, EmbedderContext(folder))


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_catalogue_whose_words_are_all_rare_teaches_nothing(kind, tmp_path):
    with pytest.raises(ConfigError, match=r"no word occurs min_count = 2 times .* lower min_count"):
        fitted(kind, ["Alien", "Heat", "Jaws"], tmp_path)


def test_halves_need_texts_of_two_words(tmp_path):
    with pytest.raises(ConfigError, match="fewer than two texts have two words or more"):
        fitted("dan", ["Alien", "Heat", "Jaws 2"], tmp_path, min_count=1)


@pytest.mark.parametrize("header", ["", "4 2\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n"])
def test_a_word_may_hold_what_ends_a_line_elsewhere(header, end, tmp_path):
    names = ["a\x0bb", "c\x85", "\u2028", "d\re"]
    lines = [f"{name} {row} 0.5{end}" for row, name in enumerate(names)]
    (tmp_path / "vectors.txt").write_bytes((header + "".join(lines)).encode())
    found = read_word_vectors(tmp_path / "vectors.txt")
    assert found.vocabulary.ids.tolist() == names
    assert found.vectors.dtype == np.float32
    assert found.vectors.tolist() == [[row, 0.5] for row in range(4)]


def test_the_last_line_of_a_word_counts(tmp_path):
    (tmp_path / "vectors.txt").write_text("a 1 2\nb 3 4\na 5 6")
    found = read_word_vectors(tmp_path / "vectors.txt")
    assert (found.vocabulary.ids.tolist(), found.vectors.tolist()) == (["a", "b"], [[5, 6], [3, 4]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("2 2\na 1 2\nb 1\n", "line 3 should be"),
        ("a 1 2\nb 1\n", "line 2 should be"),
        ("2 2\na 1 x\n", "'x'"),
        ("", "no line has a word"),
        (b"\xff 1 2", "cannot be read as word vectors"),
    ],
)
def test_a_line_that_makes_no_sense_is_named_by_its_place_in_the_file(content, message, tmp_path):
    (tmp_path / "vectors.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message):
        read_word_vectors(tmp_path / "vectors.txt")


def test_reading_vectors_takes_little_more_memory_than_they_do(tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"w{row} {'0.12345 ' * 100}\n" for row in range(2000)))
    tracemalloc.start()
    try:
        found = read_word_vectors(path)
        highest = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert highest < 3 * found.vectors.nbytes
