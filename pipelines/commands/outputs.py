"""The lists of `recsys recommend`: what is not replaced, and where finished ones are brought: PostgreSQL and Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipelines.config import RecommendSection
from recsys.errors import ArtifactError, ConfigError
from recsys.retrieval.manifest import Manifest
from recsys.retrieval.output import Place
from recsys.retrieval.recipients.users import NEW, remembered


def check_replaced(directory: Place, section: RecommendSection) -> None:
    """Checks that lists for some users or sessions, which a command line names, do not replace the batch of others.

    Args:
        directory: the folder, or the address, of the lists.
        section: with the ``users`` or ``histories`` of the command line.

    Raises:
        ConfigError: the folder holds a batch of other users, or for sessions, of users.
    """
    try:
        held = Manifest.load(directory)
    except ArtifactError:
        return
    if section.histories is not None:
        replaced, option = remembered(directory) is not None, "--histories"
    else:
        asked, before = section.options.identity().get("users"), held.options.get("users")
        among = isinstance(asked, list) and isinstance(before, list) and {*map(str, before)} <= {*map(str, asked)}
        replaced, option = section.users != NEW and asked != before and not among, "--users"
    if replaced:
        raise ConfigError(
            f"{directory} holds the lists of {held.users:,} users, and {option} would replace them; "
            "give its lists a folder of their own: --set recommend.output=FOLDER"
        )


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
