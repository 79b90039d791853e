"""The page of a run's report, drawn again whenever the report or the decision about it is new."""

from __future__ import annotations

from pipelines.config import RunConfig
from pipelines.workspace import Workspace
from recsys.atomic import write_text
from recsys.errors import ArtifactError
from recsys.files.stored_json import as_written, read_object
from recsys.json_values import JsonMapping, JsonObject


def write_page(config: RunConfig, workspace: Workspace) -> None:
    """Writes ``report.html`` from ``report.json`` and the latest decision about an engine of the report.

    Nothing is written where the page is as it would be, or where there is no report that can be read: the page is made
    again with the report.
    """
    from recsys.evaluation.report.html import render

    page = workspace.report.with_suffix(".html")
    try:
        report = read_object(workspace.report, "schema", "engines", "settings")
        with as_written(workspace.report):
            engines = report["engines"]  # JSON sorts its keys; engines have their colours in the order of the config
            report["engines"] = {name: engines[name] for name in [*config.engines, *engines] if name in engines}
            text = render(report, _decision(workspace, report))
    except ArtifactError:
        return
    if not page.is_file() or page.read_bytes() != text.encode():
        write_text(page, text)


def _decision(workspace: Workspace, report: JsonMapping) -> JsonObject | None:
    """The latest decision, if it is about what the report measured; else None."""
    try:
        found = read_object(workspace.decision, "promoted", "candidate", "rules", "measured")
    except ArtifactError:
        return None
    return found if found["measured"] in report["settings"].get("bundles", {}).values() else None
