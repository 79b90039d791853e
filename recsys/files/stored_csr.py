"""Sparse matrices of stored arrays, every index of which is checked: products would read outside of their memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import scipy.sparse as sp
from numpy.typing import NDArray

from recsys.errors import ArtifactError


def checked_csr(arrays: Mapping[str, NDArray[Any]], shape: tuple[int, int]) -> sp.csr_array:
    """The CSR matrix of ``data``, ``indices`` and ``indptr``, and of ``shape`` where that is stored too.

    Raises:
        ArtifactError: they are not a matrix of this ``shape``, or its values are no floating-point numbers.
    """
    try:
        given = tuple(arrays["shape"].tolist()) if "shape" in arrays else shape
        if given != shape:
            raise ValueError(f"it has the shape {given}")
        data, indices, indptr = (arrays[name] for name in ("data", "indices", "indptr"))
        _check_rows(indptr, len(data))  # SciPy checks nothing of a matrix whose last row ends at 0 or below
        matrix = sp.csr_array((data, indices, indptr), shape=shape)
        matrix.check_format(full_check=True)
        if matrix.data.dtype.kind != "f":
            raise ValueError(f"its values are {matrix.data.dtype}")
    except (ValueError, TypeError, KeyError, IndexError) as error:
        raise ArtifactError(f"a stored matrix is not one of shape {shape} ({error}); train again") from error
    return matrix


def _check_rows(indptr: NDArray[Any], entries: int) -> None:
    if indptr.ndim != 1 or indptr.dtype.kind != "i" or not len(indptr):
        raise ValueError(f"indptr is {indptr.dtype} of shape {indptr.shape}")
    if indptr[0] != 0 or indptr[-1] != entries or (indptr[1:] < indptr[:-1]).any():
        raise ValueError(f"its rows do not divide {entries} entries")
