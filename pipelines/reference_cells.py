"""Types, constraints and defaults of config fields, in the words of a TOML file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from recsys.data.moment import Moment
from recsys.files.addresses import without_password

_PLAIN = {
    int: ("integer", "integers"),
    float: ("number", "numbers"),
    str: ("string", "strings"),
    bool: ("true or false", "booleans"),
    Path: ("path", "paths"),
}
_LIMITS = {
    "ge": "at least {}",
    "gt": "above {}",
    "le": "at most {}",
    "lt": "below {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} of them",
    "max_length": "at most {} of them",
    "pattern": "matches `{}`",
}


def type_of(annotation: object, plural: bool = False) -> str:
    """What a TOML file holds for a field of this type.

    Example:
        >>> type_of(tuple[str, ...]), type_of(int | None), type_of(Literal["gru", "hstu"])
        ('list of strings', 'integer or none', '`"gru"` or `"hstu"`')
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "sections" if plural else "section"
    if isinstance(annotation, type) and annotation in _PLAIN:
        return _PLAIN[annotation][plural]
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation == Moment:
        return "dates, datetimes or seconds since 1970" if plural else "date, datetime or seconds since 1970"
    if origin is Annotated:
        return type_of(inner[0], plural)
    if origin is Literal:
        return " or ".join(f"`{toml(value)}`" for value in inner)
    if origin in (Union, UnionType):
        kinds = [type_of(kind, plural) for kind in inner if kind is not NoneType]
        return " or ".join([*kinds, "none"] if NoneType in inner else kinds)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"{'tables' if plural else 'table'} of {type_of(inner[1], plural=True)}"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return f"{'lists' if plural else 'list'} of {type_of(inner[0], plural=True)}"
    return "values" if plural else "value"


def constraints(metadata: Sequence[object]) -> list[str]:
    """The limits of a field, in words."""
    return [
        words.format(getattr(limit, name))
        for limit in metadata
        for name, words in _LIMITS.items()
        if getattr(limit, name, None) is not None
    ]


def default_of(field: FieldInfo, section: BaseModel | None, name: str) -> str:
    """The value that ``name`` has where it is left out, as TOML; of a section, what differs from its own defaults."""
    if section is None and field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True) if section is None else getattr(section, name)
    if isinstance(value, BaseModel):
        changed = {
            key: getattr(value, key) for key, own in type(value).model_fields.items() if _differs(value, key, own)
        }
        return ", ".join(f"`{key} = {toml(item)}`" for key, item in changed.items())
    return "none" if value is None else f"`{toml(value)}`"


def _differs(section: BaseModel, key: str, own: FieldInfo) -> bool:
    return bool(own.is_required() or getattr(section, key) != own.get_default(call_default_factory=True))


def toml(value: object) -> str:
    """``value`` as written in a TOML file, without the passwords of addresses, which are in no file that recsys writes.

    Example:
        >>> toml({"recall@10": 0.002}), toml((1, 5)), toml(True)
        ('{"recall@10" = 0.002}', '[1, 5]', 'true')
    """
    if isinstance(value, BaseModel):
        return toml(
            {key: getattr(value, key) for key in type(value).model_fields if getattr(value, key) not in (None, (), {})}
        )
    if isinstance(value, Mapping):
        pairs = (
            f"{key if re.fullmatch('[A-Za-z0-9_-]+', str(key)) else toml(str(key))} = {toml(item)}"
            for key, item in value.items()
        )
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, str | Path):
        return json.dumps(without_password(str(value)), ensure_ascii=False)
    if isinstance(value, Sequence):
        return "[" + ", ".join(toml(item) for item in value) + "]"
    return json.dumps(value)


def cell(text: str) -> str:
    """``text`` inside a Markdown table: bars escaped; reStructuredText's literals and formulas in Markdown."""
    return re.sub(r":math:`([^`]*)`", r"$\1$", text).replace("``", "`").replace("|", "\\|")
