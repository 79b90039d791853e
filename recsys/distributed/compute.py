"""Where a run computes: in this process, or over a Ray cluster. Ray itself is not imported here."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from recsys.config import Config


class ComputeOptions(Config):
    """Where embedding, evaluation, trials of tuning and the nightly batch compute.

    Args:
        engine: ``local``, in this process; or ``ray``, in the workers of a Ray cluster, with the same results.
        address: of the head of the cluster, as ``10.0.0.1:6379``; none takes the environment's ``RAY_ADDRESS``, or else
            starts Ray on this machine for the time of the command.
        workers: most worker processes at a time; none takes as many as the CPUs of the cluster allow.
        threads: CPUs and threads of a worker. None takes as many threads as this process has: sums of floating-point
            numbers depend on it in their last bits, so that only an equal number gives the bytes of a local run.
    """

    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    workers: int | None = Field(None, ge=1)
    threads: int | None = Field(None, ge=1)

    @property
    def over_ray(self) -> bool:
        return self.engine == "ray"
