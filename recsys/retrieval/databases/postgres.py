"""A finished batch as a PostgreSQL table, loaded by COPY and swapped in one transaction (extra ``postgres``)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import pandas as pd

from recsys.errors import ArtifactError, ConfigError, DataError
from recsys.retrieval.manifest import Manifest
from recsys.retrieval.output import Place

if TYPE_CHECKING:
    from psycopg import Cursor
    from psycopg.sql import Composable

_TYPES = {"i": "bigint", "f": "real", "b": "boolean"}


def load_postgres(directory: Place, dsn: str, table: str = "recommendations") -> int:
    """Loads the parts of a batch into a new table, which then takes the place of ``table``.

    Everything is one transaction: until it is committed readers see the old table, and if the server or this process is
    killed the old table stands; a rerun completes. A table that already has this batch is left alone.

    Args:
        directory: the folder, or the address, of a complete batch.
        dsn: of the database, such as ``postgresql://shop@db/lists`` or ``dbname=lists``. Leave the password to
            ``~/.pgpass`` or ``PGPASSWORD``, which libpq reads.
        table: the name, or ``schema.name``.

    Returns:
        The number of rows that were loaded, 0 where the table has them already.

    Raises:
        ArtifactError: the batch is not complete, or a part has changed.
        ConfigError: psycopg is not installed, or ``table`` is no name.
        DataError: the server cannot be reached, refused a statement or went away.
    """
    manifest = Manifest.load(directory)
    manifest.verify(directory)
    try:
        import psycopg
        from psycopg import sql
    except ImportError as error:
        raise ConfigError("PostgreSQL needs psycopg: pip install 'recsys-towers[postgres]'") from error
    names = table.split(".")
    if len(names) > 2 or not all(names):
        raise ConfigError(f"{table!r} is no table; write a name, or schema.name")
    target, beside = sql.Identifier(*names), sql.Identifier(*names[:-1], f"{names[-1][:50]}__new")
    try:
        with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
            if _comment(cursor, target) == manifest.fingerprint:
                return 0
            frames = _frames(directory, manifest)
            rows = _fill(cursor, beside, frames)
            cursor.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(beside, sql.Literal(manifest.fingerprint)))
            cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(target))
            cursor.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(beside, sql.Identifier(names[-1])))
        return rows
    except psycopg.Error as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"PostgreSQL: {reason}; the table {table} is as it was, and the same command loads it again"
        ) from error


def _comment(cursor: Cursor, target: Composable) -> str | None:
    """The comment of a table, which holds the fingerprint of its batch; None where there is no table or comment."""
    cursor.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [target.as_string(cursor)])
    found = cursor.fetchone()
    return None if found is None else found[0]


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
    cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
    cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(", ").join(columns)))
    with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(table)) as copied:
        for frame in chain([first], frames):
            for row in frame.itertuples(index=False, name=None):
                copied.write_row(row)
            rows += len(frame)
    key = sql.SQL(", ").join(map(sql.Identifier, (str(first.columns[0]), "rank")))
    cursor.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(table, key))
    return rows
