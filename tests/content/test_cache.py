"""Records by content."""

import numpy as np
import pytest

from recsys.content.cache import ContentCache, content_key
from recsys.data.vocabulary import MISSING
from recsys.errors import ArtifactError
from recsys.seeding import stream


def keys(*texts):
    return [content_key(text) for text in texts]


def test_each_distinct_content_is_made_once_and_found_again(tmp_path):
    made = []

    def make(rows):
        made.extend(rows.tolist())
        return np.array([[row, -row] for row in rows], np.float32)

    found = ContentCache(tmp_path).through(keys("a", "b", "a"), make)
    assert made == [0, 1]
    assert found.tolist() == [[0, 0], [1, -1], [0, 0]]
    again = ContentCache(tmp_path).through(keys("b", "c"), make)
    assert made == [0, 1, 1]
    assert again.tolist() == [[1, -1], [1, -1]]


def test_what_a_killed_writer_left_is_overwritten(tmp_path):
    cache = ContentCache(tmp_path)
    cache.add(keys("a"), np.ones((1, 2), np.float32))
    with (tmp_path / "records.bin").open("ab") as file:
        file.write(b"half a rec")
    with (tmp_path / "keys.bin").open("ab") as file:
        file.write(b"half a key")
    again = ContentCache(tmp_path)
    again.add(keys("b"), np.full((1, 2), 2, np.float32))
    assert ContentCache(tmp_path).records().tolist() == [[1, 1], [2, 2]]


def test_two_writers_of_one_folder_keep_both_records(tmp_path):
    first, second = ContentCache(tmp_path), ContentCache(tmp_path)
    first.add(keys("a"), np.ones((1, 2), np.float32))
    second.add(keys("b", "a"), np.full((2, 2), 2, np.float32))
    assert ContentCache(tmp_path).records().tolist() == [[1, 1], [2, 2]]


def test_writers_that_take_turns_leave_what_one_would(tmp_path):
    writers, rng = [ContentCache(tmp_path) for _ in range(3)], stream(0, "turns")
    first = {}
    for turn in range(60):
        names = [str(name) for name in rng.permutation(40)[: rng.integers(0, 4)]]
        for name in names:
            first.setdefault(name, turn)
        writers[rng.integers(3)].add(keys(*names), np.full((len(names), 2), turn, np.float32))
    for cache in (writers[0], ContentCache(tmp_path)):
        cache.add([], np.zeros((0, 2), np.float32))
        found = cache.records()[cache.rows(keys(*first))]
        assert found.tolist() == [[turn, turn] for turn in first.values()]


def test_keys_that_are_known_are_not_read_again(tmp_path):
    cache = ContentCache(tmp_path)
    cache.add(keys("a"), np.ones((1, 2), np.float32))
    (tmp_path / "keys.bin").write_bytes(content_key("another") + b"a digest")
    cache.add(keys("b"), np.ones((1, 2), np.float32))
    assert cache.rows(keys("a", "b", "another")).tolist() == [0, 1, MISSING]


def test_a_folder_that_was_emptied_is_begun_anew(tmp_path):
    cache = ContentCache(tmp_path)
    cache.add(keys("a", "b"), np.ones((2, 2), np.float32))
    for file in tmp_path.iterdir():
        file.unlink()
    cache.add(keys("c"), np.full((1, 2), 3, np.float32))
    assert cache.rows(keys("a", "c")).tolist() == [MISSING, 0]
    assert ContentCache(tmp_path).records().tolist() == [[3, 3]]


def test_records_of_another_shape_are_refused(tmp_path):
    ContentCache(tmp_path).add(keys("a"), np.ones((1, 2), np.float32))
    with pytest.raises(ArtifactError, match="remove the folder"):
        ContentCache(tmp_path, (3,))


@pytest.mark.parametrize(
    ("name", "content"),
    [("layout.json", b"{"), ("layout.json", b'{"shape": 3}'), ("layout.json", b"[]"), ("records.bin", b"cut off")],
)
def test_a_damaged_cache_is_made_anew_with_a_word(tmp_path, caplog, name, content):
    ContentCache(tmp_path).add(keys("a"), np.ones((1, 20), np.float32))
    (tmp_path / name).write_bytes(content)
    found = ContentCache(tmp_path).through(keys("a"), lambda rows: np.full((len(rows), 20), 2, np.float32))
    assert found.tolist() == [[2.0] * 20]
    assert "is damaged; it is emptied" in caplog.text


@pytest.mark.parametrize("place", [0, 79, 80, 159])
def test_a_flipped_bit_in_a_record_is_told_and_the_content_computed_again(tmp_path, caplog, place):
    ContentCache(tmp_path).add(keys("a", "b"), np.ones((2, 20), np.float32))
    content = bytearray((tmp_path / "records.bin").read_bytes())
    content[place] ^= 1
    (tmp_path / "records.bin").write_bytes(content)
    for _ in range(2):
        found = ContentCache(tmp_path).through(keys("a", "b"), lambda rows: np.ones((len(rows), 20), np.float32))
        assert (found == 1).all()
    assert caplog.text.count("is damaged; it is emptied") == 1


@pytest.mark.parametrize("place", [0, 15, 24, 39])
def test_a_flipped_bit_in_a_key_costs_that_record_alone(tmp_path, place):
    ContentCache(tmp_path).add(keys("a", "b"), np.ones((2, 20), np.float32))
    content = bytearray((tmp_path / "keys.bin").read_bytes())
    content[place] ^= 1
    (tmp_path / "keys.bin").write_bytes(content)
    made = []
    found = ContentCache(tmp_path).through(
        keys("a", "b"), lambda rows: (made.extend(rows), np.ones((len(rows), 20), np.float32))[1]
    )
    assert (found == 1).all()
    assert made == [0 if place < 16 else 1]
