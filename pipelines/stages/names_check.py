"""Checks of what a config names in the data and on the machine, right after `prepare`, before anything is learnt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from pydantic import BaseModel

from pipelines.config import RunConfig, engine_specs
from pipelines.specs import pretrain_spec
from pipelines.workspace import Workspace
from recsys.choices import did_you_mean
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.schema import Schema
from recsys.engines.two_tower.tower_inputs import HISTORY, IDS
from recsys.errors import ConfigError, DataError
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.recipients.users import NEW, named_users
from recsys.retrieval.rules.by_user import check_condition
from recsys.retrieval.rules.plan import RulePlan

_ITEM_KEYS = ("item_columns", "columns")


def check_names(config: RunConfig, workspace: Workspace) -> None:
    """Checks columns, tables, devices, conditions and files of ids that the config names.

    Raises:
        ConfigError: one does not exist; the message has its key and the nearest name.
        DataError: a rule of ``[recommend]`` is wrong, or leaves no item or user.
    """
    data = workspace.load_dataset()
    _check_named(config, _Tables(data.users, data.items))
    if config.recommend is not None:
        check_rules(config.recommend, data)


def check_newer_columns(config: RunConfig, tables: tuple[EntityTable, EntityTable], files: str) -> None:
    """Checks, before a fine-tuning, that newer tables have the columns that the config names.

    Args:
        config: the run.
        tables: users and items, those that were read from newer tables and else the old ones.
        files: the newer tables, for the message.

    Raises:
        ConfigError: a column is not there; the message has its key and the nearest name.
        DataError: ``recommend.where`` names it.
    """
    try:
        _check_named(config, _Tables(*tables))
        if config.recommend is not None:
            check_condition(config.recommend.where, *tables)
    except (ConfigError, DataError) as error:
        raise type(error)(f"{files}: {error}") from error


class _Tables(NamedTuple):
    """The tables whose columns a config can name."""

    users: EntityTable
    items: EntityTable


def _check_named(config: RunConfig, data: _Tables) -> None:
    sections: dict[str, BaseModel] = {f"engines.{spec.name}": spec.config for spec in engine_specs(config)}
    for name, section in config.pretrain.items():
        sections[f"pretrain.{name}"] = pretrain_spec(name, section).config
    for where, options in sections.items():
        for key, value in _leaves(options, where):
            _check(key, value, data, config)
    attribute = config.evaluate.embedding_quality.attribute
    if attribute is not None:
        _known("evaluate.embedding_quality.attribute", [attribute], data.items.schema, "items have no column")
    if config.attribution is not None:
        known = {*_inputs(data, config), *config.engines}
        for name, parts in config.attribution.modalities.items():
            _known(f"attribution.modalities.{name}", parts, known, "the data has no input")


def check_rules(options: RecommendOptions, data: Dataset) -> None:
    """Checks the rules of a batch against the data.

    Raises:
        DataError: one is wrong, or they leave no item or user.
    """
    RulePlan.of(data, options, options.rules, options.at)
    named_users(data, None if options.users == NEW else options.users)


def _leaves(value: object, where: str) -> Iterator[tuple[str, object]]:
    """Dotted key and value of every option, also in nested sections and nested embedders."""
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{where}.{name}")
    elif isinstance(value, list | tuple) and any(isinstance(part, BaseModel | Mapping) for part in value):
        for number, part in enumerate(value):
            yield from _leaves(part, f"{where}.{number}")
    else:
        yield where, value


def _check(key: str, value: object, data: _Tables, config: RunConfig) -> None:
    *_, parent, name = key.split(".")
    texts = [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
    names = [text for text in texts if isinstance(text, str)]
    if name == "device":
        _check_device(key, value)
    elif name in _ITEM_KEYS:
        _known(key, names, data.items.schema, "items have no column")
    elif name == "user_columns":
        _known(key, names, data.users.schema, "users have no column")
    elif name in ("tables", "table"):
        _known(key, names, config.pretrain, "the run has no table, as [pretrain.NAME] makes them,")
    elif name == "leave_out":
        sides = {"items": data.items.schema, "users": data.users.schema}
        known = [f"{side}.{column}" for side, schema in sides.items() for column in schema]
        _known(key, names, known, "the tables have no column")
    elif parent == "modalities":
        _known(key, names, _inputs(data, config), "the data has no input")


def _inputs(data: _Tables, config: RunConfig) -> list[str]:
    return [*data.items.schema, *data.users.schema, *config.pretrain, IDS, HISTORY]


def _known(key: str, names: Iterable[str], known: Iterable[str] | Schema, refusal: str) -> None:
    choices = list(known)
    for name in names:
        if name not in choices:
            hint = did_you_mean(name, choices) or "."
            raise ConfigError(f"{key}: {refusal} {name!r}{hint} Known: {', '.join(choices) or 'none'}")


def _check_device(key: str, device: object) -> None:
    if device != "cuda":
        return
    import torch

    if not torch.cuda.is_available():
        raise ConfigError(
            f'{key} = "cuda", and this machine has no CUDA device that torch can use; set "auto" or "cpu"'
        )
