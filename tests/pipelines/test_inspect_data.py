"""What `recsys data` and `recsys validate` print."""

import gc
import json
import weakref

import pytest

from pipelines.cli import main
from pipelines.commands.data import column_overrides, column_readers, data_config, describe_source, issues, list_sources
from recsys.data.ingest.typed_interactions import TypedInteractions
from recsys.data.synthetic.seasonal import SeasonalDemand
from recsys.data.synthetic.worlds import SequenceRule, write_tables
from recsys.errors import ConfigError, DataError
from tests.pipelines.world import write_world


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder that holds a small ``amazon-beauty`` and nothing else."""
    monkeypatch.setenv("RECSYS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("RECSYS_CACHE_DIR", str(tmp_path / "cache"))
    write_tables(SequenceRule(users=5, items=6, events=3).dataset(), tmp_path / "amazon-beauty", ".parquet")
    (tmp_path / "amazon-beauty" / "items.csv").write_text("item_id,attributes\n0,1|2\n1,2\n", encoding="utf-8")
    return tmp_path


def test_named_sets_are_listed_with_where_they_are(folder):
    lines = list_sources().splitlines()
    assert lines[0] == f"amazon-beauty   {folder / 'amazon-beauty'}"
    assert lines[1] == "gowalla         not here: RECSYS_DATA_DIR names the folder"
    assert lines[2] == "movielens-100k  fetched when it is used"


def test_a_named_set_is_shown_table_by_table(folder):
    text = describe_source("amazon-beauty")
    assert "amazon-beauty/interactions.parquet, 15 rows" in text
    assert "position  order          0 to 2" in text
    assert "attributes  tags:|       '1|2'" in text


def test_bursts_are_shown_where_there_is_a_clock(folder):
    assert "demand" not in describe_source("amazon-beauty")
    world = SeasonalDemand(days=40, item_bursts=((3, 30, 60),))
    write_tables(world.dataset(), folder / "amazon-beauty", ".parquet")
    text = describe_source("amazon-beauty")
    assert "demand: 40 days from 2001-09-10" in text
    assert "    3, day of 2001-10-10: " in text


def test_a_set_that_is_unknown_missing_or_broken_says_so(folder):
    with pytest.raises(ConfigError, match="did you mean 'gowalla'"):
        describe_source("gowala")
    with pytest.raises(DataError, match="RECSYS_DATA_DIR"):
        describe_source("gowalla")
    (folder / "amazon-beauty" / "items.csv").write_bytes(b"")
    with pytest.raises(DataError, match=r"items\.csv: the file is empty"):
        describe_source("amazon-beauty")


def test_a_config_or_bare_files_are_validated_as_text_or_json(folder):
    config = folder / "c.toml"
    config.write_text('[data]\nsource = "amazon-beauty"\n', encoding="utf-8")
    text, failed = issues(data_config(config, None, None, None, ()), as_json=False)
    assert "4 of the 6 items (67%) are not in items.csv" in " ".join(text.split())
    assert not failed
    bare = data_config(
        None, folder / "amazon-beauty" / "interactions.parquet", None, None, ["data.columns.order=place"]
    )
    text, failed = issues(bare, as_json=True)
    assert json.loads(text)["findings"][0]["found"].startswith("there is no column 'place' for the order")
    assert failed
    with pytest.raises(ConfigError, match="either"):
        data_config(None, None, None, None, ())


def test_an_override_of_bare_files_names_a_key_of_data(folder):
    files = (None, folder / "amazon-beauty" / "interactions.parquet", None, None)
    assert data_config(*files, ["data.columns.time=when"]).columns.time == "when"
    with pytest.raises(ConfigError, match=r"--set columns is no key of data.* --set data\.columns"):
        data_config(*files, ["columns.time=when"])


def test_foreign_names_are_given_by_role():
    assert column_overrides(["user_id=customer id", "time=7"]) == [
        'data.columns.user_id="customer id"',
        'data.columns.time="7"',
    ]
    with pytest.raises(ConfigError, match="did you mean 'user_id'"):
        column_overrides(["usr_id=x"])
    with pytest.raises(ConfigError, match="expected ROLE=NAME"):
        column_overrides(["user_id"])


def test_the_picture_of_the_data_is_written_and_foreign_files_are_not_replaced(folder):
    config = data_config(None, folder / "amazon-beauty" / "interactions.parquet", None, None, ())
    target = folder / "pictures" / "x.html"
    for _ in range(2):
        text, _ = issues(config, as_json=False, picture=target)
        assert text.endswith(f"picture of the data: {target}")
        assert "<svg" in target.read_text(encoding="utf-8")
    target.write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is no page of recsys validate"):
        issues(config, as_json=False, picture=target)
    assert target.read_text(encoding="utf-8") == "mine"
    with pytest.raises(ConfigError, match=r"ends with \.html"):
        issues(config, as_json=False, picture=folder / "x.png")


def test_the_readers_of_columns_are_those_of_the_run(folder):
    config = folder / "c.toml"
    config.write_text('[data]\nsource = "amazon-beauty"\n', encoding="utf-8")
    assert column_readers(config, ()) is None
    assert column_readers(config, ["engines.two_tower.epochs=3"]).engines[0].name == "two_tower"


def exit_code(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


@pytest.mark.parametrize(
    ("change", "key", "told"),
    [
        ("engines.ease.regularisation=3", "engines.ease.regularisation", "did you mean 'regularization'?"),
        ("engines.foo.x=1", "engines.foo", "the choices are: als, auto,"),
        ("promote.engin=ease", "promote.engin", "did you mean 'engine'?"),
        ("promote.engine=eas", "promote.engine", "did you mean 'ease'?"),
        ("evaluate.ks=[10000000000]", "evaluate.ks", "the largest list length is"),
        ("tune.metric=recal@3", "tune.metric", "unknown metric 'recal'"),
        ("recommend.k=-1", "recommend.k", "greater than 0"),
        ("engine.ease.decay=1", "engine", "unknown key 'engine'"),
    ],
)
def test_a_wrong_section_is_an_error_of_the_config_that_names_the_key(tmp_path, capsys, change, key, told):
    path = write_world(tmp_path)
    assert exit_code("validate", str(path), "--json", "--set", change) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    [found] = [finding for finding in findings if finding["severity"] == "error"]
    assert (found["file"], found["column"]) == (str(path), key)
    assert told in f"{found['found']}; {found['remedy']}"


def test_errors_of_the_config_and_of_the_tables_are_told_together(tmp_path, capsys):
    changes = ["--set", "engines.ease.regularisation=3", "--set", "data.columns.user_id=nobody"]
    assert exit_code("validate", str(write_world(tmp_path)), *changes) == 1
    told = capsys.readouterr().out
    assert "2 errors: the data cannot be read, and the config cannot be run" in told
    assert "there is no column 'nobody'" in told


@pytest.mark.parametrize(("protocol", "refused"), [("leave_one_out", True), ("user_holdout", False), ("none", False)])
def test_validate_fails_where_prepare_refuses_the_split(tmp_path, capsys, protocol, refused):
    rows = [f"{user},{user % 7},{1_600_000_000 + user}" for user in range(60)]  # one interaction a user
    rows += [f"{user},{user % 7 + 7},{1_600_100_000 + user}" for user in range(60)] if not refused else []
    (tmp_path / "x.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n", encoding="utf-8")
    path = tmp_path / "x.toml"
    split = f'[split]\nprotocol = "{protocol}"\n'
    path.write_text(f'name = "x"\n[data]\ninteractions = "x.csv"\n{split}[engines.popularity]\n', encoding="utf-8")
    assert exit_code("validate", str(path)) == refused
    assert ("leaves nothing to validate with" in capsys.readouterr().out) == refused
    assert exit_code("prepare", str(path), "--output", str(tmp_path / "out")) == refused


@pytest.mark.parametrize("picture", [False, True])
def test_the_tables_that_were_read_are_let_go_before_they_are_split(tmp_path, monkeypatch, capsys, picture):
    """Typed tables take as much again as the dataset, and prepare holds no more than one of them."""
    import recsys.data.splits.split as splits

    made, held, split, begin = [], [], splits.make_split, TypedInteractions.__init__

    def looked(*arguments):
        gc.collect()
        held.append([table for table in made if table() is not None])
        return split(*arguments)

    def began(self, *fields):
        made.append(weakref.ref(self))
        begin(self, *fields)

    monkeypatch.setattr(TypedInteractions, "__init__", began)
    monkeypatch.setattr(splits, "make_split", looked)
    page = ["--html", str(tmp_path / "page.html")] if picture else []
    with pytest.raises(SystemExit) as ended:
        main(["validate", str(write_world(tmp_path)), *page])
    assert ended.value.code == 0
    assert (len(made) > 0, held) == (True, [[]])
    assert "interactions.csv, 144 rows" in capsys.readouterr().out
    assert not picture or "interactions" in (tmp_path / "page.html").read_text(encoding="utf-8")
