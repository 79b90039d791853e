"""Strict configuration: TOML read into pydantic models, unknown keys are errors that name the nearest key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from recsys.choices import did_you_mean
from recsys.errors import ConfigError
from recsys.json_values import JsonMapping, JsonObject

M = TypeVar("M", bound=BaseModel)


class Config(BaseModel):
    """Base class of configuration sections: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flat_sections: ClassVar[tuple[str, ...]] = ()
    """Names of nested sections whose keys may also be given at the top level.

    With ``("training",)``, ``epochs = 5`` means ``training = {epochs = 5}``.
    """

    @classmethod
    def section(cls, name: str) -> Config:
        """The nested section ``name`` with its default values."""
        default = cls.model_fields[name].get_default(call_default_factory=True)
        assert isinstance(default, Config), f"{cls.__name__}.{name} has no section for a default"
        return default

    @model_validator(mode="before")
    @classmethod
    def _into_sections(cls, raw: object) -> object:
        """Moves top-level keys of `flat_sections` into their sections; keys that are not given keep their defaults.

        Raises:
            ValueError: a key is given in both places.
        """
        if not cls.flat_sections or not isinstance(raw, Mapping):
            return raw
        result = dict(raw)
        for name in cls.flat_sections:
            default, given = cls.section(name), result.get(name, {})
            if not isinstance(given, Mapping):
                continue
            flat = [key for key in type(default).model_fields if key in result and key not in cls.model_fields]
            if twice := sorted(set(flat) & set(given)):
                raise ValueError(f"{twice[0]!r} is given twice: at the top level and in {name!r}")
            result[name] = {**dict(default), **given, **{key: result.pop(key) for key in flat}}
        return result


def read_toml(path: Path) -> JsonObject:
    """Parses a TOML file.

    Raises:
        ConfigError: the file is missing, not UTF-8 or not TOML (with line and column).
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the config {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def apply_overrides(raw: JsonMapping, overrides: Iterable[str]) -> JsonObject:
    """A copy of ``raw`` with each ``section.key=value`` set; a value that is not valid TOML is taken as a string.

    Example:
        >>> apply_overrides({"train": {"epochs": 5}}, ["train.epochs=9", "data.name=my set"])
        {'train': {'epochs': 9}, 'data': {'name': 'my set'}}
    """
    result = _copied(raw)
    for override in overrides:
        key, equals, text = override.partition("=")
        path = [part.strip() for part in key.split(".")]
        if not equals or not all(path):
            raise ConfigError(f"--set {override!r}: expected section.key=value")
        section = result
        for part in path[:-1]:
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise ConfigError(f"--set {override!r}: {part!r} is a value, not a section")
        section[path[-1]] = _toml_value(text.strip())
    return result


def parse(model: type[M], raw: JsonMapping, where: str) -> M:
    """Validates ``raw`` as a ``model``.

    Raises:
        ConfigError: names every key that is unknown (with the nearest known one), missing or of a wrong type.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        lines = [_explain(model, item) for item in error.errors()]
        raise ConfigError(f"{where}: " + "\n".join(lines)) from error


def read_config(path: Path, model: type[M], overrides: Iterable[str] = ()) -> M:
    """Reads a config file, applies the ``--set`` overrides and validates it as a ``model``."""
    return parse(model, apply_overrides(read_toml(path), overrides), str(path))


def _copied(raw: JsonMapping) -> JsonObject:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in raw.items()}


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(model: type[BaseModel], item: JsonMapping) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        siblings = _fields_at(model, item["loc"][:-1])
        hint = did_you_mean(str(item["loc"][-1]), siblings)
        known = f" (known: {', '.join(sorted(siblings))})" if siblings and not hint else ""
        return f"unknown key {key!r}{hint}{known}"
    if item["type"] == "missing":
        return f"the key {key!r} is missing"
    return f"{key!r}: {item['msg']}, found {item.get('input')!r}"


def _fields_at(model: type[BaseModel], path: Iterable[Any]) -> list[str]:
    current: type[BaseModel] | None = model
    for part in path:
        field = current.model_fields.get(str(part)) if current else None
        current = _model_in(field.annotation) if field else current
    if current is None:
        return []
    models: list[type[BaseModel]] = [current]
    if issubclass(current, Config):
        models += [type(current.section(name)) for name in current.flat_sections]
    return list(dict.fromkeys(key for model in models for key in model.model_fields))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
