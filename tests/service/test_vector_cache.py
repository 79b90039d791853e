"""User vectors that are kept between requests."""

import numpy as np

from recsys.engine import Vectors
from recsys.retrieval.retriever import EncodedUsers
from recsys.service.vector_cache import VectorCache

SIZE = 4 * 4 + 300


class Encoder:
    """Gives each position a vector of how often it was asked before, and keeps the positions."""

    def __init__(self):
        self.asked = []

    def __call__(self, new):
        self.asked.append(new.tolist())
        dense = np.full((len(new), 4), len(self.asked), np.float32)
        return EncodedUsers(Vectors(dense=dense), np.zeros(len(new), bool))


def test_a_history_that_was_extended_is_encoded_anew_and_the_earlier_vector_is_gone():
    cache, encode = VectorCache(), Encoder()
    for changes in range(50):
        for _ in range(2):
            found = cache.get([(7, changes), (8, 0)], encode)
            assert found.vectors.dense[:, 0].tolist() == [changes + 1, 1]
    assert encode.asked == [[0, 1], *[[0]] * 49]
    assert len(cache) == 2


def test_the_user_who_was_encoded_longest_ago_leaves_first():
    cache, encode = VectorCache(2 * SIZE), Encoder()
    for key in [(1, 0), (2, 0), (1, 1), (3, 0)]:  # 2 was encoded before 1 was anew
        cache.get([key], encode)
    assert len(cache) == 2
    before = len(encode.asked)
    cache.get([(1, 1), (3, 0)], encode)
    assert len(encode.asked) == before
    cache.get([(2, 0)], encode)
    assert len(encode.asked) == before + 1


def test_what_has_no_key_is_not_kept():
    cache, encode = VectorCache(), Encoder()
    cache.get([None, None], encode)
    assert (len(cache), encode.asked) == (0, [[0, 1]])
