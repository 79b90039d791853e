"""options: every option of an engine or an embedder, with its type, default, range and description."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from pipelines.reference import first_line, models_in
from pipelines.reference_cells import constraints, default_of, type_of
from pipelines.specs import CHOICES
from recsys.choices import did_you_mean
from recsys.config import Config
from recsys.configurable import Configurable
from recsys.content import EMBEDDERS
from recsys.docstrings import field_descriptions
from recsys.engines import ENGINES
from recsys.errors import ConfigError

_WIDTH = 110


@dataclass(frozen=True)
class _Section:
    """A TOML table of options.

    Args:
        heading: its name in the file.
        model: its keys.
        default: an instance with the default values; None takes those of ``model``.
        note: where else its keys may stand.
        path: of the section inside the engine's options.
    """

    heading: str
    model: type[BaseModel]
    default: BaseModel | None = None
    note: str = ""
    path: tuple[str, ...] = ()


def list_kinds() -> str:
    """The kinds of engines and of embedders, a line each."""
    engines, embedders = _listed(ENGINES), _listed(EMBEDDERS)
    last = "recsys options NAME lists the options of one."
    return (
        f"engines, kind in [engines.NAME]\n{engines}\n\nembedders, embedder in [pretrain.NAME]\n{embedders}\n\n{last}"
    )


def describe(name: str | None, embedder: str | None = None) -> str:
    """The options of an engine or an embedder as text.

    Args:
        name: a kind of engine, or a kind of embedder that is none of an engine.
        embedder: a kind of embedder, instead of ``name``.

    Raises:
        ConfigError: there is no such kind (the message names the nearest), or both or neither are given.
    """
    if (name is None) == (embedder is None):
        raise ConfigError("give one name: recsys options ENGINE, or recsys options --embedder NAME")
    if embedder is None and name in ENGINES:
        assert name is not None
        return _page(ENGINES[name], f"[engines.{name}]")
    if embedder is not None or name in EMBEDDERS:
        kind = str(embedder or name)
        return _page(EMBEDDERS[kind], "[pretrain.NAME.options]", f'[pretrain.NAME]\n  embedder = "{kind}"')
    raise ConfigError(
        f"unknown engine or embedder {name!r}{did_you_mean(str(name), [*ENGINES, *EMBEDDERS]) or '.'} "
        f"The engines are: {', '.join(sorted(ENGINES))}. The embedders are: {', '.join(sorted(EMBEDDERS))}"
    )


def _listed(kinds: Mapping[str, type[Configurable]]) -> str:
    width = max(map(len, kinds))
    return "\n".join(f"  {kind:<{width}}  {_plain(first_line(kinds[kind]))}" for kind in kinds)


def _page(kind: type[Configurable], heading: str, above: str = "") -> str:
    blocks = [textwrap.fill(_plain(first_line(kind)), _WIDTH), *([above] if above else [])]
    return "\n\n".join([*blocks, *(_block(section) for section in _sections(_Section(heading, kind.Config)))])


def _sections(top: _Section) -> Iterator[_Section]:
    """``top`` and the sections inside it, each before its own."""
    yield top
    for name, field in top.model.model_fields.items():
        value = field.get_default(call_default_factory=True) if top.default is None else getattr(top.default, name)
        flat = issubclass(top.model, Config) and name in top.model.flat_sections
        for inner in models_in(field.annotation):
            by_name = "" if isinstance(value, BaseModel) else ".NAME" * str(field.annotation).startswith("dict")
            yield from _sections(
                _Section(
                    f"{top.heading.removesuffix(']')}.{name}{by_name}]",
                    inner,
                    value if isinstance(value, BaseModel) else None,
                    f"; its keys may also stand in {top.heading} itself" if flat else "",
                    (*top.path, name),
                )
            )


def _block(section: _Section) -> str:
    """The heading of a section and its options."""
    texts, fields = field_descriptions(section.model), section.model.model_fields
    rows = [
        (name, _kind(section, name), _plain(default_of(field, section.default, name)), _plain(texts.get(name, "")))
        for name, field in fields.items()
        if not models_in(field.annotation)
    ]
    width = max((len(name) for name, *_ in rows), default=0)
    lines = [section.heading + section.note]
    for name, kind, default, text in rows:
        lines.append(f"  {name:<{width}}  {kind}; {default if default == 'required' else f'default {default}'}")
        lines += textwrap.wrap(text, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False)
    return "\n".join(lines) if rows else f"{section.heading}\n  no options"


def _kind(section: _Section, name: str) -> str:
    """The type of an option, its limits, and the names that it may have."""
    field = section.model.model_fields[name]
    kind = ", ".join([_plain(type_of(field.annotation)), *constraints(field.metadata)])
    choices = CHOICES.get((*section.path, name))
    return f"{kind}, one of {', '.join(choices)}" if choices and field.annotation is str else kind


def _plain(text: str) -> str:
    """``text`` without the marks of reStructuredText and Markdown."""
    return re.sub(r":math:`([^`]*)`", r"\1", text).replace("`", "")
