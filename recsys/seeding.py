"""Named random streams from one seed: a new stream does not change the numbers of the others."""

from __future__ import annotations

import hashlib

import numpy as np


def stream_seed(seed: int, *names: object) -> int:
    """A 63-bit seed for the stream called ``names``: ``stream_seed(7, "batches", epoch)``."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def stream(seed: int, *names: object) -> np.random.Generator:
    """A NumPy generator for the stream called ``names``; the same seed and names give the same numbers."""
    return np.random.default_rng(stream_seed(seed, *names))
