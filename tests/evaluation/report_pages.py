"""A report with all its parts, made of a small world, and the reading of pages."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser

import numpy as np
import pandas as pd
from PIL import Image

from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.schema import Schema
from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engines.baselines.ease import EASE
from recsys.engines.baselines.itemknn import ItemKNN
from recsys.engines.baselines.popularity import Popularity
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.report.build import DataSummary, RunDetails, build_report
from recsys.evaluation.report.examples import ExampleOptions, lists_of

BASELINE, MATHS, LONG = "<script>alert(1)</script>", "a$\\frac{1$", "an engine with a long name " + "x" * 60
VOID = {"meta", "link", "img", "input", "br"}


class Reader(HTMLParser):
    """The elements, their attributes and text; an element that is not closed is an error."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.scripts += [data] if self.open[-1] == "script" else []
        else:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.text).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def world(folder=None) -> Dataset:
    """Titles with markup; with a folder also posters: the first cannot be decoded, the second is missing."""
    data = BlockTaste(users=60).dataset()
    columns = {"title": [f"Film <b>{row}</b>" for row in range(data.n_items)]}
    kinds = {"title": "text"}
    if folder is not None:
        for row in range(2, data.n_items):
            Image.new("RGB", (40, 60), (9 * row, 80, 120)).save(folder / f"{row}.png")
        (folder / "0.png").write_bytes(b"no image")
        columns["poster"], kinds["poster"] = [f"{row}.png" for row in range(data.n_items)], "image"
    items = EntityTable(data.items.vocabulary, pd.DataFrame(columns), Schema.of(kinds))
    return Dataset("shop <i>", data.users, items, data.interactions, data.has_timestamps)


def content(folder=None):
    """``report.json`` of three engines with names that markup would break."""
    data = world(folder)
    parts = split(data)
    engines = {BASELINE: Popularity(), MATHS: ItemKNN(), LONG: EASE()}
    results = {
        name: evaluate(engine.fit(data, parts.train), data, parts.test, ks=(1, 5, 10, 20))
        for name, engine in engines.items()
    }
    curve = [{"step": step, "loss": 3 / step, "metric": 0.1 * step} for step in (1, 2, 3)]
    shown = lists_of(data, parts.test, results, BASELINE, ExampleOptions(4, folder))
    details = RunDetails(
        curves={LONG: curve},
        costs={name: {"fit_seconds": 10.0**n, "peak_memory_mb": 300.0} for n, name in enumerate(engines)},
        settings={"run": "<u>", "seed": 1, "engines": {LONG: {"decay": 0.9}}, "bundles": {LONG: "abc"}},
        attribution=_attribution(),
        examples=shown,
    )
    return build_report(DataSummary.of(data), parts, results, BASELINE, details).content


def _attribution():
    cell = {"value": 0.02, "low": -0.01, "high": 0.05}
    part = {"shapley": cell, "left_out": cell, "alone": cell, "share": 1.0}
    found = {"engine": LONG, "metric": "ndcg@10", "full": cell, "empty": cell}
    return {**found, "contributions": {"ids <b>": part}, "slices": {"tail": {"ids <b>": part}}}


@cache
def bare_content():
    """The same, made once, without posters."""
    return content()


def decision(promoted: bool):
    """``decision.json``."""
    rule = {"name": "gain", "passed": promoted, "reason": "the gain <b> is large", "candidate": 1.0, "champion": 0.5}
    about = {"model": "films <b>", "version": "3", "candidate": "3", "champion": "2", "engine": LONG, "measured": "abc"}
    return {"promoted": promoted, "rules": [rule], "instead": None if promoted else BASELINE, **about}


def per_user(*means: float) -> dict[str, dict[str, np.ndarray]]:
    """Engines of these mean NDCG, each user of the same."""
    values = {f"e{n}": np.full(50, mean) for n, mean in enumerate(means)}
    return {name: {"recall@10": value, "ndcg@10": value} for name, value in values.items()}
