"""MLflow: imported on first use, without telemetry and without log messages below errors."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
import warnings
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from recsys.errors import ArtifactError, PromotionError
from recsys.files.addresses import lacks_password, without_password
from recsys.registry.database import RESTORE, check_database, check_tables, database_file, make_database
from recsys.registry.server import check_server, is_server

_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""The tables and columns in which MLflow stores the address of artifacts."""


def imported() -> Any:
    """The module ``mlflow``, without telemetry, import warnings and log messages below errors."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow
        import mlflow.pyfunc
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow


def mlflow_at(uri: str) -> Any:
    """The module ``mlflow``, with ``uri`` as its tracking server or database, which is made if it is missing.

    Raises:
        ArtifactError: the database cannot be used.
        PromotionError: see `check_registry`.
    """
    check_registry(uri)
    local, mlflow = database_file(uri), imported()
    if local is not None:
        _configure_mappers()
        make_database(local, fill_database)
        _check_schema(mlflow, uri, local)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return mlflow


def check_registry(uri: str) -> None:
    """Checks a database or server before anything is computed for it; nothing is made.

    MLflow is imported only for an address that is neither a local database nor a tracking server.

    Raises:
        ArtifactError: the database cannot be used, or the clock is before 1970, which MLflow does not store.
        PromotionError: the server does not answer, or MLflow knows no such address or lacks the driver for it.
    """
    if time.time() < 0:
        raise ArtifactError("the clock of this machine is before 1970, which no registry can store; set it")
    local = database_file(uri)
    if local is not None:
        check_database(local)
    elif lacks_password(uri):
        raise PromotionError(
            f"the password of promote.tracking_uri = {without_password(uri)!r} is left out, as recsys writes configs; "
            "write it into the config, or give the whole address with --set promote.tracking_uri=ADDRESS"
        )
    elif is_server(uri):
        check_server(uri)
    else:
        _check_client(uri)


def _check_client(uri: str) -> None:
    try:
        imported().MlflowClient(uri)
    except Exception as error:  # of MLflow, of a database or of a driver that is not installed
        shown = without_password(uri)
        reason = str(error).replace(uri, shown).split(". ")[0]
        raise PromotionError(
            f"MLflow cannot use the registry {shown!r} ({reason}); set "
            "promote.tracking_uri to sqlite:///FILE or the address of a server, or install what it lacks"
        ) from error


def _check_schema(mlflow: Any, uri: str, path: Path) -> None:
    """Checks that the database is one of this version of MLflow, and whole: MLflow itself makes them in place."""
    try:
        mlflow.MlflowClient(uri)
    except Exception as error:  # of alembic, of MLflow or of SQLAlchemy
        reason = str(error).split("\n")[0].split(". ")[0]
        if type(error).__name__ == "CommandError" or "out-of-date database schema" in reason:
            raise ArtifactError(
                f"the registry {uri} was made by another version of MLflow ({reason}); install that version, or set "
                "promote.tracking_uri to another file"
            ) from error
        raise ArtifactError(f"the registry's database {path} is damaged or half-made ({reason}); {RESTORE}") from error
    check_tables(path)


def fill_database(uri: str) -> None:
    """Makes MLflow's tables in an empty database."""
    imported().MlflowClient(uri).search_experiments(max_results=1)


@cache
def _configure_mappers() -> None:
    """Configures MLflow's SQLAlchemy tables once, here, to suppress the deprecation warnings of their first use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.store.tracking.dbmodels.models  # noqa: F401
        from sqlalchemy.orm import configure_mappers

        configure_mappers()


def experiment_id(mlflow: Any, uri: str, name: str) -> str:
    """The id of the MLflow experiment ``name``, which is created if missing.

    With a local SQLite database, its artifacts are stored in the folder ``mlflow-artifacts`` next to the database file.
    """
    client = mlflow.MlflowClient(uri)
    found = client.get_experiment_by_name(name)
    if found is not None:
        relocate(uri, name)
        return str(found.experiment_id)
    local = database_file(uri)
    artifacts = None if local is None else _files_of(local).as_uri()
    return str(client.create_experiment(name, artifact_location=artifacts))


def relocate(uri: str, name: str) -> Path | None:
    """Lets a local database that was moved or copied with its artifacts find them where they are now.

    MLflow stores absolute paths. Where those of the experiment ``name`` are in another folder than ``mlflow-artifacts``
    beside the database, every path below the earlier folder is rewritten, in one transaction.

    Returns:
        The earlier folder of the database; None where nothing was moved, or the store is no local database.

    Raises:
        ArtifactError: the artifacts are not beside the database.
    """
    local = database_file(uri)
    found = imported().MlflowClient(uri).get_experiment_by_name(name)
    if local is None or found is None:
        return None
    location = urlsplit(found.artifact_location)
    made, here = Path(url2pathname(location.path)).resolve(), _files_of(local)
    if location.scheme != "file" or made == here:
        return None
    if not here.is_dir():
        raise ArtifactError(
            f"the store {local} was made in {made.parent}, and its artifacts are not in {here}; move them too, or "
            f"take {local.name} out of {here.parent} to start a new store"
        )
    _rewrite(local, found.artifact_location, here.as_uri())
    return made.parent


def _rewrite(database: Path, before: str, after: str) -> None:
    """Replaces the address ``before``, alone or followed by ``/``, at the start of every address of the database."""
    with closing(sqlite3.connect(database, timeout=20)) as connection, connection:
        for table, column in _ADDRESSES:
            if column not in [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]:
                continue
            connection.execute(
                f"UPDATE {table} SET {column} = :after || substr({column}, length(:before) + 1) "
                f"WHERE {column} = :before OR substr({column}, 1, length(:before) + 1) = :before || '/'",
                {"before": before, "after": after},
            )


def local_uri(directory: Path) -> str:
    """The tracking URI of the SQLite database ``mlflow.db`` in ``directory``, the default of a run."""
    return f"sqlite:///{(directory / 'mlflow.db').resolve()}"


def _files_of(database: Path) -> Path:
    return (database.parent / "mlflow-artifacts").resolve()
