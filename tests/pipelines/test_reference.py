"""The page of config keys is what the models and their docstrings give."""

from typing import Literal

import pytest
from pydantic import Field

from pipelines.reference import PAGE, Section, page, sections, table
from pipelines.reference_cells import constraints, default_of, toml, type_of
from recsys.config import Config
from recsys.docstrings import field_descriptions
from recsys.errors import ConfigError


class Loop(Config):
    """How long.

    Args:
        epochs: at most this many
            passes.
    """

    epochs: int = Field(3, ge=1)


class Options(Config):
    """What it does.

    Args:
        kind: ``a | b``.
        training: the loop.
    """

    flat_sections = ("training",)
    kind: Literal["a", "b"] = "a"
    training: Loop = Loop(epochs=9)


class Deeper(Options):
    """More of it.

    Args:
        more: of it.
    """

    more: float | None = None


def test_the_page_is_what_the_models_give():
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run python -m pipelines.reference"


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.title)
def test_every_field_has_a_description(section):
    missing = [name for name in section.model.model_fields if not field_descriptions(section.model).get(name)]
    assert missing == [], f"{section.model.__name__} lacks lines under Args"


def test_a_row_has_type_limit_default_and_description():
    assert "| `epochs` | integer, at least 1 | `3` | at most this many passes. |" in table(Section("loop", Loop, ""))


def test_a_section_shows_what_differs_from_its_own_defaults_and_that_its_keys_may_stand_beside_it():
    text = table(Section("options", Options, ""))
    assert "| `training` | section | `epochs = 9` | the loop. ([`Loop`](#loop); its keys may stand beside it) |" in text
    assert '| `kind` | `"a"` or `"b"` | `"a"` | `a \\| b`. |' in text


def test_a_subclass_has_the_descriptions_of_its_base():
    assert field_descriptions(Deeper) == {"kind": "``a | b``.", "training": "the loop.", "more": "of it."}


def test_a_field_without_a_description_is_refused():
    class Silent(Config):
        """Nothing said."""

        size: int = 1

    with pytest.raises(ConfigError, match=r"Silent\.size"):
        table(Section("silent", Silent, ""))


def test_types_are_those_of_toml():
    assert type_of(dict[str, tuple[float, ...]]) == "table of lists of numbers"
    assert type_of(Deeper.model_fields["more"].annotation) == "number or none"
    assert constraints(Loop.model_fields["epochs"].metadata) == ["at least 1"]


def test_defaults_are_written_as_toml():
    assert toml({"recall@10": 0.5, "on": True}) == '{"recall@10" = 0.5, on = true}'
    assert default_of(Deeper.model_fields["more"], None, "more") == "none"
