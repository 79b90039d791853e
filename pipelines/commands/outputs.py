"""Lists that a command wrote: what is not replaced, and where finished ones are brought: PostgreSQL and Redis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Databases:
    """Where finished lists are brought.

    Args:
        postgres: a database; None loads nothing.
        table: its table, which is replaced whole.
        redis: a file for ``redis-cli --pipe``; None writes none.
        prefix: of its keys.
        ttl: seconds after which a key expires; None keeps it.
    """

    postgres: str | None
    table: str
    redis: Path | None
    prefix: str
    ttl: int | None

    def __post_init__(self) -> None:
        if self.redis is None and self.ttl is not None:
            raise ConfigError("--ttl is of the keys of --redis; give --redis FILE too")

    def bring(self, directory: Place) -> Iterator[str]:
        """Loads and writes a finished batch, and yields a line for each.

        Args:
            directory: the folder, or the address, of the batch.
        """
        if self.postgres is not None:
            from recsys.retrieval.databases.postgres import load_postgres

            rows, table = load_postgres(directory, self.postgres, self.table), self.table
            yield (f"PostgreSQL: {rows:,} rows loaded into {table}" if rows else f"PostgreSQL: {table} has these lists")
        if self.redis is not None:
            from recsys.retrieval.databases.redis import write_redis

            keys = write_redis(directory, self.redis, self.prefix, self.ttl)
            lives = "" if self.ttl is None else f", each of which expires after {self.ttl:,} s"
            yield f"{self.redis}: {keys:,} keys for redis-cli --pipe{lives}"
