"""The local MLflow database: checked before use, complete before it has its name, locked during a promotion."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import gettempdir

from filelock import FileLock, Timeout

from recsys.atomic import make_parents
from recsys.digest import short_digest
from recsys.errors import ArtifactError, PromotionError
from recsys.files.addresses import without_password
from recsys.tracking import SilentTracker, Tracker

WAIT_SECONDS = 600.0
"""How long a promotion waits for another one of the same registry."""

BUSY_SECONDS = 10.0
RESTORE = "restore it, or move it away to start a new registry"
_RESERVED = "?#%"
"""Signs that have a meaning in the address of a database."""
_TABLES = (
    *("experiments", "runs", "params", "metrics", "tags", "logged_models", "registered_models"),
    *("model_versions", "model_version_tags", "registered_model_aliases"),
)
"""Those of a database of MLflow that a registry is read from and written to."""


def database_file(uri: str) -> Path | None:
    """The database file of a ``sqlite:///`` URI; None for other URIs."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def check_database(path: Path) -> None:
    """Checks that ``path`` is a SQLite database that can be read, or nothing yet.

    Raises:
        ArtifactError: names what it is instead and the remedy.
    """
    signs = [sign for sign in str(path) if sign in _RESERVED]
    if signs:
        raise ArtifactError(
            f"{path} holds {signs[0]!r}, which has a meaning in the address of a database; choose another --output, or "
            "set promote.tracking_uri"
        )
    if not os.path.lexists(path):
        return
    if not path.is_file():
        raise ArtifactError(f"{path} is no file, where the registry's database belongs; move it away")
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
        try:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        finally:
            connection.close()
    except sqlite3.Error as error:
        locked = "locked" in str(error)
        remedy = "end the program that holds it" if locked else RESTORE
        raise ArtifactError(f"the registry's database {path} cannot be used ({error}); {remedy}") from error
    if tables and "alembic_version" not in tables:
        raise ArtifactError(
            f"{path} is the database of another program, with a table {min(tables)!r}; set promote.tracking_uri to "
            "another file, or move this one away"
        )


def require_database(uri: str, name: str) -> None:
    """Checks that a registry that is only read is there, so that none is made for it; a server passes.

    Args:
        uri: of the registry.
        name: of the model that is looked for.

    Raises:
        PromotionError: ``uri`` is of a local database that does not exist.
    """
    path = database_file(uri)
    if path is not None and not os.path.lexists(path):
        raise PromotionError(
            f"no model {name!r} has been registered: {path} does not exist; train and promote one first"
        )


def make_database(path: Path, fill: Callable[[str], object]) -> None:
    """Makes the database ``path`` where there is none: beside it first, so that a kill leaves none or a complete one.

    An empty file, which SQLite takes for a database without tables, is replaced.

    Args:
        path: of the database.
        fill: makes the tables of the database at an address.
    """
    if _has_content(path):
        return
    make_parents(path)
    with _lock(path.with_name(f".{path.name}.lock"), str(path), SilentTracker()):
        if _has_content(path):
            return
        beside = path.with_name(f".{path.name}.partial")
        for left in path.parent.glob(f".{path.name}.partial*"):
            left.unlink()
        try:
            fill(f"sqlite:///{beside}")
        except Exception:  # the disk may be full
            beside.unlink(missing_ok=True)
            raise
        beside.replace(path)


def check_tables(path: Path) -> None:
    """Checks that a database that MLflow has opened holds the tables of a registry.

    Raises:
        ArtifactError: names a table that it lacks and the remedy.
    """
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    lacking = [name for name in _TABLES if name not in tables]
    if lacking:
        raise ArtifactError(f"the registry's database {path} lacks the table {lacking[0]!r}; {RESTORE}")


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


@contextmanager
def registry_lock(uri: str, tracker: Tracker) -> Iterator[None]:
    """Locks the registry at ``uri`` for one promotion, so that each is compared with the champion that it replaces.

    A local database is locked by a file beside it; another registry only among the processes of this machine.

    Args:
        uri: of the registry.
        tracker: is told that another promotion is waited for.

    Raises:
        PromotionError: another promotion has not ended in `WAIT_SECONDS`.
    """
    local = database_file(uri)
    if local is None:
        path = Path(gettempdir()) / f"recsys-{os.getuid()}-{short_digest([uri])}.lock"
    else:
        path = local.with_name(f".{local.name}.lock")
    with _lock(path, without_password(uri), tracker):
        yield


@contextmanager
def _lock(path: Path, what: str, tracker: Tracker) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        tracker.info(f"another process changes the registry {what}; waiting for it, at most {WAIT_SECONDS:.0f} s")
        try:
            lock.acquire(timeout=WAIT_SECONDS)
        except Timeout as error:
            raise PromotionError(
                f"another process has held the registry {what} for {WAIT_SECONDS:.0f} s; end it and run this again"
            ) from error
    try:
        yield
    finally:
        lock.release()
