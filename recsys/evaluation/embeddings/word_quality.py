"""Word similarity and analogy tests of word vectors, made from a catalogue's own texts and tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.stats import spearmanr

from recsys.embedding_table import EmbeddingTable, row_norms, unit_rows
from recsys.seeding import stream

Pairs = NDArray[np.int64]
"""int64 [n, 2], pairs of words, all in the same relation."""

MOST_WORDS = 20_000
"""Tests use at most this many words, the most frequent: each analogy is scored against all of them."""


@dataclass(frozen=True)
class WordTest:
    """The result of one test.

    Args:
        value: Spearman's rho, or the accuracy of analogies.
        chance: its expected value for random vectors.
        questions: number of word pairs compared, or of analogies.
    """

    value: float
    chance: float
    questions: int


@dataclass(frozen=True)
class WordQuality:
    """Result of `word_quality`; a test is None where the catalogue has no word pair or analogy for it.

    Args:
        words: number of words of the table that are tested.
        similarity: Spearman's rho between the cosine of two words and the similarity of the tags of the items whose
            texts contain them; pairs of words that occur together in a text are left out.
        plurals: accuracy of "film is to films as war is to ...", among all tested words.
        tags: accuracy of "wedding is to romance as alien is to ...", among the names of the tags.
    """

    words: int
    similarity: WordTest | None
    plurals: WordTest | None
    tags: WordTest | None


def word_quality(
    words: EmbeddingTable,
    texts: Sequence[Sequence[str]],
    tags: Sequence[Sequence[str]],
    seed: int = 0,
    min_texts: int = 5,
    sample: int = 2000,
) -> WordQuality:
    r"""Word similarity and analogy tests of ``words``, built from the texts and tags of a catalogue.

    A word is described by its row of positive pointwise mutual information (Church & Hanks, 1990),
    :math:`\max(0, \log \frac{n_{wt} n}{n_w n_t})` with the tags, over the items; the similarity of two words is
    the cosine of these rows. An analogy a : b :: c : d predicts d as the word nearest to b - a + c of unit
    vectors, other than a, b and c (3CosAdd; Mikolov et al., 2013). Where the texts contain the tags' names, the vectors
    may have been trained on them.

    Args:
        words: word vectors, one row per word.
        texts: [I] the words of each item's text.
        tags: [I] the tags of each item.
        seed: of the random analogies.
        min_texts: a word is tested if it occurs in at least this many texts; where tags are involved, also in at most
            10 % of them. At most `MOST_WORDS` words are tested, the most frequent ones.
        sample: largest number of analogies of each kind; similarity compares all pairs of the ``sample / 4`` most
            frequent words.
    """
    incidence = _incidence(texts, {str(word): row for row, word in enumerate(words.vocabulary.ids)})
    known = _frequent(_counts(incidence), min_texts)
    names = [str(word) for word in words.vocabulary.ids[known]]
    unit = unit_rows(words.vectors[known])
    incidence = incidence[:, known]
    of_tag = {tag: place for place, tag in enumerate(sorted({tag for own in tags for tag in own}))}
    ppmi = _ppmi(incidence, _incidence(tags, of_tag))
    place = {name: row for row, name in enumerate(names)}
    named = [(place[tag.lower()], column) for tag, column in of_tag.items() if tag.lower() in place]
    specific = (_counts(incidence) <= len(texts) / 10) & ~np.isin(np.arange(len(names)), [row for row, _ in named])
    return WordQuality(
        len(names),
        _similarity(unit, incidence, ppmi, specific, sample // 4),
        _analogies(unit, _plurals(place), np.arange(len(names)), seed, sample),
        _analogies(unit, _tag_pairs(ppmi, specific, named), np.array([row for row, _ in named]), seed, sample),
    )


def _frequent(counts: NDArray[np.float64], least: float) -> NDArray[np.int64]:
    """The rows of the most frequent words that occur in ``least`` texts or more, in ascending order."""
    frequent = np.argsort(-counts, kind="stable")[:MOST_WORDS]
    return np.sort(frequent[counts[frequent] >= least])


def _incidence(rows: Sequence[Sequence[str]], columns: Mapping[str, int]) -> sp.csr_array:
    """float64 [n, columns], 1 where a row has the name of the column."""
    columns_of = [sorted({columns[name] for name in own if name in columns}) for own in rows]
    ends = np.cumsum([0, *map(len, columns_of)])
    found = np.fromiter(chain.from_iterable(columns_of), np.int64, int(ends[-1]))
    return sp.csr_array((np.ones(len(found)), found, ends), shape=(len(rows), len(columns)))


def _counts(incidence: sp.csr_array) -> NDArray[np.float64]:
    return np.asarray(incidence.sum(0)).ravel()


def _ppmi(incidence: sp.csr_array, tag_matrix: sp.csr_array) -> sp.csr_array:
    """float64 [W, T]: positive pointwise mutual information of words and tags over the items."""
    both = sp.coo_array(incidence.T @ tag_matrix)
    expected = _counts(incidence)[both.row] * _counts(tag_matrix)[both.col] / max(incidence.shape[0], 1)
    lift = both.data / np.maximum(expected, 1e-12)
    found = sp.csr_array((np.log(np.maximum(lift, 1)), (both.row, both.col)), shape=both.shape)
    found.eliminate_zeros()
    return found


def _similarity(
    unit: NDArray[np.float32],
    incidence: sp.csr_array,
    ppmi: sp.csr_array,
    specific: NDArray[np.bool_],
    most: int,
) -> WordTest | None:
    able = np.flatnonzero(specific & (np.diff(ppmi.indptr) > 0))
    able = able[np.argsort(-_counts(incidence)[able], kind="stable")[:most]]
    together = (incidence[:, able].T @ incidence[:, able]).toarray() > 0
    left, right = np.nonzero(np.triu(~together, 1))
    if len(left) < 10:
        return None
    rows = ppmi[able].toarray()
    rows /= row_norms(rows)
    similarity = (rows @ rows.T)[left, right]
    cosine = (unit[able] @ unit[able].T)[left, right]
    if np.ptp(similarity) == 0 or np.ptp(cosine) == 0:
        return None
    return WordTest(float(spearmanr(cosine, similarity).statistic), 0.0, len(left))


def _plurals(place: Mapping[str, int]) -> Pairs:
    """Pairs (singular, plural): a word of four letters or more and the same word with an s."""
    pairs = [(row, place[f"{name}s"]) for name, row in place.items() if len(name) > 3 and f"{name}s" in place]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _tag_pairs(
    ppmi: sp.csr_array, specific: NDArray[np.bool_], named: Sequence[tuple[int, int]], each: int = 5
) -> Pairs:
    """Pairs (word, name) for each tag whose name is a word: the ``each`` words of highest information about it."""
    if not named:
        return np.zeros((0, 2), np.int64)
    pairs, most, of_tag = [], np.asarray(ppmi.argmax(1)).ravel(), ppmi.tocsc()
    for name, column in named:
        score = np.where(specific & (most == column), of_tag[:, [column]].toarray().ravel(), 0)
        pairs += [(row, name) for row in np.argsort(-score, kind="stable")[:each].tolist() if score[row] > 0]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _analogies(
    unit: NDArray[np.float32], pairs: Pairs, candidates: NDArray[np.int64], seed: int, most: int
) -> WordTest | None:
    """The accuracy of a : b :: c : d over pairs (a, b), (c, d) with distinct b and d, d among ``candidates``."""
    first, second = _drawn(pairs[:, 1], seed, most)
    if not len(first):
        return None
    (a, b), (c, d) = pairs[first].T, pairs[second].T
    scores = (unit[b] - unit[a] + unit[c]) @ unit[candidates].T
    for given in (a, b, c):
        scores[given[:, None] == candidates] = -np.inf
    right = candidates[scores.argmax(1)] == d
    n_candidates = np.isfinite(scores).sum(1)
    return WordTest(float(right.mean()), float((1 / n_candidates).mean()), len(d))


def _drawn(ends: NDArray[np.int64], seed: int, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices (i, j) of pairs with ``ends[i] != ends[j]``: all of them, or ``most`` drawn without replacement.

    The about P squared combinations of the P pairs are never enumerated.
    """
    _, kind, size = np.unique(ends, return_inverse=True, return_counts=True)
    after = np.cumsum(len(ends) - size[kind])  # cumulative number of combinations by their first index
    total = int(after[-1]) if len(after) else 0
    drawn = np.arange(total) if total <= most else stream(seed, "analogies").choice(total, most, replace=False)
    first = np.searchsorted(after, drawn, side="right")
    rank = drawn - np.concatenate([[0], after])[first]
    second = np.empty_like(rank)
    for group in np.unique(kind[first]):
        same, at = np.flatnonzero(kind == group), kind[first] == group
        second[at] = rank[at] + np.searchsorted(same - np.arange(len(same)), rank[at], side="right")
    return first, second
