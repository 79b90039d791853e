"""All six protocols: what may be learnt, what is asked, and what nobody may have seen."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.splits.split import Split, SplitConfig, make_split
from recsys.data.synthetic.worlds import BlockTaste, SequenceRule
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
    "given": SplitConfig(protocol="given", validation=0.3),
    "given_in_blocks": SplitConfig(protocol="given", validation=0.3, cut="blocks"),
    "given_at_random": SplitConfig(protocol="given", validation=0.3, cut="random"),
}


def divided(name: str, data: Dataset) -> Split | None:
    """The split; None where the data is too little for it. Every third event is the test file of ``given``."""
    files = None
    if name.startswith("given"):
        out = np.arange(len(data.interactions)) % 3 == 0
        files = data.interactions.select(~out), data.interactions.select(out)
    try:
        return make_split(data, CONFIGS[name], files)
    except DataError as error:
        assert "split" in str(error)  # noqa: PT017
        return None


def rows(x: Interactions) -> set[tuple[int, int, int]]:
    return set(zip(x.user.tolist(), x.item.tolist(), x.time.tolist(), strict=True))


@pytest.mark.parametrize("name", list(CONFIGS))
@given(events=EVENTS)
@settings(max_examples=20, deadline=None)
def test_no_target_is_learnt_from_and_none_is_lost(name, events):
    data = dataset(events)
    split = divided(name, data)
    if split is None:
        return
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


@pytest.mark.parametrize("name", ["leave_one_out", "leave_last_n", "temporal", "user_holdout"])
@given(events=EVENTS)
@settings(max_examples=20, deadline=None)
def test_nothing_in_a_history_is_later_than_a_target(name, events):
    split = divided(name, dataset(events))
    for holdout in (split.validation, split.test) if split else ():
        for user in holdout.users:
            seen, asked = (part.time[part.user == user] for part in (holdout.history, holdout.targets))
            assert len(asked)
            assert not len(seen) or seen.max() <= asked.min()
            assert name != "temporal" or not len(seen) or seen.max() < asked.min()


@pytest.mark.parametrize("name", list(CONFIGS))
@given(events=EVENTS)
@settings(max_examples=20, deadline=None)
def test_every_asked_user_has_targets_and_the_rest_are_counted(name, events):
    data = dataset(events)
    split = divided(name, data)
    if split is None:
        return
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


@pytest.mark.parametrize("name", list(CONFIGS))
@given(events=EVENTS)
@settings(max_examples=8, deadline=None)
def test_a_split_does_not_depend_on_the_order_of_the_file_and_is_the_same_again(name, events):
    a, b = divided(name, dataset(events)), divided(name, dataset(events[::-1]))
    assert (a is None) == (b is None)
    assert a is None or b is None or a.fingerprint == b.fingerprint


@given(events=EVENTS, n=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_leave_last_n_takes_n_of_each_asked_user(events, n):
    data = dataset(events)
    try:
        split = make_split(data, SplitConfig(protocol="leave_last_n", n=n))
    except DataError:
        return
    for holdout in (split.validation, split.test):
        assert (np.bincount(holdout.targets.user)[holdout.users] == n).all()
    kept = np.bincount(split.train.user, minlength=N_USERS)[split.test.users]
    assert (kept >= 1).all()


@given(events=EVENTS)
@settings(max_examples=20, deadline=None)
def test_held_out_users_are_not_learnt_from(events):
    split = divided("user_holdout", dataset(events))
    if split is None:
        return
    assert not set(split.train.user) & (set(split.validation.users) | set(split.test.users))
    assert not set(split.train_and_validation.user) & set(split.test.users)
    assert set(split.test.history.user) == set(split.test.users)


@given(events=EVENTS)
@settings(max_examples=20, deadline=None)
def test_cold_items_are_ranked_among_themselves_by_users_with_a_history(events):
    split = divided("cold_items", dataset(events))
    if split is None:
        return
    for holdout, learnt in ((split.validation, split.train), (split.test, split.train_and_validation)):
        assert not set(learnt.item) & set(holdout.candidates)
        assert set(holdout.targets.item) <= set(holdout.candidates)
        assert set(holdout.users) <= set(holdout.history.user)
    assert rows(split.validation.history) == rows(split.train)
    assert rows(split.test.history) == rows(split.train_and_validation) > rows(split.train)
    assert not set(split.train.item) & (set(split.validation.candidates) | set(split.test.candidates))


def test_users_of_the_test_file_without_a_past_are_counted_as_dropped():
    data = dataset([(0, 0, 1), (0, 1, 2), (1, 2, 1), (1, 3, 2), (0, 4, 9), (2, 5, 9)])
    late = data.interactions.time == 9
    files = data.interactions.select(~late), data.interactions.select(late)
    split = make_split(data, CONFIGS["given"], files)
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

    def asked(cut: str) -> Split:
        return make_split(data, SplitConfig(protocol="given", validation=0.3, cut=cut), files)

    def groups_asked(cut: str) -> float:
        targets = asked(cut).validation.targets
        return float(np.mean([len(set(targets.item[targets.user == u] // shape[1])) for u in range(shape[2])]))

    assert groups_asked("blocks") < 1.1
    assert groups_asked("random") > 1.8
    assert len({asked("blocks").fingerprint for _ in range(3)}) == 1


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


def test_a_given_split_takes_the_last_where_there_is_an_order_and_refuses_to_where_there_is_none():
    data = dataset([(u, i, i) for u in range(3) for i in range(6)])
    late = data.interactions.time == 5
    files = data.interactions.select(~late), data.interactions.select(late)
    for cut in (None, "last"):
        config = SplitConfig(protocol="given", validation=0.2, cut=cut)
        assert make_split(data, config, files).validation.targets.item.tolist() == [4, 4, 4]
        no_clock = replace(data, has_timestamps=False)
        assert make_split(no_clock, config, files).validation.targets.item.tolist() == [4, 4, 4]
    bare = replace(data, has_timestamps=False, has_order=False)
    with pytest.raises(ConfigError, match=r'"last" needs an order.*"random" or "blocks"'):
        make_split(bare, SplitConfig(protocol="given", cut="last"), files)


def test_temporal_needs_a_clock_and_given_a_file():
    data = SequenceRule().dataset()
    with pytest.raises(ConfigError, match="timestamp"):
        make_split(data, CONFIGS["temporal"])
    with pytest.raises(ConfigError, match="test_interactions"):
        make_split(data, CONFIGS["given"])


@pytest.mark.parametrize("name", list(CONFIGS))
def test_without_an_order_nothing_came_last(name):
    data = replace(BlockTaste().dataset(), has_timestamps=False, has_order=False)
    x = data.interactions
    late = np.arange(len(x)) % 4 == 0
    files = x.select(~late), x.select(late)
    if name.startswith(("cold_items", "given")):
        assert len(make_split(data, CONFIGS[name], files).test)
    else:
        with pytest.raises(ConfigError, match=r"no time and no order.*data\.columns\.order"):
            make_split(data, CONFIGS[name], files)


def test_a_split_with_an_empty_part_is_refused_with_the_sizes():
    data = dataset([(0, 0, 1), (0, 1, 2), (1, 2, 1)])
    with pytest.raises(DataError, match=r"'leave_one_out' leaves nothing to validate with of 3 interactions"):
        make_split(data, CONFIGS["leave_one_out"])
    with pytest.raises(DataError, match="has no test interactions"):
        make_split(data, SplitConfig(protocol="temporal", validation_from=2, test_from=50))


def test_temporal_shares_that_leave_nothing_to_train_on_are_refused_by_their_keys():
    with pytest.raises(ConfigError, match=r"validation = 0.6 and test = 0.5 leave nothing to train on"):
        parse(SplitConfig, {"protocol": "temporal", "validation": 0.6, "test": 0.5}, "split")
    with pytest.raises(ValueError, match=r"validation = 0.3 and test = 0.7"):
        SplitConfig(protocol="temporal", validation=0.3, test=0.7)


@pytest.mark.parametrize("config", [{"protocol": "given"}, {"protocol": "temporal", "validation_from": 4}])
def test_shares_that_the_split_does_not_go_by_are_not_weighed(config):
    assert SplitConfig(validation=0.6, test=0.5, **config).validation == 0.6


@pytest.mark.parametrize("cutoffs", [(0, 3), (-2, 0)])
def test_the_moment_0_is_a_moment(cutoffs):
    data = dataset([(u, i, i - 4) for u in range(3) for i in range(9)])
    split = make_split(data, SplitConfig(protocol="temporal", validation_from=cutoffs[0], test_from=cutoffs[1]))
    assert split.cutoffs == {"validation_from": cutoffs[0], "test_from": cutoffs[1]}


def test_another_seed_draws_other_users_and_items():
    data = BlockTaste().dataset()
    for name in ("user_holdout", "cold_items"):
        config = CONFIGS[name].model_copy(update={"seed": 5})
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
