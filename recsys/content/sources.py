"""An embedder inside another one: the vectors that a head, or an alignment, builds on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import Field

from recsys.config import Config, parse
from recsys.content.embedder import Embedder, EmbedderContext


class Source(Config):
    """An embedder, what it reads, and its options.

    Args:
        embedder: its kind.
        columns: what it reads; none leaves the choice to the outer embedder's columns.
        options: of its kind.
    """

    embedder: str
    columns: tuple[str, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)

    def build(self, context: EmbedderContext) -> Embedder:
        """The embedder, with the same cache, seed and behaviour as the outer one.

        Raises:
            ConfigError: no such kind, or a key that it does not know.
        """
        from recsys.content import EMBEDDERS  # the table names the modules that import this one

        kind = EMBEDDERS[self.embedder]
        own = replace(context, columns=self.columns or context.columns)
        return kind(parse(kind.Config, self.options, f"options of {self.embedder}"), own)
