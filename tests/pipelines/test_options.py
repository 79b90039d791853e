"""What `recsys options` prints: every option of every kind."""

import re

import pytest

from pipelines.cli import main
from pipelines.commands.options import describe, list_kinds
from pipelines.reference import models_in
from recsys.content import EMBEDDERS
from recsys.engines import ENGINES
from recsys.errors import ConfigError


def _keys(model) -> set[str]:
    """The options of a config and of the sections in it."""
    found = set()
    for name, field in model.model_fields.items():
        inner = models_in(field.annotation)
        found |= set().union(*map(_keys, inner)) if inner else {name}
    return found


@pytest.mark.parametrize("kind", list(ENGINES))
def test_every_option_of_an_engine_is_shown_with_a_description(kind):
    text = describe(kind)
    assert set(re.findall(r"^  (\w+) +[^\n]*; (?:default|required)[^\n]*\n {6}\S", text, re.M)) == _keys(
        ENGINES[kind].Config
    )


@pytest.mark.parametrize("kind", list(EMBEDDERS))
def test_an_embedder_is_found_by_its_name_alone_or_as_an_option(kind):
    text = describe(None, kind)
    assert f'embedder = "{kind}"' in text
    assert all(f"  {key} " in text for key in _keys(EMBEDDERS[kind].Config))
    assert kind in ENGINES or describe(kind) == text


def test_an_option_has_its_type_range_default_and_the_names_it_may_have():
    text = describe("two_tower")
    assert re.search(r"epochs +integer, at least 1; default \d+\n +largest number of passes over the data", text)
    assert re.search(r"loss +string, one of sampled_softmax, full_softmax, .*; default ", text)
    assert re.search(r"pooling +string, one of .*transformer", text)
    assert "[engines.two_tower.training]; its keys may also stand in [engines.two_tower] itself" in text
    assert re.search(r"parts +list of strings, at least 2 of them; required", describe("hybrid"))


def test_a_section_shows_the_defaults_that_it_has_there():
    assert re.search(r'pooling .*; default "gru"', describe("gru4rec"))


def test_without_a_name_every_kind_is_listed():
    text = list_kinds()
    assert all(re.search(rf"^  {kind} +\w", text, re.M) for kind in [*ENGINES, *EMBEDDERS])


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(ConfigError, match="unknown engine or embedder 'two_towr'; did you mean 'two_tower'"):
        describe("two_towr")
    with pytest.raises(ConfigError, match="did you mean 'sentence'"):
        describe(None, "sentance")
    with pytest.raises(ConfigError, match="give one name"):
        describe("ease", "pca")


def test_the_command_prints_them(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["options", "ease"])
    assert not stopped.value.code
    assert "[engines.ease]" in capsys.readouterr().out
