"""The nightly batch over Ray: every worker loads the model and the data once and makes parts, as a local run does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from recsys.data.dataset import Dataset
from recsys.distributed.cluster import connected, shared, shared_place
from recsys.distributed.compute import ComputeOptions
from recsys.distributed.pool import run_partitions
from recsys.errors import ArtifactError
from recsys.registry.bundle import Bundle
from recsys.retrieval.batch import Batch, RecommendOptions
from recsys.retrieval.manifest import Manifest
from recsys.retrieval.output import Place
from recsys.retrieval.output.parts import Stamp, Written
from recsys.retrieval.recommend import write_batch
from recsys.tracking import Tracker


@dataclass(frozen=True)
class BatchFiles:
    """The folders that a worker loads a batch from.

    Args:
        bundle: of the model.
        dataset: the users, their histories and the items; None takes those in the bundle.
    """

    bundle: Path
    dataset: Path | None = None


@dataclass(frozen=True)
class PartWriter:
    """The setup of a worker: loads the batch, checks that it is that of the driver, and writes parts of it.

    Args:
        files: where from.
        directory: the output folder.
        options: of the batch.
        made_from: of the batch.
        stamp: of the batch as the driver computed it; it covers the vectors of the items.
        now: of the batch, so that rules by time choose the same items everywhere.
    """

    files: BatchFiles
    directory: Place
    options: RecommendOptions
    made_from: str
    stamp: Stamp
    now: float

    def __call__(self) -> Callable[[int], Written]:
        bundle = Bundle.load(self.files.bundle)
        data = bundle.data if self.files.dataset is None else Dataset.load(self.files.dataset)
        version = self.stamp.model_version
        batch = Batch(bundle.engine, data, self.options, version, self.made_from, bundle.fallback, self.now)
        if batch.stamp != self.stamp:
            raise ArtifactError(
                f"the model in {self.files.bundle} or its data give other vectors here than where the command runs; "
                "all nodes need the same files, the same libraries and processors of one kind"
            )
        return lambda number: batch.make_part(self.directory, number)


def recommend_over_ray(
    batch: Batch, files: BatchFiles, directory: Place, compute: ComputeOptions, tracker: Tracker
) -> Manifest:
    """Writes the batch as `recsys.retrieval.recommend.write_batch` does, its parts made by the workers of a cluster.

    Args:
        batch: what is recommended to whom.
        files: from which the workers load the same batch, on storage that all nodes mount at the same place.
        directory: the output folder, on such storage.
        compute: the cluster.
        tracker: reports progress.

    Raises:
        ConfigError: there is no such cluster; or as `write_batch`.
        DataError: as `write_batch`.
        ArtifactError: as `write_batch`; or a node has other files.
        RecsysError: the workers die again and again.
    """
    dataset = None if files.dataset is None else shared(files.dataset)
    seen = BatchFiles(shared(files.bundle), dataset)
    writer = PartWriter(seen, shared_place(directory), batch.options, batch.made_from, batch.stamp, batch.now)

    def make(numbers: Sequence[int]) -> Iterator[tuple[int, Written]]:
        if numbers:
            with connected(compute, tracker) as cluster:
                yield from run_partitions(writer, numbers, cluster)

    return write_batch(batch, directory, tracker, make)
