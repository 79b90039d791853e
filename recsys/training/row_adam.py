"""Row-wise Adam for large embedding tables: a step updates only the rows that have a gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.optimizer import ParamsT

from recsys import devices


class RowAdam(torch.optim.Optimizer):
    r"""Adam row by row, for parameters whose gradients are sparse.

    With :math:`\Delta_r` the steps since row r had its last gradient, and t the number of steps so far:

    .. math:: v_r \leftarrow \beta_2^{\Delta_r} v_r + (1 - \beta_2) g_r^2, \quad
              w_r \leftarrow (1 - \eta\lambda) w_r - \eta \frac{g_r}{\sqrt{v_r / (1 - \beta_2^t)} + \epsilon}

    A dense optimizer reads and writes the whole table and both moments at every step; this one costs what the batch
    costs, whatever the catalogue's size. Each gradient moves its row as far as in Adam, which lets rare rows take
    larger steps than frequent ones; there is no first moment, so that a gradient takes effect at once. (With moments
    that decay per update of the row, as in `torch.optim.SparseAdam`, rare rows move several times less.)

    Args:
        params: tables [n, D], or parameter groups.
        lr: learning rate.
        weight_decay: decoupled, of the rows that have a gradient.
    """

    BETA, EPSILON = 0.999, 1e-8

    def __init__(self, params: ParamsT, lr: float, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for table in group["params"]:
                if table.grad is not None:
                    self._update(table, *_row_sums(table.grad), group["lr"], group["weight_decay"])

    def _update(self, table: Tensor, rows: Tensor, values: Tensor, rate: float, decay: float) -> None:
        state = self.state[table]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.double)  # on the CPU: the name by which PyTorch leaves it there
            state["last"] = torch.zeros(len(table), device=table.device)
            state["second"] = torch.zeros_like(table)
        state["step"] += 1
        now = float(state["step"])
        decayed = self.BETA ** (now - state["last"][rows])
        second = state["second"][rows].mul_(decayed[:, None]).addcmul_(values, values, value=1 - self.BETA)
        state["second"][rows], state["last"][rows] = second, now
        change = values / second.div_(1 - self.BETA**now).sqrt_().add_(self.EPSILON)
        weights = table[rows] if not decay else table[rows].mul_(1 - rate * decay)
        table[rows] = weights.sub_(change, alpha=rate)


def _row_sums(grad: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of a sparse gradient [n, D], and the sum of the values of each.

    On a device that computes ahead there are as many as the gradient has values, for how many rows are distinct is not
    read: the last row fills up, with its sum, so that to write what follows from it is the same again.
    """
    if grad.is_coalesced() or not grad._nnz() or not devices.runs_ahead(grad):
        grad = grad.coalesce()
        return grad.indices()[0], grad.values()
    rows, order = grad._indices()[0].sort(stable=True)
    place = torch.cat([rows.new_zeros(1), (rows[1:] != rows[:-1]).cumsum(0)])
    sums = torch.zeros_like(grad._values()).index_add_(0, place, grad._values()[order])
    taken = torch.minimum(torch.arange(len(rows), device=rows.device), place[-1])
    return torch.zeros_like(rows).scatter_(0, place, rows)[taken], sums[taken]


def row_tables(module: nn.Module) -> set[Tensor]:
    """The weights whose gradients are sparse: those of embeddings made with ``sparse=True``."""
    return {part.weight for part in module.modules() if isinstance(part, nn.Embedding) and part.sparse}
