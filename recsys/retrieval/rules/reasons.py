"""Reasons: which rules gave an item its place, as bits of a whole number and as text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recsys.retrieval.rules.registry import RULES

NAMES = tuple(RULES)
"""The names of the rules, in the order in which a reason lists them."""
NO_RULE = "score"
"""The reason of an item that has its place by its score alone."""


def bit(name: str) -> int:
    """The bit of a rule."""
    return 1 << NAMES.index(name)


def reason_text(bits: int) -> str:
    """The names of the rules in ``bits``, with commas; `NO_RULE` where there is none.

    Example:
        >>> reason_text(bit("caps") | bit("boosts")), reason_text(0)
        ('boosts,caps', 'score')
    """
    return ",".join(name for place, name in enumerate(NAMES) if bits >> place & 1) or NO_RULE


def reason_texts(reasons: NDArray[np.int32]) -> list[str]:
    """`reason_text` of each of ``reasons`` [n]."""
    distinct, position = np.unique(reasons, return_inverse=True)
    texts = [reason_text(int(bits)) for bits in distinct]
    return [texts[place] for place in position.tolist()]


def reason_bits(texts: Sequence[str]) -> NDArray[np.int32]:
    """`reason_texts` undone.

    Example:
        >>> reason_texts(reason_bits(["boosts,caps", "score"]))
        ['boosts,caps', 'score']
    """
    bits = {text: sum(bit(name) for name in text.split(",") if name != NO_RULE) for text in set(texts)}
    return np.array([bits[text] for text in texts], np.int32)
