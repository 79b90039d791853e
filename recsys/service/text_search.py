"""Search of items by a free text, as the run's table of texts answers it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

NO_TEXT = (
    "the model has no embedder of texts; serve the CONFIG of a run that has a [pretrain.NAME] with an embedder "
    "(a bundle keeps the vectors of texts, and not what makes them)"
)


class TextSearch(Protocol):
    """Finds items by a free text."""

    def __call__(self, text: str) -> tuple[NDArray[np.generic], NDArray[np.float32]]:
        """The ids of the items that have a vector, nearest first, and their cosine similarities with the text.

        Raises:
            DataError: there is no vector for the text.
        """
