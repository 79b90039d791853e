"""Top-k ranking: from user vectors and item vectors to the k best items of each user, and checks of what is asked."""

from recsys.ranking.checks import (
    HasData,
    check_finite,
    check_finite_scores,
    check_fitted,
    check_k,
    dataset_of,
)
from recsys.ranking.on_device import device_of, fits, may_use_cuda
from recsys.ranking.ranker import Ranker, block_rows, top_k
from recsys.ranking.top_values import Ranked, best_columns, merged

__all__ = [
    "HasData",
    "Ranked",
    "Ranker",
    "best_columns",
    "block_rows",
    "check_finite",
    "check_finite_scores",
    "check_fitted",
    "check_k",
    "dataset_of",
    "device_of",
    "fits",
    "may_use_cuda",
    "merged",
    "top_k",
]
