"""An object in an actor beside the driver, whose methods the workers of a cluster call one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from recsys.errors import RecsysError


class Host:
    """The actor.

    Args:
        make: makes the object.
    """

    def __init__(self, make: Callable[[], object]) -> None:
        self._served = make()

    def call(self, method: str, *arguments: object) -> Any:
        return getattr(self._served, method)(*arguments)


@dataclass(frozen=True)
class Served:
    """Calls a method of the object by its name: ``served("ask", 3)``; it can be sent to workers.

    Args:
        actor: the handle of the `Host`.
    """

    actor: Any

    def __call__(self, method: str, *arguments: object) -> Any:
        import ray

        try:
            return ray.get(self.actor.call.remote(method, *arguments))
        except ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, RecsysError):
                raise error.cause from error
            raise


@contextmanager
def served(make: Callable[[], object]) -> Iterator[Served]:
    """Context manager: the object that ``make`` makes, on the node of the driver, which sees the driver's files."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(Host).options(num_cpus=0, scheduling_strategy=here).remote(make)
    try:
        yield Served(actor)
    finally:
        ray.kill(actor)
