"""recommend: the top items of every user from the promoted model, or from a bundle."""

from __future__ import annotations

import time
from pathlib import Path

from pipelines.config import RunConfig
from pipelines.seen_items import refuse_unranked
from pipelines.stages.promote import require_registry
from pipelines.stages.served_data import Served, served_data
from pipelines.stages.which_model import recommending_model
from pipelines.workspace import ENGINE_CODE, Workspace, code_version, digest, file_digest
from recsys.data.dataset import Dataset
from recsys.data.merge import check_ids
from recsys.digest import short_digest
from recsys.distributed.recommend import BatchFiles, BatchInputs, batch_of, recommend_over_ray
from recsys.errors import ArtifactError, ConfigError
from recsys.registry.bundle import Bundle, version_of
from recsys.retrieval.batch import Batch, RecommendOptions
from recsys.retrieval.manifest import MANIFEST, SUCCESS, Manifest
from recsys.retrieval.output import Place
from recsys.retrieval.recipients.sessions import Sessions, read_sessions
from recsys.retrieval.recipients.users import NEW, new_users
from recsys.retrieval.recommend import left_as_it_is, write_batch
from recsys.retrieval.rules.plan import RulePlan
from recsys.tracking import Tracker

_CODE = (*ENGINE_CODE, "recsys/retrieval", "pipelines/stages/recommend.py")


def run(config: RunConfig, workspace: Workspace, tracker: Tracker) -> None:
    """Writes ``recommendations/`` with the engine of ``[recommend]``, or else with the champion.

    Where the first candidate was refused, an engine of the run that would pass recommends, or the baseline. Without a
    ``[recommend]`` section it does nothing.
    """
    if config.recommend is None:
        return
    tracker.info(f"recommend: {run_from(config, workspace, tracker)}")


def run_from(
    config: RunConfig,
    workspace: Workspace,
    tracker: Tracker,
    alias: str | None = None,
    bundle: Path | None = None,
    dataset: Path | None = None,
) -> str:
    """Recommends the top items to every user of a dataset; does nothing if the same recommendations are there.

    Args:
        config: the run, with a ``[recommend]`` section.
        workspace: the folder of the run.
        tracker: reports progress.
        alias: an alias or a version of the registered model.
        bundle: the folder of a bundle, instead of a registered model. Without both, the model is the engine of
            ``[recommend]``, or else the champion, or else the engine that the decision on a refused candidate names.
        dataset: a prepared folder with the users, their histories and the items; None is the dataset of the run, or for
            a fine-tuned child the newer one that it was made with, see `served_data`.

    Returns:
        A line with the folder, the model and the number of users with recommendations.

    Raises:
        ConfigError: there is no ``[recommend]`` section, or ``alias`` and ``bundle`` are both given.
        PromotionError: there is no registry yet, or it has no such alias or version.
        ArtifactError: there is no such bundle, or its ids are of another type (text or integer) than those of the
            dataset.
    """
    check_source(config, workspace, alias, bundle)
    assert config.recommend is not None
    directory, version = recommending_model(config, workspace, tracker, alias, bundle)
    served = served_data(directory, version, workspace, tracker) if dataset is None else Served.load(dataset)
    data, target, options = served.data, target_of(config, workspace), config.recommend.options
    sessions = _sessions(config, data, tracker)
    recipients = new_users(data, options.since or target) if options.users == NEW else None
    if recipients is not None and not len(recipients.rows):
        left_as_it_is(target, recipients, tracker)
        return f"{target}: no user is new since the last run; its lists stay as they are"
    cache_key = {
        "options": options.identity(),
        **_eligible_now(options, data),
        "model": version_of(directory),
        "version": version,
        "data": data.fingerprint,
        "recipients": [] if recipients is None else [len(recipients.rows), short_digest([recipients.rows.data])],
        "sessions": "" if sessions is None else sessions.data.fingerprint,
        "files": {str(path): file_digest(path) for path in _rule_files(config.recommend) if path.is_file()},
        "code": code_version(*_CODE),
    }
    # of objects elsewhere, each stamp is compared
    files = [target / MANIFEST, target / SUCCESS] if isinstance(target, Path) else []
    if not (files and _is_complete(target) and workspace.is_current("recommend", cache_key, files, tracker)):
        loaded = Bundle.load(directory)
        check_ids(loaded.data, data, version, "recommend with a model that was made from such ids")
        if not options.filter_seen:
            refuse_unranked(loaded.engine.ranks_seen_items(), str(directory))
        workspace.invalidate("recommend")
        made_from = digest({key: cache_key[key] for key in ("model", "code")})
        inputs = BatchInputs(version, made_from, time.time(), recipients)
        batch = batch_of(loaded, data, None if sessions is None else sessions.data, options, inputs)
        files_of_batch = BatchFiles(directory, served.folder, _saved(sessions, config, workspace))
        _write(batch, files_of_batch, target, config, tracker)
        workspace.record("recommend", cache_key, files)
    manifest = Manifest.load(target)
    who = "users" if sessions is None else "histories"
    lists = f"{manifest.users - manifest.users_without} of {manifest.users} {who} by {version}"
    return f"{target}: {lists}{_by_fallback(manifest)}{_empty(manifest, data.n_items)}"


