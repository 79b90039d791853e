"""JSON files that a run wrote and reads again: one that was changed to another shape is damaged, and told as such."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from recsys.atomic import read_json
from recsys.errors import ArtifactError
from recsys.json_values import JsonObject

_REMEDY = "it was changed or is damaged; remove it and make it again by the command that wrote it"


def read_object(path: Path, *keys: str) -> JsonObject:
    """The JSON object at ``path``, which has all of ``keys``.

    Raises:
        ArtifactError: the file is missing, is not JSON, holds another value than an object, or lacks a key.
    """
    found: object = read_json(path)
    if not isinstance(found, dict):
        raise ArtifactError(f"{path} holds {type(found).__name__} and no JSON object: {_REMEDY}")
    if missing := [key for key in keys if key not in found]:
        raise ArtifactError(f"{path} lacks {', '.join(missing)}: {_REMEDY}")
    return found


def check_kinds(path: Path, found: JsonObject, kinds: Mapping[str, type]) -> None:
    """Checks that the value of each key of ``kinds`` is of exactly that type: a text is no truth value.

    Raises:
        ArtifactError: names the file, the key and what stands there.
    """
    for key, kind in kinds.items():
        if type(found[key]) is not kind:
            raise ArtifactError(f"{path} has {key} = {found[key]!r}, which is no {kind.__name__}: {_REMEDY}")


@contextmanager
def as_written(path: Path) -> Iterator[None]:
    """Context manager: values of the file at ``path`` that are of another shape than was written are an ArtifactError.

    Raises:
        ArtifactError: the block raised KeyError, TypeError, ValueError, AttributeError or IndexError.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ArtifactError(f"{path} is not as it was written ({type(error).__name__}: {error}): {_REMEDY}") from error
