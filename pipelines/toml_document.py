"""A TOML file from its values: sections, inline values and comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from pipelines.reference_cells import toml
from recsys.json_values import JsonMapping

_DEEPEST = 3
"""Names in the heading of a section; what is in it further down is written inline."""


def toml_document(values: JsonMapping, comments: Mapping[str, str] | None = None, head: str = "") -> str:
    """The text of a TOML file.

    Args:
        values: the file's keys; mappings become sections.
        comments: dotted path of a section -> what stands above it.
        head: the comment at the top.

    Example:
        >>> print(toml_document({"name": "x", "engines": {"ease": {"decay": 0.9}}}, {"engines.ease": "the best"}))
        name = "x"
        <BLANKLINE>
        # the best
        [engines.ease]
        decay = 0.9
        <BLANKLINE>
    """
    lines = [f"# {line}" for line in head.splitlines()]
    return "\n".join([*lines, *_section(values, (), comments or {})]).lstrip("\n") + "\n"


def _section(values: JsonMapping, path: tuple[str, ...], comments: Mapping[str, str]) -> Iterator[str]:
    """The lines of a section: first its own keys, then the sections in it."""
    deep = len(path) >= _DEEPEST
    plain = {key: value for key, value in values.items() if deep or not isinstance(value, Mapping)}
    inner = {key: value for key, value in values.items() if key not in plain}
    if path and (plain or not inner or ".".join(path) in comments):
        yield ""
        yield from (f"# {line}" for line in comments.get(".".join(path), "").splitlines())
        yield f"[{'.'.join(_key(part) for part in path)}]"
    yield from (f"{_key(key)} = {toml(value)}" for key, value in plain.items())
    for key, value in inner.items():
        yield from _section(value, (*path, key), comments)


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)
