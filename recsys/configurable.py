"""Objects constructed from a `Config` or from its fields as keywords."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from typing import ClassVar

from recsys.config import Config as Options
from recsys.config import parse
from recsys.docstrings import field_descriptions


class Configurable:
    """Base of engines and embedders: ``EASE(decay=0.9)`` is ``EASE(EASEConfig(decay=0.9))``.

    The keyword arguments are the fields of ``Config`` and those of its nested ``flat_sections``: with
    ``flat_sections = ("training",)``, ``epochs=5`` sets ``config.training.epochs``. Completion, ``help()`` and the
    documentation show them with their descriptions. `config` does not change after construction.

    Args:
        config: all options at once; exclusive with keywords.
        **options: fields of ``Config``.

    Raises:
        ConfigError: an option is unknown (the message names the nearest), of a wrong type or out of range.
    """

    Config: ClassVar[type[Options]]
    config: Options
    __signature__: ClassVar[inspect.Signature]

    def __init__(self, config: Options | None = None, /, **options: object) -> None:
        if config is not None and options:
            raise TypeError(f"{type(self).__name__} takes a config or keywords, not both")
        self.config = parse(self.Config, options, type(self).__name__) if config is None else config

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "Config" not in cls.__dict__:
            return
        cls.__signature__ = _signature(cls.Config)
        fields = _documented(cls.Config)
        if fields and cls.__doc__ and "\nArgs:" not in inspect.cleandoc(cls.__doc__):
            text, example, rest = inspect.cleandoc(cls.__doc__).partition("\nExample:")
            cls.__doc__ = f"{text.rstrip()}\n\nArgs:\n{fields}\n{example}{rest}"

    def __repr__(self) -> str:
        given = dict(_given(self.config))
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in given.items())})"


def _given(config: Options) -> Iterator[tuple[str, object]]:
    """The options that differ from their defaults: keys of flat sections one by one, where they may be given flat."""
    flat = config.flat_keys()
    for name in type(config).model_fields:
        value = getattr(config, name)
        if name in config.flat_sections:
            default = config.section(name)
            changed = {key: inner for key, inner in value if inner != getattr(default, key)}
            yield from ((key, inner) for key, inner in changed.items() if flat.get(key) == (name,))
            if nested := {key: inner for key, inner in changed.items() if flat.get(key) != (name,)}:
                yield name, nested
        elif value != type(config).model_fields[name].get_default(call_default_factory=True):
            yield name, value


def _signature(config: type[Options]) -> inspect.Signature:
    options = {
        name: (
            field.annotation,
            inspect.Parameter.empty if field.is_required() else field.get_default(call_default_factory=True),
        )
        for name, field in config.model_fields.items()
        if name not in config.flat_sections
    }
    for key, (name, *others) in config.flat_keys().items():
        if not others:  # an ambiguous key is given inside its section
            section = config.section(name)
            options[key] = (type(section).model_fields[key].annotation, getattr(section, key))
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, (annotation, default) in options.items()
    ]
    whole = inspect.Parameter("config", inspect.Parameter.POSITIONAL_ONLY, default=None, annotation=config)
    return inspect.Signature([whole, *parameters])


def _documented(config: type[Options]) -> str:
    """The ``Args`` of ``config`` and of its flat sections, as lines of a docstring."""
    found = field_descriptions(config)
    for key, (name, *others) in config.flat_keys().items():
        texts = field_descriptions(type(config.section(name)))
        if not others and key in texts:
            found[key] = texts[key]
    return textwrap.indent("\n".join(_wrapped(f"{name}: {text}") for name, text in found.items()), "    ")


def _wrapped(entry: str) -> str:
    return textwrap.fill(entry, 112, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False)


class EngineConfig(Options):
    """The options of an engine."""

    def uses_parts(self) -> tuple[str, ...]:
        """Names of the fitted engines that an ensemble combines."""
        return ()

    def uses_tables(self) -> tuple[str, ...]:
        """Names of the pretrained item tables that the engine reads."""
        return ()

    def chooses_on_validation(self) -> bool:
        """Whether a fit chooses something on validation that a refit takes over, such as epochs or weights."""
        return False

    def ranking_device(self) -> str:
        """Where dense vectors are ranked: ``auto``, ``cpu`` or ``cuda``, see `recsys.ranking.device_of`."""
        return "cpu"

    def ranks_seen_items(self) -> bool:
        """Whether scores of items of the history compare with those of unseen items; the parts of an ensemble aside."""
        return True
