"""implicit: its cosine neighbours and its ALS, with the sizes of our engines' defaults."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender
from phases import phase, read


def main() -> None:
    """Prints the phases."""
    with phase("implicit: read"):
        frame = read()
        (user, users), (item, items) = (pd.factorize(frame[name]) for name in ("user_id", "item_id"))
        matrix = sp.csr_matrix((np.ones(len(frame), np.float32), (user, item)), (len(users), len(items)))
        del frame, user, item
    with phase("implicit: fit cosine, 100 neighbours"):
        CosineRecommender(K=100, num_threads=1).fit(matrix, show_progress=False)
    with phase("implicit: fit als, 64 factors"):
        model = AlternatingLeastSquares(factors=64, iterations=15, num_threads=1)
        model.fit(matrix * 10, show_progress=False)
    with phase("implicit: recommend by als, 100 items"):
        for start in range(0, len(users), 4096):
            rows = np.arange(start, min(start + 4096, len(users)))
            model.recommend(rows, matrix[rows], N=100)


if __name__ == "__main__":
    main()
