"""What the service reads of a run beside its registered models: the dataset, and the table of texts."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.commands.similar import TextTable, text_table
from pipelines.config import RunConfig
from pipelines.stages.served_data import served_data
from pipelines.workspace import Workspace
from recsys.data.dataset import Dataset
from recsys.data.merge import check_ids
from recsys.digest import files_digest
from recsys.errors import ArtifactError, ConfigError, DataError
from recsys.registry.bundle import Bundle
from recsys.service.text_search import TextSearch
from recsys.tracking import SilentTracker

_TITLES = 20
"""So many titles are tried to find out whether an embedder reads texts."""
_TABLE = ("ids.parquet", "vectors.safetensors", "provenance.json")


class RunData:
    """The dataset that the nightly batch would make lists from; that of the bundle where the run has none.

    Args:
        workspace: the folder of the run.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.files = tuple(folder / "dataset.json" for folder in (workspace.dataset, workspace.newer_dataset))
        self._has_one = self.files[0].is_file()

    def __call__(self, folder: Path, version: str, bundle: Bundle) -> Dataset | None:
        """That of the bundle in ``folder``.

        Raises:
            ArtifactError: it is damaged, or gone since the start.
            DataError: its ids are not of the type of those of the bundle.
        """
        if not self.files[0].is_file():
            if self._has_one:
                raise ArtifactError(f"{self._workspace.dataset} is gone; `recsys run` makes it again")
            return None
        self._has_one = True
        data = served_data(folder, version, self._workspace, SilentTracker()).data
        check_ids(bundle.data, data, version, "serve a model that was made from such ids")
        return data


class RunTexts:
    """The search by the run's table of texts, kept until a file of it changes; None where the run has no such table.

    Args:
        config: the run.
        workspace: its folder.
    """

    def __init__(self, config: RunConfig, workspace: Workspace) -> None:
        self._config, self._workspace = config, workspace
        self.files: tuple[Path, ...] = ()
        with suppress(ConfigError):
            folder = workspace.table(text_table(config))
            self.files = (workspace.dataset / "dataset.json", *(folder / part for part in _TABLE))
        self._kept: tuple[str, TextSearch | None] | None = None

    def __call__(self) -> TextSearch | None:
        """The search as the files are now.

        Raises:
            ArtifactError: there was a table, and it is damaged or gone.
        """
        digest = files_digest(self.files)
        if self._kept is None or self._kept[0] != digest:
            self._kept = digest, self._made()
        return self._kept[1]

    def _made(self) -> TextSearch | None:
        try:
            table = TextTable.load(self._config, self._workspace) if self.files else None
        except (ConfigError, ArtifactError):
            if self._kept is not None and self._kept[1] is not None:
                raise
            return None
        if table is None or not _reads_text(table):
            return None

        def search(text: str) -> tuple[NDArray[np.generic], NDArray[np.float32]]:
            rows, similarity = table.nearest(text, len(table.table.vectors))
            return table.table.vocabulary.ids[rows], similarity

        return search


def _reads_text(table: TextTable) -> bool:
    """Whether the embedder has a vector for one of the first titles; an embedder of images has for none."""
    for title in table.items.titles()[:_TITLES]:
        with suppress(DataError):
            table.nearest(title, 1)
            return True
    return False
