"""Row-wise Adam for large embedding tables: a step updates only the rows that have a gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim.optimizer import ParamsT


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
                    self._update(table, table.grad.coalesce(), group["lr"], group["weight_decay"])

    def _update(self, table: Tensor, grad: Tensor, rate: float, decay: float) -> None:
        state = self.state[table]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.double)  # on the CPU: the name by which PyTorch leaves it there
            state["last"] = torch.zeros(len(table), device=table.device)
            state["second"] = torch.zeros_like(table)
        state["step"] += 1
        now = float(state["step"])
        rows, values = grad.indices()[0], grad.values()
        decayed = self.BETA ** (now - state["last"][rows])
        second = state["second"][rows].mul_(decayed[:, None]).addcmul_(values, values, value=1 - self.BETA)
        state["second"][rows], state["last"][rows] = second, now
        change = values / second.div_(1 - self.BETA**now).sqrt_().add_(self.EPSILON)
        weights = table[rows] if not decay else table[rows].mul_(1 - rate * decay)
        table[rows] = weights.sub_(change, alpha=rate)


def row_tables(module: nn.Module) -> set[Tensor]:
    """The weights whose gradients are sparse: those of embeddings made with ``sparse=True``."""
    return {part.weight for part in module.modules() if isinstance(part, nn.Embedding) and part.sparse}
