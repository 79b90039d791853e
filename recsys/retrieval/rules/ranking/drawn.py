"""What exploration draws for a block of users: items that may be listed, and the places that they are given."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocabulary import MISSING, Rows
from recsys.retrieval.rules.block import Block
from recsys.retrieval.rules.pairs.own_candidates import contained
from recsys.retrieval.rules.ranking.exploration import Exploration, draws, explored_places, own_draws


@dataclass(frozen=True, eq=False)
class Drawn:
    """The draws of U users.

    Args:
        items: int64 [U, E], MISSING where one must not be listed.
        complete: bool [U], whether all items that the user may get are among them.
        places: bool [U, k], those that are given to draws.
        number: how many were drawn, more than E where no more items may be recommended.
    """

    items: Rows
    complete: NDArray[np.bool_]
    places: NDArray[np.bool_]
    number: int

    @classmethod
    def of(
        cls, rule: Exploration, block: Block, shape: tuple[int, int], eligible: Rows, mask: NDArray[np.bool_]
    ) -> Drawn:
        """The draws of the users of ``block``; those with candidates of their own are given these.

        Args:
            rule: the share and the seed.
            block: [U] users.
            shape: how many items are drawn, and the places of a list.
            eligible: rows of the items that may be recommended, at least one.
            mask: bool [I], the same items.
        """
        number, k = shape
        ids = block.given.ids
        items, complete = draws(rule, ids, number, eligible), np.full(len(ids), number >= len(eligible))
        if block.own is not None and len(block.named):
            lists = block.own.take(block.named)
            lists = lists.where(mask[lists.items])
            items[block.named] = own_draws(rule, ids[block.named], lists, items.shape[1])
            complete[block.named] = lists.lengths <= items.shape[1]
        if block.excluded is not None:
            owner = np.repeat(np.arange(len(items)), items.shape[1])
            gone = contained(owner, items.ravel(), block.excluded, len(mask))
            items[gone.reshape(items.shape)] = MISSING
        return cls(items, complete, explored_places(rule, ids, k), number)
