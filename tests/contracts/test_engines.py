"""Every engine, through the same tests."""

import ast
import inspect
import json
import re
import tomllib

import numpy as np
import pandas as pd
import pytest

from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.embedding_table import Pretrainer
from recsys.engine import Request
from recsys.engines import ENGINES
from recsys.errors import ConfigError, DataError
from recsys.ranking import check_fitted
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.retriever import Retriever

NEXT_ITEM = {
    "model": {"dim": 8, "heads": 2, "layers": 1, "dropout": 0.0},
    "n_negatives": 16,
    "max_tokens": 256,
    "training": {"epochs": 10, "learning_rate": 0.02, "warmup": 0},
}

QUICK = {
    "als": {"factors": 8},
    "bpr": {"factors": 8, "iterations": 30, "learning_rate": 0.1},
    "item2vec": {"dim": 8, "training": {"epochs": 5, "learning_rate": 0.05, "warmup": 0}},
    "node2vec": {
        "dim": 8,
        "walks": 5,
        "batch_pairs": 1024,
        "training": {"epochs": 5, "learning_rate": 0.05, "warmup": 0},
    },
    "sage": {
        "dim": 8,
        "batch": 64,
        "n_negatives": 16,
        "training": {"epochs": 15, "learning_rate": 0.02, "warmup": 0},
    },
    "lightgcn": {
        "dim": 8,
        "batch": 64,
        "n_negatives": 16,
        "training": {"epochs": 10, "learning_rate": 0.02, "warmup": 0},
    },
    "auto": {"budget": "60s", "engines": ["itemknn", "ease"]},
    "hybrid": {"parts": ["spectral", "ease"]},
    "trend": {"period": 1, "dim": 8, "training": {"epochs": 2}},
    "two_tower": {
        "model": {"dim": 8, "dropout": 0.0},
        "n_negatives": 16,
        "max_tokens": 256,
        "training": {"epochs": 10, "learning_rate": 0.02, "warmup": 0},
    },
    "sequence": NEXT_ITEM,
    "sasrec": NEXT_ITEM,
    "gru4rec": NEXT_ITEM,
    "bert4rec": {**NEXT_ITEM, "training": {"epochs": 40, "learning_rate": 0.02, "warmup": 0}},
    "hstu": NEXT_ITEM,
}

TRAINED = [name for name in ENGINES if "training" in ENGINES[name].Config.model_fields]

FOR_ALL = ("popularity", "trend")
"""Engines that give everybody the same order."""


def world(name: str = "") -> Dataset:
    """Even users like even items; the last item was never touched. ``trend`` wants a clock: an event a day."""
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(40), 7)
    item = np.concatenate([rng.permutation(np.arange(u % 2, 20, 2))[:7] for u in range(40)])
    items = EntityTable(
        Vocabulary.of([f"i{n:02}" for n in range(21)]),
        pd.DataFrame({"parity": [("even", "odd")[n % 2] for n in range(21)]}),
        Schema.of({"parity": "categorical"}),
    )
    users = EntityTable.bare(Vocabulary(np.arange(100, 140)))
    return Dataset(
        "w", users, items, Interactions.of(user, item, np.tile(np.arange(7), 40) * _step(name)), name == "trend"
    )


def _step(name: str) -> int:
    return 86_400 if name == "trend" else 1


def fitted(name: str, data: Dataset, train: Interactions | None = None):
    return ENGINES[name](**QUICK.get(name, {})).fit(data, train, seed=3)


def scores(engine, data: Dataset, history: Interactions | None = None):
    request = Request.from_dataset(data, np.arange(data.n_users), history)
    return engine.user_vectors(request).scores(engine.item_vectors(data.items))


@pytest.mark.parametrize("name", list(ENGINES))
def test_an_engine_that_is_not_fitted_is_told_as_such(name):
    with pytest.raises(DataError, match="is not fitted; call fit"):
        check_fitted(ENGINES[name](**QUICK.get(name, {})))


@pytest.mark.parametrize("name", list(ENGINES))
def test_vectors_have_one_row_an_asker_and_one_an_item(name):
    data = world(name)
    engine = fitted(name, data)
    assert engine.kind == name
    assert scores(engine, data).shape == (40, 21)
    assert np.isfinite(scores(engine, data)).all()


