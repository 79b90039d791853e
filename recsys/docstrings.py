"""The ``Args`` section of a config's docstring, from which its options are documented."""

from __future__ import annotations

import inspect
import re

from pydantic import BaseModel


def field_descriptions(model: type[BaseModel]) -> dict[str, str]:
    """Field -> its description under ``Args`` in the docstring of ``model`` or of the nearest base that has one.

    The lines of a description are joined by single spaces.
    """
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base.__doc__:
            found |= _args(inspect.cleandoc(base.__doc__))
    return {name: found[name] for name in model.model_fields if name in found}


def _args(doc: str) -> dict[str, str]:
    """Name -> description; the lines that continue a description are indented deeper than its name."""
    if doc.startswith("Args:\n"):  # cleandoc takes the indentation away where there is no first line
        doc = doc.replace("\n", "\n    ")
    block = re.search(r"^Args:\n((?:[ ]{4}.*\n?|\n)+)", doc, re.M)
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", block.group(1) if block else "", re.M)
    return {name: " ".join(text.split()) for name, text in entries}
