"""A trial of a loaded bundle: its first and last users and items get vectors that fit together, or it is refused."""

from __future__ import annotations

import numpy as np

from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.data.vocabulary import Rows
from recsys.engine import Engine, Request
from recsys.errors import ArtifactError
from recsys.ranking import check_finite, top_k
from recsys.retrieval.fallback import Fallback

_ITEMS = 16


def try_engine(engine: Engine, users: EntityTable, items: EntityTable, interactions: Interactions, kind: str) -> None:
    """Ranks the first and last items for the first and last user; arrays that are too short fail at the last.

    Args:
        engine: that was loaded.
        users: of the bundle.
        items: of the bundle.
        interactions: of the bundle; may be empty.
        kind: of the engine, for the message.

    Raises:
        ArtifactError: the parts of the engine do not fit together or hold values that cannot be ranked.
    """
    if not len(items) or not len(users):
        return
    few, ends = items.take(_ends(len(items), _ITEMS)), users.take(_ends(len(users), 1))
    first, last = (interactions.item[interactions.user == row] for row in (0, len(users) - 1))
    own = [rows[rows < min(_ITEMS, len(items))].tolist() for rows in (first, last)]
    try:
        histories = Histories.of(own[: len(ends)])
        top_k(engine.user_vectors(Request(ends, few, histories)), engine.item_vectors(few), k=2)
    except Exception as error:
        raise ArtifactError(
            f"the engine {kind} cannot rank the items of its own bundle ({error!r}); copy the bundle again, or train "
            "again"
        ) from error


def try_fallback(fallback: Fallback, users: EntityTable, items: EntityTable) -> None:
    """Ranks the first and last items for the first and last user by the fallback of a bundle.

    Args:
        fallback: that was loaded.
        users: of the bundle.
        items: of the bundle.

    Raises:
        ArtifactError: its parts do not fit together or hold values that cannot be ranked.
    """
    if not len(items) or not len(users):
        return
    few, ends = items.take(_ends(len(items), _ITEMS)), users.take(_ends(len(users), 1))
    try:
        vectors = fallback.user_vectors(Request(ends, few, Histories.of([[]] * len(ends))))
        check_finite(vectors, ends.vocabulary.ids, "users of the fallback")
        top_k(vectors, fallback.item_vectors(few), k=2)
    except Exception as error:
        raise ArtifactError(f"the fallback of the bundle cannot rank its items ({error!r}); train again") from error


def _ends(length: int, n: int) -> Rows:
    """The first and the last ``n`` of ``length`` rows, each once."""
    return np.union1d(np.arange(min(n, length)), np.arange(max(length - n, 0), length))
