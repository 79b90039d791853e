"""The one place that imports PyTorch Geometric."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import torch


@cache
def geometric() -> Any:
    """The package ``torch_geometric``, imported without its warnings about the deprecated ``torch.jit.script``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch_geometric
        import torch_geometric.nn

        with torch.sparse.check_sparse_tensor_invariants(enable=False):  # type: ignore[no-untyped-call]
            torch.eye(1).to_sparse_csr()  # Torch warns once that sparse CSR is in beta

    return torch_geometric