def target_of(config: RunConfig, workspace: Workspace) -> Place:
    """Where the lists of a run go: a folder, or an address."""
    output = None if config.recommend is None else config.recommend.output
    if output is None:
        return workspace.recommendations
    return output if "://" in output else Path(output)


def _sessions(config: RunConfig, data: Dataset, tracker: Tracker) -> Sessions | None:
    """The sessions of ``recommend.histories``, with a line about unknown items; None where lists are for users."""
    if config.recommend is None or config.recommend.histories is None:
        return None
    found = read_sessions(config.recommend.histories, config.data, data, config.recommend.options.at)
    for line in found.told:
        tracker.info(f"  recommend: {line}")
    return found


def _saved(sessions: Sessions | None, config: RunConfig, workspace: Workspace) -> Path | None:
    """The folder with the sessions for the workers of a cluster; None where there are none."""
    if sessions is None or not config.compute.over_ray:
        return None
    folder = workspace.directory / "sessions"
    sessions.data.save(folder)
    return folder


def _write(batch: Batch, files: BatchFiles, target: Place, config: RunConfig, tracker: Tracker) -> None:
    if config.compute.over_ray:
        recommend_over_ray(batch, files, target, config.compute, tracker)
    else:
        write_batch(batch, target, tracker)


def check_source(config: RunConfig, workspace: Workspace, alias: str | None, bundle: Path | None) -> None:
    """Checks that the model that `run_from` is asked for may be there, before the data are prepared for it.

    Raises:
        ConfigError: as `run_from`.
        ArtifactError: there is no bundle.
        PromotionError: there is no registry yet.
    """
    if config.recommend is None:
        raise ConfigError("the config has no [recommend] section")
    if config.recommend.histories is not None and config.recommend.users is not None:
        raise ConfigError("recommend.users and recommend.histories are both given: lists are for users or for sessions")
    if bundle is not None and alias is not None:
        raise ConfigError("give --alias or --bundle, not both")
    engine = config.recommend.engine
    if bundle is not None:
        version_of(bundle)
    elif alias is not None or engine is None:
        require_registry(config, workspace)
    elif engine in config.engines:  # popularity is fitted where the run has none
        version_of(workspace.bundle(engine))


def _rule_files(options: RecommendOptions) -> list[Path]:
    """The files of ids that the rules name."""
    given = (options.allow, options.deny, options.users, options.rules.candidates, options.rules.exclusions)
    return [ids for ids in given if isinstance(ids, Path)]


def _eligible_now(options: RecommendOptions, data: Dataset) -> dict[str, str]:
    """A digest of the items that may be recommended, where it changes with the time; nothing otherwise."""
    if not options.rules.by_time:
        return {}
    return {"eligible": short_digest([RulePlan.of(data, options, options.rules, options.at).mask.data])}


def _by_fallback(manifest: Manifest) -> str:
    """How many lists the fallback made or filled up; nothing where it did not."""
    counts = {"by the fallback alone": manifest.fallback_users, "filled up from the fallback": manifest.topped_up_users}
    return "".join(f", {count} {how}" for how, count in counts.items() if count)


def _empty(manifest: Manifest, n_items: int) -> str:
    """How many places stay empty, and of how many items lists are made; nothing where every list is full."""
    if not manifest.empty_places:
        return ""
    places, eligible = manifest.rules.places, manifest.rules.eligible_items
    return (
        f"; {manifest.empty_places:,} of {manifest.users * places:,} places stay empty: k = {places}, "
        f"and {eligible:,} of {n_items:,} items may be recommended"
        + (", less those that a user had" if manifest.options["filter_seen"] else "")
    )


def _is_complete(directory: Place) -> bool:
    """Whether ``directory`` has a complete batch whose parts match their digests."""
    try:
        Manifest.load(directory).verify(directory)
    except ArtifactError:
        return False
    return True
