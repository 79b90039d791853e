"""One epoch of RecBole's LightGCN; its defaults except what ``--options`` changes."""

from __future__ import annotations

import itertools
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
    """Prints what an epoch takes, or would by its first ``--steps``."""
    given = arguments()
    train = pd.read_csv(given.folder / "train.csv")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "peer").mkdir()
        named = train.rename(columns={"user_id": "user_id:token", "item_id": "item_id:token"})
        named.iloc[:, :2].to_csv(Path(folder) / "peer" / "peer.inter", sep="\t", index=False)
        settings = {
            "data_path": folder,
            "load_col": {"inter": ["user_id", "item_id"]},
            # trained on all interactions: this model is not evaluated
            "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "order": "RO", "group_by": "none", "mode": "full"},
            "show_progress": False,
            "state": "ERROR",
            "use_gpu": False,
            **given.options,
        }
        config = Config(model="LightGCN", dataset="peer", config_dict=settings)
        init_seed(config["seed"], True)
        batches, *_ = data_preparation(config, create_dataset(config))
    model = get_model(config["model"])(config, batches.dataset)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
    taken = list(itertools.islice(batches, given.steps)) if given.steps else batches
    start, cpu_start = time.perf_counter(), time.process_time()
    trainer._train_epoch(taken, 0)
    rest = len(batches) / len(taken)
    times = {"seconds": (time.perf_counter() - start) * rest, "cpu_seconds": (time.process_time() - cpu_start) * rest}
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"epoch": 1, **times, "peak_memory_mb": round(memory)}), flush=True)


if __name__ == "__main__":
    main()
