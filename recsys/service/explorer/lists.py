"""Lists with their reasons: the nearest items of the history, the parts of a hybrid, the fallback, and the rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Engine, Request
from recsys.engines.auto.auto import AutoRecommender
from recsys.engines.ensemble.hybrid import Hybrid
from recsys.engines.two_tower.input_vectors import input_effects, item_inputs
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.retrieval.rules.options import RuleOptions
from recsys.service.explorer.catalogue import Catalogue, Json
from recsys.service.explorer.item_vectors import UnitVectors
from recsys.service.live_histories import LiveHistories
from recsys.service.model import ServedModel
from recsys.service.questions import Question
from recsys.service.rules.rule_lists import RuleLists

_REASONS = 3
"""Items of the history that are named for a listed item."""
_COMPARED = 500
"""Newest items of the history among which they are looked for."""


@dataclass(frozen=True, eq=False)
class Explained:
    """A model with what explains its lists.

    Args:
        model: that is asked.
        catalogue: its items.
        vectors: of its items.
        lists: of it, under rules.
    """

    model: ServedModel
    catalogue: Catalogue
    vectors: UnitVectors
    lists: RuleLists

    def listed(self, question: Question, rules: RuleOptions, live: LiveHistories) -> list[Json]:
        """The cards of the list of ``question``, in its order, each with score and reasons.

        Args:
            question: of one user.
            rules: of the list.
            live: events that extend histories.

        Raises:
            RecsysError: the model cannot answer the question, or the rules are wrong or leave no item.
        """
        found, by_rules = self.lists.listed(question, rules, live)
        request = self.model.request(question, live)
        rows = np.array([self.catalogue.data.items.vocabulary.row(key) for key in found.item_ids], np.int64)
        because, parts, inputs = self._because(request, rows), self._parts(request, rows), self._inputs(request, rows)
        for part, score, names in zip(parts, found.scores, by_rules, strict=True):
            if part and "boosts" in names.split(","):
                part.append({"name": "boost", "value": round(score - sum(cast(float, e["value"]) for e in part), 4)})
        return [
            {**self.catalogue.card(int(row)), "score": score, "fallback": fallback, "rules": names.split(",")}
            | {"because": [] if fallback else because[n], "parts": [] if fallback else parts[n]}
            | {"inputs": [] if fallback else inputs[n]}
            for n, (row, score, fallback, names) in enumerate(
                zip(rows, found.scores, found.fallback, by_rules, strict=True)
            )
        ]

    @property
    def _engine(self) -> Engine:
        """The engine, or that which an automatic search chose."""
        engine = self.model.bundle.engine
        return engine.engine if isinstance(engine, AutoRecommender) else engine

    def _because(self, request: Request, listed: Rows) -> list[list[Json]]:
        """Of each listed item, the nearest items of the history by the cosine of the model's vectors."""
        seen = request.histories.items[-_COMPARED:].astype(np.int64)
        seen = np.unique(seen[seen != MISSING])
        seen = seen[self.vectors.valid[seen]]
        if not len(seen) or not len(listed) or not self.vectors.compares:
            return [[] for _ in listed]
        similarity = self.vectors.cosines(listed, seen)
        best = np.argsort(-similarity, axis=1, kind="stable")[:, :_REASONS]
        return [
            [self._near(int(seen[place]), float(row[place])) for place in places if row[place] > 0]
            for row, places in zip(similarity, best, strict=True)
        ]

    def _near(self, row: int, similarity: float) -> Json:
        return {"id": str(self.catalogue.data.items.vocabulary.ids[row]), "title": self.catalogue.titles[row]} | {
            "similarity": round(similarity, 4)
        }

    def _parts(self, request: Request, listed: Rows) -> list[list[Json]]:
        """Of each listed item, what each part of a hybrid adds to its score."""
        engine = self._engine
        if not isinstance(engine, Hybrid) or not len(listed):
            return [[] for _ in listed]
        found = {name: values[0].tolist() for name, values in engine.contributions(request, listed).items()}
        return [
            [{"name": name, "value": round(values[n], 4)} for name, values in found.items()] for n in range(len(listed))
        ]

    def _inputs(self, request: Request, listed: Rows) -> list[list[Json]]:
        """Of each listed item, what each input of each two-tower model adds to its score."""
        found: list[list[Json]] = [[] for _ in listed]
        for name, tower, factor in _towers(self._engine, self._engine.kind, 1.0) if len(listed) else ():
            effects = {name: factor * values[0] for name, values in input_effects(tower, request, listed).items()}
            for n, cards in enumerate(found):
                values = [{"name": each, "value": round(float(effect[n]), 4)} for each, effect in effects.items()]
                cards.append({"of": name, "values": values})
        return found


def _towers(engine: Engine, name: str, factor: float) -> Iterator[tuple[str, TwoTower, float]]:
    """The two-tower models of several inputs in ``engine``, by name, with what their scores are multiplied by."""
    if isinstance(engine, AutoRecommender):
        yield from _towers(engine.engine, name, factor)
    elif isinstance(engine, TwoTower) and len(item_inputs(engine)) > 1:
        yield name, engine, factor
    elif isinstance(engine, Hybrid):
        for (part, inner), weight, scale in zip(engine.parts.items(), engine.weights_, engine.score_stds, strict=True):
            if weight > 0:
                yield from _towers(inner, part, factor * float(weight / scale))
