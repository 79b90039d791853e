"""MLflow: imported on first use, without telemetry and without log messages below errors."""

from __future__ import annotations

import logging
import os
import warnings
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from recsys.errors import ArtifactError
from recsys.registry.database import check_database, database_file, make_database
from recsys.registry.server import check_server


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
        PromotionError: the server does not answer.
    """
    check_registry(uri)
    local, mlflow = database_file(uri), imported()
    if local is not None:
        _configure_mappers()
        make_database(local, fill_database)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return mlflow


def check_registry(uri: str) -> None:
    """Checks a database or server before anything is computed for it; nothing is made and MLflow is not imported.

    Raises:
        ArtifactError: the database cannot be used.
        PromotionError: the server does not answer.
    """
    local = database_file(uri)
    if local is not None:
        check_database(local)
    check_server(uri)


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
        return str(found.experiment_id)
    local = database_file(uri)
    artifacts = None if local is None else _files_of(local).as_uri()
    return str(client.create_experiment(name, artifact_location=artifacts))


def check_place(uri: str, name: str) -> None:
    """Checks that the artifacts of the experiment ``name`` are next to its local database.

    Raises:
        ArtifactError: the database was moved or copied after it was created; the artifact paths in it are absolute.
    """
    local = database_file(uri)
    found = imported().MlflowClient(uri).get_experiment_by_name(name)
    if local is None or found is None:
        return
    location = urlsplit(found.artifact_location)
    made, here = Path(url2pathname(location.path)).resolve(), _files_of(local)
    if location.scheme == "file" and made != here:
        raise ArtifactError(
            f"the store in {here.parent} was made in {made.parent}, where its artifacts are; move it back, give "
            f"promote.tracking_uri, or take {local.name} out of {here.parent} to start a new one"
        )


def local_uri(directory: Path) -> str:
    """The tracking URI of the SQLite database ``mlflow.db`` in ``directory``, the default of a run."""
    return f"sqlite:///{(directory / 'mlflow.db').resolve()}"


def _files_of(database: Path) -> Path:
    return (database.parent / "mlflow-artifacts").resolve()
