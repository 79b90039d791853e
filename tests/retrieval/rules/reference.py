"""Rules of lists for one user at a time, in plain loops: what the vectorised ones must equal."""

from math import log

import numpy as np


def relevance(scores, k):
    low, high = scores[min(len(scores), k) - 1], scores[0]
    return [(s - low) / (high - low) if high > low else 0.0 for s in scores]


def divergence(shares, counts, size):
    list_shares = {value: 0.99 * counts.get(value, 0) / max(size, 1) + 0.01 * p for value, p in shares.items()}
    return sum(p * log(p / list_shares[value]) for value, p in shares.items() if p)


class Slow:
    """Fills the places of one list.

    Args:
        ranking: items, best first, with their scores.
        k: places.
        caps: pairs of the values of each item and the most items of one.
        quotas: pairs of the items that count and the least number of them.
        vectors: of items, for diversity, and its weight.
        history: shares of values, values of items and weight, for calibration.
        drawn: what gives so many random items, how many are eligible and how many are drawn at first, and their places.
    """

    def __init__(self, ranking, k, caps=(), quotas=(), diversity=None, calibration=None, drawn=(None, 0, 0, ())):
        self.ranking, self.k, self.caps, self.quotas = ranking, k, caps, quotas
        self.diversity, self.calibration, self.drawn = diversity, calibration, drawn

    def list(self, depth):
        scale = 1
        while True:
            found = self._list(depth, scale)
            short = len(found) < self.k and depth < len(self.ranking)
            for good, n in self.quotas:
                more = n * scale < sum(i in good for i, _ in self.ranking)
                left = any(i in good and self._allowed(i, found) for i in self.known)
                short |= more and not left and sum(i in good for i in found) < n
            if not short:
                return found
            depth, scale = 2 * depth, 2 * scale

    def _list(self, depth, scale):
        draw, n_eligible, number, places = self.drawn
        while True:
            self.draws, self.wanting = draw(number) if places else [], False
            found = self._filled(depth, scale)
            if not self.wanting or number >= n_eligible:
                return found
            number *= 4

    def _filled(self, depth, scale):
        items, scores = zip(*self.ranking[:depth], strict=True)
        self.value = dict(zip(items, relevance(scores, self.k), strict=True))
        best = [[i for i, _ in self.ranking if i in good][: n * scale] for good, n in self.quotas]
        self.known = known = {*items, *(i for part in best for i in part)}
        taken = []
        for place in range(self.k):
            lacking = [max(n - sum(i in good for i in taken), 0) for good, n in self.quotas]
            needed = sum(lacking) and sum(lacking) >= self.k - place
            choice = self._drawn(taken, items) if place in self.drawn[3] and not needed else None
            left = sum(p not in self.drawn[3] for p in range(place, self.k))
            if choice is None and lacking and sum(lacking) >= max(left, 1):
                needed = {i for (good, _), n in zip(self.quotas, lacking, strict=True) if n for i in good}
                open_ = [i for i, _ in self.ranking if i in needed & known and self._allowed(i, taken)]
                inside = [i for i in open_ if i in items]
                choice = max(inside, key=lambda i: self._worth(i, taken)) if inside else next(iter(open_), None)
            if choice is None:
                open_ = [i for i in items if self._allowed(i, taken)]
                choice = max(open_, key=lambda i: self._worth(i, taken), default=None)
            if choice is None:
                break
            taken.append(choice)
        return taken

    def _drawn(self, taken, items):
        open_ = [i for i in self.draws if self._allowed(i, taken)]
        beyond = [i for i in open_ if i not in items[: self.k]]
        self.wanting |= not beyond
        return next(iter(beyond or open_), None)

    def _allowed(self, item, taken):
        if item in taken:
            return False
        for values, most in self.caps:
            if any(sum(value in values[i] for i in taken) >= most for value in values[item]):
                return False
        return True

    def _worth(self, item, listed):
        taken = [i for i in listed if i in self.value]  # what a rule took from beyond the pool does not count
        if self.diversity is None and self.calibration is None:
            return -list(self.value).index(item)
        weights = [part[-1] for part in (self.diversity, self.calibration) if part is not None]
        total = (1 - sum(weights)) * self.value[item]
        if self.diversity is not None:
            total += self._unlike(item, taken)
        if self.calibration is not None:
            shares, values, weight = self.calibration
            inside = [i for i in (*taken, item) if values[i]]
            counts = {}
            for i in inside:
                for value in values[i]:
                    counts[value] = counts.get(value, 0) + 1 / len(values[i])
            total -= weight * divergence(shares, counts, len(inside))
        return total

    def _unlike(self, item, taken):
        method, vectors, weight = self.diversity
        if method == "mmr":
            return -weight * max((float(vectors[item] @ vectors[i]) for i in taken), default=0.0)
        rows = vectors[[*taken, item]].astype(float)
        kernel = 0.99 * rows @ rows.T
        np.fill_diagonal(kernel, 1.0)
        before = np.linalg.slogdet(kernel[:-1, :-1])[1] if taken else 0.0
        return weight * (np.linalg.slogdet(kernel)[1] - before)
