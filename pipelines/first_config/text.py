"""The text of a first config: TOML with every inferred fact as a comment."""

from __future__ import annotations

import json
import os
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines.first_config.protocol import Protocol
from pipelines.first_config.tables import FirstTables
from pipelines.reference_cells import toml
from recsys.data.dataset import Dataset
from recsys.data.features.features import FeatureOptions
from recsys.data.feedback.event_words import likely_meaning
from recsys.data.ingest.cells import filled_texts
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.files import RawTable
from recsys.data.ingest.reading.options import TableFormat
from recsys.data.ingest.summary import ColumnSummary, summaries
from recsys.experiment.column_report import ColumnReport, column_reports
from recsys.files.addresses import without_password
from recsys.registry.gate import GateConfig

_WIDTH = 110
_DENSE_ITEMS = 10_000
"""Above so many items EASE takes the nearest others alone, for its matrix of all by all would not fit in memory."""
_WRITTEN = ("name", "interactions", "users", "items", "columns", "duplicates", "user_schema", "item_schema")
"""Keys of ``[data]`` that are written with what was found."""
_USELESS = ("constant", "unique values", "leaking")


@dataclass(frozen=True, eq=False)
class Found:
    """Everything that a first config says.

    Args:
        name: of the run.
        first: the tables, with the roles of their columns.
        protocol: the split and the seen filter.
        folder: of the config, where its paths start.
    """

    name: str
    first: FirstTables
    protocol: Protocol
    folder: Path

    @property
    def data(self) -> Dataset:
        return self.first.data

    @property
    def used(self) -> dict[str, str]:
        """Role -> column, of the columns of the interactions that the config reads."""
        columns = self.first.config.columns
        return {role: name for role, name in self.first.roles.columns.items() if getattr(columns, role) == name}


def config_text(found: Found, output: str) -> str:
    """The config as TOML.

    Args:
        found: its contents.
        output: its path, for the comment at the top.
    """
    head = [
        "# A first config, written by recsys init from the tables themselves; it is yours to change.",
        f"#   recsys run {output}          every stage, the report and the recommendations",
        f"#   recsys columns {output}      what each column is worth",
        "#   recsys options two_tower       every option of an engine",
        f"name = {_quoted(found.name)}",
    ]
    sections = (_data(found), _columns(found), *_schemas(found), _split(found), *_engines(found), *_last(found))
    return "\n\n".join("\n".join(section) for section in (head, *sections) if section) + "\n"


def _data(found: Found) -> list[str]:
    roles, data = found.first.roles, found.data
    lines = [
        "[data]",
        f"# {data.n_users:,} users, {data.n_items:,} items, {len(data.interactions):,} interactions",
        _line("interactions", _path(roles.interactions, found.folder), f"{len(roles.interactions):,} rows"),
    ]
    for what, table, size in (("users", roles.users, data.n_users), ("items", roles.items, data.n_items)):
        if table is not None:
            others = size - len(table)
            note = f"; {others:,} more are in the interactions alone" if others else ""
            lines.append(_line(what, _path(table, found.folder), f"{len(table):,} rows{note}"))
    lines += [
        f"# not used, for it meets neither users nor items: {without_password(str(table.location.file))}"
        for table in roles.unused
    ]
    if found.first.config.duplicates != "error":
        repeated = f"{found.first.repeated:,} rows have the user, item and time of another row"
        note = repeated if found.first.tables.has_order else "there is no time: repeated rows count as several events"
        lines.append(_line("duplicates", found.first.config.duplicates, note))
    return [*lines, *_options(found.first.config)]


def _options(config: DataConfig) -> Iterator[str]:
    """The keys of ``[data]`` that the user set, but for those that have their own lines."""
    for key in DataConfig.model_fields:
        if key in config.model_fields_set and key not in _WRITTEN:
            value = getattr(config, key)
            given = value.model_dump(exclude_unset=True) if isinstance(value, TableFormat) else value
            yield f"{key} = {toml(given)}"


