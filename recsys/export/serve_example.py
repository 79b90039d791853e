"""Serves an exported model with numpy and onnxruntime alone: the items that follow a history.

    python serve_example.py ITEM,ITEM,... [K]

The history lists item ids, oldest first. Printed are K item ids (default 10) with their scores, best first: the lists
of ``recsys.recommend(model, histories=[[...]])``. A history of unknown items alone has an empty list; show what is
popular.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    Floats = NDArray[np.float32]


class ExportedModel:
    """The towers of an export, and the vectors of its catalogue.

    Args:
        folder: of the export.
    """

    def __init__(self, folder: Path) -> None:
        onnx = folder / "onnx"
        with np.load(onnx / "items.npz") as arrays:
            self.ids, self.known, self.listed = arrays["ids"], arrays["known"], arrays["listed"]
        with np.load(onnx / "item_inputs.npz") as arrays:
            inputs = {name: arrays[name] for name in arrays.files}
        with np.load(onnx / "anonymous_user.npz") as arrays:
            self.anonymous = {name: arrays[name] for name in arrays.files}
        about = json.loads((onnx / "towers.json").read_text(encoding="utf-8"))
        self.max_history, self.newest = int(about["max_history"]), int(about["newest"])
        self.table_rows: Rows = inputs["input.__id__"]
        self._users = onnxruntime.InferenceSession(str(onnx / "user_tower.onnx"))
        items = onnxruntime.InferenceSession(str(onnx / "item_tower.onnx"))
        wanted = {each.name for each in items.get_inputs()}
        found = items.run(["vectors", "scored"], {name: inputs[name] for name in inputs if name in wanted})
        self.vectors: Floats = found[0]
        self.scored: Floats = found[1]
        self._rows = {item: row for row, item in enumerate(self.ids.tolist())}

    def recommend(self, history: Sequence[int | str], k: int = 10) -> list[tuple[int | str, float]]:
        """The ``k`` items with the highest scores after ``history``, which are not in it, with their scores."""
        rows = np.array([self._rows[item] for item in history if item in self._rows], np.int64)
        if not self.known[rows].any():
            return []
        scores = self.scored @ self.user_vectors([rows])[0]
        scores[~(self.known & self.listed)] = -np.inf
        scores[rows] = -np.inf
        best = np.argsort(-scores, kind="stable")[:k]
        return [(self.ids[row].item(), float(scores[row])) for row in best if scores[row] > -np.inf]

    def user_vectors(self, histories: Sequence[Rows], users: Mapping[str, NDArray[np.generic]] | None = None) -> Floats:
        """The vectors [U, S] of the score.

        Args:
            histories: [U], item rows of each user, oldest first. They are a second apart, the last at the newest
                time of the data.
            users: the inputs of the users, as in ``anonymous_user.npz``; None is nobody who is known.
        """
        kept = [np.flatnonzero(self.known[rows]) for rows in histories]
        whole = [rows[places] for rows, places in zip(histories, kept, strict=True)]
        last = [rows[-self.max_history :] for rows in whole]
        given = {name: np.repeat(value, len(histories), 0) for name, value in self.anonymous.items()}
        history = _padded(last, -1)
        times = [self.newest + 1 - len(rows) + places for rows, places in zip(histories, kept, strict=True)]
        values = (
            given
            | dict(users or {})
            | {
                "history": self.vectors[np.maximum(history, 0)],
                "lengths": np.array([len(rows) for rows in last], np.int64),
                "times": _padded([part[-self.max_history :] for part in times], 0),
                "interactions": _padded([self.table_rows[rows] for rows in whole], -1),
            }
        )
        wanted = {each.name for each in self._users.get_inputs()}
        vectors: Floats = self._users.run(None, {name: value for name, value in values.items() if name in wanted})[0]
        return vectors


def _padded(parts: Sequence[Rows], fill: int) -> Rows:
    """[U, L], L at least 1, padded on the right."""
    table = np.full((len(parts), max([1, *map(len, parts)])), fill, np.int64)
    for row, part in zip(table, parts, strict=True):
        row[: len(part)] = part
    return table


def main(words: Sequence[str]) -> None:
    """Prints the list for a history."""
    model = ExportedModel(Path(__file__).resolve().parent)
    history = [int(word) if model.ids.dtype.kind == "i" else word for word in words[0].split(",")]
    for item, score in model.recommend(history, int(words[1]) if len(words) > 1 else 10):
        sys.stdout.write(f"{item}\t{score:.6f}\n")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1:])
