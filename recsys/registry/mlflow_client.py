"""MLflow, imported when first needed, without telemetry, version nagging or chatter."""

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


def imported() -> Any:
    """The module ``mlflow``, without telemetry, warnings at import and messages below errors."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow
        import mlflow.pyfunc
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow


def mlflow_at(uri: str) -> Any:
    """The module ``mlflow``, speaking to the tracking server or database at ``uri``."""
    mlflow = imported()
    if database_file(uri) is not None:
        _configure_mappers()
    _make_room(uri)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return mlflow


@cache
def _configure_mappers() -> None:
    """Sets up the tables of MLflow's database; SQLAlchemy warns of what MLflow does, whenever that is first needed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.store.tracking.dbmodels.models  # noqa: F401
        from sqlalchemy.orm import configure_mappers

        configure_mappers()


def experiment_id(mlflow: Any, uri: str, name: str) -> str:
    """The experiment called ``name``, made when missing; files of a local database stand in a folder beside it."""
    client = mlflow.MlflowClient(uri)
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    local = database_file(uri)
    place = None if local is None else _files_of(local).as_uri()
    return str(client.create_experiment(name, artifact_location=place))


def check_place(uri: str, name: str) -> None:
    """Whether the files of the experiment called ``name`` stand beside its local database.

    Raises:
        ArtifactError: the database was moved or copied, and looks for them in the folder that it was made in.
    """
    local = database_file(uri)
    found = imported().MlflowClient(uri).get_experiment_by_name(name)
    if local is None or found is None:
        return
    place = urlsplit(found.artifact_location)
    made, here = Path(url2pathname(place.path)).resolve(), _files_of(local)
    if place.scheme == "file" and made != here:
        raise ArtifactError(
            f"the store in {here.parent} was made in {made.parent}, where it keeps its files; move it back, give "
            f"promote.tracking_uri, or take {local.name} out of {here.parent} to start a new one"
        )


def database_file(uri: str) -> Path | None:
    """The file of a sqlite URI; None for any other."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def local_uri(directory: Path) -> str:
    """The tracking URI of a database in ``directory``: the default place of runs and models."""
    return f"sqlite:///{(directory / 'mlflow.db').resolve()}"


def _files_of(database: Path) -> Path:
    return (database.parent / "mlflow-artifacts").resolve()


def _make_room(uri: str) -> None:
    local = database_file(uri)
    if local is not None:
        local.parent.mkdir(parents=True, exist_ok=True)
