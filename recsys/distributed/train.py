"""Training over Ray: workers of a `TorchTrainer` share the batches of an engine's steps, and resume where one dies."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from recsys.atomic import atomic_path, claim, read_json, write_json
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.distributed.cluster import Cluster, connected, shared
from recsys.distributed.compute import ComputeOptions
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Engine, FitContext
from recsys.engines import ENGINES
from recsys.engines.learning import TrainedConfig
from recsys.errors import ConfigError, RecsysError
from recsys.tracking import ConsoleTracker, Tracker
from recsys.training.deterministic import deterministic

RETRIES = 3
"""Times that the workers are started again after one has died."""


@dataclass(frozen=True)
class TrainingFiles:
    """The folder of a training, which all nodes mount at the same place: inputs, checkpoints and the fitted engine.

    Args:
        folder: absolute.
        tables: names of the pretrained tables.
        validates: whether there is a holdout.
    """

    folder: Path
    tables: tuple[str, ...] = ()
    validates: bool = False

    @property
    def engine(self) -> Path:
        """Where the first worker leaves the fitted engine."""
        return self.folder / "engine"

    @property
    def training(self) -> Path:
        """Where it leaves the number of epochs and the curve."""
        return self.folder / "training.json"

    @classmethod
    def write(cls, folder: Path, data: Dataset, train: Interactions, context: FitContext) -> TrainingFiles:
        """Writes the inputs; checkpoints of an earlier training of the same in the folder are kept."""
        claim(folder)
        shutil.rmtree(folder / "engine", ignore_errors=True)
        data.save(folder / "dataset")
        train.save(folder / "train")
        if context.validation is not None:
            context.validation.save(folder / "validation")
        for name, table in context.tables.items():
            table.save(folder / "tables" / name)
        return cls(folder, tuple(context.tables), context.validation is not None)

    def context(self, seed: int) -> FitContext:
        """Of a fit, with the checkpoints of the folder."""
        validation = Holdout.load(self.folder / "validation") if self.validates else None
        tables = {name: EmbeddingTable.load(self.folder / "tables" / name) for name in self.tables}
        return FitContext(seed, validation, tables=tables, directory=self.folder / "checkpoints")


@dataclass(frozen=True)
class Training:
    """What every worker does: the same fit, whose batches they share. Pickled, so it holds paths and no data.

    Args:
        files: of the training.
        kind: of the engine.
        config: its options.
        seed: of every random stream.
        epochs: see `FitContext.epochs`.
        filter_seen: see `FitContext.filter_seen`.
        threads: of a worker.
    """

    files: TrainingFiles
    kind: str
    config: TrainedConfig
    seed: int
    epochs: int | None
    filter_seen: bool
    threads: int

    def __call__(self) -> None:
        import torch
        from ray.train import get_context

        torch.set_num_threads(self.threads)
        first = get_context().get_world_rank() == 0
        context = replace(self.files.context(self.seed), epochs=self.epochs, filter_seen=self.filter_seen)
        if first:
            context = replace(context, tracker=ConsoleTracker())
        data, train = Dataset.load(self.files.folder / "dataset"), Interactions.load(self.files.folder / "train")
        with deterministic():
            engine = ENGINES[self.kind](self.config).fit(data, train, context=context)
        if first:
            write_json(self.files.training, {"epochs": engine.epochs_, "curve": list(engine.curve_)})
            with atomic_path(self.files.engine) as beside:
                beside.mkdir()
                engine.save(beside)


def fit_over_ray(
    engine: Engine,
    data: Dataset,
    train: Interactions,
    folder: str | Path,
    context: FitContext | None = None,
    compute: ComputeOptions | None = None,
    tracker: Tracker | None = None,
) -> Engine:
    """The engine fitted by several workers of Ray, with the weights that `torchrun` gives for as many processes.

    A step of W workers takes W batches, see `recsys.training.workers`. Where a worker or its node dies, all are started
    again, and go on from the last checkpoint, to the same weights.

    Args:
        engine: the options; it is not fitted itself.
        data: users, items and interactions.
        train: what is learnt.
        folder: for inputs, checkpoints and the result, on storage that all nodes mount at the same place. A folder of
            an earlier call with the same inputs resumes it.
        context: seed, epochs, holdout, tables and `FitContext.filter_seen`; parts and directory are not used.
        compute: the cluster, and its ``workers``, ``threads`` and ``gpus``; without ``gpus`` each worker has a GPU
            where there are enough, and the engine may use one.
        tracker: reports where it computes.

    Raises:
        ConfigError: Ray is not installed or not reached, the engine has no training that can be shared, its workers
            would share a GPU, or the cluster has no room for ``compute.workers``: another number learns other weights.
        RecsysError: the workers died again and again, or what one of them raised.

    Example::

        from recsys.distributed.compute import ComputeOptions
        from recsys.distributed.train import fit_over_ray

        compute = ComputeOptions(engine="ray", address="10.0.0.1:6379", workers=2, threads=1)
        engine = fit_over_ray(rs.SASRec(epochs=5), data, split.train, "/shared/sasrec", compute=compute)
    """
    if not isinstance(engine.config, TrainedConfig):
        raise ConfigError(
            f"{engine.kind!r} does not train step by step, which workers could share; fit it in one process"
        )
    context, place, compute = context or FitContext(), shared(Path(folder)), compute or ComputeOptions(engine="ray")
    if 0 < compute.gpus < 1 and engine.config.training.device != "cpu" and compute.workers != 1:
        raise ConfigError(
            f"compute.gpus = {compute.gpus:g} puts several workers of a training on one GPU, where NCCL does not join "
            "them; give each a whole one (1), or none (0) with training.device = 'cpu'"
        )
    files = TrainingFiles.write(place, data, train, context)
    with connected(compute, tracker or context.tracker) as cluster:
        if cluster.workers < (compute.workers or 1):
            raise ConfigError(
                f"the Ray cluster has room for {cluster.workers} of {compute.workers} workers, and fewer would learn "
                "other weights; wait for its other nodes, or give fewer workers or threads"
            )
        how = context.seed, context.epochs, context.filter_seen, cluster.threads
        training = Training(files, engine.kind, engine.config, *how)
        _run(training, cluster, place)
    fitted, about = ENGINES[engine.kind].load(files.engine), read_json(files.training)
    fitted.epochs_, fitted.curve_ = about["epochs"], about["curve"]
    return fitted


@dataclass(frozen=True)
class SharedFit:
    """A `recsys.experiment.fit.Fit` by several workers of a cluster; what does not train step by step is fitted here.

    Args:
        compute: the cluster.
        workers: that share the batches.
    """

    compute: ComputeOptions
    workers: int

    def __call__(self, engine: Engine, data: Dataset, train: Interactions, context: FitContext) -> Engine:
        """``engine`` fitted; ``context.directory`` is on storage that all nodes mount at the same place.

        Raises:
            ConfigError: as `fit_over_ray`; or the run computes on this machine.
        """
        if not isinstance(engine.config, TrainedConfig):
            return engine.fit(data, train, context=context)
        if not self.compute.over_ray:
            raise ConfigError(
                f"train.workers = {self.workers} trains over a Ray cluster; give --engine ray (or "
                "--set compute.engine=ray), or set train.workers = 1"
            )
        assert context.directory is not None, "the stages give one"
        compute = self.compute.model_copy(update={"workers": self.workers})
        fitted = fit_over_ray(engine, data, train, context.directory, context, compute)
        for point in fitted.curve_:
            metrics = {name: value for name, value in point.items() if name != "epoch"}
            context.tracker.log_metrics(metrics, step=int(point["epoch"]))
        return fitted


def _run(training: Training, cluster: Cluster, place: Path) -> None:
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    enough = cluster.gpus > 0 or ray.cluster_resources().get("GPU", 0) >= cluster.workers
    on_gpu = training.config.training.device != "cpu" and enough
    needs = {"CPU": cluster.threads} | ({"GPU": cluster.gpus or 1} if on_gpu else {})
    scaling = ScalingConfig(num_workers=cluster.workers, use_gpu=on_gpu, resources_per_worker=needs)
    failures = FailureConfig(max_failures=RETRIES)
    kept = RunConfig(name="training", storage_path=str(place / "ray"), failure_config=failures)
    try:
        TorchTrainer(lambda: training(), scaling_config=scaling, run_config=kept).fit()
    except Exception as error:  # Ray wraps what a worker raised in classes of its own
        raise RecsysError(f"the training over Ray ended: {error}; call again to go on from its checkpoint") from error
