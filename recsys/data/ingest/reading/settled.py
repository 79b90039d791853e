"""Warnings that the config has settled, which become notes: they are told by `recsys validate` and not at every run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from recsys.data.ingest.issues import ValidationIssues


def settle_unread(issues: ValidationIssues, unread: Mapping[Path, Collection[str]]) -> None:
    """Makes notes of the warnings about columns that nothing reads.

    Args:
        issues: those found so far.
        unread: table -> its columns that are ignored, or that no option names.
    """
    issues.found[:] = [
        replace(issue, severity="note")
        if issue.severity == "warning" and issue.column is not None and issue.column in unread.get(issue.file, ())
        else issue
        for issue in issues
    ]
