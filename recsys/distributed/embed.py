"""Embedding of texts and images over Ray: every worker has the network once and encodes blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.content.cache import Make
from recsys.data.vocabulary import Rows
from recsys.distributed.cluster import connected
from recsys.distributed.compute import ComputeOptions
from recsys.distributed.pool import run_partitions
from recsys.tracking import Tracker

_Numbered = tuple[int, Rows]


@dataclass(frozen=True)
class BlockEncoder:
    """The setup of a worker: the network is loaded with its first block."""

    make: Make

    def __call__(self) -> Callable[[_Numbered], NDArray[np.generic]]:
        return lambda block: self.make(block[1])


@dataclass(frozen=True)
class RayBlocks:
    """A `recsys.content.cache.BlockMap` over a cluster, which is connected where there is something to encode.

    The blocks, and therefore the vectors, are those of one process. Each is kept in the content cache as it is ready,
    so that a rerun encodes what is missing.

    Args:
        compute: the cluster.
        tracker: gets a line when a worker was lost.
    """

    compute: ComputeOptions
    tracker: Tracker

    def __call__(self, make: Make, blocks: Sequence[Rows]) -> Iterator[tuple[int, NDArray[np.generic]]]:
        if not blocks:
            return
        with connected(self.compute, self.tracker) as cluster:
            for (number, _), made in run_partitions(BlockEncoder(make), list(enumerate(blocks)), cluster):
                yield number, made