def _columns(found: Found) -> list[str]:
    roles = found.first.roles
    known, used = dict(roles.columns), found.used
    facts = {column.name: column for column in next(summaries(found.first.tables)).columns}
    lines = ["[data.columns]"]
    lines += [_line(role, known[role], _fact(facts.get(known[role]))) for role in ("user_id", "item_id")]
    for key, role, name in (
        ("users_table_id", "user_id", roles.users_id),
        ("items_table_id", "item_id", roles.items_id),
    ):
        if name is not None and name != known[role]:
            lines.append(_line(key, name, "its name in the table"))
    lines += [_line(role, known[role], _fact(facts.get(known[role]))) for role in ("time", "order") if role in known]
    if "weight" in known:
        note = "popularity, itemknn, ease, als and the two-tower family use it"
        lines.append("# " * ("weight" not in used) + _line("weight", known["weight"], note))
    if "event" in known:
        lines += _event(found, known["event"])
    others = [str(name) for name in roles.interactions.frame.columns if name not in known.values()]
    return [*lines, *([f"# not read: {', '.join(others)}"] if others else [])]


def _event(found: Found, name: str) -> Iterator[str]:
    """The column of event types with what each weighs and means; comments where the user did not name the column."""
    columns = found.first.config.columns
    cells = filled_texts(found.first.roles.interactions.frame[name])
    counts = {str(kind): int(n) for kind, n in cells.value_counts().items()}
    hidden = "" if "event" in found.used else "# "
    likely = {kind: meaning for kind in counts if (meaning := likely_meaning(kind)) is not None}
    weights = {kind: 1.0 for kind in counts if kind not in likely} if hidden else columns.event_weights
    guessed = {kind: m for kind, m in likely.items() if hidden or columns.event_meaning.get(kind) == "ignore"}
    again = [] if found.protocol.filter_seen else [kind for kind, meaning in guessed.items() if meaning == "removal"]
    one_each = {**weights, **dict.fromkeys(again, -max(weights.values(), default=1.0))}
    yield hidden + _line("event", name, ", ".join(f"{n:,} {kind}" for kind, n in counts.items()))
    if again:
        least = f"{min(weights.values(), default=1.0):.15g}"
        yield from _comment(
            "people come back to items, and a removal takes back all earlier likes of the same user and item; a weight "
            f"below zero takes back one each, with positive_from = {least} in [data] and no meaning of the type"
        )
        if not hidden:
            yield f"# event_weights = {_table(one_each)}"
    weights = one_each if hidden else weights
    yield f"{hidden}event_weights = {_table(dict(sorted(weights.items(), key=lambda pair: -counts.get(pair[0], 0))))}"
    if guessed:
        yield from _comment(
            "guessed from the names, which may be wrong: a dislike or a removal takes back the earlier likes of the "
            'same user and item, so a return after use is "ignore", which leaves its rows out; a "like" is one more'
        )
        if rest := {kind: meaning for kind, meaning in guessed.items() if kind not in again}:
            yield f"# event_meaning = {_table(rest)}"
    if not hidden and columns.event_meaning:
        if guessed:
            yield "# until you say what they are, the safest: their rows are left out"
        yield f"event_meaning = {_table(columns.event_meaning)}"


def _schemas(found: Found) -> Iterator[list[str]]:
    """A kind for each column, with what it was inferred from."""
    reports = column_reports(found.data, found.protocol.split, FeatureOptions())
    warned = {issue.column for issue in found.first.issues.warnings if "missing" in issue.found}
    for what in ("user", "item"):
        lines = [
            line
            for report in reports
            if report.table == f"{what}s"
            for line in _kind(report, report.profile.name in warned)
        ]
        if lines:
            yield [f"[data.{what}_schema]", *lines]


