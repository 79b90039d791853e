"""Paths of a config: relative ones start at the folder of the config, those of ``--set`` at the current folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from recsys.config import apply_overrides, read_toml
from recsys.json_values import JsonObject

DEMO = Path(__file__).parent / "configs" / "demo.toml"
_KEYS = {
    "data": ("interactions", "users", "items", "test_interactions"),
    "recommend": ("allow", "deny", "users", "output", "since", "histories"),
}
"""Section -> its keys whose text is a path."""
_WORDS = {"users": "new"}
"""Texts of such keys that are no paths; a file of that name is ``./new``."""
_OPTIONS = ("path", "model")
"""Options of embedders that are paths where such a file or folder exists, else names."""
_SQLITE = "sqlite:///"
_RULE_FILES = ("candidates", "exclusions")
"""Keys of ``recommend.rules`` whose text is a path."""


def read_raw(path: Path, overrides: Iterable[str] = ()) -> JsonObject:
    """The TOML file at ``path`` with its overrides, and with absolute paths; ``demo`` is the config of `recsys demo`.

    Raises:
        ConfigError: the file is missing or not TOML, or an override is none.
    """
    path = DEMO if str(path) == DEMO.stem and not path.is_file() else path
    return anchored(apply_overrides(anchored(read_toml(path), path.parent), overrides), Path())


def anchored(raw: JsonObject, folder: Path) -> JsonObject:
    """A copy of a run's config in which relative paths are absolute, as seen from ``folder``.

    Example:
        >>> made = anchored({"data": {"items": "items.csv", "users": "s3://shop/users.csv"}}, Path("/shop"))
        >>> print(made["data"])
        {'items': '/shop/items.csv', 'users': 's3://shop/users.csv'}
    """
    root, made = folder.absolute(), dict(raw)
    for section, keys in _KEYS.items():
        if isinstance(values := raw.get(section), Mapping):
            paths = {key for key in keys if values.get(key) != _WORDS.get(key, "")}
            made[section] = {key: _absolute(value, root) if key in paths else value for key, value in values.items()}
    if isinstance(recommend := made.get("recommend"), Mapping):
        made["recommend"] = _with_rule_files(recommend, root)
    if isinstance(promote := raw.get("promote"), Mapping):
        made["promote"] = {key: _database(value, root) for key, value in promote.items()}
    if isinstance(tables := raw.get("pretrain"), Mapping):
        made["pretrain"] = {name: _existing(section, root) for name, section in tables.items()}
    return made


def _with_rule_files(section: Mapping[str, object], root: Path) -> JsonObject:
    """The files of ``[recommend]`` with absolute paths, whether they are given in its section of rules or beside it."""
    made = {key: _absolute(value, root) if key in _RULE_FILES else value for key, value in section.items()}
    if isinstance(rules := section.get("rules"), Mapping):
        made["rules"] = {key: _absolute(value, root) if key in _RULE_FILES else value for key, value in rules.items()}
    return made


def _absolute(value: object, root: Path) -> object:
    if not isinstance(value, str | Path) or not str(value) or "://" in str(value):
        return value
    path = root / Path(value).expanduser()
    plain = Path(os.path.normpath(path))  # without "..", unless a link makes that another place
    return str(plain if not path.exists() or (plain.exists() and path.samefile(plain)) else path)


def _database(value: object, root: Path) -> object:
    """A sqlite URI with an absolute path; others as they are."""
    if not isinstance(value, str) or not value.startswith(_SQLITE):
        return value
    return f"{_SQLITE}{root / value.removeprefix(_SQLITE)}"


def _existing(value: object, root: Path) -> object:
    """``value`` with the options `_OPTIONS` absolute where they exist in ``root``; nested embedders included."""
    if isinstance(value, Mapping):
        return {
            key: str(root / inner)
            if key in _OPTIONS and isinstance(inner, str) and inner and (root / inner).exists()
            else _existing(inner, root)
            for key, inner in value.items()
        }
    return [_existing(inner, root) for inner in value] if isinstance(value, list) else value
