"""An embedder as an option of another one: the vectors that a head, a projection or an alignment builds on."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from recsys.config import Config, parse
from recsys.content.embedder import Embedder, EmbedderConfig, Learner


class EmbedderSpec(Config):
    """An embedder by its kind and options; in Python an embedder may be given in its place, and its options are taken.

    Args:
        embedder: its kind.
        columns: what it reads; none takes the columns of the outer embedder.
        options: of its kind.

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
        """The embedder, with nothing learnt.

        Args:
            columns: of the outer embedder.

        Raises:
            ConfigError: there is no such kind, or it has no such option.
        """
        from recsys.content import EMBEDDERS  # the table names the modules that import this one

        kind = EMBEDDERS[self.embedder]
        options = {"columns": self.columns or columns, **self.options}
        config = parse(kind.Config, options, f"options of {self.embedder}")
        assert isinstance(config, EmbedderConfig)
        return kind(config)


def save_learner(embedder: object, directory: Path) -> None:
    """``embedder.save(directory)``, where it is a `Learner`."""
    if isinstance(embedder, Learner):
        embedder.save(directory)


def restore_learner(embedder: object, directory: Path) -> None:
    """``embedder.restore(directory)``, where it is a `Learner`."""
    if isinstance(embedder, Learner):
        embedder.restore(directory)
