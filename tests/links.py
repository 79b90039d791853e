"""Links of the committed pages and references in docstrings, each with what is wrong with it."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_FENCE = re.compile(r"^```.*?^```", re.M | re.S)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_PATH = re.compile(r"`((?:recsys|pipelines|tests|notebooks|\.ci)/[\w./-]*)`")
_MODULE = re.compile(r"`((?:recsys|pipelines)(?:\.\w+)+)`")
_COMMAND = re.compile(r"python -m (pipelines(?:\.\w+)+)")


def pages() -> list[Path]:
    """Every Markdown page of the working tree that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return sorted(ROOT / name for name in done.stdout.split() if (ROOT / name).is_file())


def sources() -> list[Path]:
    """Every module of the library and of the pipelines."""
    return sorted([*ROOT.glob("recsys/**/*.py"), *ROOT.glob("pipelines/**/*.py")])


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    found: list[str] = []
    for heading in re.findall(r"^#+ +(.*)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.M):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
    return frozenset(found)


def broken_in_page(page: Path, text: str | None = None) -> Iterator[str]:
    """Links, paths, modules and commands that a page names and that are not there."""
    text = page.read_text(encoding="utf-8") if text is None else text
    prose = _FENCE.sub("", text)
    for target in _LINK.findall(prose):
        file, _, anchor = target.partition("#")
        if re.match(r"\w+:", target):
            continue
        there = (page.parent / file).resolve() if file else page
        if not there.exists():
            yield f"{target}: no such file"
        elif anchor and there.suffix == ".md" and anchor not in anchors(there):
            yield f"{target}: no such heading"
    yield from (f"{path}: no such path" for path in _PATH.findall(prose) if not (ROOT / path).exists())
    yield from (f"{name}: no such module" for name in _COMMAND.findall(text) if not _module(name))
    yield from (f"{name}: no such name" for name in _MODULE.findall(prose) if not resolves(name))


def broken_in_docstrings(source: Path, text: str | None = None) -> Iterator[str]:
    """Names `recsys.x.y` in the docstrings of a module that stand for nothing."""
    tree = ast.parse(source.read_text(encoding="utf-8") if text is None else text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            doc = ast.get_docstring(node) or ""
            yield from (f"{name}: no such name" for name in _MODULE.findall(doc) if not resolves(name))


@cache
def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or a name that stands in the module before it."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module = _module(".".join(parts[:length]))
        if module:
            rest = parts[length : length + 1]
            return not rest or re.search(rf"\b{rest[0]}\b", module.read_text(encoding="utf-8")) is not None
    return False


def _module(name: str) -> Path | None:
    path = ROOT.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)
