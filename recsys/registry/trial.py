"""A trial of a loaded bundle: its first user and items get vectors that fit together, or it is refused."""

from __future__ import annotations

from recsys.data.entities import EntityTable
from recsys.data.histories import Histories
from recsys.data.interactions import Interactions
from recsys.engine import Engine, Request
from recsys.errors import ArtifactError
from recsys.ranking import top_k

_ITEMS = 16


def try_engine(engine: Engine, users: EntityTable, items: EntityTable, interactions: Interactions, kind: str) -> None:
    """Ranks a few items for the first user, and for a user without history.

    Args:
        engine: that was loaded.
        users: of the bundle.
        items: of the bundle.
        interactions: of the bundle; may be empty.
        kind: of the engine, for the message.

    Raises:
        ArtifactError: the parts of the engine do not fit together or hold values that cannot be ranked.
    """
    few, first = items.take(slice(0, _ITEMS)), users.take(slice(0, 1))
    own = interactions.item[(interactions.user == 0) & (interactions.item < len(few))]
    histories = Histories.of([own.tolist()] if len(first) else [])
    if not len(few) or not len(first):
        return
    try:
        top_k(engine.user_vectors(Request(first, few, histories)), engine.item_vectors(few), k=2)
    except Exception as error:
        raise ArtifactError(
            f"the engine {kind} cannot rank the items of its own bundle ({error!r}); copy the bundle again, or train "
            "again"
        ) from error
