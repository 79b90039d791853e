import numpy as np
import pytest

from recsys.data.interactions import Interactions
from recsys.engines.two_tower.batches import cut_windows, group_by_length, to_batch
from recsys.engines.two_tower.first_interactions import FirstInteractions
from recsys.seeding import stream

USERS, ITEMS = 12, 30


def some_interactions(repeats: bool = True) -> Interactions:
    rng = np.random.default_rng(0)
    histories = [rng.choice(ITEMS, min(length, ITEMS)) for length in rng.geometric(0.05, USERS)]
    if not repeats:
        histories = [rng.permutation(ITEMS)[: len(history)] for history in histories]
    user = np.repeat(np.arange(USERS), [len(history) for history in histories])
    return Interactions.of(user, np.concatenate(histories), np.arange(len(user)))


def histories_before(train, windows, batch):
    """The items before each target."""
    offsets, width = train.offsets(USERS), batch.items.shape[1]
    for position in batch.positions.tolist():
        row, step = divmod(position, width)
        begin, here = offsets[windows.user[row]], windows.start[row] + step
        yield train.item[begin:here].tolist()


@pytest.mark.parametrize("some", [False, True])
@pytest.mark.parametrize("repeats", [False, True])
def test_what_a_whole_history_holds_is_found_among_the_candidates(some, repeats):
    train, rng = some_interactions(repeats), stream(3)
    targets = rng.random(len(train)) < 0.5 if some else None
    firsts, candidates = FirstInteractions.of(train, USERS), rng.integers(0, ITEMS + 5, 25)
    for windows in group_by_length(cut_windows(train, USERS, 7, 3, phase=2, targets=targets), 60, rng):
        batch = to_batch(train, windows, targets)
        starts, stops, candidate = firsts.seen_candidates(windows, batch, candidates)
        found = np.zeros((len(batch.positions), len(candidates)), bool)
        for start, stop, column in zip(starts, stops, candidate, strict=True):
            found[start:stop, column] = True
        pasts = histories_before(train, windows, batch)
        assert (found == np.array([np.isin(candidates, past) for past in pasts])).all()
        assert (np.diff(starts) >= 0).all()
        assert (np.diff(stops) >= 0).all()
        assert (starts < stops).all()


def test_targets_are_what_a_user_meets_for_the_first_time():
    train = Interactions.of(np.array([0, 0, 0, 1, 1]), np.array([2, 1, 2, 2, 2]), np.arange(5))
    firsts = FirstInteractions.of(train, 2)
    assert firsts.mask().tolist() == [True, True, False, True, False]
    assert firsts.targets().tolist() == [True, True, False, True, False]
    assert firsts.targets(np.array([False, True, True, True, True])).tolist() == [False, True, False, True, False]
    assert FirstInteractions.of(train, 2, block_size=1).mask().tolist() == firsts.mask().tolist()
    once = FirstInteractions.of(train.select(np.array([0, 1, 3])), 2)
    assert once.targets() is None
