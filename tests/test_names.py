"""Names that become folders: one rule for runs, engines, tables and the parts of a bundle."""

import pytest

from pipelines.config import read_run_config
from recsys.engines.ensemble.hybrid import HybridConfig
from recsys.errors import ArtifactError, ConfigError
from recsys.names import check_name, stored_name
from tests.pipelines.world import write_world

HOSTILE = {
    "": "is blank",
    "  ": "is blank",
    ".": "starts with a dot",
    "..": "starts with a dot",
    ".hidden": "starts with a dot",
    "../../x": "holds '/'",
    "/path": "holds '/'",
    "a/b": "holds '/'",
    "a\\b": "holds",
    "a\0b": "holds",
    "a\nb": "holds",
    "\x1b[2J": "holds",
    "\u202egpj": "holds",
    "\ud800": "holds",
    " a": "starts or ends with a space",
    "a ": "starts or ends with a space",
    "a" * 101: "has over 100 characters",
    "\u4e2d" * 90: "or 200 bytes",
    "a.training.json": "ends with '.training.json'",
    "a.cost.json": "ends with '.cost.json'",
    "a-finetuned": "ends with '-finetuned'",
    "a-finetuned-12": "ends with '-finetuned-12'",
}
hostile = pytest.mark.parametrize("name", HOSTILE, ids=[ascii(name)[:20] for name in HOSTILE])


def quoted(name):
    """``name`` as a TOML string."""
    return '"' + "".join(f"\\u{ord(sign):04x}" for sign in name) + '"'


def in_config(tmp_path, old, new):
    path = write_world(tmp_path)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


@hostile
def test_a_name_that_no_folder_can_have_is_refused_and_says_why(name):
    with pytest.raises(ConfigError) as refused:
        check_name("engines", name)
    assert HOSTILE[name] in str(refused.value)
    assert len(str(refused.value)) < 300
    with pytest.raises(ArtifactError, match=r"parts\.json"):
        stored_name("parts.json", name)


@pytest.mark.parametrize("name", ["two_tower", "als-64", "Köln: shop", "a.b", "x" * 100, "電影"])
def test_an_ordinary_name_is_taken(name):
    check_name("engines", name)
    assert stored_name("parts.json", name) == name


@pytest.mark.parametrize("name", [None, 3, ["a"]])
def test_a_stored_name_is_a_text(name):
    with pytest.raises(ArtifactError, match=r"parts\.json"):
        stored_name("parts.json", name)


@hostile
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "tiny"', "name = {}"),
        ("[engines.popularity]", "[engines.{}]\nkind = 'popularity'\n\n[engines.popularity]"),
        ("[engines.popularity]", "[pretrain.{}]\nengine = 'als'\n\n[engines.popularity]"),
    ],
    ids=["run", "engine", "table"],
)
def test_a_run_with_a_hostile_name_is_refused_when_it_is_read(tmp_path, old, new, name):
    if name == "\ud800":
        pytest.skip("TOML has no surrogates")
    with pytest.raises(ConfigError, match="no folder can have this name"):
        read_run_config(in_config(tmp_path, old, new.format(quoted(name))))


def test_a_hostile_name_given_by_set_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no folder can have this name"):
        read_run_config(write_world(tmp_path), ["name=../../x"])


@pytest.mark.parametrize("hostile_part", ["../als", "/als", ".."])
def test_a_hybrid_of_a_hostile_part_is_refused(hostile_part):
    with pytest.raises(ConfigError, match="no folder can have this name"):
        HybridConfig(parts=("ease", hostile_part))
