"""Data-parallel training: several processes take the batches of a step and share their gradients.

Started by ``torchrun`` (or any launcher that sets ``RANK``, ``WORLD_SIZE``, ``MASTER_ADDR`` and ``MASTER_PORT``), every
process runs the same program on the same data. A step of W processes takes W batches, and the gradient is that of one
batch W times as large: dense gradients are summed by an all-reduce, those of embedding tables, of which a batch touches
few rows, are gathered row by row. All processes hold equal weights and optimizer states throughout, but for the rows of
tables that are split among them, see `recsys.training.sharded_tables`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from recsys.errors import ConfigError
from recsys.training.row_adam import row_tables
from recsys.training.sharded_tables import (
    ShardedEmbedding,
    answer,
    end_answers,
    shard_tables,
    sharded_tables,
)

BatchT = TypeVar("BatchT")

_WAIT = timedelta(minutes=30)
"""How long a process waits for the others, such as for the validation that the first one does."""


@dataclass(frozen=True)
class Workers:
    """The processes of a training; one alone by default.

    Args:
        rank: the number of this process.
        count: W, of all.
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def of_environment(cls, device: torch.device) -> Workers:
        """The processes that the launcher started, joined by gloo on CPU and nccl on CUDA; one where there is none.

        Raises:
            ConfigError: the variables of the launcher are not whole numbers, or the processes do not meet.
        """
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        names = ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT")
        if any(name not in os.environ for name in names) or os.environ["WORLD_SIZE"] == "1":
            return cls()
        if device.type == "cuda" and "LOCAL_RANK" in os.environ:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
        try:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_WAIT)
        except (RuntimeError, ValueError) as error:
            told = ", ".join(f"{name}={os.environ[name]}" for name in names)
            raise ConfigError(
                f"the processes of a training do not meet ({told}): {error}; start them with torchrun"
            ) from error
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def is_first(self) -> bool:
        """Whether this process validates, writes checkpoints and reports."""
        return self.rank == 0

    def stream(self) -> tuple[int, ...]:
        """The part of the names of random streams that tells the processes apart; nothing for one process."""
        return () if self.count == 1 else (self.rank,)

    def steps(self, batches: Sequence[object], most: int | None = None) -> int:
        """Steps of an epoch with ``batches``, of which at most ``most`` steps are taken."""
        steps = -(-len(batches) // self.count)
        return steps if most is None else min(steps, most)

    def batch(self, batches: Sequence[BatchT], step: int) -> tuple[BatchT, bool]:
        """The batch of this process in a step, and whether it counts.

        Where the last step has fewer batches than there are processes, the others take the first one, which does not
        count: they look up rows of sharded tables together, and need no case of their own.
        """
        place = step * self.count + self.rank
        return (batches[place], True) if place < len(batches) else (batches[0], False)

    def reduce(self, module: nn.Module, loss: Tensor, size: float) -> Tensor:
        """Makes the gradients those of the mean over the examples of all processes, in place; the mean loss.

        Args:
            module: the model, whose gradients are those of the mean over the examples of this process.
            loss: scalar of this process, the mean over its examples.
            size: number of its examples, 0 without a batch.
        """
        if self.count == 1:
            return loss
        totals = self._on_device(torch.tensor([size, float(loss) * size], dtype=torch.double))
        dist.all_reduce(totals)
        share = size / float(totals[0])
        held = {sharded.weight for sharded in sharded_tables(module)}
        trained = [one for one in module.parameters() if one.requires_grad and one not in held]
        tables = row_tables(module)
        dense = [parameter.grad for parameter in trained if parameter not in tables and parameter.grad is not None]
        if dense:
            flat = torch.cat([grad.reshape(-1) for grad in dense]).mul_(share)
            dist.all_reduce(flat)
            for grad, part in zip(dense, torch.split(flat, [grad.numel() for grad in dense]), strict=True):
                grad.copy_(part.view_as(grad))
        for table in trained:
            if table in tables:
                table.grad = self._gathered(table, share)
        for sharded in sharded_tables(module):
            if sharded.weight.requires_grad:
                sharded.return_gradients(share)
        return totals[1] / totals[0]

    def shard(self, module: nn.Module, device: torch.device, at_least: float) -> bool:
        """Splits the tables of ``at_least`` bytes over several processes, in place; whether there is any."""
        if self.count > 1:
            shard_tables(module, self.rank, self.count, device, at_least)
        return bool(sharded_tables(module))

    def from_first(self, compute: Callable[[], float | None], module: nn.Module) -> float | None:
        """What ``compute`` gives in the first process, in all of them; they look up the rows of ``module`` for it."""
        if self.count == 1:
            return compute()
        value, tables = compute() if self.is_first else None, sharded_tables(module)
        if tables:
            end_answers(tables) if self.is_first else answer(tables)
        found = self._on_device(torch.tensor([float("nan") if value is None else value], dtype=torch.double))
        dist.broadcast(found, 0)
        return None if bool(found.isnan()) else float(found)

    def first_says(self, value: bool) -> bool:
        """The ``value`` of the first process, in all of them."""
        said = self._on_device(torch.tensor([int(value)]))
        dist.broadcast(said, 0)
        return bool(said)

    def extremes(self, value: int) -> tuple[int, int]:
        """The least and the largest ``value`` of the processes."""
        if self.count == 1:
            return value, value
        found = self._on_device(torch.tensor([value, -value]))
        dist.all_reduce(found, dist.ReduceOp.MIN)
        return int(found[0]), -int(found[1])

    def check_equal(self, epoch: int, step: int, where: str) -> None:
        """Checks that all processes begin at the same step, from the same checkpoint.

        Raises:
            ConfigError: they do not.
        """
        if self.count == 1:
            return
        own = self._on_device(torch.tensor([epoch, step]))
        found = [torch.zeros_like(own) for _ in range(self.count)]
        dist.all_gather(found, own)
        if any(not torch.equal(other, own) for other in found):
            places = [tuple(other.tolist()) for other in found]
            raise ConfigError(
                f"the processes resume at different epochs and steps {places}; the folder of checkpoints {where} is to "
                "be one that all of them share"
            )

    def begin_equal(self, module: nn.Module) -> None:
        """Gives all processes the weights of the first; those of sharded tables began so."""
        if self.count == 1:
            return
        held = {f"{name}.weight" for name, part in module.named_modules() if isinstance(part, ShardedEmbedding)}
        with torch.no_grad():
            for name, value in module.state_dict().items():
                if name not in held:
                    dist.broadcast(value, 0)

    def squared_norm(self, module: nn.Module) -> Tensor | None:
        """Of the gradients of the sharded tables, over all processes; None where there are no such tables."""
        grads = [table.weight.grad for table in sharded_tables(module) if table.weight.grad is not None]
        if not grads:
            return None
        total = torch.stack([grad.coalesce().values().square().sum() for grad in grads]).sum()
        dist.all_reduce(total)
        return total

    def _gathered(self, table: nn.Parameter, share: float) -> Tensor:
        """The sum of the processes' sparse gradients of an embedding table, each by its share of the examples."""
        width = table.shape[1]
        if table.grad is None:
            rows, values = torch.zeros(0, dtype=torch.long, device=table.device), table.new_zeros(0, width)
        else:
            grad = table.grad.coalesce()
            rows, values = grad.indices()[0], grad.values() * share
        count = torch.tensor([len(rows)], device=table.device)
        counts = [torch.zeros_like(count) for _ in range(self.count)]
        dist.all_gather(counts, count)
        lengths = [int(length) for length in counts]
        longest = max(lengths)
        all_rows = [rows.new_zeros(longest) for _ in lengths]
        all_values = [values.new_zeros(longest, width) for _ in lengths]
        dist.all_gather(all_rows, torch.cat([rows, rows.new_zeros(longest - len(rows))]))
        dist.all_gather(all_values, torch.cat([values, values.new_zeros(longest - len(values), width)]))
        joined_rows = torch.cat([part[:length] for part, length in zip(all_rows, lengths, strict=True)])
        joined = torch.cat([part[:length] for part, length in zip(all_values, lengths, strict=True)])
        return torch.sparse_coo_tensor(joined_rows[None], joined, table.shape, check_invariants=False).coalesce()

    def _on_device(self, values: Tensor) -> Tensor:
        return values.cuda() if dist.get_backend() == "nccl" else values
