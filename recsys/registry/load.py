"""Loading a model from a bundle's folder or from the registry."""

from __future__ import annotations

import os
import re
from pathlib import Path

from recsys.errors import ArtifactError, ConfigError, checked_path
from recsys.registry.bundle import Bundle
from recsys.registry.database import require_database
from recsys.registry.mlflow_client import local_uri
from recsys.registry.store import Store


def load(source: str | Path, tracking_uri: str | None = None) -> Bundle:
    """The model in a bundle's folder, or a registered one by its address.

    Args:
        source: a folder that `Bundle.save` or a run wrote, or ``models:/NAME@ALIAS`` or ``models:/NAME/VERSION``.
        tracking_uri: of MLflow, for an address; by default the environment's ``MLFLOW_TRACKING_URI``, or else the one
            run under ``runs/`` whose registry has a model of that name.

    Returns:
        The bundle. It can be used wherever a fitted engine is expected; ``data`` is the dataset it was fitted on.

    Raises:
        ArtifactError: there is no bundle, or it is damaged.
        DataError: ``source`` is neither a path nor an address.
        ConfigError: the address is not of that form, or no registry (or more than one) has the model.
        PromotionError: the model has no such alias or version, or the local registry does not exist.

    Example:
        >>> load("bundles/nowhere")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        ...
        recsys.errors.ArtifactError: ...
    """
    if not str(source).startswith("models:"):
        folder = checked_path("source", source)
        if not folder.is_dir():
            raise ArtifactError(
                f"{folder.absolute()} does not exist; save a bundle there, or give a folder that has one"
            )
        return Bundle.load(folder)
    address = re.fullmatch(r"models:/([^/@:?]+)(?:@|/)([^/@:?]+)", str(source))
    if address is None:
        raise ConfigError(f"{source!r} is not the address of a model; write models:/NAME@ALIAS or models:/NAME/VERSION")
    name, which = address.groups()
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or _registry_of(name)
    require_database(uri, name)
    return Bundle.load(Store(uri, name).download(which))


def _registry_of(name: str) -> str:
    """The tracking URI of the run under ``runs/`` that has registered ``name``.

    Raises:
        ConfigError: no run, or more than one, has registered it.
    """
    found = [local_uri(database.parent) for database in sorted(Path("runs").glob("*/mlflow.db"))]
    holding = [uri for uri in found if Store(uri, name).exists()]
    if len(holding) != 1:
        runs = f"several runs have ({', '.join(holding)})" if holding else f"no run under {Path('runs').absolute()} has"
        raise ConfigError(f"{runs} registered a model {name!r}; give tracking_uri, or set MLFLOW_TRACKING_URI")
    return holding[0]
