"""demo: one run on MovieLens 100K and what it came to, on one screen."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np
import pandas as pd

from pipelines.config import RunConfig
from pipelines.stages.promote import open_store
from pipelines.workspace import Workspace
from recsys.data.dataset import Dataset
from recsys.evaluation.metrics import shown
from recsys.evaluation.report.report import Report
from recsys.files.stored_json import read_object
from recsys.json_values import JsonObject
from recsys.registry.store import CHAMPION

_METRICS = ("recall@10", "recall@20", "ndcg@10")
_USERS, _RECENT, _TOP = 4, 5, 5


def summary(config: RunConfig, workspace: Workspace) -> str:
    """The table of engines, where everything is, and a few users' recent history beside their top items."""
    champion = open_store(config, workspace).version_at(CHAMPION)
    parts = [
        metric_table(dict(Report.load(workspace.directory).content)),
        f"report            {workspace.report.with_suffix('.html')}",
        promotion_line(read_object(workspace.decision), champion),
    ]
    if workspace.recommendations.is_dir():
        parts += [f"recommendations   {workspace.recommendations}", side_by_side(workspace)]
    return "\n".join(["", *parts])


def metric_table(report: JsonObject) -> str:
    """Each engine's metrics on the test users, with 95 % intervals; best NDCG first."""
    split, metrics = report["split"], shown(report["engines"], _METRICS)
    width = max(len(name) for name in report["engines"]) + 2
    lines = [
        f"{report['data']['name']}, {split['protocol']}, {split['users']} test users, whole catalogue, 95 % intervals",
        " " * width + "".join(f"{name:<26}" for name in metrics).rstrip(),
    ]
    for name, values in sorted(report["engines"].items(), key=lambda pair: -pair[1][metrics[-1]]["value"]):
        cells = [values[metric] for metric in metrics]
        row = "".join(f"{c['value']:.4f} [{c['low']:.4f}, {c['high']:.4f}]   " for c in cells)
        lines.append(f"{name:<{width}}{row}".rstrip())
    return "\n".join(lines) + "\n"


def promotion_line(decision: JsonObject, champion: str | None) -> str:
    """The registered version, and whether it is the champion now, as the registry has it.

    Example:
        >>> promotion_line({"model": "films", "version": "2"}, "1")
        'model             films version 2, not champion; that is version 1'
    """
    is_champion = decision["version"] == champion
    standing = f"alias {CHAMPION}" if is_champion else f"not {CHAMPION}; that is version {champion or 'none'}"
    return f"model             {decision['model']} version {decision['version']}, {standing}"


def side_by_side(workspace: Workspace) -> str:
    """The first users' latest items beside their first recommendations, by title."""
    data = workspace.load_dataset()
    frame = pd.read_parquet(min(workspace.recommendations.glob("*.parquet")))
    named, blocks = data.items.titles(), []
    for user in frame["user_id"].drop_duplicates().tolist()[:_USERS]:
        best = frame.loc[frame["user_id"] == user].sort_values("rank")["item_id"].tolist()[:_TOP]
        right = [named[row] for row in data.items.vocabulary.rows(best)]
        left = [named[row] for row in _recent(data, int(data.users.vocabulary.rows([user])[0]))]
        rows = [f"  {a[:44]:<46}{b[:44]}".rstrip() for a, b in zip_longest(left, right, fillvalue="")]
        blocks.append("\n".join([f"\nuser {user}", f"  {'recently':<46}recommended", *rows]))
    return "\n".join(blocks)


def _recent(data: Dataset, user: int) -> list[int]:
    """The item rows of a user, newest first."""
    mine = np.flatnonzero(np.asarray(data.interactions.user) == user)
    return [int(item) for item in data.interactions.item[mine][::-1][:_RECENT]]
