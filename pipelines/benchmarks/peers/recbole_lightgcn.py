"""One epoch of RecBole's LightGCN; its defaults except what ``--options`` changes."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from pathlib import Path

import pandas as pd
from protocol import arguments
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.utils import get_model, get_trainer, init_seed


def main() -> None:
    """Trains ``--epochs`` times through the interactions and prints what each took."""
    asked = arguments()
    train = pd.read_csv(asked.folder / "train.csv")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "peer").mkdir()
        named = train.rename(columns={"user_id": "user_id:token", "item_id": "item_id:token"})
        named.iloc[:, :2].to_csv(Path(folder) / "peer" / "peer.inter", sep="\t", index=False)
        settings = {
            "data_path": folder,
            "load_col": {"inter": ["user_id", "item_id"]},
            # everything is trained on: nothing is asked of this model
            "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "order": "RO", "group_by": "none", "mode": "full"},
            "show_progress": False,
            "state": "ERROR",
            "use_gpu": False,
            **asked.options,
        }
        config = Config(model="LightGCN", dataset="peer", config_dict=settings)
        init_seed(config["seed"], True)
        batches, *_ = data_preparation(config, create_dataset(config))
    model = get_model(config["model"])(config, batches.dataset)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    for epoch in range(1, asked.epochs + 1):
        start = time.perf_counter()
        trainer._train_epoch(batches, epoch - 1)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        line = {"epoch": epoch, "seconds": round(time.perf_counter() - start, 1), "peak_memory_mb": round(memory)}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
