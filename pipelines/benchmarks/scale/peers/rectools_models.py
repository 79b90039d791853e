"""RecTools: its dataset, neighbours by implicit's cosine, lists for all users, and EASE where its matrix is small."""

from __future__ import annotations

import warnings

import pandas as pd
from implicit.nearest_neighbours import CosineRecommender
from phases import phase, read
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import EASEModel, ImplicitItemKNNWrapperModel

warnings.filterwarnings("ignore")
_LARGEST = 15_000
"""Items of a catalogue for which a dense matrix of them is inverted: hardly 2 GB, and a minute or two."""


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
    if dataset.item_id_map.size <= _LARGEST:
        with phase("RecTools: fit EASE"):
            EASEModel(regularization=500.0, num_threads=1).fit(dataset)


if __name__ == "__main__":
    main()
