"""RecTools' SASRecModel; its defaults except what ``--options`` changes."""

from __future__ import annotations

import warnings

import pandas as pd
from protocol import arguments, ndcg_at_10, run
from pytorch_lightning import Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

warnings.filterwarnings("ignore")


def main() -> None:
    """Trains and reports."""
    asked = arguments()
    train = pd.read_csv(asked.folder / "train.csv")
    validation = pd.read_csv(asked.folder / "validation.csv")
    frame = train.rename(columns={"position": Columns.Datetime})
    frame[Columns.Datetime] = pd.to_datetime(frame[Columns.Datetime], unit="s")
    frame[Columns.Weight] = 1.0
    dataset = Dataset.construct(frame)
    model = SASRecModel(
        get_trainer_func=lambda: Trainer(
            accelerator="cpu",
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ),
        **asked.options,
    )
    wanted = dict(zip(validation["user_id"], validation["item_id"], strict=True))
    users = [user for user in wanted if user in set(train["user_id"])]

    def ask() -> float:
        found = model.recommend(users, dataset, k=10, filter_viewed=True, on_unsupported_targets="ignore")
        lists = found.sort_values(Columns.Rank).groupby(Columns.User)[Columns.Item].agg(list)
        return ndcg_at_10(lists.to_dict(), wanted)

    run(asked.epochs, asked.seconds, asked.patience, lambda _: model.fit_partial(dataset, 1, 1), ask)


if __name__ == "__main__":
    main()
