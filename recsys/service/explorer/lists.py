"""Lists with their reasons: the nearest items of the history, the parts of a hybrid, the fallback; and diversity."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Request
from recsys.engines.ensemble.hybrid import Hybrid
from recsys.errors import RecsysError
from recsys.retrieval.rules.ranking.diversity import DiversityRule
from recsys.retrieval.rules.ranking.pool import Pool
from recsys.retrieval.rules.ranking.selection import Greedy
from recsys.service.explorer.catalogue import Catalogue, Json
from recsys.service.explorer.item_vectors import UnitVectors
from recsys.service.live_histories import LiveHistories
from recsys.service.model import ServedModel
from recsys.service.questions import Listed, Question

_REASONS = 3
"""Items of the history that are named for a listed item."""
_COMPARED = 500
"""Newest items of the history among which they are looked for."""
_POOL = 3
"""Lists are chosen among so many times their length of candidates, where diversity is asked for."""


@dataclass(frozen=True, eq=False)
class Explained:
    """A model with what explains its lists.

    Args:
        model: that is asked.
        catalogue: its items.
        vectors: of its items.
    """

    model: ServedModel
    catalogue: Catalogue
    vectors: UnitVectors

    def listed(self, question: Question, diversity: float, live: LiveHistories) -> list[Json]:
        """The cards of the list of ``question``, best first, each with score and reasons.

        Args:
            question: of one user.
            diversity: the weight of unlikeness in maximal marginal relevance, from 0 (the order of the scores) to 1.
            live: events that extend histories.

        Raises:
            RecsysError: the model cannot answer the question.
        """
        found = self._ranked(question, diversity, live)
        request = self.model.request(question, live)
        rows = np.array([self.catalogue.data.items.vocabulary.row(key) for key in found.item_ids], np.int64)
        because, parts = self._because(request, rows), self._parts(request, rows)
        return [
            {**self.catalogue.card(int(row)), "score": score, "fallback": fallback}
            | {"because": [] if fallback else because[n], "parts": [] if fallback else parts[n]}
            for n, (row, score, fallback) in enumerate(zip(rows, found.scores, found.fallback, strict=True))
        ]

    def _ranked(self, question: Question, diversity: float, live: LiveHistories) -> Listed:
        wide = diversity > 0 and self.vectors.compares
        asked = replace(question, k=_POOL * question.k) if wide else question
        answer = self.model.recommend([asked], live)[0]
        if isinstance(answer, RecsysError):
            raise answer
        return diversified(answer, question.k, diversity, self.vectors, self.catalogue) if wide else answer

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
        engine = self.model.bundle.engine
        if not isinstance(engine, Hybrid) or not len(listed):
            return [[] for _ in listed]
        found = {name: values[0].tolist() for name, values in engine.contributions(request, listed).items()}
        return [
            [{"name": name, "value": round(values[n], 4)} for name, values in found.items()] for n in range(len(listed))
        ]


def diversified(found: Listed, k: int, weight: float, vectors: UnitVectors, catalogue: Catalogue) -> Listed:
    """The ``k`` of the candidates ``found`` that maximal marginal relevance chooses, as `DiversityRule` of a batch."""
    rows = np.array([catalogue.data.items.vocabulary.row(key) for key in found.item_ids], np.int64)
    if not len(rows):
        return found
    rule = DiversityRule(weight, "mmr", vectors=vectors.dense(rows))
    scores, fallback = np.array([found.scores], np.float32), np.array([found.fallback], bool)
    pool = Pool(np.arange(len(rows))[None], scores, fallback, len(rows))
    picked = [place for place in Greedy(min(k, len(rows)), terms=(rule,)).select(pool).picked[0] if place != MISSING]
    return replace(
        found,
        item_ids=tuple(found.item_ids[place] for place in picked),
        scores=tuple(found.scores[place] for place in picked),
        fallback=tuple(found.fallback[place] for place in picked),
    )
