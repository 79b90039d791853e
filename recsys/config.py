"""Strict configuration: TOML read into pydantic models, unknown keys are errors that name the nearest key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from recsys.choices import did_you_mean
from recsys.errors import ConfigError
from recsys.files.input_file import read_bytes
from recsys.json_values import JsonMapping, JsonObject

M = TypeVar("M", bound=BaseModel)
_UNITS = {"s": 1, "m": 60, "h": 3600}

_LARGEST = 1e30
_SIZES = {"dim": 65_536, "factors": 65_536, "layers": 100, "heads": 1000, "expansion": 1000, "max_history": 100_000} | {
    "n_negatives": 1_000_000,
    "negatives": 1_000_000,
    "window": 10_000,
    "walks": 10_000,
    "length": 10_000,
}
"""Sizes of models -> the largest that is taken: others end in no memory, or never."""
_DEEPEST = 50
_LARGEST_FILE = 16 * 2**20
"""Bytes of the largest config."""


class Config(BaseModel):
    """Base class of configuration sections: immutable; unknown keys and numbers that are not finite are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    flat_sections: ClassVar[tuple[str, ...]] = ()
    """Fields that are sections whose keys may also be given flat: ``epochs = 5`` is ``training = {epochs = 5}``."""
    flat_owners: ClassVar[Mapping[str, str]] = {}
    """Key of several flat sections -> the section that it sets when given flat; without an owner that is an error."""

    @model_validator(mode="after")
    def _of_ordinary_size(self) -> Self:
        """Refuses numbers that are infinity in single precision, in which models count, and sizes beyond any model."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, float) and abs(value) > _LARGEST:
                raise ValueError(f"{name} = {value:g} is beyond {_LARGEST:g}, the largest number that is taken")
            if type(value) is int and value > _SIZES.get(name, value):
                raise ValueError(f"{name} = {value:,} is beyond {_SIZES[name]:,}, the largest that is taken")
        return self

    @classmethod
    def section(cls, name: str) -> Config:
        """The nested section ``name`` with its default values."""
        default = cls.model_fields[name].get_default(call_default_factory=True)
        assert isinstance(default, Config), f"{cls.__name__}.{name} has no section for a default"
        return default

    @classmethod
    def flat_keys(cls) -> dict[str, tuple[str, ...]]:
        """Key that may be given flat -> the section that it sets, or the several sections that make it ambiguous.

        A field of the config itself hides a key of that name in a section: that one is set inside its section only.
        """
        found: dict[str, tuple[str, ...]] = {}
        for name in cls.flat_sections:
            for key in type(cls.section(name)).model_fields:
                found[key] = (*found.get(key, ()), name)
        owned = {key: (cls.flat_owners[key],) for key in found if key in cls.flat_owners}
        return {key: names for key, names in (found | owned).items() if key not in cls.model_fields}

    @model_validator(mode="before")
    @classmethod
    def _into_sections(cls, raw: object) -> object:
        """Moves flat keys into their sections; a section that is given in part keeps its other defaults.

        Raises:
            ValueError: a key is given both flat and in its section, or belongs to several sections.
        """
        if not cls.flat_sections or not isinstance(raw, Mapping):
            return raw
        result, flat = dict(raw), cls.flat_keys()
        for key in [key for key in raw if len(flat.get(key, ())) > 1]:
            choices = " or ".join(f"{name} = {{{key} = ...}}" for name in flat[key])
            raise ValueError(f"{key!r} is a key of {' and of '.join(map(repr, flat[key]))}: write {choices}")
        for name in cls.flat_sections:
            moved = {key: result.pop(key) for key in raw if flat.get(key) == (name,)}
            given = result.get(name, {})
            if twice := sorted(moved.keys() & set(dict(given) if isinstance(given, Mapping | Config) else ())):
                raise ValueError(f"{twice[0]!r} is given twice: by itself and in {name!r}")
            if isinstance(given, Mapping):
                default = cls.section(name)
                own = {key: getattr(default, key) for key in default.model_fields_set}
                result[name] = {**own, **given, **moved}
        return result


def read_toml(path: Path) -> JsonObject:
    """Parses a TOML file.

    Raises:
        ConfigError: the file is missing, no regular file, over 16 MiB, not UTF-8 or not TOML (with line and column).
    """
    try:
        text = read_bytes(path, _LARGEST_FILE).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        return _shallow(tomllib.loads(text), str(path))
    except OSError as error:
        raise ConfigError(f"cannot read the config {path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
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
        if len(path) > _DEEPEST:
            raise ConfigError(f"--set {override[:60]!r}...: its key is nested deeper than {_DEEPEST} sections")
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


def seconds_of(text: str, key: str = "budget") -> float:
    """A length of time in seconds: numbers with the units s, m or h; a number alone is seconds.

    Args:
        text: such as ``90s``, ``10m``, ``2h`` or ``1h30m``.
        key: of the config, or option of the command, for messages.

    Raises:
        ConfigError: ``text`` is no length of time, or nought.

    Example:
        >>> seconds_of("90"), seconds_of("1.5h"), seconds_of("1h30m")
        (90.0, 5400.0, 5400.0)
    """
    lower = text.strip().lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smh]?)", lower)
    if "".join(number + unit for number, unit in parts) != "".join(lower.split()) or not parts:
        raise ConfigError(f"{key} = {text!r} is no length of time; write such as 90s, 10m, 2h or 1h30m")
    seconds = sum(float(number) * _UNITS[unit or "s"] for number, unit in parts)
    if seconds <= 0:
        raise ConfigError(f"{key} = {text!r} leaves no time; write such as 90s, 10m, 2h or 1h30m")
    return seconds


def deep_merge(base: Mapping[str, object], top: Mapping[str, object]) -> dict[str, object]:
    """``base`` with the values of ``top``; mappings that both have are merged.

    Example:
        >>> deep_merge({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}})
        {'a': {'b': 1, 'c': 3}}
    """
    both = dict(base)
    for key, value in top.items():
        inner = both.get(key)
        both[key] = deep_merge(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return both


def _shallow(raw: JsonObject, where: str) -> JsonObject:
    """``raw``, unless its sections are nested so deep that walking through them could not end.

    Raises:
        ConfigError: they are.
    """
    level: list[object] = [raw]
    for _ in range(_DEEPEST):
        inner = (each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list))
        level = [value for values in inner for value in values]
        if not level:
            return raw
    raise ConfigError(f"{where}: its sections are nested deeper than {_DEEPEST}; no key of a config is")


def _copied(raw: JsonMapping) -> JsonObject:
    return {key: _copied(value) if isinstance(value, Mapping) else value for key, value in raw.items()}


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
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
    if item["type"] == "value_error" and isinstance(item["input"], Mapping):  # of a section: the message names its key
        return f"{key!r}: {item['ctx']['error']}" if key else str(item["ctx"]["error"])
    if item["type"] in ("tuple_type", "list_type") and isinstance(item.get("input"), str):
        return f"{key!r}: a list is expected, such as [{item['input']!r}], found the text {item['input']!r}"
    return f"{key!r}: {item['msg'].removeprefix('Value error, ')}, found {item.get('input')!r}"


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
