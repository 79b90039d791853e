"""demo: one run on MovieLens 100K and what it came to, on one screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.config import RunConfig
from pipelines.titles import titles
from pipelines.workspace import Workspace
from recsys.atomic import read_json
from recsys.data.dataset import Dataset

CONFIG = Path(__file__).parent / "configs" / "demo.toml"
_METRICS = ("recall@10", "recall@20", "ndcg@10")
_USERS, _RECENT, _TOP = 4, 5, 5


def summary(config: RunConfig, workspace: Workspace) -> str:
    """The table of engines, where everything is, and a few users' recent history beside their top items."""
    parts = [
        metric_table(read_json(workspace.report)),
        f"report            {workspace.report.with_suffix('.html')}",
        promotion_line(read_json(workspace.decision)),
        f"recommendations   {workspace.recommendations}",
        side_by_side(workspace),
    ]
    return "\n".join(["", *parts])


def metric_table(report: dict[str, Any]) -> str:
    """Each engine's metrics on the test users, with 95 % intervals."""
    split = report["split"]
    width = max(len(name) for name in report["engines"]) + 2
    lines = [
        f"{report['data']['name']}, {split['protocol']}, {split['users']} test users, whole catalogue, 95 % intervals",
        " " * width + "".join(f"{name:<26}" for name in _METRICS),
    ]
    for name, values in report["engines"].items():
        cells = [values[metric] for metric in _METRICS]
        shown = "".join(f"{c['value']:.4f} [{c['low']:.4f}, {c['high']:.4f}]   " for c in cells)
        lines.append(f"{name:<{width}}{shown}".rstrip())
    return "\n".join(lines) + "\n"


def promotion_line(decision: dict[str, Any]) -> str:
    """The registered version, and whether it is the champion now."""
    standing = f"alias {decision['alias']}" if decision["promoted"] else "not promoted"
    return f"model             {decision['model']} version {decision['version']}, {standing}"


def side_by_side(workspace: Workspace) -> str:
    """The first users' latest items beside their first recommendations, by title."""
    data = workspace.load_dataset()
    frame = pd.concat([pd.read_parquet(part) for part in sorted(workspace.recommendations.glob("*.parquet"))[:1]])
    shown = titles(data.items)
    blocks = []
    for user in frame["user_id"].unique()[:_USERS]:
        best = frame[frame["user_id"] == user].sort_values("rank")["item_id"].to_numpy()[:_TOP]
        right = [shown[row] for row in data.items.vocabulary.rows(best)]
        left = [shown[row] for row in _recent(data, user)]
        rows = [
            f"  {a[:44]:<46}{b[:44]}"
            for a, b in zip(left + [""] * (_TOP - len(left)), right + [""] * (_RECENT - len(right)), strict=False)
        ]
        blocks.append("\n".join([f"\nuser {user}", f"  {'recently':<46}recommended", *rows]))
    return "\n".join(blocks)


def _recent(data: Dataset, user: Any) -> list[int]:
    row = data.users.vocabulary.rows([user])[0]
    mine = np.flatnonzero(np.asarray(data.interactions.user) == row)
    return [int(item) for item in data.interactions.item[mine][::-1][:_RECENT]]
