"""Records by content."""

import numpy as np
import pytest

from recsys.content.cache import ContentCache, content_key
from recsys.errors import ArtifactError


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


def test_records_of_another_shape_are_refused(tmp_path):
    ContentCache(tmp_path).add(keys("a"), np.ones((1, 2), np.float32))
    with pytest.raises(ArtifactError, match="remove the folder"):
        ContentCache(tmp_path, (3,))
