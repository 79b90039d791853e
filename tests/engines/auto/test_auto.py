"""The choice of engines within a budget."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import recsys as rs
from recsys.config import seconds_of
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.feedback.repeats import Repeats
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste, SequenceRule
from recsys.data.vocabulary import Vocabulary
from recsys.engine import FitContext, Request
from recsys.engines.auto.auto import AutoRecommender
from recsys.engines.auto.budget import Budget
from recsys.engines.auto.facts import Facts
from recsys.engines.auto.ladder import Sizes, ladder
from recsys.engines.auto.recipe import PartRecipe
from recsys.engines.auto.search import SearchOptions, search
from recsys.engines.auto.tables import table_recipes
from recsys.errors import ConfigError, DataError
from recsys.evaluation.evaluate import evaluate
from recsys.experiment.fit import Refit, fit_engine
from recsys.training.deterministic import preload

CLOSED = ["popularity", "itemknn", "ease"]


@pytest.fixture(autouse=True, scope="module")
def _imported():
    """The first optimizer of a process imports a good part of torch, which is not what a budget is for."""
    preload()


def bestsellers(users=80, items=30, events=5):
    """Everybody takes what sells best, in an order of their own; nobody has a taste."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, items + 1) ** 1.5
    item = [rng.choice(items, events, replace=False, p=shares / shares.sum()) for _ in range(users)]
    rows = np.repeat(np.arange(users), events), np.concatenate(item), np.tile(np.arange(events), users)
    names = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (users, items))
    return Dataset("bestsellers", *names, Interactions.of(*rows), has_timestamps=False)


def scores(engine, data):
    request = Request.from_dataset(data, np.arange(data.n_users))
    return engine.user_vectors(request).scores(engine.item_vectors(data.items))


def recall(engine, data, holdout, k=5):
    return evaluate(engine, data, holdout, ks=(k,)).mean(f"recall@{k}")


def test_where_everybody_takes_the_bestsellers_popularity_wins():
    data = bestsellers()
    auto = AutoRecommender(budget="20s", engines=["popularity", "itemknn"]).fit(data, seed=1)
    assert auto.judged_["popularity"] >= auto.judged_["itemknn"]
    assert "popularity" in auto.recipe_.parts


def test_where_tastes_differ_an_item_item_model_wins():
    auto = AutoRecommender(budget="20s", engines=CLOSED).fit(BlockTaste(users=60).dataset(), seed=1)
    assert next(iter(auto.recipe_.parts)) != "popularity"
    assert set(auto.judged_) >= set(CLOSED)


def test_where_the_last_item_determines_the_next_a_trained_sequence_model_wins():
    data = SequenceRule(users=120).dataset()
    parts = split(data, "leave_one_out")
    engines = ["popularity", "sequence"]
    auto = AutoRecommender(budget="20s", engines=engines).fit(data, parts.train, validation=parts.validation, seed=1)
    part = next(iter(auto.recipe_.parts.values()))
    assert part.kind == "sequence"
    assert part.options["stop_epoch"] >= 1
    assert recall(auto, data, parts.test) > 0.8


def test_the_chosen_epochs_give_the_same_weights_when_they_are_trained_again():
    data = SequenceRule(users=60).dataset()
    parts = split(data, "leave_one_out")
    auto = AutoRecommender(budget="10s", engines=["sequence"]).fit(data, parts.train, validation=parts.validation)
    again = AutoRecommender(auto.chosen_config()).fit(data, parts.train)
    assert np.array_equal(scores(auto, data), scores(again, data))


def test_the_budget_is_kept():
    data = BlockTaste(users=300, items=100, events=20, noise=0.3).dataset()
    engines = ["itemknn", "ease", "sequence"]
    before = time.monotonic()
    auto = AutoRecommender(budget="6s", engines=engines).fit(data)
    assert time.monotonic() - before < 6 * 1.1 + 2  # a machine that runs tests may stumble
    assert set(auto.judged_) >= {"itemknn", "ease"}


def test_with_validation_it_is_fitted_on_train_and_without_on_everything():
    data = BlockTaste(users=40).dataset()
    parts = split(data, "leave_one_out")
    options = {"budget": "10s", "engines": ["itemknn"]}
    given = AutoRecommender(**options).fit(data, parts.train, validation=parts.validation)
    assert given.engine.counts.sum() == len(parts.train)
    alone = AutoRecommender(**options).fit(data)
    assert alone.engine.counts.sum() == len(data.interactions)


def test_a_refit_takes_the_choice_and_searches_nothing():
    data = BlockTaste(users=40).dataset()
    parts = split(data, "leave_one_out", refit=True)
    engine = AutoRecommender(budget="10s", engines=CLOSED)
    again = fit_engine(engine, data, parts, FitContext(validation=parts.validation), Refit())
    assert again.recipe_ == engine.recipe_
    assert not again.judged_


def test_it_is_loaded_as_it_was_saved(tmp_path):
    data = BlockTaste(users=40).dataset()
    auto = AutoRecommender(budget="10s", engines=CLOSED).fit(data)
    auto.save(tmp_path)
    loaded = AutoRecommender.load(tmp_path)
    assert np.array_equal(scores(auto, data), scores(loaded, data))
    assert (loaded.recipe_, loaded.judged_, loaded.chosen_) == (auto.recipe_, auto.judged_, auto.chosen_)


