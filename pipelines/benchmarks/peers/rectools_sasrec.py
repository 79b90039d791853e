"""RecTools' SASRecModel; its defaults except what ``--options`` changes, and ``accelerator``, the CPU or ``gpu``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from protocol import arguments, ndcg_at_10, run, write_lists
from pytorch_lightning import Trainer, seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools.models.nn.transformers.similarity import DistanceSimilarityModule

warnings.filterwarnings("ignore")


class CatalogueLogits(DistanceSimilarityModule):
    """Logits of a position's own negatives, gathered from one product with the whole catalogue.

    The library gathers one vector per negative, 3.4 GB in a batch of gSASRec's settings; for a few thousand items the
    product is several times faster.
    """

    def _get_pos_neg_logits(self, session_embs: Any, item_embs: Any, candidate_item_ids: Any) -> Any:
        return (session_embs @ item_embs.T).gather(-1, candidate_item_ids)


def main() -> None:
    """Trains and reports."""
    given = arguments()
    seed_everything(0)
    options = dict(given.options)
    if options.pop("catalogue_logits", False):
        options["similarity_module_type"] = CatalogueLogits
    accelerator = options.pop("accelerator", "cpu")
    dataset = _dataset(given.folder / "train.csv")
    validation = pd.read_csv(given.folder / "validation.csv")
    model = SASRecModel(
        get_trainer_func=lambda: Trainer(
            accelerator=accelerator,
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        ),
        **options,
    )
    wanted = dict(zip(validation["user_id"], validation["item_id"], strict=True))

    def validate() -> float:
        return ndcg_at_10(_lists(model, dataset), wanted)

    def keep() -> None:
        if given.lists is not None:
            write_lists(given.lists, _lists(model, _dataset(given.folder / "test_histories.csv")))

    def train(epoch: int) -> None:
        model.fit_partial(dataset, 1, 1)

    run(given.epochs, given.seconds, given.patience, train, validate, keep, given.cpu_seconds)


def _dataset(path: Path) -> Dataset:
    frame = pd.read_csv(path).rename(columns={"position": Columns.Datetime})
    frame[Columns.Datetime] = pd.to_datetime(frame[Columns.Datetime], unit="s")
    frame[Columns.Weight] = 1.0
    return Dataset.construct(frame)


def _lists(model: SASRecModel, histories: Dataset) -> dict[int, list[int]]:
    """The first ten of each user of ``histories``, seen items left out."""
    users = histories.user_id_map.external_ids
    found = model.recommend(users, histories, k=10, filter_viewed=True, on_unsupported_targets="ignore")
    lists: dict[int, list[int]] = (
        found.sort_values(Columns.Rank).groupby(Columns.User)[Columns.Item].agg(list).to_dict()
    )
    return lists


if __name__ == "__main__":
    main()
