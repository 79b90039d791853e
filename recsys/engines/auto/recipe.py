"""Recipes: the engines, options, epochs and weights that were chosen, and their fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

from pydantic import Field, model_validator

from recsys.config import Config, parse
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.engine import Engine, FitContext
from recsys.engines import ENGINES
from recsys.engines.auto.tables import TableRecipe
from recsys.engines.ensemble.hybrid import Hybrid
from recsys.json_values import JsonObject


class PartRecipe(Config):
    """One engine.

    Args:
        kind: of the engine.
        options: of the engine; ``stop_epoch`` is the chosen number of epochs.
    """

    kind: str
    options: JsonObject = Field(default_factory=dict)

    def engine(self) -> Engine:
        """The engine, not fitted."""
        kind = ENGINES[self.kind]
        return kind(parse(kind.Config, self.options, self.kind))


class Recipe(Config):
    """The engines that were chosen, and their weights.

    Args:
        parts: name -> engine.
        weights: of the parts, as of a hybrid; one part has the weight 1.
        tables: the embedding tables that the parts read.
    """

    parts: dict[str, PartRecipe] = Field(min_length=1)
    weights: tuple[float, ...]
    tables: dict[str, TableRecipe] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_weight_a_part(self) -> Self:
        if len(self.weights) != len(self.parts):
            raise ValueError(f"{len(self.parts)} parts need as many weights")
        return self


def fit_recipe(recipe: Recipe, data: Dataset, train: Interactions, context: FitContext) -> Engine:
    """The engine of ``recipe`` fitted on ``train``: a single engine, or a `Hybrid`.

    Args:
        recipe: engines, options, epochs and weights.
        data: the dataset.
        train: the training interactions.
        context: gives the seed, tables, checkpoints and the tracker; its validation is not used.
    """
    tables = {
        name: context.tables[name] if name in context.tables else table.make(data, train, context)
        for name, table in recipe.tables.items()
    }
    alone = replace(context, validation=None, epochs=None, tables={**context.tables, **tables})
    fitted = {}
    for name, part in recipe.parts.items():
        directory = None if context.directory is None else context.directory / name
        fitted[name] = part.engine().fit(data, train, context=replace(alone, directory=directory))
    if len(fitted) == 1:
        return next(iter(fitted.values()))
    return Hybrid(parts=fitted, weights=recipe.weights).fit(data, train, context=alone)