def test_users_with_too_short_histories_are_a_clear_error():
    one = Interactions.of(np.arange(4), np.arange(4))
    names = (EntityTable.bare(Vocabulary(np.arange(4))) for _ in range(2))
    with pytest.raises(DataError, match="none can be held out"):
        AutoRecommender(budget="5s").fit(Dataset("w", *names, one, has_timestamps=False))


@pytest.mark.parametrize("budget", ["", "ten minutes", "0s", "-1m"])
def test_a_budget_that_is_no_duration_names_the_forms(budget):
    with pytest.raises(ConfigError, match="90s, 10m, 2h"):
        seconds_of(budget)
    with pytest.raises(ConfigError, match="90s, 10m, 2h"):
        AutoRecommender(budget=budget)


def test_an_engine_that_is_not_on_the_ladder_is_an_error_that_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'popularity'"):
        AutoRecommender(engines=["populariti"])


def test_time_that_is_reserved_is_not_left():
    assert Budget(60).reserved(20).left() <= 40


def shop(again):
    """Users who take the same item every day, or another every day."""
    users, days = 200, 8
    user, day = np.repeat(np.arange(users), days), np.tile(np.arange(days), users)
    item = user % 20 if again else (user + day) % 20
    names = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (users, 20))
    return Dataset("shop", *names, Interactions.of(user, item, 86_400 * day + user), has_timestamps=True)


def test_people_who_buy_again_turn_the_seen_filter_off():
    facts = Facts.of(shop(again=True))
    assert facts.repeats.same_type == 1
    assert not facts.filter_seen
    assert "lists keep these" in facts.seen_reason()


def test_people_who_buy_something_new_each_time_leave_the_seen_filter_on():
    facts = Facts.of(shop(again=False))
    assert facts.repeats.same_type == 0
    assert facts.filter_seen


def test_users_who_come_back_are_measured_by_time():
    protocol, reason = Facts.of(shop(again=False)).protocol()
    assert protocol == "temporal"
    assert "100%" in reason


def test_users_who_come_once_are_measured_on_their_last_interaction():
    user, step = np.repeat(np.arange(200), 5), np.tile(np.arange(5), 200)
    names = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (200, 50))
    rows = Interactions.of(user, (user + step) % 50, 86_400 * user + step)
    protocol, reason = Facts.of(Dataset("once", *names, rows, has_timestamps=True)).protocol()
    assert protocol == "leave_one_out"
    assert "have a history" in reason


def test_without_timestamps_the_last_interaction_of_each_user_is_measured():
    assert Facts.of(SequenceRule().dataset()).protocol()[0] == "leave_one_out"


def test_new_items_in_the_newest_part_are_counted_as_cold():
    x = Interactions.of(np.tile(np.arange(10), 2), np.append(np.arange(19) % 10, 11), np.arange(20))
    names = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (10, 12))
    assert Facts.of(Dataset("cold", *names, x, has_timestamps=True)).cold_items == 1 / 2


def test_a_catalogue_that_is_too_large_for_ease_is_said():
    data = BlockTaste(users=10).dataset()
    many = EntityTable.bare(Vocabulary(np.arange(30_000)))
    wide = Dataset("wide", data.users, many, data.interactions, has_timestamps=True)
    steps = ladder(wide, wide.interactions, ["ease", "popularity"], Sizes(10, 30_000, 70, 490.0))
    assert [family.kind for family in steps.families] == ["popularity"]
    assert "30,000 x 30,000" in steps.skipped["ease"]


def test_options_that_do_not_exist_are_an_error_when_the_recipe_is_fitted():
    with pytest.raises(ConfigError, match="did you mean 'decay'"):
        PartRecipe(kind="ease", options={"decya": 0.9}).engine()


def test_interactions_without_an_order_are_held_out_at_random():
    data = BlockTaste(users=60).dataset()
    rows = Interactions.of(data.interactions.user, data.interactions.item)
    unordered = Dataset("w", data.users, data.items, rows, has_timestamps=False, has_order=False)
    auto = AutoRecommender(budget="20s", engines=["popularity", "itemknn"]).fit(unordered, seed=1)
    assert "itemknn" in auto.recipe_.parts


LIBRARY = [
    # user, item, day, event: of eight loans one is of a book that its user had before
    *((user, item, day, what) for user in range(4) for item, day in ((user, 1), (9, 5 + user))
      for day, what in ((day, "page_view"), (day + 0.2, "borrow"), (day + 0.6, "return"))),
    (0, 0, 9, "borrow"),
]  # fmt: skip


def library(**columns):
    log = pd.DataFrame(LIBRARY, columns=["user_id", "item_id", "day", "event"])
    log = log.assign(timestamp=(1_000_000_000 + 86_400 * log.pop("day")).astype(int))
    return rs.read_dataset(log, columns=columns, name="library")


