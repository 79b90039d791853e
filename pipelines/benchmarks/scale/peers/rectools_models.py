"""RecTools: its dataset, neighbours by implicit's cosine, and lists for all users."""

from __future__ import annotations

import warnings

import pandas as pd
from implicit.nearest_neighbours import CosineRecommender
from phases import phase, read
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import ImplicitItemKNNWrapperModel

warnings.filterwarnings("ignore")


def main() -> None:
    """Prints the phases."""
    with phase("RecTools: read, build dataset"):
        frame = read().rename(columns={"timestamp": Columns.Datetime})
        frame[Columns.Datetime] = pd.to_datetime(frame[Columns.Datetime], unit="s")
        frame[Columns.Weight] = 1.0
        dataset = Dataset.construct(frame)
        users = dataset.user_id_map.external_ids
        del frame
    model = ImplicitItemKNNWrapperModel(CosineRecommender(K=100, num_threads=1))
    with phase("RecTools: fit cosine, 100 neighbours"):
        model.fit(dataset)
    with phase("RecTools: recommend by cosine, 100 items"):
        model.recommend(users, dataset, k=100, filter_viewed=True)


if __name__ == "__main__":
    main()
