"""RecBole: its atomic file written and loaded; building batches is left out."""

from __future__ import annotations

import tempfile
from pathlib import Path

from phases import phase, read
from recbole.config import Config
from recbole.data import create_dataset


def main() -> None:
    """Prints the phases."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "peer").mkdir()
        columns = {"user_id": "user_id:token", "item_id": "item_id:token", "timestamp": "timestamp:float"}
        with phase("RecBole: read, write its file"):
            read().rename(columns=columns).to_csv(folder / "peer" / "peer.inter", sep="\t", index=False)
        settings = {
            "data_path": name,
            "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            "state": "ERROR",
            "use_gpu": False,
        }
        with phase("RecBole: load"):
            create_dataset(Config(model="BPR", dataset="peer", config_dict=settings))


if __name__ == "__main__":
    main()
