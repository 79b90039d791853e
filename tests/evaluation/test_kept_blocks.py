"""Measured blocks on disk: a result that is put together from them is that of an evaluation in one go."""

import numpy as np
import pytest

from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engines.baselines.ease import EASE
from recsys.evaluation.evaluate import BlockRanker, count_blocks, evaluate
from recsys.evaluation.kept_blocks import KeptBlocks

KS = (10, 1, 5)


@pytest.fixture(scope="module")
def measured():
    """A result, and its blocks of 20 users."""
    data = BlockTaste(users=50).dataset()
    parts = split(data, "leave_one_out")
    engine = EASE().fit(data, parts.train)
    ranker = BlockRanker(engine, data, parts.test, KS, block=20)
    return evaluate(engine, data, parts.test, ks=KS), dict(ranker.measured_blocks(range(len(ranker))))


def kept(folder, blocks, numbers):
    found = KeptBlocks(folder / "blocks", len(blocks))
    for number in numbers:
        found.keep(number, blocks[number])
    return found


def test_blocks_that_are_kept_in_any_order_are_the_whole_result(measured, tmp_path):
    whole, blocks = measured
    assert kept(tmp_path, blocks, [2, 0]).missing() == [1]
    found = kept(tmp_path, blocks, [1])
    assert found.missing() == []
    result = found.result(50)
    assert list(result.values) == list(whole.values)
    for name, value in vars(whole).items():
        for ours, theirs in zip(
            *((each.values() if name == "values" else [each]) for each in (getattr(result, name), value)), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs, strict=True)
    assert (result.users_without_vector, result.items_without_vector) == (0, 0)


@pytest.mark.parametrize("place", [5, -9])
def test_a_damaged_block_is_missing(measured, tmp_path, place):
    found = kept(tmp_path, measured[1], [0, 1, 2])
    path = sorted(found.folder.glob("block-*"))[1]
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert found.missing() == [1]
    path.write_bytes(content[:100])
    assert found.missing() == [1]


def test_a_holdout_has_blocks_of_so_many_users():
    parts = split(BlockTaste(users=50).dataset(), "leave_one_out")
    assert [count_blocks(parts.test, size) for size in (20, 25, 50, 1000)] == [3, 2, 1, 1]
