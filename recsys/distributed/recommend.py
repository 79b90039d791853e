"""The nightly batch over Ray: every worker loads the model and the data once and makes parts, as a local run does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from recsys.data.dataset import Dataset
from recsys.distributed.cluster import connected, shared, shared_place
from recsys.distributed.compute import ComputeOptions
from recsys.distributed.pool import run_partitions
from recsys.errors import ArtifactError
from recsys.ranking import may_use_cuda
from recsys.registry.bundle import Bundle
from recsys.retrieval.batch import Batch, RecommendOptions
from recsys.retrieval.manifest import Manifest
from recsys.retrieval.output import Place
from recsys.retrieval.output.parts import Stamp, Written
from recsys.retrieval.recipients.sessions import AnonymousUsers
from recsys.retrieval.recipients.users import Recipients
from recsys.retrieval.recommend import write_batch
from recsys.tracking import Tracker


@dataclass(frozen=True)
class BatchFiles:
    """The folders that a worker loads a batch from.

    Args:
        bundle: of the model.
        dataset: the users, their histories and the items; None takes those in the bundle.
        sessions: those who get lists in place of the users; None for users.
    """

    bundle: Path
    dataset: Path | None = None
    sessions: Path | None = None

    def batch(self, options: RecommendOptions, more: BatchInputs) -> Batch:
        """The batch of these files; see `batch_of`."""
        bundle = Bundle.load(self.bundle)
        data = bundle.data if self.dataset is None else Dataset.load(self.dataset)
        return batch_of(bundle, data, None if self.sessions is None else Dataset.load(self.sessions), options, more)


class BatchInputs(NamedTuple):
    """What a batch has beside its model, its data and its options; see `recsys.retrieval.batch.Batch`."""

    model_version: str
    made_from: str
    now: float
    recipients: Recipients | None = None


def batch_of(
    bundle: Bundle, data: Dataset, sessions: Dataset | None, options: RecommendOptions, more: BatchInputs
) -> Batch:
    """The batch for the users of ``data``, or for ``sessions``, whom the engine does not know."""
    version, made_from, now, recipients = more
    engine = bundle.engine if sessions is None else AnonymousUsers(bundle.engine, data.users)
    return Batch(
        engine,
        data if sessions is None else sessions,
        options,
        version,
        made_from,
        bundle.fallback,
        now,
        recipients,
        of_users=sessions is None,
        beside=bundle.folder,
    )


@dataclass(frozen=True)
class PartWriter:
    """The setup of a worker: loads the batch, checks that it is that of the driver, and writes parts of it.

    Args:
        files: where from.
        directory: the output folder.
        options: of the batch.
        inputs: of the batch, with its moment, so that rules by time choose the same items everywhere.
        stamp: of the batch as the driver computed it; it covers the vectors of the items.
    """

    files: BatchFiles
    directory: Place
    options: RecommendOptions
    inputs: BatchInputs
    stamp: Stamp

    def __call__(self) -> Callable[[int], Written]:
        batch = self.files.batch(self.options, self.inputs)
        if batch.stamp != self.stamp:
            raise ArtifactError(
                f"the model in {self.files.bundle} or its data give other vectors here than where the command runs; "
                "all nodes need the same files, the same libraries and processors of one kind, and PyTorch with CUDA "
                "where compute.gpus is given"
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
    folders = (None if folder is None else shared(folder) for folder in (files.dataset, files.sessions))
    seen = BatchFiles(shared(files.bundle), *folders)
    batch = replace(batch, device="cuda" if compute.gpus and may_use_cuda(batch.engine) else "cpu")
    inputs = BatchInputs(batch.model_version, batch.made_from, batch.now, batch.recipients)
    writer = PartWriter(seen, shared_place(directory), batch.options, inputs, batch.stamp)

    def make(numbers: Sequence[int]) -> Iterator[tuple[int, Written]]:
        if numbers:
            with connected(compute, tracker) as cluster:
                yield from run_partitions(writer, numbers, cluster)

    return write_batch(batch, directory, tracker, make)
