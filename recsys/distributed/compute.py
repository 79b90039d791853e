"""Where a run computes: on this machine, or over a Ray cluster. Ray itself is not imported here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from recsys.config import Config

_LEAST_SHARE = 0.01
"""Of a GPU: a process takes some hundred MiB of its memory before it computes anything."""


class ComputeOptions(Config):
    """Where embedding, evaluation, trials of tuning and the nightly batch compute.

    Args:
        engine: ``local``, on this machine; or ``ray``, in the workers of a Ray cluster, with the same results.
        address: of the head of the cluster, as ``10.0.0.1:6379``; none takes the environment's ``RAY_ADDRESS``, or else
            starts Ray on this machine for the time of the command.
        workers: most worker processes at a time. None takes as many as the CPUs and GPUs of the cluster allow. On this
            machine processes decode images and encode rows; none takes at most 8, as many as there are CPUs for, where
            this process would take longer than half a minute, and 1 is this process alone.
        threads: CPUs and threads of a worker. None takes over Ray as many threads as this process has: sums of
            floating-point numbers depend on it in their last bits, so that only an equal number gives the bytes of a
            local run. On this machine none shares the CPUs among the ``workers``; without those, networks keep the
            threads of this process, and 1 (or ``OMP_NUM_THREADS=1``) makes room for a process a CPU.
        gpus: of a worker over Ray, a number or a share of at least 0.01: 0.5 puts two workers on a GPU. Those without
            one (0) compute on the CPU, whatever the node has.
    """

    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    workers: int | None = Field(None, ge=1)
    threads: int | None = Field(None, ge=1)
    gpus: float = Field(0.0, ge=0)

    @field_validator("gpus")
    @classmethod
    def _is_share_or_number(cls, gpus: float) -> float:
        if gpus > 1 and gpus != int(gpus):
            raise ValueError(f"{gpus} GPUs: above 1 it is a whole number")
        if 0 < gpus < _LEAST_SHARE:
            raise ValueError(f"{gpus} of a GPU: a share is at least {_LEAST_SHARE}; 0 computes on the CPU")
        return gpus

    @property
    def over_ray(self) -> bool:
        return self.engine == "ray"
