"""Where `recsys recommend` brings finished lists beside their folder: PostgreSQL and Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recsys.retrieval.output import Place


def brought(directory: Place, postgres: str | None, table: str, redis: Path | None) -> Iterator[str]:
    """Loads and writes what is asked for, and yields a line for each.

    Args:
        directory: the folder, or the address, of a finished batch.
        postgres: a database; None loads nothing.
        table: its table, which is swapped whole.
        redis: a file for ``redis-cli --pipe``; None writes none.
    """
    if postgres is not None:
        from recsys.retrieval.databases.postgres import load_postgres

        rows = load_postgres(directory, postgres, table)
        yield (f"PostgreSQL: {rows:,} rows loaded into {table}" if rows else f"PostgreSQL: {table} has these lists")
    if redis is not None:
        from recsys.retrieval.databases.redis import write_redis

        yield f"{redis}: {write_redis(directory, redis):,} keys for redis-cli --pipe"
