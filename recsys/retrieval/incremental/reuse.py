"""Which users of a batch are ranked again, and lists of the others from the previous output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from recsys.data.vocabulary import MISSING, Vocabulary
from recsys.engine import Request, Vectors
from recsys.ranking import Ranker
from recsys.retrieval.incremental.fingerprints import user_fingerprints
from recsys.retrieval.incremental.previous import Previous, save_users
from recsys.retrieval.index import Index
from recsys.retrieval.output import Place
from recsys.retrieval.rules.block import empty_lists, put
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.rules.ruled import RuledRetriever
from recsys.retrieval.top_up import Lists

_PROBED = 256
"""Users, at most those of a block, with whom it is tried whether scores depend on the other users of a block."""
_WHAT = {
    "model": "the model, or the device that ranks,",
    "items": "the items that may be recommended, or a column of theirs that a rule names,",
    "rules": "k, a rule or another option",
    "users": "the columns of users",
}


@dataclass(frozen=True, eq=False)
class Reuse:
    """Makes the lists of a part from those of the previous output and new ones.

    Args:
        retriever: ranks.
        plan: of its rules.
        k: length of a list.
        filter_seen: whether items of a user's history are left out.
        common: digests of what all lists are made from, by name.
        fingerprint: of the batch.
    """

    retriever: RuledRetriever
    plan: RulePlan
    k: int
    filter_seen: bool
    common: Mapping[str, str]
    fingerprint: str
    _previous: dict[str, Previous] = field(default_factory=dict)

    def lists(self, place: tuple[Place, int], request: Request) -> tuple[Lists, int]:
        """The lists of the users of ``request``, and how many are of the previous output.

        The fingerprints of the users are written beside the part.

        Args:
            place: the output folder, and the number of the part.
            request: [U].
        """
        users, ids = self.retriever.encode(request), request.users.vocabulary
        named = [part.rows_of(ids.ids) for part in (self.plan.candidates, self.plan.exclusions) if part is not None]
        fingerprints = user_fingerprints(request, users, named)
        previous = self.previous(place[0])
        places = previous.unchanged(ids, fingerprints)
        if (places != MISSING).any() and not self._independent(request, users.vectors):
            places[:] = MISSING
        kept, ranked = np.flatnonzero(places != MISSING), np.flatnonzero(places == MISSING)
        found = empty_lists((len(ids), self.k))
        if len(ranked):
            some = request if not len(kept) else request.take(ranked)
            new = self.retriever.top_k(some, self.k, self.filter_seen, users if not len(kept) else users.take(ranked))
            found = put(found, ranked, new)
        found = put(found, kept, previous.lists(places[kept], self.k, self._items))
        rows = (found.rows != MISSING).sum(1)
        save_users(place, ids, rows, fingerprints, {**self.common, "fingerprint": self.fingerprint})
        return (found if self.plan.rules.reasons else found._replace(reasons=None)), len(kept)

    def previous(self, directory: Place) -> Previous:
        """The previous output that was set aside in a folder, read once."""
        key = str(directory)
        if key not in self._previous:
            self._previous[key] = Previous(directory, self.common)
        return self._previous[key]

    def told(self, directory: Place) -> str:
        """Whether lists can be taken from the previous output."""
        changed = self.previous(directory).changed
        if changed is None:
            return "incremental: there is no previous output with fingerprints of users, so all are ranked"
        if changed:
            what = " and ".join(_WHAT[name] for name in changed)
            return f"incremental: {what} changed since the previous output, so all users are ranked again"
        return "incremental: users of whom nothing changed keep the lists of the previous output"

    @property
    def _items(self) -> Vocabulary:
        return self.plan.data.items.vocabulary

    def _independent(self, request: Request, users: Vectors) -> bool:
        """Whether scores are bit for bit the same beside other users, as the matrix product of this machine has it."""
        return all(_probed(part.retriever.index, users.take(rows)) for rows, part in self.retriever.parts(request))


def _probed(index: Index, users: Vectors) -> bool:
    if not isinstance(index, Ranker):
        return False
    part = users.take(slice(0, min(_PROBED, index.block)))
    whole = index.scores(part).clone()
    half = len(part) // 2
    return all(
        torch.equal(index.scores(part.take(rows)), whole[rows])
        for rows in (slice(0, 1), slice(half, half + 33), slice(half, len(part)))
    )
