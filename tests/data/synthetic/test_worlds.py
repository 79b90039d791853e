import numpy as np

from recsys.data.synthetic.worlds import BlockTaste, SequenceRule


def test_without_noise_everyone_stays_in_the_own_block():
    world = BlockTaste(blocks=3, items=30)
    x = world.dataset().interactions
    assert (x.user % 3 == x.item % 3).all()
    assert world.block_share(np.array([[0, 3], [1, 4], [2, 1]])) == 5 / 6


def test_noise_goes_anywhere_and_nobody_chooses_twice():
    data = BlockTaste(users=200, noise=0.4).dataset()
    x = data.interactions
    assert 0.72 < (x.user % 2 == x.item % 2).mean() < 0.88  # half of the noise lands in the own block by chance
    assert len(np.unique(x.user * 1000 + x.item)) == len(x) == 1400


def test_columns_tell_the_block_of_new_items_too():
    data = BlockTaste(new_items=2).dataset()
    columns = data.items.columns
    assert columns["genre"].tolist()[-2:] == ["north", "east"]
    assert (columns["size"].round() == np.arange(26) % 2).all()
    assert data.interactions.item_counts(26)[-2:].tolist() == [0, 0]


def test_the_sequence_rule_is_followed_and_items_are_alike_in_number():
    world = SequenceRule(users=60, items=20, events=8, stride=3)
    x = world.dataset().interactions
    walks = x.item.reshape(60, 8)
    assert (world.next(walks[:, :-1].astype(np.int64)) == walks[:, 1:]).all()
    assert set(x.item_counts(20)) == {24}


def test_a_seed_gives_the_same_world_again():
    assert BlockTaste(noise=0.3).dataset(4).fingerprint == BlockTaste(noise=0.3).dataset(4).fingerprint
    assert BlockTaste(noise=0.3).dataset(4).fingerprint != BlockTaste(noise=0.3).dataset(5).fingerprint
