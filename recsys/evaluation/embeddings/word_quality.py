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
"""Tests use at most this many words, the most frequent: each question is scored against all of them."""


@dataclass(frozen=True)
class WordTest:
    """One test.

    Args:
        value: of the vectors.
        chance: expected of random vectors.
        questions: how many there were.
    """

    value: float
    chance: float
    questions: int


@dataclass(frozen=True)
class WordQuality:
    """What `word_quality` measures; None where the catalogue yields no question.

    Args:
        words: how many of the table's words occur in enough texts to be tested, at most `MOST_WORDS`.
        similarity: Spearman's rho between the cosine of two words and how alike the tags are of the items whose texts
            contain them; two words that ever occur in one text are left out.
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
    r"""Similarity and analogy tests made from a catalogue.

    The tags of a word are its row of positive pointwise mutual information (Church & Hanks, 1990),
    :math:`\max(0, \log \frac{n_{wt} n}{n_w n_t})` over the items; the similarity of two words is the cosine of these
    rows. An analogy a : b :: c : d is answered by the word nearest to b - a + c of unit vectors, the three left out
    (3CosAdd; Mikolov et al., 2013). Where the texts contain the tags' names, the vectors may have been trained on them.

    Args:
        words: a vector a word.
        texts: [I] the words of each item's text.
        tags: [I] what each item carries.
        seed: draws the questions.
        min_texts: a word is tested when it occurs in so many texts; by its tags, also in at most a tenth of them.
            Where more than `MOST_WORDS` do, the most frequent ones are.
        sample: at most so many questions of each kind of analogy, and a quarter as many words compared, the most
            frequent ones.
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
    """float64 [n, columns], 1 where a row holds what a column is called."""
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
    alike = (rows @ rows.T)[left, right]
    cosine = (unit[able] @ unit[able].T)[left, right]
    if np.ptp(alike) == 0 or np.ptp(cosine) == 0:
        return None
    return WordTest(float(spearmanr(cosine, alike).statistic), 0.0, len(left))


def _plurals(place: Mapping[str, int]) -> Pairs:
    """A word of four letters or more and the same with an s."""
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
        said = np.where(specific & (most == column), of_tag[:, [column]].toarray().ravel(), 0)
        pairs += [(row, name) for row in np.argsort(-said, kind="stable")[:each].tolist() if said[row] > 0]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _analogies(
    unit: NDArray[np.float32], pairs: Pairs, answers: NDArray[np.int64], seed: int, most: int
) -> WordTest | None:
    """The accuracy of a : b :: c : d over pairs (a, b), (c, d) with distinct b and d, d among ``answers``."""
    first, second = _drawn(pairs[:, 1], seed, most)
    if not len(first):
        return None
    (a, b), (c, d) = pairs[first].T, pairs[second].T
    scores = (unit[b] - unit[a] + unit[c]) @ unit[answers].T
    for given in (a, b, c):
        scores[given[:, None] == answers] = -np.inf
    right = answers[scores.argmax(1)] == d
    open_to = np.isfinite(scores).sum(1)
    return WordTest(float(right.mean()), float((1 / open_to).mean()), len(d))


def _drawn(ends: NDArray[np.int64], seed: int, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of two pairs with distinct ``ends`` [P]: all such, or ``most`` that are drawn of them.

    The pairs of pairs, about P squared, are never enumerated.
    """
    _, kind, size = np.unique(ends, return_inverse=True, return_counts=True)
    after = np.cumsum(len(ends) - size[kind])  # how many combinations begin at each pair or before it
    total = int(after[-1]) if len(after) else 0
    drawn = np.arange(total) if total <= most else stream(seed, "analogies").choice(total, most, replace=False)
    first = np.searchsorted(after, drawn, side="right")
    rank = drawn - np.concatenate([[0], after])[first]
    second = np.empty_like(rank)
    for group in np.unique(kind[first]):
        same, at = np.flatnonzero(kind == group), kind[first] == group
        second[at] = rank[at] + np.searchsorted(same - np.arange(len(same)), rank[at], side="right")
    return first, second
