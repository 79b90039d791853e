"""Embedding tables split by rows over the processes of a data-parallel training.

Process r of W holds the rows r, r + W, r + 2 W, ... of a table, and of its optimizer state, averages and best weights.
A step sends what its batch touches: each process asks the others for its distinct rows and gets their vectors (two
all-to-alls), and returns the gradients of these rows to where they live (one more). Sums are in the order of the
processes, as where tables are replicated, so both trainings have the same weights to the last bit, unless gradients
are clipped: their norm is then summed in another order.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

BLOCK = 2**16
"""Rows a message where a whole table is sent or looked up."""


class ShardedEmbedding(nn.Embedding):
    """An embedding table of which this process holds every W-th row.

    In training all processes look up together, equally often. In evaluation the first one looks up alone, block by
    block, while the others `answer`.

    Shapes:
        int64 ``[...]`` -> ``[..., D]``

    Args:
        whole: [n, D], with sparse gradients; the rows are those of the first process.
        rank: of this process.
        count: W.
        number: of the table among those of the module, by which the first process asks for it.
        device: of the rows.
    """

    def __init__(self, whole: nn.Embedding, rank: int, count: int, number: int, device: torch.device) -> None:
        own = len(range(rank, whole.num_embeddings, count))
        rows = torch.empty(own, whole.embedding_dim, dtype=whole.weight.dtype, device=device)
        super().__init__(own, whole.embedding_dim, sparse=True, _weight=rows)
        self.weight.requires_grad_(whole.weight.requires_grad)
        self.n_rows, self.rank, self.count, self.number = whole.num_embeddings, rank, count, number
        self._looked_up: list[tuple[Tensor, Tensor]] = []
        for start in range(0, self.n_rows, BLOCK):
            block = whole.weight.detach()[start : start + BLOCK].to(device, copy=True)
            dist.broadcast(block, 0)
            first = (rank - start) % count
            place = (start + first) // count
            rows[place : place + len(block[first::count])] = block[first::count]

    def forward(self, rows: Tensor) -> Tensor:
        if not self.training:
            return self._asked(rows.reshape(-1)).view(*rows.shape, -1)
        distinct, place = torch.unique(rows, return_inverse=True)
        vectors = self._fetched(distinct)
        if torch.is_grad_enabled() and self.weight.requires_grad:
            vectors.requires_grad_()
            self._looked_up.append((distinct, vectors))
        return nn.functional.embedding(place, vectors, sparse=True)

    def return_gradients(self, share: float) -> None:
        """Sends the gradients of the step's look-ups, times ``share``, to the rows: the sparse gradient of the weight.

        Args:
            share: of the examples of this process among those of all; 0 without a batch, which sends nothing.
        """
        grads = [(rows, vectors.grad.coalesce()) for rows, vectors in self._looked_up if vectors.grad is not None]
        self._looked_up.clear()
        indices = [rows[grad.indices()[0]] for rows, grad in grads if share]
        values = [grad.values() for _, grad in grads if share]
        rows = torch.cat([*indices, self.weight.new_zeros(0, dtype=torch.long)])
        own = _sparse(rows, torch.cat([*values, self.weight.new_zeros(0, self.embedding_dim)]), self.n_rows)
        rows, sent = self._by_owner(own.indices()[0])
        received = _counts(sent, rows.device)
        places = _exchanged(own.indices()[0][rows] // self.count, sent, received)
        gradients = _exchanged((own.values() * share)[rows], sent, received)
        self.weight.grad = _sparse(places, gradients, len(self.weight))

    def whole(self) -> nn.Embedding:
        """The table with all of its rows, on the CPU; all processes are to call it."""
        found = torch.empty(self.n_rows, self.embedding_dim, dtype=self.weight.dtype)
        for rank in range(self.count):
            rows = found[rank :: self.count]
            for start in range(0, len(rows), BLOCK):
                part = rows[start : start + BLOCK]
                own = self.weight.detach()[start : start + BLOCK] if rank == self.rank else part
                sent = own.to(self.weight.device, copy=True)
                dist.broadcast(sent, rank)
                part.copy_(sent)
        table = nn.Embedding(self.n_rows, self.embedding_dim, sparse=True, _weight=found)
        table.weight.requires_grad_(self.weight.requires_grad)
        return table

    def _fetched(self, rows: Tensor) -> Tensor:
        """[n, D]: the vectors of distinct rows [n], each from the process that holds it."""
        order, sent = self._by_owner(rows)
        received = _counts(sent, rows.device)
        places = _exchanged(rows[order] // self.count, sent, received)
        found = self.weight.new_empty(len(rows), self.embedding_dim)
        found[order] = _exchanged(self.weight.detach()[places], received, sent)
        return found

    def _by_owner(self, rows: Tensor) -> tuple[Tensor, list[int]]:
        """The order of ``rows`` by the process that holds them, and how many each of the W holds."""
        owner = rows % self.count
        return owner.argsort(stable=True), owner.bincount(minlength=self.count).tolist()

    def _asked(self, rows: Tensor) -> Tensor:
        found = self.weight.new_empty(len(rows), self.embedding_dim)
        for start in range(0, len(rows), BLOCK):
            block, part = rows[start : start + BLOCK].clone(), found[start : start + BLOCK]
            dist.broadcast(torch.tensor([self.number, len(block)], device=rows.device), 0)
            dist.broadcast(block, 0)
            for rank in range(self.count):
                of_rank = block % self.count == rank
                vectors = self.weight.new_empty(int(of_rank.sum()), self.embedding_dim)
                if rank == self.rank:
                    vectors = self.weight.detach()[block[of_rank] // self.count]
                elif len(vectors):
                    dist.recv(vectors, rank)
                part[of_rank] = vectors
        return found

    def send(self, rows: Tensor) -> None:
        """Sends the vectors of those of ``rows`` that this process holds to the first one."""
        own = rows[rows % self.count == self.rank] // self.count
        if len(own):
            dist.send(self.weight.detach()[own], 0)


def shard_tables(module: nn.Module, rank: int, count: int, device: torch.device, at_least: float) -> None:
    """Replaces the embeddings with sparse gradients in ``module`` by `ShardedEmbedding`, in place.

    Args:
        module: the model; its other parts stay where they are.
        rank: of this process.
        count: of all.
        device: of the rows.
        at_least: bytes of the weights of a table; smaller ones are replicated.
    """
    made: dict[nn.Module, ShardedEmbedding] = {}
    for parent in list(module.modules()):
        for name, part in parent.named_children():
            if isinstance(part, nn.Embedding) and part.sparse and part.weight.nbytes >= at_least:
                if part not in made:
                    made[part] = ShardedEmbedding(part, rank, count, len(made), device)
                setattr(parent, name, made[part])


def join_tables(module: nn.Module) -> None:
    """Moves ``module`` to the CPU and makes its sharded tables whole, in place; all processes are to call it."""
    whole: dict[nn.Module, nn.Embedding] = {}
    for parent in list(module.modules()):
        for name, part in parent.named_children():
            if isinstance(part, ShardedEmbedding):
                if part not in whole:
                    whole[part] = part.whole()
                setattr(parent, name, whole[part])
    if whole:
        module.to("cpu")


def sharded_tables(module: nn.Module) -> list[ShardedEmbedding]:
    """The sharded tables of ``module``, by their numbers."""
    return [part for part in module.modules() if isinstance(part, ShardedEmbedding)]


def answer(tables: Sequence[ShardedEmbedding]) -> None:
    """Answers the look-ups of the first process, until it calls `end_answers`."""
    device = tables[0].weight.device
    while True:
        asked = torch.zeros(2, dtype=torch.long, device=device)
        dist.broadcast(asked, 0)
        number, n = asked.tolist()
        if number < 0:
            return
        rows = torch.zeros(n, dtype=torch.long, device=device)
        dist.broadcast(rows, 0)
        tables[number].send(rows)


def end_answers(tables: Sequence[ShardedEmbedding]) -> None:
    """Ends `answer` in the other processes."""
    dist.broadcast(torch.tensor([-1, 0], device=tables[0].weight.device), 0)


def _sparse(rows: Tensor, values: Tensor, n: int) -> Tensor:
    shape = (n, values.shape[1])
    return torch.sparse_coo_tensor(rows[None], values, shape, check_invariants=False).coalesce()


def _counts(sent: list[int], device: torch.device) -> list[int]:
    """How many rows each process sends to this one."""
    given = torch.tensor(sent, device=device)
    found = torch.empty_like(given)
    dist.all_to_all_single(found, given)
    received: list[int] = found.tolist()
    return received


def _exchanged(parts: Tensor, sent: list[int], received: list[int]) -> Tensor:
    """The parts for this process, in the order of the processes."""
    found = parts.new_empty(sum(received), *parts.shape[1:])
    dist.all_to_all_single(found, parts.contiguous(), received, sent)
    return found