@pytest.mark.parametrize("name", [n for n in ENGINES if n not in FOR_ALL])
def test_it_learns_who_likes_what(name):
    data = world(name)
    best = scores(fitted(name, data), data)[:, :20].argmax(1)
    assert (best % 2 == np.arange(40) % 2).mean() > 0.9


@pytest.mark.parametrize("name", list(ENGINES))
def test_it_survives_the_disk_bit_for_bit(name, tmp_path):
    data = world(name)
    engine = fitted(name, data)
    engine.save(tmp_path / "e")
    loaded = ENGINES[name].load(tmp_path / "e")
    assert np.array_equal(scores(loaded, data), scores(engine, data))
    if isinstance(engine, Pretrainer):
        assert loaded.item_table().provenance == engine.item_table().provenance


@pytest.mark.parametrize("name", TRAINED)
def test_it_is_trained_on_a_device_and_stored_so_that_the_cpu_reads_it(name, device, tmp_path):
    data, options = world(name), QUICK[name]
    engine = ENGINES[name](**options | {"training": {**options["training"], "device": device}}).fit(data, seed=3)
    losses = [point["loss"] for point in engine.curve_]
    assert losses == [] or losses[-1] < losses[0]
    engine.save(tmp_path / "e")
    config = json.loads((tmp_path / "e" / "config.json").read_text())
    config["training"]["device"] = "cpu"
    (tmp_path / "e" / "config.json").write_text(json.dumps(config))
    loaded = type(engine).load(tmp_path / "e")
    np.testing.assert_allclose(scores(loaded, data), scores(engine, data), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", list(ENGINES))
def test_the_same_seed_gives_the_same_engine(name):
    data = world(name)
    assert np.array_equal(scores(fitted(name, data), data), scores(fitted(name, data), data))


@pytest.mark.parametrize("name", list(ENGINES))
def test_an_untouched_item_is_placed_only_by_engines_that_say_so(name):
    data = world(name)
    valid = fitted(name, data).item_vectors(data.items).valid
    assert ENGINES[name].supports_cold_items == (valid is None or bool(valid[20]))


@pytest.mark.parametrize("name", list(ENGINES))
def test_a_stranger_with_a_history_is_served_and_an_unknown_item_does_no_harm(name):
    data = world(name)
    engine = fitted(name, data)
    items = data.items.with_ids(["new"])
    request = Request(EntityTable.bare(Vocabulary(np.array([7, 8]))), items, Histories.of([[1, 3, 21, 5], []]))
    users, vectors = engine.user_vectors(request), engine.item_vectors(items)
    assert users.scores(vectors).shape == (2, 22)
    assert users.valid is None or users.valid[0]
    if name not in FOR_ALL:
        assert users.scores(vectors)[0, :20].argmax() % 2 == 1


@pytest.mark.parametrize("name", [n for n in ENGINES if n not in FOR_ALL and not ENGINES[n].supports_cold_items])
def test_a_history_of_items_that_nobody_touched_places_nobody(name):
    data = world(name)
    request = Request(EntityTable.bare(Vocabulary(np.array([7, 8]))), data.items, Histories.of([[20], [20, 1]]))
    valid = fitted(name, data).user_vectors(request).valid
    assert valid is None or valid.tolist() == [False, True]  # None: whoever asks is placed by features or as anyone


@pytest.mark.parametrize("name", list(ENGINES))
def test_with_a_fallback_everybody_gets_all_items_that_are_new_to_them(name):
    data = world(name)
    retriever = Retriever(fitted(name, data), data.items, fallback=lambda: Fallback.fit(data))
    histories = Histories.of([[], [20], [1, 3]])
    lists = retriever.top_k(Request(EntityTable.bare(Vocabulary(np.array([7, 8, 9]))), data.items, histories), k=21)
    assert (lists.rows != MISSING).sum(1).tolist() == [21, 20, 19]
    assert not lists.fallback[2, 0]
    assert lists.fallback[0, 0] == (name not in FOR_ALL)


@pytest.mark.parametrize("name", list(ENGINES))
def test_a_position_that_is_no_item_is_nothing_in_a_history(name):
    data = world(name)
    engine = fitted(name, data)
    request = Request(EntityTable.bare(Vocabulary(np.array([7, 8]))), data.items, Histories.of([[MISSING], []]))
    users = engine.user_vectors(request)
    of_none, of_nothing = users.scores(engine.item_vectors(data.items))
    assert np.array_equal(of_none, of_nothing)
    assert users.valid is None or users.valid[0] == users.valid[1]


@pytest.mark.parametrize("name", [name for name in ENGINES if name != "hybrid"])  # which has no default parts
def test_without_options_it_takes_its_own_defaults_and_its_repr_is_bare(name):
    kind = ENGINES[name]
    assert kind().config == kind(None).config == kind.Config()
    assert repr(kind()) == f"{kind.__name__}()"


@pytest.mark.parametrize("name", list(ENGINES))
def test_keywords_and_a_config_build_the_same_engine(name):
    kind, options = ENGINES[name], QUICK.get(name, {})
    by_keywords, by_config = kind(**options), kind(parse(kind.Config, options, name))
    assert by_keywords.config == by_config.config
    assert repr(by_keywords) == repr(by_config)


@pytest.mark.parametrize("name", list(ENGINES))
def test_keys_of_a_flat_section_may_stand_beside_it(name):
    kind, options = ENGINES[name], QUICK.get(name, {})
    flat = {key: value for key, value in options.items() if key not in kind.Config.flat_sections}
    for section in kind.Config.flat_sections:
        flat |= options.get(section, {})
    assert kind(**flat).config == kind(**options).config


@pytest.mark.parametrize("name", list(ENGINES))
def test_every_flat_key_belongs_to_one_section(name):
    config = ENGINES[name].Config
    assert {key: sections for key, sections in config.flat_keys().items() if len(sections) > 1} == {}
    assert all(key in type(config.section(owner)).model_fields for key, owner in config.flat_owners.items())


@pytest.mark.parametrize("name", list(ENGINES))
def test_its_repr_names_what_differs_from_the_defaults_and_builds_it_again(name):
    kind = ENGINES[name]
    engine = kind(**QUICK.get(name, {}))
    assert eval(repr(engine), {kind.__name__: kind}).config == engine.config
    call = ast.parse(repr(engine), mode="eval").body
    defaults = inspect.signature(kind).parameters
    assert all(ast.literal_eval(each.value) != defaults[each.arg].default for each in call.keywords)


@pytest.mark.parametrize("name", list(ENGINES))
def test_fit_gives_the_engine_itself_and_leaves_its_config_alone(name):
    data = world(name)
    engine = ENGINES[name](**QUICK.get(name, {}))
    config, before = engine.config, engine.config.model_dump_json()
    assert engine.fit(data) is engine
    assert engine.config is config
    assert config.model_dump_json() == before


@pytest.mark.parametrize("name", [n for n in ENGINES if n != "popularity"])  # which has no options
def test_a_mistyped_option_is_an_error_that_names_the_nearest_in_toml_and_in_python(name):
    kind = ENGINES[name]
    right = max((key for key in inspect.signature(kind).parameters if key != "config"), key=len)
    wrong = right[:-1] + "q"
    needed = QUICK[name] if name == "hybrid" else {}
    message = f"unknown key {wrong!r}; did you mean {right!r}"
    with pytest.raises(ConfigError, match=re.escape(message)):
        kind(**needed, **{wrong: 1})
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse(kind.Config, tomllib.loads(f"{wrong} = 1") | needed, f"engines.{name}")


@pytest.mark.parametrize("name", list(ENGINES))
def test_every_option_has_a_type_and_a_description(name):
    kind = ENGINES[name]
    described = re.findall(r"^    (\w+): \S", inspect.cleandoc(kind.__doc__), re.M)
    options = {*inspect.signature(kind).parameters, *kind.Config.model_fields} - {"config"}
    assert options <= set(described)
    assert len(described) == len(set(described))


@pytest.mark.parametrize("name", list(ENGINES))
def test_interactions_outside_train_change_nothing(name):
    data = world(name)
    early = data.interactions.time < 5 * _step(name)
    cut = data.interactions.select(early)
    item = np.where(early, data.interactions.item, 0)
    other = Dataset("w", data.users, data.items, Interactions.of(data.interactions.user, item), data.has_timestamps)
    assert np.array_equal(scores(fitted(name, data, cut), data, cut), scores(fitted(name, other, cut), other, cut))


@pytest.mark.parametrize("name", list(ENGINES))
def test_a_pretrainer_leaves_a_table_of_the_items_it_saw(name):
    data = world(name)
    engine = fitted(name, data)
    if isinstance(engine, Pretrainer):
        table = engine.item_table()
        assert set(table.vocabulary.ids) <= set(data.items.vocabulary.ids)
        assert table.dim > 1
