"""A finished batch as a PostgreSQL table, loaded by COPY and swapped in one transaction (extra ``postgres``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import pandas as pd

from recsys.digest import short_digest
from recsys.errors import ArtifactError, ConfigError, DataError, check_kind
from recsys.retrieval.databases.postgres_swap import Name, take_place
from recsys.retrieval.manifest import Manifest
from recsys.retrieval.output import Place

if TYPE_CHECKING:
    from psycopg import Cursor
    from psycopg.sql import Composable

_LONGEST, _CONNECT_SECONDS = 63, 10
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
"""The comment of a table that was made here."""
_TYPES = {"i": "bigint", "f": "real", "b": "boolean"}


def load_postgres(directory: Place, dsn: str, table: str = "recommendations") -> int:
    """Loads the parts of a batch into a new table, which then takes the place of ``table``.

    Everything is one transaction: until it is committed readers see the old table, and if the server or this process is
    killed the old table stands; a rerun completes. A table that already has this batch is left alone. Only a table
    that this function made, which its comment says, is replaced. Owner, rights and indexes stay; where views or the
    like depend on the table, its rows are replaced in it, see `recsys.retrieval.databases.postgres_swap.take_place`.

    Args:
        directory: the folder, or the address, of a complete batch.
        dsn: of the database, such as ``postgresql://shop@db/lists`` or ``dbname=lists``. Leave the password to
            ``~/.pgpass`` or ``PGPASSWORD``, which libpq reads.
        table: the name, or ``schema.name``.

    Returns:
        The number of rows that were loaded, 0 where the table has them already.

    Raises:
        ArtifactError: the batch is not complete, or a part has changed; or ``table`` is a view, or a table that this
            function did not make, or one of other columns that views depend on, or one whose rows take those of
            another table with them.
        ConfigError: psycopg is not installed, or ``table`` is no name.
        DataError: the server cannot be reached, refused a statement or went away, or an argument is of another kind.

    Example:
        >>> load_postgres("nowhere", "dbname=shop")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ...
        recsys.errors.ArtifactError: ...
    """
    check_kind("dsn", dsn, str, "give the address of a database, as 'dbname=lists'")
    check_kind("table", table, str, "give its name, or schema.name")
    manifest = Manifest.load(directory)
    manifest.verify(directory)
    try:
        import psycopg
        from psycopg import sql
    except ImportError as error:
        raise ConfigError("PostgreSQL needs psycopg: pip install 'recsys-towers[postgres]'") from error
    names = table.split(".")
    if len(names) > 2 or not all(0 < len(name.encode()) <= _LONGEST and "\0" not in name for name in names):
        raise ConfigError(f"{table!r} is no table; write a name, or schema.name, of at most {_LONGEST} bytes each")
    try:
        with psycopg.connect(_with_timeout(dsn)) as connection, connection.cursor() as cursor:
            old = Name(tuple(names)).located(cursor)
            new = old.sibling(f"recsys_{short_digest([table])}")
            if _comment(cursor, old.sql, table) == manifest.fingerprint:
                return 0
            rows = _fill(cursor, new.sql, _frames(directory, manifest))
            cursor.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(new.sql, sql.Literal(manifest.fingerprint)))
            _comment(cursor, old.sql, table)  # another program may have made it in the meantime
            take_place(cursor, new, old)
        return rows
    except psycopg.Error as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        again = ", and the same command loads it again" if isinstance(error, psycopg.OperationalError) else ""
        raise DataError(f"PostgreSQL: {reason}; the table {table} is as it was{again}") from error


def _with_timeout(dsn: str) -> str:
    """The address with a limit for the time until a server answers, where it has none."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    limit = {} if "connect_timeout" in conninfo_to_dict(dsn) else {"connect_timeout": _CONNECT_SECONDS}
    return make_conninfo(dsn, **limit)


def _comment(cursor: Cursor, target: Composable, table: str) -> str | None:
    """The comment of a table, which holds the fingerprint of its batch; None where there is no table.

    Raises:
        ArtifactError: it is no table, or has no such comment, so that `load_postgres` did not make it.
    """
    found = cursor.execute(
        "SELECT relkind, obj_description(oid, 'pg_class') FROM pg_class WHERE oid = to_regclass(%s)",
        [target.as_string(cursor)],
    ).fetchone()
    if found is None:
        return None
    kind, comment = found
    if kind not in ("r", b"r") or not isinstance(comment, str) or not _FINGERPRINT.fullmatch(comment):
        raise ArtifactError(
            f"{table} in PostgreSQL is no table that recsys made, and is not replaced; name another (--table), "
            "or rename or drop this one"
        )
    return comment


def _frames(directory: Place, manifest: Manifest) -> Iterator[pd.DataFrame]:
    if not manifest.parts:
        raise ArtifactError(f"{directory} has no parts; run recommend again")
    return (manifest.read_part(directory, part) for part in manifest.parts)


def _fill(cursor: Cursor, table: Composable, frames: Iterator[pd.DataFrame]) -> int:
    """Creates ``table`` from ``frames``, with the first column and the rank as the key; returns the number of rows."""
    from psycopg import sql

    rows, first = 0, next(frames)
    columns = [
        sql.SQL("{} {} NOT NULL").format(sql.Identifier(str(name)), sql.SQL(_TYPES.get(cells.dtype.kind, "text")))
        for name, cells in first.items()
    ]
    cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(", ").join(columns)))
    with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(table)) as copied:
        for frame in chain([first], frames):
            for row in frame.itertuples(index=False, name=None):
                copied.write_row(row)
            rows += len(frame)
    key = sql.SQL(", ").join(map(sql.Identifier, (str(first.columns[0]), "rank")))
    cursor.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(table, key))
    return rows
