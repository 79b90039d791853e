"""Whether a column is used, by what, and what would use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recsys.data.schema import Kind

WEIGHTED_ENGINES = (
    "popularity",
    "itemknn",
    "ease",
    "als",
    "two_tower",
    "sequence",
    "sasrec",
    "gru4rec",
    "bert4rec",
    "hstu",
)
"""The kinds of engines that use the weights of interactions; ``auto`` and ``hybrid`` use them through these."""
NEGATIVE_ENGINES = ("itemknn", "ease")
"""The kinds of engines that learn from dislikes and low ratings with ``data.non_likes = "negatives"``."""
_KINDS_READ: Mapping[str, frozenset[Kind]] = {
    "two_tower": frozenset({Kind.CATEGORICAL, Kind.TAGS, Kind.NUMERIC, Kind.TIME, Kind.EMBEDDING}),
    "content_knn": frozenset({Kind.CATEGORICAL, Kind.TAGS}),
    "auto": frozenset({Kind.CATEGORICAL, Kind.TAGS, Kind.NUMERIC, Kind.TIME, Kind.EMBEDDING}),
}
"""Kind of engine -> the kinds of columns it reads; ``content_knn`` those of items only."""


@dataclass(frozen=True)
class ReadingEngine:
    """An engine of a run that reads columns.

    Args:
        name: of the engine.
        kind: of the engine.
        columns: ``items`` or ``users`` -> the columns it is restricted to; a table that is absent is read whole.
    """

    name: str
    kind: str
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def reads(self, table: str, column: str, kind: Kind) -> bool:
        """Whether it reads the column of ``table`` (``users`` or ``items``)."""
        of_table = table == "items" or self.kind != "content_knn"
        return of_table and kind in _KINDS_READ[self.kind] and column in self.columns.get(table, (column,))


@dataclass(frozen=True)
class ColumnReaders:
    """What reads the columns of users and items.

    Args:
        engines: those of the run that read columns; None where no run is known.
        embedders: name of a ``[pretrain]`` table -> the columns that its embedder names; none takes all of its kind.
    """

    engines: tuple[ReadingEngine, ...] | None = None
    embedders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of_run(cls, engines: Mapping[str, object], pretrain: Mapping[str, object]) -> ColumnReaders:
        """The readers of a run with these sections ``[engines]`` and ``[pretrain]``, as TOML gives them."""
        reading, embedders = [], {}
        for name, options in engines.items():
            given = options if isinstance(options, Mapping) else {}
            kind = str(given.get("kind", name))
            if kind in _KINDS_READ:
                lists = {table: given.get(f"{table.removesuffix('s')}_columns") for table in ("items", "users")}
                named = {table: tuple(map(str, found)) for table, found in lists.items() if isinstance(found, list)}
                reading.append(ReadingEngine(name, kind, named))
        for name, section in pretrain.items():
            if isinstance(section, Mapping) and section.get("embedder"):
                named_columns = section.get("columns")
                embedders[name] = tuple(map(str, named_columns)) if isinstance(named_columns, list) else ()
        return cls(tuple(reading), embedders)

    def use(self, table: str, column: str, kind: Kind) -> str:
        """Whether the column of ``table`` (``users`` or ``items``) is used, and why.

        Example:
            >>> ColumnReaders().use("items", "blurb", Kind.TEXT)
            'not used: a text, which nothing reads without a [pretrain] embedder'
        """
        if kind is Kind.IGNORED:
            return "not used: ignored, for the schema says so or every cell is missing"
        if kind in (Kind.TEXT, Kind.IMAGE):
            return self._embedded(table, column, kind)
        if self.engines is None:
            engines = [name for name in _KINDS_READ if ReadingEngine(name, name).reads(table, column, kind)]
            return f"used by {', '.join(engines)}"
        engines = [engine.name for engine in self.engines if engine.reads(table, column, kind)]
        return f"used by {', '.join(engines)}" if engines else "not used: no engine of this run reads it"

    def _embedded(self, table: str, column: str, kind: Kind) -> str:
        named = [name for name, columns in self.embedders.items() if column in columns]
        perhaps = [name for name, columns in self.embedders.items() if not columns]
        if table == "items" and named:
            return f"used by [pretrain.{named[0]}]"
        if table == "items" and perhaps:
            return f"used by [pretrain.{perhaps[0]}], where its embedder reads columns of kind {kind}"
        article = "an" if kind is Kind.IMAGE else "a"
        return f"not used: {article} {kind}, which nothing reads without a [pretrain] embedder" + (
            "" if table == "items" else " (of items)"
        )
