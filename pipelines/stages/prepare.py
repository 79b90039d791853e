"""prepare: raw tables become a checked dataset on disk and a split of it."""

from __future__ import annotations

import os
from pathlib import Path

from pipelines.config import RunConfig
from pipelines.workspace import Workspace, code_version
from recsys.atomic import write_text
from recsys.data.dataset import Dataset
from recsys.data.feedback.withdrawals import FeedbackCounts
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.files import file_fingerprint
from recsys.data.ingest.issues import ValidationIssues
from recsys.data.ingest.readers import Ingested, encode, typed_tables
from recsys.data.ingest.reading.remote import address
from recsys.data.ingest.summary import summaries
from recsys.data.ingest.validate import Validation
from recsys.data.overview.overview import overview
from recsys.data.schema import Schema
from recsys.data.sources import resolve
from recsys.data.splits.split import Split, make_split
from recsys.errors import DataError
from recsys.json_values import JsonObject
from recsys.tracking import Tracker

PAGE = "data.html"
DRAWN = 1_000_000
"""Interactions up to which they are drawn: drawing takes as long as reading, and a third more of memory."""
_TABLES = ("interactions", "users", "items", "test_interactions")
_CODE = ("recsys/data", "pipelines/stages/prepare.py")


def run(
    config: RunConfig,
    workspace: Workspace,
    tracker: Tracker,
    read_already: tuple[Ingested, ValidationIssues] | None = None,
) -> None:
    """Writes ``dataset/`` and ``split/``, and pictures of tables of up to a million interactions as ``data.html``.

    Args:
        config: the run.
        workspace: its folder.
        tracker: reports the sizes and warnings.
        read_already: the tables of ``config`` with their warnings, where a command has read them; None reads them.

    Raises:
        DataError: the tables hold errors; all of them are in the message.
    """
    data_config = resolve(config.data)
    cache_key = _facts(config, data_config, workspace)
    if workspace.is_current("prepare", cache_key, [workspace.dataset, workspace.split], tracker):
        return
    if read_already is None:
        issues = ValidationIssues()
        name = data_config.name or data_config.source or config.name  # and not that of the folder of the tables
        read = _read(data_config.model_copy(update={"name": name}), issues, workspace.directory / PAGE)
    else:
        read, issues = read_already
    _check_unchanged(cache_key, _facts(config, data_config, workspace))
    data = read.data
    split = make_split(data, config.split, read.given, config.evaluate.filter_seen)
    workspace.invalidate("prepare")
    data.save(workspace.dataset)
    split.save(workspace.split)
    workspace.record("prepare", cache_key, [workspace.dataset, workspace.split])
    tracker.info(f"prepare: {describe(split)}; {data.n_users} users, {data.n_items} items, dataset {data.fingerprint}")
    if read.repeated:
        how = f"{data_config.duplicates} of each counts, as data.duplicates says"
        tracker.info(f"  {read.repeated:,} rows that repeat user, item and time of another are left out: the {how}")
    log_findings(data, issues, tracker)
    tracker.log_params({"data": data.name, "data_fingerprint": data.fingerprint, "split": split.name})


def _read(config: DataConfig, issues: ValidationIssues, page: Path) -> Ingested:
    """The dataset of the tables, which are drawn as they are read, into ``page``, unless they are large."""
    from recsys.evaluation.report.html_data import data_page

    tables = typed_tables(config, issues)
    issues.raise_errors()
    page.unlink(missing_ok=True)
    if sum(len(part.user) for part in tables.interactions) <= DRAWN:
        # without anomalies of demand, which take longer than all the rest
        found = Validation(issues, tuple(summaries(tables)), None, tables)
        write_text(page, data_page(config.name, found, overview(tables)))
        del found
    return encode(tables, config.name)


def log_findings(
    data: Dataset, issues: ValidationIssues, tracker: Tracker, counts: FeedbackCounts | None = None
) -> None:
    """Logs the warnings, what was taken back, and the kinds of the columns.

    Args:
        data: as it was read.
        issues: what was found in its tables.
        tracker: sees them.
        counts: what was taken back; None takes that of ``data``.
    """
    for warning in issues.warnings:
        tracker.info(f"  warning: {warning}")
    for sentence in (data.feedback if counts is None else counts).sentences():
        tracker.info(f"  {sentence}")
    for name, table in (("users", data.users), ("items", data.items)):
        if table.schema.columns:
            tracker.info(f"  {name}: {columns(table.schema)}")


def describe(split: Split) -> str:
    """One line: protocol and sizes."""
    if not split.evaluates:
        return f"no split: all {len(split.train)} interactions to train on, nothing is evaluated, no report"
    return (
        f"{split.name}: {len(split.train)} interactions to train on, {len(split.validation)} users validate, "
        f"{len(split.test)} are tested, {split.dropped_users} cannot be evaluated"
    )


def columns(schema: Schema) -> str:
    """How the columns are understood, so that a wrong guess is seen and corrected in the config.

    Example:
        >>> columns(Schema.of({"title": "text", "genres": "tags"}))
        'title text, genres tags(|)'
    """
    return ", ".join(f"{name} {column}" for name, column in schema.columns.items())


def _check_unchanged(before: JsonObject, after: JsonObject) -> None:
    """Refuses files that were changed while they were read: the fingerprint would be that of another content.

    Raises:
        DataError: names the files.
    """
    old, new = before["files"], after["files"]
    changed = sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path))
    if changed:
        raise DataError(f"{', '.join(changed)}: changed while it was read; prepare again when it is complete")


def _facts(config: RunConfig, data: DataConfig, workspace: Workspace) -> JsonObject:
    """What the dataset and the split depend on; files are named as seen from the folder of the run."""
    files = {name: path for name in _TABLES if (path := getattr(data, name)) is not None}
    places = {
        name: str(path) if address(path) else os.path.relpath(path, workspace.directory) for name, path in files.items()
    }
    digests = {places[name]: digest for name, path in files.items() if (digest := file_fingerprint(path))}
    return {
        "data": {**data.model_dump(mode="json"), **places},
        "split": config.split.model_dump(mode="json"),
        "filter_seen": config.evaluate.filter_seen,
        "files": digests,
        "seed": config.seed,
        "code": code_version(*_CODE),
    }
