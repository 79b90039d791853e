"""Embedders from Python: options as keywords, a context or none, one embedder inside another."""

import numpy as np
import pytest

import recsys.content
from recsys.content import (
    EMBEDDERS,
    ConcatEmbedder,
    DANEmbedder,
    EmbedderContext,
    HashingEmbedder,
    PCAEmbedder,
    SentenceEmbedder,
    Word2VecEmbedder,
    text_table,
)
from recsys.errors import ArtifactError, ConfigError

FILMS = text_table(title=["Toy Story", "Toy Story 2", "Heat"], plot=["Toys live.", None, "A heist."])


def test_every_kind_is_exported_by_the_name_of_its_class():
    for kind, cls in EMBEDDERS.items():
        assert getattr(recsys.content, cls.__name__) is cls
        assert cls.kind == kind
        assert cls.__name__ in recsys.content.__all__


def test_options_are_keywords_and_columns_is_one_of_them():
    embedder = HashingEmbedder(columns=["title"], dim=8)
    assert embedder.config == HashingEmbedder.Config(columns=("title",), dim=8)
    assert embedder.embed(FILMS).provenance["columns"] == ["title"]
    with pytest.raises(ConfigError, match=r"HashingEmbedder: unknown key 'dims'; did you mean 'dim'\?"):
        HashingEmbedder(dims=8)


def test_keys_of_the_training_section_stand_beside_the_others():
    training = DANEmbedder(epochs=3).config.training
    assert (training.epochs, training.learning_rate) == (3, DANEmbedder().config.training.learning_rate)


def test_an_embedder_is_built_without_its_weights():
    embedder = SentenceEmbedder(model="no/such/folder")
    with pytest.raises(ConfigError, match="no folder here"):
        embedder.embed(FILMS)


def test_a_call_without_a_context_goes_on_with_the_last_one():
    embedder = HashingEmbedder(columns=["title"])
    first = embedder.fit_transform(FILMS, EmbedderContext(seed=3))
    np.testing.assert_array_equal(embedder.embed(FILMS).vectors, first.vectors)
    assert first.provenance["seed"] == 3
    assert (HashingEmbedder(columns=["title"]).embed(FILMS).vectors != first.vectors).any()


def test_a_learner_that_has_learnt_nothing_says_so(tmp_path):
    embedder = Word2VecEmbedder(columns=["title"])
    for call in (lambda: embedder.embed(FILMS), lambda: embedder.save(tmp_path), embedder.word_vectors):
        with pytest.raises(ArtifactError, match="this Word2VecEmbedder is not fitted; call fit or restore"):
            call()


def test_an_embedder_is_an_option_of_another_one_as_an_object_or_as_a_table():
    inner = HashingEmbedder(columns=["title"], dim=16)
    spec = {"embedder": "hashing", "columns": ["title"], "options": {"dim": 16}}
    first, second = (PCAEmbedder(base=base, dim=2).fit_transform(FILMS) for base in (inner, spec))
    np.testing.assert_array_equal(first.vectors, second.vectors)
    assert first.provenance["fingerprint"] == second.provenance["fingerprint"]


def test_an_inner_embedder_without_columns_reads_those_of_the_outer_one():
    parts = [HashingEmbedder(columns=["plot"], dim=4), HashingEmbedder(dim=4)]
    provenance = ConcatEmbedder(columns=["title"], parts=parts).fit_transform(FILMS).provenance
    assert [part["columns"] for part in provenance["parts"]] == [["plot"], ["title"]]
