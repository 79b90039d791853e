"""A tiny world as files: two groups of users, each of which cycles through its own items."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from recsys.seeding import stream

N_USERS, N_ITEMS, LENGTH = 24, 12, 6


def write_world(directory: Path, n_users: int = N_USERS) -> Path:
    """``interactions.csv``, ``items.csv`` and ``run.toml`` in ``directory``; returns the config's path."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = stream(3, "world")
    rows = []
    for user in range(n_users):
        own = [item for item in range(N_ITEMS) if item % 2 == user % 2]
        for step, item in enumerate(rng.permutation(own)[:LENGTH]):
            rows.append((f"u{user:04d}", int(item), 1_000_000 + 100 * step + user))
    interactions = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    interactions.to_csv(directory / "interactions.csv", index=False)
    items = pd.DataFrame({"item_id": range(N_ITEMS), "title": [f"Film {item}" for item in range(N_ITEMS)]})
    items.to_csv(directory / "items.csv", index=False)
    config = directory / "run.toml"
    config.write_text(_CONFIG.format(directory=directory.as_posix()), encoding="utf-8")
    return config


_CONFIG = """
name = "tiny"
seed = 5

[data]
name = "tiny"
interactions = "{directory}/interactions.csv"
items = "{directory}/items.csv"

[split]
protocol = "leave_one_out"

[engines.popularity]

[engines.ease]
regularization = 1.0

[evaluate]
ks = [1, 5, 10, 20]
baseline = "popularity"

[promote]
engine = "ease"
model = "tiny"
gate = {{min_users = 10}}

[recommend]
k = 3
shard_size = 10
"""
