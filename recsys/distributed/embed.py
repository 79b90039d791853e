"""Embedding of texts and images over Ray: every worker has the network once, and computes blocks of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from recsys.content.cache import BlockMap
from recsys.content.processes import Processes
from recsys.data.vocabulary import Rows
from recsys.distributed.cluster import connected
from recsys.distributed.compute import ComputeOptions
from recsys.distributed.pool import run_partitions
from recsys.tracking import Tracker

R = TypeVar("R")
_Numbered = tuple[int, Rows]


@dataclass(frozen=True)
class BlockMaker(Generic[R]):
    """The setup of a worker: a network is loaded with its first block."""

    make: Callable[[Rows], R]

    def __call__(self) -> Callable[[_Numbered], R]:
        return lambda block: self.make(block[1])


@dataclass(frozen=True)
class RayBlocks:
    """A `recsys.content.cache.BlockMap` over a cluster, which is connected where there is something to do.

    The blocks, and therefore the vectors, are those of one process. Each is kept in the content cache as it is ready,
    so that a rerun computes what is missing.

    Args:
        compute: the cluster.
        tracker: gets a line when a worker was lost.
    """

    compute: ComputeOptions
    tracker: Tracker

    def __call__(self, make: Callable[[Rows], R], blocks: Sequence[Rows]) -> Iterator[tuple[int, R]]:
        if not blocks:
            return
        with connected(self.compute, self.tracker) as cluster:
            for (number, _), made in run_partitions(BlockMaker(make), list(enumerate(blocks)), cluster):
                yield number, made


def embedding_blocks(compute: ComputeOptions, tracker: Tracker) -> BlockMap:
    """Where the embedders of a run compute: over its cluster, or in processes of this machine."""
    if compute.over_ray:
        return RayBlocks(compute, tracker)
    return Processes(compute.workers, compute.threads, tracker)
