"""Embedders of words: a catalogue that teaches them nothing, and files of vectors."""

import numpy as np
import pandas as pd
import pytest

from recsys.config import parse
from recsys.content import EMBEDDERS, Materials
from recsys.data.entities import EntityTable
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.errors import ConfigError

LEARNERS = ("word2vec", "fasttext", "glove", "dan")


def fitted(kind, titles, folder, **options):
    table = EntityTable(
        Vocabulary(np.arange(len(titles))), pd.DataFrame({"title": titles}), Schema.of({"title": "text"})
    )
    cls = EMBEDDERS[kind]
    embedder = cls(parse(cls.Config, options, kind), Materials(folder))
    embedder.fit(table)
    return embedder.embed(table)


@pytest.mark.parametrize("kind", LEARNERS)
def test_a_catalogue_whose_words_are_all_rare_teaches_nothing(kind, tmp_path):
    with pytest.raises(ConfigError, match=r"no word stands min_count = 2 times .* lower min_count"):
        fitted(kind, ["Alien", "Heat", "Jaws"], tmp_path)


def test_halves_need_texts_of_two_words(tmp_path):
    with pytest.raises(ConfigError, match="fewer than two texts have two words or more"):
        fitted("dan", ["Alien", "Heat", "Jaws 2"], tmp_path, min_count=1)
