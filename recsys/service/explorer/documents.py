"""The documents of a run that the page links: its report and decisions, and no other file of its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_NEWEST = 50
"""So many decisions are linked, the newest."""


@dataclass(frozen=True)
class Documents:
    """The documents of one run, looked for anew whenever they are asked for, as a promotion adds some.

    Args:
        root: the output folder of the run; a link that leads out of it is no document. None has none.
        files: name -> file, which may come to be later.
        decisions: the folder of the numbered decisions; None for none.

    Example:
        >>> Documents().found()
        {}
    """

    root: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    decisions: Path | None = None

    def found(self) -> dict[str, Path]:
        """Name -> file of those that exist; decisions are ``decision-NNNN``, the newest first."""
        numbered = [] if self.decisions is None else [each for each in self.decisions.glob("*.json") if _number(each)]
        newest = sorted(numbered, key=_number, reverse=True)[:_NEWEST]
        named = {**self.files, **{f"decision-{path.stem}": path for path in newest}}
        return {name: path for name, path in named.items() if self._is_inside(path)}

    def _is_inside(self, path: Path) -> bool:
        return self.root is not None and path.is_file() and path.resolve().is_relative_to(self.root.resolve())


def _number(path: Path) -> int:
    return int(path.stem) if path.stem.isascii() and path.stem.isdecimal() else 0
