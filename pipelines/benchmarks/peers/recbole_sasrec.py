"""RecBole's SASRec; its defaults except what ``--options`` changes. Every prefix of a history is one of its samples."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from protocol import arguments, ndcg_at_10, run
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.interaction import Interaction
from recbole.utils import get_model, get_trainer, init_seed


def main() -> None:
    """Trains and reports."""
    given = arguments()
    train = pd.read_csv(given.folder / "train.csv")
    validation = pd.read_csv(given.folder / "validation.csv")
    with tempfile.TemporaryDirectory() as folder:
        config = _config(train, validation, Path(folder), given.options)
        init_seed(config["seed"], True)
        dataset = create_dataset(config)
        batches, *_ = data_preparation(config, dataset)
    model = get_model(config["model"])(config, batches.dataset)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    wanted = dict(zip(validation["user_id"], validation["item_id"], strict=True))
    histories = {user: part.tolist() for user, part in train.groupby("user_id")["item_id"] if user in wanted}
    token = dataset.token2id
    rows = {user: token(dataset.iid_field, [str(i) for i in items]) for user, items in histories.items()}
    names = np.array([-1, *map(int, dataset.field2id_token[dataset.iid_field][1:])])

    def validate() -> float:
        return ndcg_at_10(_lists(model, rows, names, int(config["MAX_ITEM_LIST_LENGTH"])), wanted)

    run(given.epochs, given.seconds, given.patience, lambda epoch: trainer._train_epoch(batches, epoch - 1), validate)


def _config(train: pd.DataFrame, validation: pd.DataFrame, folder: Path, options: dict[str, Any]) -> Any:
    """RecBole leaves out the last item of each history to test; a repeated validation item stands in for it."""
    last = validation.assign(position=validation["position"] + 1)
    frame = pd.concat([train, validation, last]).rename(
        columns={"user_id": "user_id:token", "item_id": "item_id:token", "position": "timestamp:float"}
    )
    (folder / "peer").mkdir()
    frame.to_csv(folder / "peer" / "peer.inter", sep="\t", index=False)
    settings = {
        "data_path": str(folder),
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full"},
        "train_neg_sample_args": None,
        "show_progress": False,
        "state": "ERROR",
        "use_gpu": False,
        **options,
    }
    return Config(model="SASRec", dataset="peer", config_dict=settings)


@torch.no_grad()
def _lists(model: Any, rows: dict[int, Any], names: Any, length: int) -> dict[int, list[int]]:
    """The first ten of each user, seen items left out."""
    model.eval()
    found: dict[int, list[int]] = {}
    users = list(rows)
    for start in range(0, len(users), 1024):
        block = users[start : start + 1024]
        sequences = torch.zeros(len(block), length, dtype=torch.long)
        lengths = torch.zeros(len(block), dtype=torch.long)
        for row, user in enumerate(block):
            recent = torch.as_tensor(rows[user][-length:])
            sequences[row, : len(recent)], lengths[row] = recent, len(recent)
        batch = Interaction({model.ITEM_SEQ: sequences, model.ITEM_SEQ_LEN: lengths})
        scores = model.full_sort_predict(batch)
        scores[:, 0] = -torch.inf
        for row, user in enumerate(block):
            scores[row, torch.as_tensor(rows[user])] = -torch.inf
        best = scores.topk(10, dim=1).indices.numpy()
        found |= {user: names[best[row]].tolist() for row, user in enumerate(block)}
    return found


if __name__ == "__main__":
    main()
