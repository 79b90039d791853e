"""Fixtures that save time: what MLflow and the disk do for every new output folder is not under test here."""

import os
import shutil
from importlib.metadata import version

import pytest

from recsys.registry import mlflow_client


@pytest.fixture(scope="session", autouse=True)
def migrated_databases(tmp_path_factory):
    """A new local store starts as a copy of an empty one: MLflow makes its tables in seventy migrations."""
    template = tmp_path_factory.getbasetemp().parent / f"mlflow-{version('mlflow')}.db"
    fill_database = mlflow_client.fill_database

    def with_tables(uri: str) -> None:
        database = mlflow_client.database_file(uri)
        assert database is not None
        if not template.exists():
            own = tmp_path_factory.mktemp("mlflow") / "empty.db"
            fill_database(f"sqlite:///{own}")
            beside = template.with_suffix(f".{os.getpid()}")
            shutil.copy(own, beside)
            beside.replace(template)
        shutil.copy(template, database)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlflow_client, "fill_database", with_tables)
        yield


@pytest.fixture(scope="session", autouse=True)
def unsynced():
    """Files are not forced to the disk, which matters after a power failure alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recsys.atomic.os.fsync", lambda _: None)
        yield
