"""Read a dataset in Python: from your tables (`read_dataset`), or a public one by its name (`load_dataset`)."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from recsys.choices import did_you_mean
from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.ingest.config import DataConfig, InteractionColumns
from recsys.data.ingest.issues import ValidationIssues
from recsys.data.ingest.readers import checked, encode, ingest
from recsys.data.ingest.tables import RawTables, Source, read_sources
from recsys.data.ingest.typed_interactions import Duplicates
from recsys.data.sources import resolve
from recsys.errors import ConfigError, DataError, check_kind, described

_LOG = logging.getLogger("recsys.data")

_FIELDS = {
    "user_id": "user_id",
    "item_id": "item_id",
    "timestamp": "time",
    "position": "order",
    "tie_breaker": "tie_breaker",
    "weight": "weight",
    "event": "event",
    "event_weights": "event_weights",
    "event_meaning": "event_meaning",
}
"""Key of ``columns`` -> field of `InteractionColumns`."""


def read_dataset(
    interactions: Source,
    *,
    users: Source | None = None,
    items: Source | None = None,
    test_interactions: Source | None = None,
    columns: Mapping[str, str | Mapping[str, float] | Mapping[str, str]] | None = None,
    schema: Mapping[str, str] | None = None,
    duplicates: Duplicates = "error",
    **options: object,
) -> Dataset:
    """Read interactions, and tables of users and items, as a `Dataset`.

    Each table is the path of a file (CSV or other separated text, JSON lines, Parquet, Feather) or of a folder of such
    files, an address that fsspec reads, or a DataFrame. All tables are checked, and every error is reported at once,
    with its column and rows; warnings, as of cells that are read as missing, are logged by the logger ``recsys.data``.
    The options of reading files, such as ``header`` for a file without one, are those of ``[data]``.

    Args:
        interactions: one row an interaction: ``user_id``, ``item_id``, and perhaps a ``timestamp`` (seconds
            since 1970 UTC, dates or datetime64) or a ``position`` within the user.
        users: one row a user: ``user_id`` and any other columns.
        items: one row an item: ``item_id`` and any other columns.
        test_interactions: the test file of a given split, with the same columns as ``interactions``. The dataset holds
            the interactions of both, and ``split(data, "given")`` separates them again.
        columns: the names of columns in your tables, by ours: ``user_id``, ``item_id``, ``timestamp``, ``position``,
            ``tie_breaker`` (the order at the same time), ``weight`` and ``event``. Weights and events are used only if
            they are named here. For ``event``, the type of an interaction, ``event_weights`` gives the weight of each
            type, multiplied with ``weight`` if both are named:
            ``{"event": "action", "event_weights": {"view": 1, "buy": 5}}``; ``event_meaning`` names the types that are
            no likes: ``{"hide": "dislike", "unsave": "removal"}``, or are left out: ``{"page_view": "ignore"}``.
        schema: column of ``users`` or ``items`` -> kind (``categorical``, ``tags``, ``numeric``, ``time``, ``text``,
            ``image``, ``embedding`` or ``ignored``), where the inferred one is wrong; ``tags:;`` gives the separator.
        duplicates: rows with the same user, item and time as another row: ``"error"`` reports them, ``"first"`` and
            ``"last"`` keep one of them, ``"keep"`` keeps all.
        **options: others of ``[data]``, see `recsys.data.ingest.config.DataConfig` and
            `recsys.data.ingest.reading.options.TableFormat`: ``name`` of the data in reports, ``missing``,
            ``unknown_ids``, ``positive_from``, ``non_likes``, ``half_life_days``; ``separator``, ``header``,
            ``explode``, ``time_format``, ``time_unit``, ``time_zone`` and more.

    Raises:
        DataError: lists every error of the tables, or a table is neither a path nor a DataFrame.
        ConfigError: an option is unknown, ``columns`` has an unknown key or ``event_weights`` without ``event``,
            ``schema`` has an unknown kind or a column that neither table has, or ``duplicates`` is none of the four.

    Example:
        >>> import pandas as pd
        >>> events = pd.DataFrame({"uid": ["ann", "ann", "bob"], "item_id": [7, 8, 7], "ts": pd.to_datetime(
        ...     ["2024-05-01", "2024-05-02", "2024-05-02"])})
        >>> films = pd.DataFrame({"item_id": [7, 8], "genres": ["Drama|War", "Comedy"]})
        >>> data = read_dataset(events, items=films, columns={"user_id": "uid", "timestamp": "ts"},
        ...     schema={"genres": "tags:|"}, name="films")
        >>> data.n_users, data.n_items, len(data.interactions), data.items.schema.to_dict()
        (2, 2, 3, {'genres': 'tags:|'})
    """
    issues = ValidationIssues()
    for name, table in (("interactions", interactions), ("users", users), ("items", items)):
        if not isinstance(table, Source) and (table is not None or name == "interactions"):
            raise DataError(f"{name} is {described(table)}; give a path, an address or a DataFrame")
    files = [interactions] if test_interactions is None else [interactions, test_interactions]
    if given := sorted({"source", "interactions", "user_schema", "item_schema"} & set(options)):
        raise ConfigError(f"read_dataset has no option {given[0]!r}; kinds of columns are given by schema")
    known = {"columns": _columns({} if columns is None else columns), "duplicates": duplicates}
    config = parse(DataConfig, {**known, **options}, "read_dataset")
    raw = read_sources(files, users, items, issues, config)
    if issues.errors and schema:  # without the table, every column of the schema would be reported as unknown
        issues.raise_errors()
    user_schema, item_schema = _split_schema(raw, schema or {})
    config = config.model_copy(update={"user_schema": user_schema, "item_schema": item_schema})
    tables = checked(raw, config)
    issues.raise_errors()
    for warning in issues.warnings:
        _LOG.warning("%s", warning)
    return encode(tables, config.name).data


def load_dataset(name: str) -> Dataset:
    """Load a public data set by its name, as ``movielens-100k``.

    The folder of data sets is ``$RECSYS_DATA_DIR`` (default ``../shared/data``). MovieLens 100K is downloaded from the
    package registry if that folder lacks it. ``recsys data`` lists the names.

    Raises:
        ConfigError: no data set has this name.
        DataError: it is no name, or the folder lacks the data set and it cannot be downloaded.

    Example:
        >>> load_dataset("movielens-100k")  # doctest: +SKIP
        Dataset 'movielens-100k': 943 users, 1,682 items, 100,000 interactions (density 6.3 %), 1997-09-20 to 1998-04-22
    """
    check_kind("name", name, str, "give a name, or your own tables to recsys.read_dataset")
    return ingest(resolve(DataConfig(source=name))).data


def _columns(names: Mapping[str, str | Mapping[str, float] | Mapping[str, str]]) -> InteractionColumns:
    if not isinstance(names, Mapping):
        raise ConfigError(f"columns is {described(names)}; give a dict, as {{'user_id': 'customer'}}")
    for name in map(str, names):
        if name not in _FIELDS:
            raise ConfigError(f"columns names {name!r}{did_you_mean(name, _FIELDS) or '.'} Known: {', '.join(_FIELDS)}")
    return parse(InteractionColumns, {_FIELDS[name]: value for name, value in names.items()}, "columns")


def _split_schema(raw: RawTables, schema: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The kinds of the columns of users, and of items."""
    present = [[] if table is None else list(table.frame.columns) for table in (raw.users, raw.items)]
    known = list(dict.fromkeys([*present[0], *present[1]]))
    for name in schema:
        if name not in known:
            raise ConfigError(
                f"schema names {name!r}, and neither users nor items has that column{did_you_mean(name, known) or '.'} "
                f"They have: {', '.join(known) or 'no columns'}"
            )
    first, second = ({name: kind for name, kind in schema.items() if name in names} for names in present)
    return first, second
