"""Where the models of a service come from: a registry, whose aliases move, or the folder of a bundle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from recsys.data.dataset import Dataset
from recsys.errors import ArtifactError, PromotionError
from recsys.registry.bundle import Bundle, version_of
from recsys.registry.store import Store
from recsys.retrieval.rules.eligible import ItemRules
from recsys.retrieval.rules.options import RuleOptions
from recsys.service.model import ServedModel
from recsys.service.rules.ruled_model import RuledModel


class Source(Protocol):
    """Models by alias."""

    def version(self, alias: str) -> str | None:
        """The version that has the alias now; None when no version has it.

        Raises:
            RecsysError: the source cannot be read at the moment.
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
        rules: which items may be listed.
        index: a name in `recsys.retrieval.INDEXES`.
        data_of: the dataset that lists are made from, by the folder, the version and the bundle; that of the bundle
            where it returns None.
        filter_seen: whether lists leave out items of the history where a request does not say it.
        lists: other rules of the lists.
    """

    rules: ItemRules = field(default_factory=ItemRules)
    index: str = "exact"
    data_of: Callable[[Path, str, Bundle], Dataset | None] = lambda folder, version, bundle: None
    filter_seen: bool = True
    lists: RuleOptions = field(default_factory=RuleOptions)

    def model(self, folder: Path, version: str) -> ServedModel:
        """The bundle in ``folder``, ready to answer."""
        bundle = Bundle.load(folder)
        data = self.data_of(folder, version, bundle)
        given = bundle, data, version, self.rules, self.index, self.filter_seen
        model = ServedModel(*given) if self.lists == RuleOptions() else RuledModel(*given, self.lists)
        model.warm()
        return model


@dataclass(frozen=True, eq=False)
class FolderSource:
    """The bundle in a folder, whatever alias is asked for; a bundle that is saved there anew is a new version."""

    folder: Path
    serving: Serving = field(default_factory=Serving)

    def version(self, alias: str) -> str | None:
        return f"{self.folder.name}@{version_of(self.folder)}"

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
