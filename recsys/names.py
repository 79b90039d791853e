"""Names of runs, engines and tables: they become names of files and folders, so one rule holds for all of them."""

from __future__ import annotations

import re
from pathlib import Path

from recsys.errors import ArtifactError, ConfigError

LONGEST, LONGEST_BYTES = 100, 200
RESERVED = (".training.json", ".cost.json")
"""Endings of what a run keeps beside the folder of an engine or a table."""
CHILD = re.compile(r"-finetuned(?:-\d+)?$")
"""The ending of a fine-tuned bundle, which is no name of an engine."""


def check_name(key: str, name: str) -> None:
    """Whether ``name``, which the config gives as ``key``, can be the name of a folder inside the output.

    It has 1 to 100 printable characters (at most 200 bytes of UTF-8), no slash or backslash, no space at either
    end, no dot in front, and none of the endings in `RESERVED` and `CHILD`.

    Raises:
        ConfigError: it cannot.

    Example:
        >>> check_name("engines", "two_tower")
        >>> check_name("engines", "../two_tower")
        Traceback (most recent call last):
        recsys.errors.ConfigError: engines = '../two_tower' holds '/', so no folder can have this name; choose another
    """
    wrong = _wrong(name)
    if wrong:
        shown = name if len(name) <= LONGEST else f"{name[:40]}..."
        raise ConfigError(f"{key} = {shown!r} {wrong}, so no folder can have this name; choose another")


def stored_name(path: Path, name: object) -> str:
    """``name``, read from the file ``path``, where it can be the name of something beside that file.

    Raises:
        ArtifactError: it cannot: somebody has changed the file.
    """
    try:
        if not isinstance(name, str):
            raise ArtifactError(f"{path} gives {name!r} as a name; get it again")
        check_name("a name", name)
    except ConfigError as error:
        raise ArtifactError(f"{path} names what lies outside its folder ({error}); get it again") from error
    return name


def _wrong(name: str) -> str:
    """What is wrong with the name; nothing when it is right."""
    signs = [sign for sign in name if sign in "/\\" or not sign.isprintable()]
    endings = [ending for ending in RESERVED if name.endswith(ending)] + CHILD.findall(name)
    if signs:
        return f"holds {signs[0]!r}"
    if not name.strip():
        return "is blank"
    if name.strip() != name:
        return "starts or ends with a space"
    if name.startswith("."):
        return "starts with a dot"
    if endings:
        return f"ends with {endings[0]!r}, as files beside the folder do"
    if len(name) > LONGEST or len(name.encode()) > LONGEST_BYTES:
        return f"has over {LONGEST} characters or {LONGEST_BYTES} bytes"
    return ""
