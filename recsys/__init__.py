"""Learned embeddings of users and items, turned into recommendations.

    import recsys as rs

    data = rs.load_dataset("movielens-100k")
    split = rs.split(data, "leave_one_out")
    ease = rs.EASE(decay=0.9).fit(data, split.train)
    report = rs.evaluate({"ease": ease}, data, split.test)

Every name below is imported when it is first used; `import recsys` alone loads neither torch nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
%s
__version__ = "0.1.0"

_HOMES = {
%s}

__all__ = [  # noqa: PLE0604, RUF022
%s]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'recsys' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