def _kind(report: ColumnReport, inferred: bool) -> Iterator[str]:
    profile = report.profile
    for warning in profile.warnings:
        yield from _comment(f"{warning.what}: {warning.found}")
        if warning.kind:
            yield f"# {_line(profile.name, warning.kind, 'each value of a cell by itself')}"
    useless = any(warning.what in _USELESS for warning in profile.warnings)
    unread = profile.kind in ("text", "image") and not useless
    notes = [profile.facts(), *(["an embedder of [pretrain] reads it"] if unread else [])]
    if report.evidence is not None and report.evidence.predictive and not useless:
        notes.append(f"tells who chooses what, {report.evidence.gain:+.3f} nats")
    line = _line(profile.name, "ignored" if useless else profile.kind, "; ".join(notes))
    if inferred and not useless:  # with a kind that is given, such cells are errors
        yield f"# {line}; inferred, so that cells that do not fit count as missing"
    else:
        yield line


def _split(found: Found) -> list[str]:
    why = [line for reason in found.protocol.why for line in _comment(reason)]
    return ["[split]", *why, f"protocol = {_quoted(found.protocol.name)}"]


def _engines(found: Found) -> Iterator[list[str]]:
    yield ["[engines.popularity]"]
    own = [] if found.protocol.filter_seen else ["frequency"]
    if own:
        yield [
            "[engines.frequency]",
            "# what the user chose most often, then what is popular; item-item models rank no repeats",
        ]
    yield ["[engines.itemknn]"]
    n = found.data.n_items
    nearest = [_line("neighbours", 200, f"each item by its nearest others alone, for there are {n:,}")]
    yield ["[engines.ease]", *(nearest if n > _DENSE_ITEMS else [])]
    yield ["[engines.als]"]
    yield ["[engines.two_tower]", "# reads ids, histories and every column above that is not ignored, text or image"]
    yield [
        "[engines.hybrid]",
        "# a weighted sum of these, with weights chosen on validation",
        f"parts = {json.dumps([*own, 'itemknn', 'ease', 'als', 'two_tower'])}",
    ]


def _last(found: Found) -> Iterator[list[str]]:
    protocol = found.protocol
    usual = "ease" if protocol.filter_seen else "frequency"
    baseline = "popularity" if protocol.name == "cold_items" else usual
    yield [
        "[evaluate]",
        *_comment(protocol.why_filter),
        f"filter_seen = {json.dumps(protocol.filter_seen)}",
        _line("baseline", baseline, "what the others are tested against"),
    ]
    least = GateConfig().min_users
    users = len(protocol.split.test)
    fewer = {"min_users": max(users // 2, 1)}
    gate = _line("gate", fewer, f"by default {least}; the test has {users} users now, and may have fewer later")
    yield ["[promote]", _line("engine", "hybrid", ""), *([gate] if users < least else [])]
    yield ["[recommend]", _line("k", min(20, found.data.n_items), "items a user")]


def _path(table: RawTable, folder: Path) -> str:
    """The path of a table as a config in ``folder`` names it."""
    file = table.location.file
    return str(file) if file.is_absolute() else Path(os.path.relpath(file, folder)).as_posix()


def _line(key: str, value: str | int | dict[str, int], note: str) -> str:
    text = f"{_key(key)} = {_value(value)}"
    return f"{text:<34}  # {note}" if note else text


def _value(value: str | int | dict[str, int]) -> str:
    if isinstance(value, dict):
        return _table(value)
    return _quoted(value) if isinstance(value, str) else str(value)


def _table(values: Mapping[str, str | float]) -> str:
    """An inline table; whole numbers are written without decimals."""
    texts = {key: _quoted(value) if isinstance(value, str) else f"{value:.15g}" for key, value in values.items()}
    return "{" + ", ".join(f"{_key(key)} = {text}" for key, text in texts.items()) + "}"


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    return toml(text)


def _comment(text: str) -> Iterable[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False)


def _fact(column: ColumnSummary | None) -> str:
    return "" if column is None else f"{column.role}, {column.example}"
