"""Flat keys: a key of a section may be given beside the section, where one section alone can be meant."""

from typing import ClassVar

import pytest

from recsys.config import Config, parse
from recsys.configurable import Configurable
from recsys.errors import ConfigError


class Shape(Config):
    """The shape.

    Args:
        dim: width.
        rate: of dropout.
    """

    dim: int = 8
    rate: float = 0.5


class Loop(Config):
    """The loop.

    Args:
        epochs: passes.
        rate: of learning.
    """

    epochs: int = 3
    rate: float = 0.1


class Ambiguous(Config):
    """A key of two sections.

    Args:
        dim: hides that of ``shape``.
        shape: the shape.
        loop: the loop.
    """

    flat_sections: ClassVar[tuple[str, ...]] = ("shape", "loop")
    dim: int = 1
    shape: Shape = Shape()
    loop: Loop = Loop()


class Owned(Ambiguous):
    """One section owns it."""

    flat_owners: ClassVar[dict[str, str]] = {"rate": "loop"}


class Model(Configurable):
    """A model."""

    Config = Ambiguous


class OwnedModel(Configurable):
    """A model."""

    Config = Owned


def test_a_flat_key_sets_its_section_and_leaves_the_other_defaults():
    assert parse(Ambiguous, {"epochs": 9}, "x").loop == Loop(epochs=9)


def test_a_flat_key_of_two_sections_is_an_error_that_names_both():
    with pytest.raises(
        ConfigError, match=r"^x: 'rate' is a key of 'shape' and of 'loop': write shape = \{rate = \.\.\.\} or"
    ):
        parse(Ambiguous, {"rate": 0.2}, "x")


def test_a_key_of_two_sections_may_be_given_inside_either():
    config = parse(Ambiguous, {"loop": {"rate": 0.2}}, "x")
    assert (config.shape.rate, config.loop.rate) == (0.5, 0.2)


def test_a_flat_key_of_two_sections_sets_its_declared_owner():
    config = parse(Owned, {"rate": 0.2}, "x")
    assert (config.shape.rate, config.loop.rate) == (0.5, 0.2)


def test_a_field_hides_the_key_of_that_name_in_a_section():
    config = parse(Ambiguous, {"dim": 4}, "x")
    assert (config.dim, config.shape.dim) == (4, 8)


@pytest.mark.parametrize("section", [{"epochs": 1}, Loop(epochs=1)], ids=["table", "object"])
def test_a_key_given_flat_and_in_its_section_is_an_error(section):
    with pytest.raises(ConfigError, match="'epochs' is given twice: by itself and in 'loop'"):
        parse(Ambiguous, {"epochs": 2, "loop": section}, "x")


def test_the_signature_and_the_documentation_leave_out_ambiguous_keys():
    assert "rate" not in Model.__signature__.parameters
    assert "rate" in OwnedModel.__signature__.parameters
    assert "rate: of" not in (Model.__doc__ or "")
    assert "rate: of learning." in (OwnedModel.__doc__ or "")


@pytest.mark.parametrize("kind", [Model, OwnedModel])
def test_the_repr_builds_it_again_where_sections_share_a_key(kind):
    model = kind(shape={"rate": 0.2, "dim": 2}, loop={"rate": 0.3}, epochs=7)
    again = eval(repr(model), {kind.__name__: kind})
    assert again.config == model.config
