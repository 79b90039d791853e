"""The split protocols: what is in train, in the histories and in the targets."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.splits.random_holdout import random_holdout
from recsys.data.splits.split import Split, SplitConfig, make_split, split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.data.vocabulary import Vocabulary
from recsys.errors import ConfigError, DataError

N_USERS, N_ITEMS = 8, 12


def dataset(events, has_timestamps=True) -> Dataset:
    user, item, time = (np.array([event[n] for event in events], np.int64) for n in range(3))
    users, items = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (N_USERS, N_ITEMS))
    return Dataset("w", users, items, Interactions.of(user, item, time), has_timestamps)


EVENTS = st.lists(
    st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1), st.integers(0, 30)),
    unique=True,
    min_size=12,
    max_size=60,
)
CONFIGS = {
    "leave_one_out": SplitConfig(protocol="leave_one_out"),
    "leave_last_n": SplitConfig(protocol="leave_last_n", n=2),
    "temporal": SplitConfig(protocol="temporal", validation=0.2, test=0.2),
    "user_holdout": SplitConfig(protocol="user_holdout", share=0.3, given=0.5),
    "cold_items": SplitConfig(protocol="cold_items", share=0.2),
    "random": SplitConfig(protocol="random", validation=0.2, test=0.2),
    "given": SplitConfig(protocol="given", validation=0.3),
    "given_in_blocks": SplitConfig(protocol="given", validation=0.3, cut="blocks"),
    "given_at_random": SplitConfig(protocol="given", validation=0.3, cut="random"),
}


Property = Callable[[str, Dataset, Split], None]


def two_files(data: Dataset, is_test: np.ndarray) -> tuple[Interactions, Interactions]:
    """The train and the test file of ``given``."""
    return data.interactions.select(~is_test), data.interactions.select(is_test)


def divided(name: str, data: Dataset) -> Split | None:
    """The split; None where the data is too little for it. Every third event is in the test file of ``given``."""
    files = two_files(data, np.arange(len(data.interactions)) % 3 == 0) if name.startswith("given") else None
    try:
        return make_split(data, CONFIGS[name], files)
    except DataError as error:
        assert "split" in str(error)  # noqa: PT017
        return None


def holds_for(*names: str) -> Callable[[Property], Callable[..., None]]:
    """Checks a property of the splits of random data by each of the protocols."""

    def decorate(check: Property) -> Callable[..., None]:
        @pytest.mark.parametrize("name", names)
        @given(events=EVENTS)
        @settings(max_examples=20, deadline=None)
        def run(name, events):
            data = dataset(events)
            split = divided(name, data)
            if split is not None:
                check(name, data, split)

        return run

    return decorate


def rows(x: Interactions) -> set[tuple[int, int, int]]:
    return set(zip(x.user.tolist(), x.item.tolist(), x.time.tolist(), strict=True))


@holds_for(*CONFIGS)
def test_no_target_is_trained_on_and_none_is_lost(name, data, split):
    everything = rows(data.interactions)
    validation, test = rows(split.validation.targets), rows(split.test.targets)
    assert not rows(split.train) & (validation | test)
    assert not rows(split.train_and_validation) & test
    assert not validation & test
    assert rows(split.train) <= rows(split.train_and_validation) <= everything
    for holdout in (split.validation, split.test):
        assert not rows(holdout.history) & rows(holdout.targets)
    if name in ("leave_one_out", "leave_last_n", "temporal"):
        assert rows(split.train) | validation | test == everything
        assert rows(split.train) | validation == rows(split.train_and_validation)


@holds_for("leave_one_out", "leave_last_n", "temporal", "user_holdout")
def test_nothing_in_a_history_is_later_than_a_target(name, data, split):
    for holdout in (split.validation, split.test):
        for user in holdout.users:
            seen, targets = (part.time[part.user == user] for part in (holdout.history, holdout.targets))
            assert len(targets)
            assert not len(seen) or seen.max() <= targets.min()
            assert name != "temporal" or not len(seen) or seen.max() < targets.min()


@holds_for(*CONFIGS)
def test_every_evaluated_user_has_targets_and_the_rest_are_counted(name, data, split):
    for holdout in (split.validation, split.test):
        assert holdout.users.tolist() == np.unique(holdout.targets.user).tolist()
    counts = np.bincount(data.interactions.user, minlength=N_USERS)
    dropped = {
        "leave_one_out": int(((counts > 0) & (counts < 3)).sum()),
        "leave_last_n": int(((counts > 0) & (counts < 5)).sum()),
        "temporal": 0,
        "user_holdout": 0,
    }
    assert split.dropped_users == dropped.get(name, split.dropped_users)


@holds_for(*CONFIGS)
def test_a_split_does_not_depend_on_the_order_of_the_file_and_is_the_same_again(name, data, split):
    x = data.interactions
    events = list(zip(x.user, x.item, x.time, strict=True))
    again = divided(name, dataset(events[::-1]))
    assert again is not None
    assert again.fingerprint == split.fingerprint


@given(events=EVENTS, n=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_leave_last_n_takes_n_of_each_evaluated_user(events, n):
    data = dataset(events)
    try:
        split = make_split(data, SplitConfig(protocol="leave_last_n", n=n))
    except DataError:
        return
    for holdout in (split.validation, split.test):
        assert (np.bincount(holdout.targets.user)[holdout.users] == n).all()
    kept = np.bincount(split.train.user, minlength=N_USERS)[split.test.users]
    assert (kept >= 1).all()


@holds_for("user_holdout")
def test_held_out_users_are_not_trained_on(name, data, split):
    assert not set(split.train.user) & (set(split.validation.users) | set(split.test.users))
    assert not set(split.train_and_validation.user) & set(split.test.users)
    assert set(split.test.history.user) == set(split.test.users)


@holds_for("cold_items")
def test_cold_items_are_ranked_among_themselves_by_users_with_a_history(name, data, split):
    for holdout, train in ((split.validation, split.train), (split.test, split.train_and_validation)):
        assert not set(train.item) & set(holdout.candidates)
        assert set(holdout.targets.item) <= set(holdout.candidates)
        assert set(holdout.users) <= set(holdout.history.user)
    assert rows(split.validation.history) == rows(split.train)
    assert rows(split.test.history) == rows(split.train_and_validation) > rows(split.train)
    assert not set(split.train.item) & (set(split.validation.candidates) | set(split.test.candidates))


def test_users_of_the_test_file_without_a_history_are_counted_as_dropped():
    data = dataset([(0, 0, 1), (0, 1, 2), (1, 2, 1), (1, 3, 2), (0, 4, 9), (2, 5, 9)])
    split = make_split(data, CONFIGS["given"], two_files(data, data.interactions.time == 9))
    assert (split.test.users.tolist(), split.dropped_users) == ([0], 1)


def grouped(groups: int, size: int, users: int, chosen: int) -> tuple[Dataset, tuple[Interactions, Interactions]]:
    """Each user likes two groups of items and chooses so many items of each; and the files of a given split."""
    rng = np.random.default_rng(0)
    events = [
        (user, int(group * size + item))
        for user in range(users)
        for group in rng.permutation(groups)[:2]
        for item in rng.permutation(size)[:chosen]
    ]
    x = Interactions.of(*np.array(events).T)
    bare = [EntityTable.bare(Vocabulary(np.arange(n))) for n in (users, groups * size)]
    return Dataset("w", *bare, x, has_timestamps=False, has_order=False), (x, x.select(np.arange(len(x)) == 0))


@pytest.mark.parametrize("shape", [(20, 10, 400, 6), (3, 40, 200, 40), (6, 20, 200, 20)])
def test_a_block_is_what_is_most_like_one_of_the_items_of_the_user(shape):
    """It is one of a user's two groups, where a random cut takes from both; also where the graph is of low rank."""
    data, files = grouped(*shape)

    def by(cut: str) -> Split:
        return make_split(data, SplitConfig(protocol="given", validation=0.3, cut=cut), files)

    def groups_of_targets(cut: str) -> float:
        targets = by(cut).validation.targets
        return float(np.mean([len(set(targets.item[targets.user == u] // shape[1])) for u in range(shape[2])]))

    assert groups_of_targets("blocks") < 1.1
    assert groups_of_targets("random") > 1.8
    assert len({by("blocks").fingerprint for _ in range(3)}) == 1


def test_ties_of_a_block_do_not_fall_to_the_earliest():
    """Too few items to be told apart: the cut is as good as random, though everybody takes them in the same order."""
    rng = np.random.default_rng(0)
    events = [(u, i, i) for u in range(300) for i in np.sort(rng.permutation(7)[:6])]
    users, items = (EntityTable.bare(Vocabulary(np.arange(n))) for n in (300, 7))
    x = Interactions.of(*np.array(events).T)
    split = make_split(
        Dataset("w", users, items, x, has_timestamps=True),
        SplitConfig(protocol="given", validation=0.3, cut="blocks"),
        (x, x.select(np.arange(len(x)) == 0)),
    )
    assert abs(split.validation.targets.item.mean() - 3) < 0.3


@pytest.mark.parametrize("cut", [None, "last"])
@pytest.mark.parametrize("has_timestamps", [True, False])
def test_a_given_split_takes_the_last_where_there_is_an_order(cut, has_timestamps):
    data = dataset([(u, i, i) for u in range(3) for i in range(6)], has_timestamps)
    config = SplitConfig(protocol="given", validation=0.2, cut=cut)
    split = make_split(data, config, two_files(data, data.interactions.time == 5))
    assert split.validation.targets.item.tolist() == [4, 4, 4]


@pytest.mark.parametrize("name", list(CONFIGS))
def test_without_an_order_nothing_came_last(name):
    data = replace(BlockTaste().dataset(), has_timestamps=False, has_order=False)
    files = two_files(data, np.arange(len(data.interactions)) % 4 == 0)
    if name.startswith(("cold_items", "given", "random", "user_holdout")):
        made = make_split(data, CONFIGS[name], files)
        assert len(made.test)
        assert made.at_random == name.startswith(("random", "user_holdout"))
    else:
        with pytest.raises(ConfigError, match=r"no time and no order.*data\.columns\.order"):
            make_split(data, CONFIGS[name], files)


SMALL = dataset([(0, 0, 1), (0, 1, 2), (1, 2, 1)])
UNORDERED = replace(SMALL, has_timestamps=False, has_order=False)
FILES = two_files(SMALL, np.array([False, True, True]))


@pytest.mark.parametrize(
    ("data", "config", "error", "message"),
    [
        (replace(SMALL, has_timestamps=False), {"protocol": "temporal"}, ConfigError, "needs a timestamp column"),
        (SMALL, {"protocol": "given"}, ConfigError, "test_interactions"),
        (
            replace(UNORDERED, given_files=FILES),
            {"protocol": "given", "cut": "last"},
            ConfigError,
            r'"last" needs an order.*"random" or "blocks"',
        ),
        (SMALL, {"protocol": "leave_one_out"}, DataError, "leaves nothing to validate with of 3 interactions"),
        (
            SMALL,
            {"protocol": "temporal", "validation_from": 2, "test_from": 50},
            DataError,
            "has no test interactions",
        ),
    ],
)
def test_a_split_that_cannot_be_made_says_why(data, config, error, message):
    with pytest.raises(error, match=message):
        make_split(data, SplitConfig(**config))


@pytest.mark.parametrize(("validation", "test"), [(0.6, 0.5), (0.3, 0.7)])
def test_temporal_shares_that_leave_nothing_to_train_on_are_refused_by_their_keys(validation, test):
    with pytest.raises(ConfigError, match=rf"validation = {validation} and test = {test} leave nothing to train on"):
        parse(SplitConfig, {"protocol": "temporal", "validation": validation, "test": test}, "split")


@pytest.mark.parametrize("config", [{"protocol": "given"}, {"protocol": "temporal", "validation_from": 4}])
def test_shares_that_the_protocol_does_not_use_may_have_any_sum(config):
    assert SplitConfig(validation=0.6, test=0.5, **config).validation == 0.6


@pytest.mark.parametrize("cutoffs", [(0, 3), (-2, 0)])
def test_a_cutoff_time_may_be_0_or_negative(cutoffs):
    data = dataset([(u, i, i - 4) for u in range(3) for i in range(9)])
    split = make_split(data, SplitConfig(protocol="temporal", validation_from=cutoffs[0], test_from=cutoffs[1]))
    assert split.cutoffs == {"validation_from": cutoffs[0], "test_from": cutoffs[1]}


@pytest.mark.parametrize("name", ["user_holdout", "cold_items"])
def test_another_seed_draws_other_users_and_items(name):
    data, config = BlockTaste().dataset(), CONFIGS[name].model_copy(update={"seed": 5})
    assert make_split(data, config).fingerprint != make_split(data, CONFIGS[name]).fingerprint


def test_the_fingerprint_sees_the_protocol_the_parts_and_the_candidates():
    split = make_split(BlockTaste().dataset(), CONFIGS["cold_items"])
    seen = {
        split.fingerprint,
        replace(split, protocol="other").fingerprint,
        replace(split, train=split.train_and_validation).fingerprint,
        replace(split, test=replace(split.test, candidates=None)).fingerprint,
    }
    assert len(seen) == 4


def test_a_random_part_of_each_user_is_held_out_and_no_target_is_in_the_history():
    user, item = np.repeat([0, 1, 2], [10, 3, 2]), np.concatenate([np.arange(10), np.arange(3), np.arange(2)])
    events = Interactions.of(np.tile(user, 2), np.tile(item, 2))  # every pair twice
    made = random_holdout(events, 3, validation=0.2, test=0.3)
    counts = [np.bincount(part.user, minlength=3).tolist() for part in (made.validation.targets, made.test.targets)]
    assert counts == [[4, 2, 0], [6, 2, 0]]
    assert made.dropped_users == 1
    for holdout in (made.validation, made.test):
        pairs = [
            set(zip(part.user.tolist(), part.item.tolist(), strict=True)) for part in (holdout.history, holdout.targets)
        ]
        assert not pairs[0] & pairs[1]
    assert sorted(len(part) for part in (made.train, made.validation.targets, made.test.targets)) == [6, 8, 16]
    other = random_holdout(events, 3, validation=0.2, test=0.3, seed=1)
    assert other.test.targets.fingerprint != made.test.targets.fingerprint


def test_where_lists_keep_seen_items_each_row_is_drawn_by_itself():
    events = Interactions.of(np.zeros(40, np.int64), np.zeros(40, np.int64))
    made = random_holdout(events, 1, by_item=False)
    assert (len(made.train), len(made.validation.targets), len(made.test.targets)) == (32, 4, 4)


@pytest.mark.parametrize("share", [0.9, 0.95])
def test_a_random_holdout_leaves_every_user_something_to_train_on(share):
    with pytest.raises(ConfigError, match="leave nothing to train on"):
        split(BlockTaste(users=5).dataset(), "random", validation=1.1 - share, test=share)
    made = split(BlockTaste(users=5).dataset(), "random", validation=0.04, test=share)
    assert (made.train.user_counts(5) >= 1).all()


def test_without_a_split_everything_is_trained_on_and_nothing_is_held_out(tmp_path):
    data = BlockTaste(users=5).dataset()
    made = split(data, "none")
    assert (len(made.train), len(made.test), made.evaluates) == (len(data.interactions), 0, False)
    made.save(tmp_path / "split")
    assert Split.load(tmp_path / "split").fingerprint == made.fingerprint
    with pytest.raises(ConfigError, match="refit = true"):
        split(data, "none", refit=True)


def test_a_split_of_repeats_says_once_that_lists_leave_them_out(caplog):
    again = dataset([(user, step % 3, step) for user in range(N_USERS) for step in range(8)])
    split(again, "leave_one_out", filter_seen=True)
    split(again, "leave_one_out", filter_seen=False)
    split(BlockTaste().dataset())
    assert not caplog.messages
    assert split(again, "leave_one_out").filter_seen
    (message,) = caplog.messages
    assert "100% of the test targets are items that their users had before" in message
    assert "filter_seen=False" in message
