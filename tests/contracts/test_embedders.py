"""Every embedder, through the same tests: tiny models with random weights, no network."""

import sys
import types

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from recsys.content import EMBEDDERS, EmbedderContext, HasWordVectors, Learner
from recsys.content.cache import ContentCache
from recsys.content.text.words import words
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.seeding import stream
from tests.content.tiny_models import WORDS

BOTH = ("contrastive_alignment", "concat")
PICTURES = ("image", "colours", "autoencoder", "metric_learning")
N = 24
NO_TEXT, NO_PATH, BROKEN, NO_FILE = 3, 5, 7, 9

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def options(kind, request):
    """What makes each embedder small."""
    if kind == "sentence":
        return {"model": str(request.getfixturevalue("tiny_sentence_model"))}
    if kind == "image":
        return {"model": str(request.getfixturevalue("tiny_vit")), "side": 32}
    if kind in ("word2vec", "fasttext", "glove"):
        return {"dim": 8, "epochs": 2, "min_count": 1}
    if kind == "projection_head":
        return {"base": {"embedder": "hashing"}, "dim": 8, "pairs": 64, "batch_size": 16, "training": {"epochs": 2}}
    if kind == "pca":
        return {"base": {"embedder": "hashing"}, "dim": 4}
    if kind == "dan":
        return {"dim": 8, "min_count": 1, "training": {"epochs": 2}}
    if kind in ("masked", "causal"):
        bert = str(request.getfixturevalue("tiny_bert"))
        return {"model": bert, "scratch": kind == "causal", "dim": 8, "training": {"epochs": 1}}
    if kind == "autoencoder":
        return {"dim": 4, "side": 16, "blocks": 2, "width": 4, "training": {"epochs": 1}}
    if kind == "metric_learning":
        return {"base": {"embedder": "colours"}, "label": "genre", "dim": 4, "batches": 3, "training": {"epochs": 1}}
    if kind == "elmo":
        once = {"training": {"epochs": 1}, "mixing": {"epochs": 1}}
        return {"dim": 4, "characters": 4, "samples": 4, "min_count": 1, "batch_size": 8, **once}
    if kind == "finetuned_transformer":
        base = {"model": str(request.getfixturevalue("tiny_sentence_model"))}
        rest = {"batch_size": 4, "pairs": 16, "training": {"epochs": 1, "learning_rate": 1e-2}}
        return {"base": base, "last_layers": 1, **rest}
    if kind == "universal":
        folder = request.getfixturevalue("tmp_path") / "universal"
        folder.mkdir(exist_ok=True)
        hub = types.ModuleType("tensorflow_hub")
        hub.load = lambda path: lambda texts: np.array([[len(text), text.count("a"), 1] for text in texts])
        request.getfixturevalue("monkeypatch").setitem(sys.modules, "tensorflow_hub", hub)
        return {"path": str(folder)}
    if kind == "concat":
        return {
            "parts": [{"embedder": "hashing", "columns": ["title"]}, {"embedder": "colours", "columns": ["poster"]}]
        }
    if kind == "contrastive_alignment":
        sides = {"text": {"embedder": "hashing", "columns": ["title"]}, "image": {"embedder": "colours"}}
        return {**sides, "dim": 8, "hidden": 8, "training": {"epochs": 2}}
    return {}


def columns(kind):
    """What each embedder reads."""
    if kind in BOTH:
        return ()
    return ("poster",) if kind in PICTURES else ("title",)


@pytest.fixture(params=list(EMBEDDERS))
def kind(request):
    return request.param


@pytest.fixture
def make(kind, request, tmp_path):
    """Builds the embedder; a learner has learnt already unless told otherwise."""

    def build(table=None, fit=True, cache="cache"):
        context = EmbedderContext(tmp_path / cache, tmp_path, 3, behaviour())
        embedder = EMBEDDERS[kind](columns=columns(kind), **options(kind, request))
        if fit:
            return embedder.fit(table if table is not None else world(tmp_path), context)
        embedder.context = context
        return embedder

    return build


def world(folder, titles=None):
    """Items with a title and a poster; some have none, some posters are broken."""
    rng = stream(0, "posters")
    (folder / "posters").mkdir(exist_ok=True)
    paths = [f"posters/{row}.jpg" for row in range(N)]
    for path in paths:
        pixels = rng.integers(0, 255, (4, 3, 3), np.uint8)
        Image.fromarray(pixels).resize((60, 90)).save(folder / path)
    (folder / paths[BROKEN]).write_bytes(b"\xff\xd8\xff no image at all")
    (folder / paths[NO_FILE]).unlink()
    paths[NO_PATH] = None
    words = stream(0, "titles")
    titles = titles or [" ".join(words.choice(WORDS, 6)) for _ in range(N)]
    titles[NO_TEXT] = None
    frame = pd.DataFrame({"title": titles, "poster": paths, "genre": [("a|b", "c")[row % 2] for row in range(N)]})
    schema = Schema.of({"title": "text", "poster": "image", "genre": "tags"})
    return EntityTable(Vocabulary(np.arange(100, 100 + N)), frame, schema)


