"""The one place that imports PyTorch Geometric."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import torch


@cache
def geometric() -> Any:
    """The package, with ``EdgeIndex`` and ``nn``; it compiles pieces of itself in a way that Torch has given up."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch_geometric
        import torch_geometric.nn

        with torch.sparse.check_sparse_tensor_invariants(enable=False):  # type: ignore[no-untyped-call]
            torch.eye(1).to_sparse_csr()  # Torch says once that this layout is young

    return torch_geometric
