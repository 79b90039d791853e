"""Names of runs, engines and tables, checked by one rule because they become names of files and folders."""

from __future__ import annotations

import re
from pathlib import Path

from recsys.errors import ArtifactError, ConfigError

LONGEST, LONGEST_BYTES = 100, 200
RESERVED = (".training.json", ".cost.json")
"""Endings of files that a run writes next to the folder of an engine or a table."""
CHILD = re.compile(r"-finetuned(?:-\d+)?$")
"""The ending of the name of a fine-tuned bundle; engines cannot have it."""


def name_words(name: str) -> list[str]:
    """The words of a name, in lower case.

    Example:
        >>> name_words("customerId"), name_words("Thumbs-Down")
        (['customer', 'id'], ['thumbs', 'down'])
    """
    parts = re.split(r"[\W_]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name))
    return [part.lower() for part in parts if part]


def check_name(key: str, name: str) -> None:
    """Checks that ``name``, the value of the config key ``key``, can be the name of a folder inside the output.

    A valid name has 1 to 100 printable characters (at most 200 bytes of UTF-8), no slash or backslash, no space at
    either end, no dot in front, and none of the endings in `RESERVED` and `CHILD`.

    Raises:
        ConfigError: it is not valid.

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
    """Checks ``name``, which the stored file ``path`` gives as the name of a file or folder in the same folder.

    Returns:
        ``name``.

    Raises:
        ArtifactError: it is no valid name, so the file is damaged or was changed.
    """
    try:
        if not isinstance(name, str):
            raise ArtifactError(f"{path} gives {name!r} as a name; restore the file, or make it again")
        check_name("a name", name)
    except ConfigError as error:
        raise ArtifactError(
            f"{path} gives a name outside its folder ({error}); restore the file, or make it again"
        ) from error
    return name


def _wrong(name: str) -> str:
    """Why the name is not valid; empty if it is."""
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


def check_model_name(key: str, name: str) -> None:
    """Checks that a model can be registered and loaded under ``name``, which the config gives as ``key``.

    Raises:
        ConfigError: ``name`` contains ``/``, ``:``, ``@`` or ``?``, which have a meaning in the address of a model; is
            blank or starts like a path; or is refused by `check_name`.
    """
    found = [sign for sign in name if sign in "/:@?" or not sign.isprintable()]
    if found or not name.strip() or name == "." or name.startswith(".."):
        problem = f"contains {found[0]!r}" if found else "is blank or starts like a path"
        raise ConfigError(
            f"{key} = {name!r} {problem}, so no model can be registered under it; set promote.model to another name"
        )
    check_name(key, name)
