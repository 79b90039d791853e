"""The commented config that `recsys auto` leaves."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from pipelines.config import RunConfig
from pipelines.reference_cells import toml
from recsys.engines.auto.facts import Facts
from recsys.engines.auto.ladder import CLOSED_FORM
from recsys.engines.auto.mixing import HYBRID
from recsys.engines.auto.search import Outcome
from recsys.engines.auto.trial import Trial


@dataclass(frozen=True, eq=False)
class AutoRun:
    """Everything that the config says.

    Args:
        config: name, data, split and seen filter.
        budget: as it was given.
        facts: what the tables show.
        protocol_reason: why the protocol was chosen.
        found: engines, options, epochs and weights.
    """

    config: RunConfig
    budget: str
    facts: Facts
    protocol_reason: str
    found: Outcome


def config_text(run: AutoRun) -> str:
    """The config as TOML; `recsys run` repeats the run of it."""
    return "\n".join(_lines(run)) + "\n"


def _lines(run: AutoRun) -> Iterator[str]:
    config, found = run.config, run.found
    yield from _comment(f"Written by `recsys auto` within {run.budget}. It is yours: change it and `recsys run` it.")
    yield "#"
    for line in run.facts.lines():
        yield from _comment(line)
    yield "#"
    yield from _comment(f"{found.metric} on validation:")
    for name, value in sorted(found.judged.items(), key=lambda pair: -pair[1]):
        yield f"#   {name:<16} {value:.4f}"
    for note in found.notes:
        yield from _comment(note)
    yield from (f"name = {toml(config.name)}", f"seed = {config.seed}", "", "[data]")
    yield from _changed(config.data)
    yield from ("", *_comment(run.protocol_reason), "[split]")
    yield from (f"protocol = {toml(config.split.protocol)}", "refit = true")
    engines = _engines(found)
    used = {table for trial in engines for table in trial.engine.config.uses_tables()}
    for name, table in found.tables.items():
        if name in used:
            yield from ("", f"[pretrain.{name}]", *_changed(table))
    for trial in engines:
        yield from _engine(trial, found.metric)
    if found.chosen == HYBRID:
        yield from ("", *_comment("the weights are of scores in units of their standard deviation"))
        yield from (f"[engines.{HYBRID}]", f"parts = {toml(list(found.recipe.parts))}")
        yield f"weights = {toml(found.recipe.weights)}"
    yield from ("", *_comment(run.facts.seen_reason()), "[evaluate]")
    yield f"filter_seen = {toml(config.evaluate.filter_seen)}"
    yield f"baseline = {toml(_baseline(found))}"
    yield from ("", "[recommend]", f"engine = {toml(found.chosen)}")


def _engines(found: Outcome) -> list[Trial]:
    """The chosen engines, and popularity and the best engine in closed form to compare them with."""
    names = {*found.recipe.parts, _baseline(found), "popularity"}
    listed = [trial for trial in found.trials if trial.name in names]
    return sorted(listed, key=lambda trial: trial.part.kind not in CLOSED_FORM)


def _baseline(found: Outcome) -> str:
    """The best engine in closed form, or else the chosen one."""
    closed = [trial.name for trial in found.trials if trial.part.kind in CLOSED_FORM]
    return max(closed, key=lambda name: found.judged[name]) if closed else found.chosen


def _engine(trial: Trial, metric: str) -> Iterator[str]:
    told = f"{metric} {trial.value:.4f} on the validation users who chose the options"
    if "stop_epoch" in trial.part.options:
        told += ", at stop_epoch; remove it to choose again on validation"
    yield from ("", *_comment(told), f"[engines.{trial.name}]")
    if trial.name != trial.part.kind:
        yield f"kind = {toml(trial.part.kind)}"
    yield from (f"{key} = {toml(value)}" for key, value in trial.part.options.items())


def _changed(section: BaseModel) -> Iterator[str]:
    """The keys of ``section`` that differ from their defaults."""
    for key, field in type(section).model_fields.items():
        value: object = getattr(section, key)
        if value == field.get_default(call_default_factory=True):
            continue
        if isinstance(value, BaseModel):
            inner = {name: getattr(value, name) for name in type(value).model_fields if _differs(value, name)}
            yield f"{key} = {toml(inner)}"
        else:
            yield f"{key} = {toml(value)}"


def _differs(section: BaseModel, name: str) -> bool:
    value: object = getattr(section, name)
    return bool(value != type(section).model_fields[name].get_default(call_default_factory=True))


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 118, initial_indent="# ", subsequent_indent="# ") or ["#"]
