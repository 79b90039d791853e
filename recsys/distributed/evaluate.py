"""Evaluation over Ray: every worker loads the engine and the split once and ranks blocks of the test users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recsys.data.dataset import Dataset
from recsys.data.splits.partition import Split
from recsys.distributed.cluster import Cluster, shared
from recsys.distributed.pool import run_partitions
from recsys.evaluation.evaluate import BlockRanker, Result
from recsys.registry.bundle import trained_on


@dataclass(frozen=True)
class EvaluationFiles:
    """The folders that a worker loads an evaluation from.

    Args:
        bundle: of the engine.
        dataset: of the run.
        split: of the run.
    """

    bundle: Path
    dataset: Path
    split: Path

    def ranker(self, ks: Sequence[int]) -> BlockRanker:
        """Ranks for the test users.

        Raises:
            ArtifactError: the engine was trained on another split.
        """
        split = Split.load(self.split)
        engine = trained_on(self.bundle, split.fingerprint).engine
        return BlockRanker(engine, Dataset.load(self.dataset), split.test, ks)


@dataclass(frozen=True)
class ListRanker:
    """The setup of a worker."""

    files: EvaluationFiles
    ks: tuple[int, ...]

    def __call__(self) -> Callable[[int], Result]:
        return self.files.ranker(self.ks).measured


def evaluate_over_ray(
    files: EvaluationFiles, ks: Sequence[int], cluster: Cluster, numbers: Sequence[int]
) -> Iterator[tuple[int, Result]]:
    """The blocks ``numbers`` of `recsys.evaluation.evaluate.BlockRanker`, ranked and measured by the workers.

    Args:
        files: on storage that all nodes mount at the same place.
        ks: list lengths of the metrics.
        cluster: where.
        numbers: of the blocks.

    Returns:
        The number of each block and its result, as they are ready.

    Raises:
        ArtifactError: the engine was trained on another split, a node has other files, or a vector holds NaN.
        RecsysError: the workers die again and again.
    """
    seen = EvaluationFiles(shared(files.bundle), shared(files.dataset), shared(files.split))
    return run_partitions(ListRanker(seen, tuple(ks)), numbers, cluster)