@pytest.mark.parametrize("columns", [{}, {"event": "event"}])
def test_people_come_back_where_they_repeat_an_event_and_not_where_another_follows_it(columns):
    data = library(**columns)
    names = [kind.name for kind in data.event_types.types]
    assert names == ["borrow", "page_view", "return"]
    whole = Repeats.of(data.interactions, data)
    assert whole.same_type == pytest.approx(1 / 17)  # of 9 loans and 8 views one loan
    assert whole.any_type == pytest.approx(9 / 17)  # each loan follows a view
    facts = Facts.of(data)
    assert facts.repeats == Repeats(1 / 2, 1)  # of two loans in the newest tenth one is again, both after a view
    assert "(within one event type of the column 'event', without the rows of 'return'" in facts.seen_reason()


def test_types_that_follow_each_other_on_one_item_are_told_to_be_left_out():
    facts = replace(Facts.of(library()), repeats=Repeats(0.02, 0.6))
    assert facts.filter_seen
    assert "with events of any type it is 60.0%" in facts.seen_reason()
    assert 'data.columns.event_meaning = {TYPE = "ignore"}' in facts.seen_reason()
    assert "event_meaning" not in replace(facts, repeats=Repeats(0.02, 0.02)).seen_reason()


def test_ignored_types_play_no_part_in_what_is_found():
    without = [row for row in LIBRARY if row[3] == "borrow"]
    data = library(event="event", event_meaning={"page_view": "ignore", "return": "ignore"})
    assert len(data.interactions) == len(without)
    assert [kind.name for kind in data.event_types.types] == ["borrow"]
    assert Repeats.of(data.interactions, data) == Repeats(1 / 9, 1 / 9)


def test_where_the_time_is_over_before_it_began_the_cheapest_engine_is_taken():
    auto = AutoRecommender(budget="0.01s", engines=["popularity", "als"]).fit(BlockTaste(users=40).dataset())
    assert auto.chosen_ == "popularity"
    assert any(note.startswith("als: left out") for note in auto.notes_)


def test_where_reading_used_up_the_budget_fits_that_take_no_time_are_tried_all_the_same():
    data = BlockTaste(users=60).dataset()
    parts = split(data, "leave_one_out")
    spent = Budget(60, started=time.monotonic() - 60)
    options = SearchOptions(engines=("popularity", "itemknn", "ease"))
    found = search(data, parts.train, parts.validation, spent, FitContext(), options)
    assert {trial.name for trial in found.trials} == {"popularity", "itemknn", "ease"}


def test_the_candidates_are_engines_with_default_options_and_such_as_read_tables():
    data = BlockTaste(users=10).dataset()
    tables = table_recipes(data, 600.0)
    steps = ladder(data, data.interactions, [], Sizes.of(data, data.interactions, 1e9), tables)
    assert [steps.trained[kind] for kind in ("gru4rec", "sequence", "two_tower")] == [
        ("gru4rec", {}),
        ("sequence", {}),
        ("two_tower", {}),
    ]
    assert steps.trained["two_tower_content"][1] == {"tables": ["text"]}
    assert steps.trained["two_tower_als"][1]["tables"] == ["als"]
    assert "text_knn" in [family.name for family in steps.families]


def with_posters(names):
    data = BlockTaste(users=30).dataset()
    items = EntityTable(data.items.vocabulary, pd.DataFrame({"poster": names}), Schema.of({"poster": "image"}))
    return replace(data, items=items)


def searched(data, folder, **options):
    parts = split(data, "leave_one_out")
    return search(
        data, parts.train, parts.validation, Budget(20), FitContext(), SearchOptions(images=folder, **options)
    )


def test_images_are_a_table_of_the_ladder_where_their_folder_is_known(tmp_path):
    names = [f"{n}.png" for n in range(BlockTaste(users=30).dataset().n_items)]
    for n, name in enumerate(names):
        Image.new("RGB", (8, 8), (8 * n, 0, 0)).save(tmp_path / name)
    data = with_posters(names)
    assert "image" not in table_recipes(data, 600.0)
    assert "image_knn" in searched(data, tmp_path, engines=("content_knn",)).judged


def test_images_whose_files_are_missing_are_left_out_with_a_note(tmp_path):
    data = with_posters([f"{n}.png" for n in range(BlockTaste(users=30).dataset().n_items)])
    found = searched(data, tmp_path, engines=("content_knn", "popularity"))
    assert "table image: left out, no item has a row in it" in found.notes


def test_people_who_buy_again_get_lists_with_seen_items_from_the_engine_too(capsys):
    auto = AutoRecommender(budget="20s", engines=["popularity", "itemknn"]).fit(shop(again=True), verbose=True)
    assert not auto.filter_seen_
    assert "lists keep these; ask for them: recommend(..., filter_seen=False)" in capsys.readouterr().err
    assert AutoRecommender(budget="20s", engines=["popularity"]).fit(shop(again=False)).filter_seen_


def test_one_name_where_a_list_is_expected_is_an_error_that_shows_the_list():
    with pytest.raises(ConfigError, match=r"'engines': a list is expected, such as \['ease'\]"):
        AutoRecommender(engines="ease")
