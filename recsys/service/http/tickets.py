"""Tickets: addresses that open one document once, for a tab of a browser, which cannot bring a key."""

from __future__ import annotations

import time
from secrets import token_urlsafe

_SECONDS = 60.0


class Tickets:
    """Gives a ticket for a name, and the name for the ticket, once and for a minute.

    Example:
        >>> tickets = Tickets()
        >>> ticket = tickets.give("report")
        >>> tickets.take(ticket), tickets.take(ticket)
        ('report', None)
    """

    def __init__(self) -> None:
        self._given: dict[str, tuple[float, str]] = {}

    def give(self, name: str) -> str:
        """A ticket for ``name``."""
        now = time.monotonic()
        self._given = {ticket: each for ticket, each in self._given.items() if each[0] > now}
        ticket = token_urlsafe(24)
        self._given[ticket] = now + _SECONDS, name
        return ticket

    def take(self, ticket: str) -> str | None:
        """The name that the ticket is for; None where it was taken, is too old or was never given."""
        until, name = self._given.pop(ticket, (0.0, ""))
        return name if until > time.monotonic() else None