def behaviour():
    """Even users like even items."""
    rng = stream(0, "behaviour")
    user = np.repeat(np.arange(30), 8)
    item = np.concatenate([rng.permutation(np.arange(u % 2, N, 2))[:8] for u in range(30)])
    return Interactions.of(user, item, np.tile(np.arange(8), 30))


def absent(kind):
    """The rows without anything to embed."""
    if kind in BOTH:
        return set()  # each row has a text or an image
    return {100 + row for row in ({NO_PATH, BROKEN, NO_FILE} if "poster" in columns(kind) else {NO_TEXT})}


def test_rows_with_content_get_a_vector_and_the_others_are_absent(kind, make, tmp_path):
    table = make().embed(world(tmp_path))
    assert set(range(100, 100 + N)) - set(table.vocabulary.ids.tolist()) == absent(kind)
    assert table.vectors.dtype == np.float32
    assert table.dim > 1
    assert np.ptp(table.vectors, axis=0).max() > 0


def test_the_same_config_and_data_give_the_same_vectors(make, tmp_path):
    first, second = (make(cache=name).embed(world(tmp_path)) for name in ("one", "two"))
    np.testing.assert_array_equal(first.vectors, second.vectors)


def test_the_provenance_says_how_they_were_made(kind, make, tmp_path):
    items = world(tmp_path)
    embedder = make()
    table = embedder.embed(items)
    said = table.provenance
    assert said["embedder"] == kind
    assert said["fingerprint"] == embedder.fingerprint
    assert said["data"] == items.fingerprint
    assert said["missing"] == len(absent(kind))
    if kind in PICTURES:
        assert (said["without_path"], said["file_missing"], said["broken"]) == (1, 1, 1)
        assert said["broken_paths"] == [f"posters/{BROKEN}.jpg"]


def test_a_second_run_encodes_nothing(make, tmp_path, monkeypatch):
    items = world(tmp_path)
    embedder = make()
    first = embedder.embed(items)
    monkeypatch.setattr(ContentCache, "add", lambda *_: pytest.fail("the cache holds everything already"))
    np.testing.assert_array_equal(embedder.embed(items).vectors, first.vectors)


def test_only_what_changed_is_encoded_again(make, tmp_path, monkeypatch):
    items = world(tmp_path)
    embedder = make()
    embedder.embed(items)
    added = []
    plain = ContentCache.add
    monkeypatch.setattr(ContentCache, "add", lambda self, keys, x: (added.append(len(keys)), plain(self, keys, x)))
    frame = items.columns.copy()
    frame.loc[0, "title"] = "a new story of a king"
    Image.new("RGB", (40, 60), (200, 10, 10)).save(tmp_path / "posters/0.jpg")
    embedder.embed(EntityTable(items.vocabulary, frame, items.schema))
    assert set(added) <= {1}


def test_a_table_without_any_content_gives_an_empty_table(make, tmp_path):
    items = world(tmp_path)
    embedder = make(items)
    frame = items.columns.copy()
    frame["title"], frame["poster"] = pd.Series([None] * N, dtype="str"), pd.Series([None] * N, dtype="str")
    assert len(embedder.embed(EntityTable(items.vocabulary, frame, items.schema)).vocabulary) == 0


def test_what_was_learnt_survives_the_disk(make, tmp_path):
    items = world(tmp_path)
    embedder = make()
    if not isinstance(embedder, Learner):
        pytest.skip("nothing is learnt")
    embedder.save(tmp_path / "model")
    again = make(fit=False)
    again.restore(tmp_path / "model")
    np.testing.assert_array_equal(again.embed(items).vectors, embedder.embed(items).vectors)


def test_an_embedder_of_words_has_a_vector_of_each(make, tmp_path):
    embedder = make()
    if not isinstance(embedder, HasWordVectors):
        pytest.skip("no words of its own")
    embedder.save(tmp_path / "model")
    again = make(fit=False)
    again.restore(tmp_path / "model")
    found = again.word_vectors()
    assert set(found.vocabulary.ids) == {
        word for title in world(tmp_path).columns["title"].dropna() for word in words(title)
    }
    np.testing.assert_array_equal(found.vectors, embedder.word_vectors().vectors)


def test_learns_says_whether_it_is_a_learner(kind, make):
    assert isinstance(make(fit=False), Learner) == EMBEDDERS[kind].learns


@pytest.mark.parametrize("kind", list(EMBEDDERS))
def test_every_flat_key_belongs_to_one_section(kind):
    config = EMBEDDERS[kind].Config
    assert {key: sections for key, sections in config.flat_keys().items() if len(sections) > 1} == {}
    assert all(key in type(config.section(owner)).model_fields for key, owner in config.flat_owners.items())
