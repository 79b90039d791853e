"""What the name of an event type says of a like: ``skip`` is a dislike, ``unfollow`` takes a like back."""

from __future__ import annotations

from typing import Literal

from recsys.names import name_words

_DISLIKES = (
    "skip skipped dislike disliked downvote downvoted hide hidden hid block blocked mute muted report reported reject "
    "rejected dismiss dismissed nope thumbsdown uninterested hate hated snooze"
)
_REMOVALS = (
    "unfollow unfollowed remove removed removal return returned refund refunded delete deleted unlike unliked unsave "
    "unsaved unsubscribe unsubscribed cancel canceled cancelled unfavorite unfavourite unbookmark unstar uninstall "
    "uninstalled chargeback retoure storno"
)
_PHRASES = ("not_interested", "thumbs_down", "down_vote")
_MOST_WORDS = 3
"""Longer texts are no names of event types."""


def likely_meaning(event: str) -> Literal["dislike", "removal"] | None:
    """The meaning of an event type as ``event_meaning`` takes it; None where its name says nothing of the kind.

    Example:
        >>> likely_meaning("Thumbs Down"), likely_meaning("removeFromCart"), likely_meaning("play")
        ('dislike', 'removal', None)
    """
    words = name_words(event)
    if len(words) > _MOST_WORDS:
        return None
    if any(word in _REMOVALS.split() for word in words):
        return "removal"
    phrased = any(phrase in "_".join(words) for phrase in _PHRASES)
    return "dislike" if phrased or any(word in _DISLIKES.split() for word in words) else None
