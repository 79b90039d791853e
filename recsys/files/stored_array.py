"""Arrays in ``.npy`` files, mapped into memory: of the type and shape that were written, or refused by their names."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from recsys.errors import ArtifactError
from recsys.files.input_file import regular_size

S = TypeVar("S", bound=np.generic)
DAMAGED = "copy it again, or prepare the data again and train again"


def load_column(path: Path, kind: type[S]) -> NDArray[S]:
    """The one-dimensional array of dtype ``kind`` in a file, memory-mapped read-only.

    Raises:
        ArtifactError: the file is missing, cut off, no regular ``.npy`` file, or of another type or shape.
    """
    try:
        regular_size(path)
        found: NDArray[S] = open_memmap(path, mode="r")
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing; {DAMAGED}") from error
    except (OSError, ValueError, EOFError, OverflowError) as error:
        why = str(error).partition("\n")[0].rstrip(".")
        raise ArtifactError(f"{path} cannot be read as an array ({why}); {DAMAGED}") from error
    if found.dtype != kind or found.ndim != 1:
        wanted = np.dtype(kind)
        raise ArtifactError(
            f"{path} holds {found.dtype} of shape {found.shape}, and not one column of {wanted}; {DAMAGED}"
        )
    return found


def check_column(path: Path, bad: bool | np.bool_, what: str) -> None:
    """Refuses a column whose values cannot be what was written.

    Raises:
        ArtifactError: ``bad``; the message is ``what`` of the file at ``path``, and the remedy.
    """
    if bad:
        raise ArtifactError(f"{path} {what}; {DAMAGED}")
