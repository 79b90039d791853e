"""What names say of event types: ``skip`` is a dislike, ``unfollow`` takes a like back, and which columns hold them."""

from __future__ import annotations

import re
from typing import Literal

from recsys.names import name_words

_DISLIKES = (
    "skip skipped dislike disliked downvote downvoted hide hidden hid block blocked mute muted report reported reject "
    "rejected dismiss dismissed nope thumbsdown uninterested hate hated snooze complaint complained complain "
    "reklamation beschwerde"
)
_REMOVALS = (
    "unfollow unfollowed remove removed removal return returned refund refunded delete deleted unlike unliked unsave "
    "unsaved unsubscribe unsubscribed cancel canceled cancelled unfavorite unfavourite unbookmark unstar uninstall "
    "uninstalled chargeback retoure storno"
)
_PHRASES = ("not_interested", "thumbs_down", "down_vote")
_MOST_WORDS = 3
"""Longer texts are no names of event types."""
_COLUMNS = "event action activity behavior behaviour interaction ereignis aktion vorgang evento evenement accion azione"
_BESIDE = "type name kind code typ art tipo user customer item product"
_ALSO = "feedback reaction type status verb"
_MAY_HOLD = rf"(?:^|[\W_])(?:{'|'.join((_COLUMNS + ' ' + _ALSO).split())})(?:s?$|[\W_])"


def likely_meaning(event: str) -> Literal["dislike", "removal"] | None:
    """The meaning of an event type as ``event_meaning`` takes it; None where its name says nothing of the kind.

    Example:
        >>> [likely_meaning(event) for event in ("Thumbs Down", "complaint", "removeFromCart", "play")]
        ['dislike', 'dislike', 'removal', None]
    """
    words = name_words(event)
    if len(words) > _MOST_WORDS:
        return None
    if any(word in _REMOVALS.split() for word in words):
        return "removal"
    phrased = any(phrase in "_".join(words) for phrase in _PHRASES)
    return "dislike" if phrased or any(word in _DISLIKES.split() for word in words) else None


def is_event_column(name: str) -> bool:
    """Whether a column of this name holds event types, where it has few values.

    Example:
        >>> [is_event_column(name) for name in ("eventType", "User-Action", "Ereignis", "event_date")]
        [True, True, True, False]
    """
    words = [{word, word.removesuffix("s")} for word in name_words(name)]
    columns, known = {*_COLUMNS.split()}, {*_COLUMNS.split(), *_BESIDE.split()}
    return any(word & columns for word in words) and all(word & known for word in words)


def may_hold_events(name: str) -> bool:
    """Whether a column of this name may hold event types, which then are known by their own names: ``status``.

    Example:
        >>> may_hold_events("orderStatus"), may_hold_events("colour")
        (True, False)
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return re.search(_MAY_HOLD, words) is not None
