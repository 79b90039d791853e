"""The embedding tables of items that engines of the ladder read: of texts, of images, and of the interactions."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from recsys.config import Config, parse
from recsys.content import EMBEDDERS, EmbedderConfig, EmbedderContext
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.schema import Kind
from recsys.data.splits.earliest import earliest
from recsys.embedding_table import EmbeddingTable, Pretrainer
from recsys.engine import FitContext
from recsys.engines import ENGINES
from recsys.json_values import JsonObject

TEXT, IMAGE, FACTORS = "text", "image", "als"
CONTENT = (TEXT, IMAGE)
"""The tables that need no interactions."""
_SHARE = 0.5
"""Of the interactions, the earliest, that factors are learnt from: the later ones stay unseen targets of the towers."""
_SECONDS = {TEXT: 2e-3, IMAGE: 8e-3}
"""Of the embedding of one item."""
_MOST = 0.1
"""The share of the budget that a table may take."""


class TableRecipe(Config):
    """An embedding table of the items: of their content, or learnt from the interactions.

    Args:
        embedder: the kind of embedder that computes it from content.
        engine: the kind of engine that learns it instead.
        columns: the columns that the embedder reads.
        share: the earliest share of the interactions that the engine learns from.
        options: of the embedder or the engine.
    """

    embedder: str | None = None
    engine: str | None = None
    columns: tuple[str, ...] = ()
    share: float = Field(_SHARE, gt=0, le=1)
    options: JsonObject = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.embedder is None) == (self.engine is None):
            raise ValueError("a table is of an embedder or of an engine")
        return self

    def make(
        self, data: Dataset, train: Interactions, context: FitContext, images: Path | None = None
    ) -> EmbeddingTable:
        """The table.

        Args:
            data: the dataset.
            train: the training interactions, of which an engine sees the earliest share.
            context: gives the seed, the seen filter and the tracker.
            images: where the paths of images start.
        """
        if self.engine is not None:
            kind = ENGINES[self.engine]
            engine = kind(parse(kind.Config, self.options, self.engine))
            early = earliest(train, self.share, data)
            engine.fit(data, early, context=FitContext(context.seed, filter_seen=context.filter_seen))
            assert isinstance(engine, Pretrainer)
            return engine.item_table()
        assert self.embedder is not None
        embedder = EMBEDDERS[self.embedder]
        options = parse(embedder.Config, {**self.options, "columns": self.columns}, self.embedder)
        assert isinstance(options, EmbedderConfig)
        about = EmbedderContext(images=images or Path(), seed=context.seed, train=train, tracker=context.tracker)
        return embedder(options).fit_transform(data.items, about)


def table_recipes(data: Dataset, seconds: float, images: Path | None = None) -> dict[str, TableRecipe]:
    """Name -> table, of all tables that need no downloaded weights and a small part of the time.

    Args:
        data: the dataset.
        seconds: the budget; content of more items than it is enough for is not read.
        images: where the paths of images start; None reads none.
    """
    found = {}
    names = {TEXT: data.items.schema.names(Kind.TEXT), IMAGE: data.items.schema.names(Kind.IMAGE) if images else []}
    made = {TEXT: ("hashing", {"dim": 256}), IMAGE: ("colours", {})}
    for name in CONTENT:
        if names[name] and data.n_items * _SECONDS[name] <= _MOST * seconds:
            embedder, options = made[name]
            found[name] = TableRecipe(embedder=embedder, columns=tuple(names[name]), options=options)
    return found | {FACTORS: TableRecipe(engine="als")}
