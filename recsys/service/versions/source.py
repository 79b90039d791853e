"""Where the models of a service come from: a registry, whose aliases move, or the folder of a bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from recsys.data.dataset import Dataset
from recsys.digest import files_digest
from recsys.errors import ArtifactError, PromotionError
from recsys.registry.bundle import Bundle, version_of
from recsys.registry.store import Store
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.rules.options import RuleOptions
from recsys.service.model import ServedModel
from recsys.service.rules.ruled_model import RuledModel
from recsys.service.text_search import TextSearch


class Source(Protocol):
    """Models by alias."""

    def version(self, alias: str) -> str | None:
        """The version that has the alias now; None when no version has it.

        Raises:
            RecsysError: the source cannot be read at the moment.
        """

    def inputs(self) -> str:
        """A digest of what models are served with beside their own files: data, files of rules, tables of texts.

        A version is loaded anew where it changes.
        """

    def load(self, version: str) -> ServedModel:
        """A version, its checksums verified.

        Raises:
            RecsysError: it is missing or damaged.
        """


@dataclass(frozen=True, eq=False)
class Serving:
    """How models are served.

    Args:
        options: which items may be listed, by which index, whether seen items are, and the rules of the lists.
        data_of: the dataset that lists are made from, by the folder, the version and the bundle; that of the bundle
            where it returns None.
        text_of: the search by texts; None where there is none.
        files: what ``data_of`` and ``text_of`` read; a version is loaded anew where one of them or a file of the rules
            changes.
    """

    options: RecommendOptions = field(default_factory=RecommendOptions)
    data_of: Callable[[Path, str, Bundle], Dataset | None] = lambda folder, version, bundle: None
    text_of: Callable[[], TextSearch | None] = lambda: None
    files: tuple[Path, ...] = ()

    def inputs(self) -> str:
        """See `Source.inputs`."""
        options = self.options
        named = (options.allow, options.deny, options.rules.candidates, options.rules.exclusions)
        return files_digest([*self.files, *(path for path in named if isinstance(path, Path))])

    def model(self, folder: Path, version: str) -> ServedModel:
        """The bundle in ``folder``, ready to answer."""
        bundle = Bundle.load(folder)
        data, text = self.data_of(folder, version, bundle), self.text_of()
        kind = ServedModel if self.options.rules == RuleOptions() else RuledModel
        model = kind(bundle, data, version, self.options, text)
        model.warm()
        return model


@dataclass(frozen=True, eq=False)
class FolderSource:
    """The bundle in a folder, whatever alias is asked for; a bundle that is saved there anew is a new version."""

    folder: Path
    serving: Serving = field(default_factory=Serving)

    def version(self, alias: str) -> str | None:
        return f"{self.folder.name}@{version_of(self.folder)}"

    def inputs(self) -> str:
        return self.serving.inputs()

    def load(self, version: str) -> ServedModel:
        model = self.serving.model(self.folder, version)
        if version != f"{self.folder.name}@{model.bundle.version}":
            raise ArtifactError(f"{self.folder} was replaced while it was read; it is read again")
        return model


@dataclass(frozen=True, eq=False)
class RegistrySource:
    """The versions of a registered model; a version number may be given in place of an alias."""

    store: Store
    serving: Serving = field(default_factory=Serving)

    def version(self, alias: str) -> str | None:
        number = self.store.version_at(alias) or (alias if alias.isdigit() else None)
        return None if number is None else f"{self.store.name}/{number}"

    def inputs(self) -> str:
        return self.serving.inputs()

    def load(self, version: str) -> ServedModel:
        number = version.rpartition("/")[2]
        return self.serving.model(self.store.locate(number), version)


def require_version(source: Source, alias: str) -> str:
    """The version that has the alias.

    Raises:
        PromotionError: no version has it.
    """
    version = source.version(alias)
    if version is None:
        raise PromotionError(f"no version of the model has the alias {alias!r}; promote one first, or give --alias")
    return version
