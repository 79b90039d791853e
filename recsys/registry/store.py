"""The model store in MLflow: registered versions, the alias ``champion``, and rollback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any

from recsys.errors import ArtifactError, PromotionError
from recsys.files.addresses import without_password
from recsys.registry.bundle import MANIFEST, Bundle, verify, version_of
from recsys.registry.gate import Decision
from recsys.registry.mlflow_client import experiment_id, mlflow_at
from recsys.registry.pyfunc.served_as import SERVED_AS, ServedAs
from recsys.registry.pyfunc.serving import described

CHAMPION, PREVIOUS = "champion", "previous"
_BEFORE = "champion_before"
_MEASURED = ".measured"
"""Ending of the folder of the bundle that was evaluated, beside the one that ships."""


class Store:
    """The versions of one registered model.

    Args:
        uri: tracking URI of MLflow; see `recsys.registry.mlflow_client.local_uri` for a local one.
        name: of the registered model.
    """

    def __init__(self, uri: str, name: str) -> None:
        self.uri, self.name = uri, name
        self._mlflow = mlflow_at(uri)
        self._client: Any = self._mlflow.MlflowClient(uri)

    def register(
        self,
        bundle: Path,
        run_id: str | None = None,
        measured: Path | None = None,
        resume: bool = False,
        served_as: ServedAs | None = None,
    ) -> str:
        """Registers the bundle in the folder ``bundle`` as a new version of the model, an MLflow pyfunc model.

        Args:
            bundle: its folder; its checksums are verified first.
            run_id: the MLflow run that the version belongs to; None starts a run in the experiment with the name of
                the model.
            measured: the folder of the bundle that was evaluated, where ``bundle`` is the same recipe fitted on all
                interactions; it is kept beside ``bundle`` and compared with later candidates.
            resume: take the newest version where it is of these bundles and not `settle`d: a stop left it.
            served_as: what the config says of lists.

        Returns:
            The number of the new version.

        Raises:
            ArtifactError: the bundle is damaged or incomplete.
            DataError: it cannot follow ``served_as``.
        """
        loaded = Bundle.load(bundle)
        tags = {"bundle": loaded.version, "data_fingerprint": loaded.data_fingerprint}
        if measured is not None:
            verify(measured)
            tags["measured"] = version_of(measured)
        served_as = served_as or ServedAs()
        served_as.plan(loaded.data)
        if served_as != ServedAs():
            tags[SERVED_AS] = served_as.digest
        if resume and (left := self._newest()) and left.tags == tags:
            return str(left.version)
        with self._run(run_id), _artifacts(bundle, measured, served_as) as artifacts:
            info = self._mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).parent / "pyfunc" / "model.py"),
                artifacts=artifacts,
                **described(loaded, served_as),
            )
        if self._registered() is None:
            self._client.create_registered_model(self.name)
        made = self._client.create_model_version(
            self.name,
            source=self._client.get_logged_model(info.model_id).artifact_location,
            run_id=info.run_id,
            model_id=info.model_id,
            tags=tags,
        )
        return str(made.version)

    def serves_as(self, version: str, served_as: ServedAs) -> bool:
        """Whether ``version`` was registered with ``served_as``; one that was registered before has the defaults."""
        registered = self._client.get_model_version(self.name, version).tags.get(SERVED_AS)
        return bool(registered == (None if served_as == ServedAs() else served_as.digest))

    def settle(self, version: str) -> None:
        """Marks that what was decided about ``version`` is recorded."""
        self._client.set_model_version_tag(self.name, version, "settled", "true")

    def _newest(self) -> Any:
        versions, query = self._client.search_model_versions, f"name='{self.name}'"
        return next(iter(versions(query, 1, ["version_number DESC"]) if self._registered() else ()), None)

    def exists(self) -> bool:
        """Whether a model is registered under this name."""
        return self._registered() is not None

    def version_at(self, alias: str) -> str | None:
        """The version that has the alias; None when no version has it."""
        model = self._registered()
        version = None if model is None else model.aliases.get(alias)
        return None if version is None else str(version)

    def promote(self, version: str, decision: Decision) -> None:
        """Gives ``version`` the alias ``champion``, and the current champion the alias ``previous``.

        Raises:
            PromotionError: a rule of ``decision`` failed, there is no such version, or another champion was made while
                this one was compared.
        """
        if not decision.promoted:
            raise PromotionError(f"version {version} of {self.name} did not pass the gate:\n{decision}")
        self._require(version)
        before = self.version_at(CHAMPION)
        if before == version:
            return
        if before != decision.champion:
            champion = f"no {CHAMPION}" if decision.champion is None else f"version {decision.champion}"
            raise PromotionError(
                f"version {version} of {self.name} was compared with {champion}, and meanwhile "
                f"version {before} became {CHAMPION}; promote again, so that it is compared with that one"
            )
        self._client.set_model_version_tag(self.name, version, "decision", str(decision)[:5000])
        if before is not None:
            self._client.set_model_version_tag(self.name, version, _BEFORE, before)
            self._client.set_registered_model_alias(self.name, PREVIOUS, before)
        self._tag_run(version, before)
        self._client.set_registered_model_alias(self.name, CHAMPION, version)  # last: a rerun then has nothing to do

    def rollback_target(self) -> str:
        """The version that `rollback` makes the champion: the one before the champion, with its checksums verified.

        Raises:
            PromotionError: there is no earlier champion.
            ArtifactError: the bundle of the earlier champion is damaged.
        """
        champion, before = self.version_at(CHAMPION), self.version_at(PREVIOUS)
        if champion is not None and before == champion:  # the process that moved the first alias was stopped
            before = self._before(champion)
        if before is None:
            raise PromotionError(f"{self.name} has no earlier champion to roll back to; promote a version first")
        try:
            self.download(before)
        except ArtifactError as error:
            raise ArtifactError(
                f"version {before} of {self.name} cannot be {CHAMPION} again; no alias was changed: {error}, or "
                "promote another candidate"
            ) from error
        return before

    def rollback(self, version: str, undone: str | None) -> None:
        """Gives ``version`` the alias ``champion`` again, and its predecessor the alias ``previous``.

        Doing it once more changes nothing, so that a rollback that was stopped can be finished.

        Args:
            version: see `rollback_target`.
            undone: the champion that is rolled back.
        """
        self._client.set_registered_model_alias(self.name, CHAMPION, version)
        self._tag_run(version, undone)
        earlier = self._before(version)
        if earlier is not None:
            self._client.set_registered_model_alias(self.name, PREVIOUS, earlier)
        elif self.version_at(PREVIOUS) is not None:
            self._client.delete_registered_model_alias(self.name, PREVIOUS)

    def download(self, which: str = CHAMPION, directory: Path | None = None) -> Path:
        """The folder with the bundle of a version, with its checksums verified.

        Args:
            which: an alias or a version.
            directory: where it is downloaded to; None is a temporary folder. A bundle in a local store is not copied.

        Raises:
            PromotionError: there is no such alias or version.
            ArtifactError: the stored bundle is missing or damaged.
        """
        bundle = self.locate(which, directory)
        verify(bundle)
        return bundle

    def locate(self, which: str = CHAMPION, directory: Path | None = None) -> Path:
        """The same folder as `download`, without verification; `Bundle.load` verifies a bundle itself.

        Raises:
            PromotionError: there is no such alias or version.
            ArtifactError: no bundle is stored under the version, or another one than was registered.
        """
        version, folders = self._folders(which, directory)
        shipped = [folder for folder in folders if not folder.name.endswith(_MEASURED)]
        if len(shipped) != 1:
            raise ArtifactError(f"version {version} of {self.name} holds no bundle; register it again")
        return self._as_registered(version, "bundle", shipped[0])

    def locate_measured(self, which: str = CHAMPION) -> Path | None:
        """The folder of the bundle that was evaluated before a version was fitted on all interactions; None without.

        Raises:
            PromotionError: there is no such alias or version.
            ArtifactError: the files of the version cannot be fetched.
        """
        version, folders = self._folders(which)
        measured = next((folder for folder in folders if folder.name.endswith(_MEASURED)), None)
        return None if measured is None else self._as_registered(version, "measured", measured)

    def _as_registered(self, version: str, tag: str, folder: Path) -> Path:
        """``folder``, whose bundle is the one that was registered: the tag has its digest."""
        registered = self._client.get_model_version(self.name, version).tags.get(tag)
        if registered is not None and version_of(folder) != registered:
            raise ArtifactError(
                f"version {version} of {self.name} has another bundle in {folder} than was registered; restore it, "
                "run recsys rollback, or register another version"
            )
        return folder

    def _folders(self, which: str, directory: Path | None = None) -> tuple[str, list[Path]]:
        """The version, and the folders of its bundles."""
        version = self.version_at(which) or which
        self._require(version)
        uri = f"models:/{self.name}/{version}"
        try:
            found = self._mlflow.artifacts.download_artifacts(
                uri, dst_path=None if directory is None else str(directory)
            )
        except (OSError, self._mlflow.MlflowException) as error:
            raise ArtifactError(
                f"version {version} of {self.name} cannot be fetched ({error}); register it again"
            ) from error
        return version, [path.parent for path in (Path(found) / "artifacts").glob(f"*/{MANIFEST}")]

    def _before(self, version: str) -> str | None:
        """The champion that ``version`` took the place of when it was promoted."""
        before = self._client.get_model_version(self.name, version).tags.get(_BEFORE)
        return None if before is None else str(before)

    def _tag_run(self, version: str, before: str | None) -> None:
        """Moves the tag ``champion`` from the MLflow run of version ``before`` to that of ``version``."""
        if before is not None and (earlier := self._client.get_model_version(self.name, before).run_id):
            self._client.set_tag(earlier, CHAMPION, "false")
        if run_id := self._client.get_model_version(self.name, version).run_id:
            self._client.set_tag(run_id, CHAMPION, "true")

    def _registered(self) -> Any:
        """The registered model; None if the store reports that it does not exist.

        Any other error is raised: a store that cannot be reached must not be taken for one without the model.
        """
        try:
            return self._client.get_registered_model(self.name)
        except self._mlflow.MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise PromotionError(
                    f"the store {without_password(self.uri)} cannot be reached for the model {self.name} ({error})"
                ) from error
            return None

    def _require(self, version: str) -> None:
        try:
            self._client.get_model_version(self.name, version)
        except self._mlflow.MlflowException as error:
            raise PromotionError(
                f"{self.name} has no version or alias {version!r} in {without_password(self.uri)}; train and "
                "promote one first"
            ) from error

    @contextmanager
    def _run(self, run_id: str | None) -> Iterator[None]:
        """The MLflow run ``run_id``, or a new one, as the active run."""
        run = {"run_id": run_id} if run_id else {"experiment_id": experiment_id(self._mlflow, self.uri, self.name)}
        with self._mlflow.start_run(**run):
            yield


@contextmanager
def _artifacts(bundle: Path, measured: Path | None, served_as: ServedAs) -> Iterator[dict[str, str]]:
    """What is stored with a model; MLflow stores each folder and file under its own name, so these must differ."""
    with TemporaryDirectory() as folder:
        record = Path(folder) / f"{SERVED_AS}.json"
        served_as.save(record)
        artifacts = {"bundle": str(bundle.resolve()), SERVED_AS: str(record)}
        if measured is not None:
            renamed = Path(folder) / f"{bundle.resolve().name}{_MEASURED}"
            copytree(measured, renamed)
            artifacts["measured"] = str(renamed)
        yield artifacts
