"""Limits of a request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What a request may ask for.

    Args:
        body: bytes.
        k: the length of a list.
        history: items of a history.
        ids: candidates, excluded items, or items of one request.
        batch: users, or events, of one request.
        seconds: for the body to come, and as long again for the answer.
    """

    body: int = 2**20
    k: int = 1000
    history: int = 1000
    ids: int = 10_000
    batch: int = 1000
    seconds: float = 5.0
