"""The connection to a Ray cluster, or to one that is started on this machine for the time of a command."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from recsys.distributed.compute import ComputeOptions
from recsys.errors import ConfigError, RecsysError
from recsys.retrieval.output import Place
from recsys.tracking import Tracker

_OWN_STORE = 2**29
"""Bytes of the object store of a Ray that is started here: partitions and their results are small."""
_UNITS = 10_000
"""Of a resource: Ray counts whole ten-thousandths and drops the rest."""


@dataclass(frozen=True)
class Cluster:
    """A connected cluster.

    Args:
        workers: worker processes at a time.
        threads: CPUs and threads of each.
        gpus: of each, a number or a share.
        tracker: gets a line when a worker was lost.
    """

    workers: int
    threads: int
    tracker: Tracker
    gpus: float = 0.0


@contextmanager
def connected(options: ComputeOptions, tracker: Tracker) -> Iterator[Cluster]:
    """Context manager: the cluster of ``options``; a connection that the process has already is used and kept.

    Raises:
        ConfigError: Ray is not installed, there is no cluster at the address, or no node of it has enough CPUs or GPUs.
        RecsysError: Ray does not start on this machine.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "compute.engine = 'ray' needs Ray: pip install 'recsys-towers[ray]', or use --engine local"
        ) from error
    threads, ours = worker_threads(options), not ray.is_initialized()
    if ours:
        _connect(options, threads)
    try:
        nodes = [{name.lower(): value for name, value in node.items()} for node in ray.nodes()]
        room = [room_for_workers(node["resources"], threads, options.gpus) for node in nodes if node["alive"]]
        if not sum(room):
            with_gpus = f" and {options.gpus:g} GPUs" if options.gpus else ""
            raise ConfigError(
                f"no node of the Ray cluster has {threads} CPUs{with_gpus}, which a worker takes; set compute.threads, "
                f"as in --set compute.threads=1{', or fewer compute.gpus' if options.gpus else ''}"
            )
        workers = min(sum(room), options.workers or sum(room))
        of_gpus = f", GPUs of each {options.gpus:g}" if options.gpus else ""
        tracker.info(f"  ray: nodes {len(room)}, workers {workers}, threads of each {threads}{of_gpus}")
        yield Cluster(workers, threads, tracker, options.gpus)
    finally:
        if ours:
            ray.shutdown()


def worker_threads(options: ComputeOptions) -> int:
    """CPUs and threads of a worker over Ray."""
    return options.threads or torch.get_num_threads()


def room_for_workers(resources: Mapping[str, float], threads: int, gpus: float) -> int:
    """How many workers a node has room for; a GPU is shared by whole workers alone.

    Example:
        >>> room_for_workers({"CPU": 16.0, "GPU": 2.0}, threads=2, gpus=0.4)
        4
    """
    by_cpus, found = int(resources.get("CPU", 0)) // threads, int(resources.get("GPU", 0))
    if not gpus:
        return by_cpus
    return min(by_cpus, found // int(gpus) if gpus >= 1 else found * (_UNITS // int(gpus * _UNITS)))


def _connect(options: ComputeOptions, threads: int) -> None:
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what the next version of Ray does by default
    address = options.address or os.environ.get("RAY_ADDRESS") or "local"
    own = {"num_cpus": max(threads, (options.workers or 0) * threads, os.cpu_count() or 1), "include_dashboard": False}
    with _same_handlers():
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level="ERROR",
                **({**own, "object_store_memory": _OWN_STORE} if address == "local" else {}),
            )
        except Exception as error:  # Ray raises the bare class where its processes do not start in time
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            if address == "local":
                raise RecsysError(
                    f"Ray did not start on this machine ({reason}); run the command again when it has less to do"
                ) from error
            raise ConfigError(
                f"there is no Ray cluster at {address} ({reason}); start one by `ray start --head`, give its "
                "address (compute.address, or RAY_ADDRESS); for one that wants a token set RAY_AUTH_MODE=token"
            ) from error


@contextmanager
def _same_handlers() -> Iterator[None]:
    """Ray sets a handler of SIGTERM of its own: that of the command is set again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def shared(path: Path) -> Path:
    """``path`` as every node sees it: absolute, on storage that all nodes mount at the same place."""
    return path.absolute()


def shared_place(place: Place) -> Place:
    """`shared` for a folder; an address stays as it is."""
    return place if isinstance(place, str) and "://" in place else shared(Path(place))
