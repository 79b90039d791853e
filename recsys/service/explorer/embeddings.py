"""Embeddings of a model's items by kind: of the whole model, of each part of a hybrid, of each input of the towers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from recsys.engine import Engine, Vectors
from recsys.engines.auto.auto import AutoRecommender
from recsys.engines.ensemble.hybrid import Hybrid
from recsys.engines.two_tower.input_vectors import input_vectors, item_inputs
from recsys.engines.two_tower.tower_inputs import IDS
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.errors import DataError
from recsys.retrieval.retriever import similarity_vectors
from recsys.retrieval.similar import Neighbours, squarable
from recsys.service.explorer.catalogue import Json
from recsys.service.explorer.item_vectors import compares
from recsys.service.model import ServedModel

WHOLE = "whole"


@dataclass(frozen=True, eq=False)
class Embedding:
    """Vectors of items of one kind.

    Args:
        kind: ``whole``, ``part``, ``ids``, ``table`` or ``column``.
        name: of the part, table or column; empty for others.
        of: the part of a hybrid that has the input; empty for none.
        vectors: computes them.
    """

    kind: str
    name: str
    of: str
    vectors: Callable[[], Vectors]

    @property
    def key(self) -> str:
        """Tells it from the others of a model."""
        return "/".join(part for part in (self.of, self.kind, self.name) if part)


class Embeddings:
    """The embeddings of a model whose cosines tell items apart, and the neighbours of items by each.

    Args:
        model: that is asked.
        made: table -> what made it, such as ``texts by sentence``.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.als import ALS
        >>> from recsys.registry.bundle import Bundle
        >>> data = BlockTaste(users=30).dataset()
        >>> found = Embeddings(ServedModel(Bundle(ALS(factors=4).fit(data), data)))
        >>> list(found.all), len(found.near("whole", 0, 3))
        (['whole'], 3)
    """

    def __init__(self, model: ServedModel, made: Mapping[str, str] | None = None) -> None:
        self._model, self._made = model, made or {}
        self._neighbours: dict[str, Neighbours] = {}
        whole = (
            [Embedding(WHOLE, "", "", lambda: model.neighbours.vectors)] if compares(model.neighbours.vectors) else []
        )
        found = [*whole, *_within(model.bundle.engine, model, "")]
        self.all = {each.key: each for each in found}

    def about(self) -> list[Json]:
        """What a person chooses among."""
        tables = {key: self._made.get(each.name, "") for key, each in self.all.items() if each.kind == "table"}
        return [
            {"key": key, "kind": each.kind, "name": each.name, "of": each.of, "made": tables.get(key, "")}
            for key, each in self.all.items()
        ]

    def near(self, key: str, row: int, k: int) -> list[tuple[int, float]]:
        """The rows of the ``k`` nearest items of the item at ``row`` that may be listed now, and their cosines.

        Raises:
            DataError: there is no such embedding, or the item has no vector in it.
        """
        if key not in self.all:
            raise DataError(f"the model has no embedding {ascii(key)[:80]}; it has: {', '.join(self.all) or 'none'}")
        neighbours = self._of(key)
        if not neighbours.has(row):
            raise DataError("This item has no such vector.")
        rows, similarity = neighbours.of(row, k, self._model.eligible())
        return list(zip(rows.tolist(), similarity.tolist(), strict=True))

    def _of(self, key: str) -> Neighbours:
        if key == WHOLE:
            return self._model.neighbours
        if key not in self._neighbours:
            self._neighbours[key] = Neighbours(squarable(self.all[key].vectors()))
        return self._neighbours[key]


def _within(engine: Engine, model: ServedModel, of: str) -> Iterator[Embedding]:
    """The embeddings inside ``engine``."""
    items = model.data.items
    if isinstance(engine, AutoRecommender):
        yield from _within(engine.engine, model, of)
    elif isinstance(engine, TwoTower):
        inputs, found = item_inputs(engine), list[Embedding]()
        for name, source in inputs.items() if len(inputs) > 1 else ():
            kind = "ids" if source == IDS else "table" if name in engine.inputs.tables else "column"
            shown = "" if kind == "ids" else source
            found.append(Embedding(kind, shown, of, partial(input_vectors, engine, name, items)))
        yield from sorted(found, key=lambda each: ("ids", "table", "column").index(each.kind))
    elif isinstance(engine, Hybrid):
        for name, weight in zip(engine.parts, engine.weights_, strict=True):
            part = engine.parts[name]
            if weight > 0 and compares(part.similarity_vectors(items.take(np.arange(1)))):
                yield Embedding("part", name, of, partial(similarity_vectors, part, items))
                yield from _within(part, model, name)
