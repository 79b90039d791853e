"""An embedder as an option of another one, such as the base of a projection head."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from recsys.config import Config, parse
from recsys.content.embedder import Embedder, EmbedderConfig, Learner


class EmbedderSpec(Config):
    """An embedder by its kind and options; in Python an embedder object may be given instead.

    Args:
        embedder: its kind, a key of ``EMBEDDERS``.
        columns: the columns that it reads; if empty, those of the outer embedder.
        options: of this kind.

    Example:
        >>> from recsys.content import HashingEmbedder
        >>> EmbedderSpec.model_validate(HashingEmbedder(dim=8, columns=["title"]))
        EmbedderSpec(embedder='hashing', columns=('title',), options={'dim': 8})
    """

    embedder: str
    columns: tuple[str, ...] = ()
    options: dict[str, object] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _of_embedder(cls, raw: object) -> object:
        if not isinstance(raw, Embedder):
            return raw
        options = raw.config.model_dump(exclude_defaults=True, exclude={"columns"})
        return {"embedder": raw.kind, "columns": raw.config.columns, "options": options}

    def build(self, columns: tuple[str, ...] = ()) -> Embedder[EmbedderConfig]:
        """Constructs the embedder.

        Args:
            columns: of the outer embedder.

        Raises:
            ConfigError: there is no such kind, or it has no such option.
        """
        from recsys.content import EMBEDDERS  # imported here, because the embedders import this module

        kind = EMBEDDERS[self.embedder]
        options = {"columns": self.columns or columns, **self.options}
        config = parse(kind.Config, options, f"options of {self.embedder}")
        assert isinstance(config, EmbedderConfig)
        return kind(config)


def save_learner(embedder: object, directory: Path) -> None:
    """Calls ``embedder.save(directory)`` if it is a `Learner`."""
    if isinstance(embedder, Learner):
        embedder.save(directory)


def restore_learner(embedder: object, directory: Path) -> None:
    """Calls ``embedder.restore(directory)`` if it is a `Learner`.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    if isinstance(embedder, Learner):
        embedder.restore(directory)
