"""Objects constructed from a `Config` or from its fields as keywords."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import ClassVar

from recsys.config import Config as Options
from recsys.config import parse


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
    """The options that differ from their defaults; those of flat sections without the name of the section."""
    for name in type(config).model_fields:
        value = getattr(config, name)
        if name in config.flat_sections:
            default = config.section(name)
            yield from ((key, inner) for key, inner in value if inner != getattr(default, key))
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
    for section in map(config.section, config.flat_sections):  # if two sections have the key, the first one counts
        for name, field in type(section).model_fields.items():
            options.setdefault(name, (field.annotation, getattr(section, name)))
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
        for name, (annotation, default) in options.items()
    ]
    whole = inspect.Parameter("config", inspect.Parameter.POSITIONAL_ONLY, default=None, annotation=config)
    return inspect.Signature([whole, *parameters])


def _documented(config: type[Options]) -> str:
    """The ``Args`` of ``config`` and of its flat sections, as lines of a docstring."""
    sections = [config, *(type(config.section(name)) for name in config.flat_sections)]
    found: dict[str, str] = {}
    for section in sections:
        inherited = (_described(base) for base in reversed(section.__mro__))
        texts = {name: text for described in inherited for name, text in described.items()}
        found |= {name: text for name, text in texts.items() if name not in found}
    return "\n".join(found.values())


def _described(config: type) -> dict[str, str]:
    """Field -> its lines in the ``Args`` of ``config``'s own docstring."""
    match = re.search(r"^Args:\n((?:[ ]{4}.*\n?|\n)+)", inspect.cleandoc(config.__dict__.get("__doc__") or ""), re.M)
    entries = re.split(r"^(?=[ ]{4}\w+: )", match.group(1), flags=re.M) if match else []
    return {entry.split(":")[0].strip(): entry.rstrip() for entry in entries if entry.strip()}
