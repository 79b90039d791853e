"""Adam for large embedding tables: a step touches the rows that the batch touched, and no other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn


class RowAdam(torch.optim.Optimizer):
    r"""AdamW (Loshchilov & Hutter, 2019) row by row, for parameters whose gradients are sparse.

    Each row has its own count of steps :math:`t_r`, so that the first step of an item that turns up late is corrected
    as the first step of any other:

    .. math:: m_r \leftarrow \beta_1 m_r + (1 - \beta_1) g_r, \quad v_r \leftarrow \beta_2 v_r + (1 - \beta_2) g_r^2,
              \quad w_r \leftarrow (1 - \eta\lambda) w_r
              - \eta \frac{m_r / (1 - \beta_1^{t_r})}{\sqrt{v_r / (1 - \beta_2^{t_r})} + \epsilon}

    A dense optimizer reads and writes the whole table and both moments at every step; this one costs what the batch
    costs, whatever the catalogue's size. Rows without a gradient keep their weights and moments.

    Args:
        params: tables [n, D], or parameter groups.
        lr: learning rate.
        weight_decay: decoupled, of the rows that are touched.
    """

    BETAS, EPSILON = (0.9, 0.999), 1e-8

    def __init__(self, params: Iterable[Any], lr: float, weight_decay: float = 0.0) -> None:
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
            state["steps"] = torch.zeros(len(table), device=table.device)
            state["first"], state["second"] = torch.zeros_like(table), torch.zeros_like(table)
        rows, values = grad.indices()[0], grad.values()
        steps = state["steps"][rows] + 1
        first = state["first"][rows].lerp_(values, 1 - self.BETAS[0])
        second = state["second"][rows].mul_(self.BETAS[1]).addcmul_(values, values, value=1 - self.BETAS[1])
        state["steps"][rows], state["first"][rows], state["second"][rows] = steps, first, second
        small, large = ((1 - torch.pow(beta, steps.double())).float()[:, None] for beta in self.BETAS)
        change = first.div_(small).div_(second.div_(large).sqrt_().add_(self.EPSILON))
        kept = table[rows] if not decay else table[rows].mul_(1 - rate * decay)
        table[rows] = kept.sub_(change, alpha=rate)


def row_tables(module: nn.Module) -> set[Tensor]:
    """The weights whose gradients are sparse: those of embeddings made with ``sparse=True``."""
    return {part.weight for part in module.modules() if isinstance(part, nn.Embedding) and part.sparse}
