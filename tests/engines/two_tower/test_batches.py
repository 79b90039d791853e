import numpy as np
import pytest

from recsys.data.interactions import Interactions
from recsys.engines.two_tower.batches import cut_windows, group_by_length, to_batch
from recsys.seeding import stream


def some_interactions(users: int = 40, seed: int = 0) -> Interactions:
    rng = np.random.default_rng(seed)
    lengths = rng.geometric(0.05, users)
    user = np.repeat(np.arange(users), lengths)
    return Interactions.of(user, rng.integers(0, 30, len(user)), np.arange(len(user)))


@pytest.mark.parametrize("phase", [0, 3])
def test_every_event_is_a_target_exactly_once(phase):
    train = some_interactions()
    windows = cut_windows(train, 40, length=7, overlap=3, phase=phase)
    targets = np.concatenate([np.arange(f, s) for f, s in zip(windows.first, windows.stop, strict=True)])
    assert sorted(targets.tolist()) == list(range(len(train)))
    assert (windows.first - windows.start <= 3).all()
    assert (train.user[windows.start] == train.user[windows.stop - 1]).all()


def test_a_batch_holds_the_events_before_each_target():
    train = some_interactions()
    windows = cut_windows(train, 40, length=7, overlap=3)
    batch = to_batch(train, windows)
    assert len(batch.targets) == len(train)
    row, column = np.divmod(batch.positions, batch.items.shape[1])
    assert (batch.items[row, column] == batch.targets).all()


def test_under_one_position_in_twenty_is_padding():
    train = some_interactions(2000)
    groups = group_by_length(cut_windows(train, 2000, 50, 10), 2048, stream(0))
    rectangles = [to_batch(train, g).items for g in groups]
    padding = sum((r < 0).sum() for r in rectangles) / sum(r.size for r in rectangles)
    assert padding < 0.05


def test_only_what_is_new_is_a_target():
    train = some_interactions()
    new = np.zeros(len(train), bool)
    new[[5, 17, 200]] = True
    windows = cut_windows(train, 40, 7, 3, targets=new)
    batch = to_batch(train, windows, new)
    assert sorted(batch.targets.tolist()) == sorted(train.item[new].tolist())
    assert len(windows) <= 3
