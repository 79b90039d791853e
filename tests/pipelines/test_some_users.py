"""`recommend --users IDS` and `--histories`: the ids of the data, and never in place of the lists of others."""

import pandas as pd
import pytest

from pipelines.cli import main
from recsys.retrieval.manifest import Manifest
from tests.pipelines.world import write_world


@pytest.fixture
def recommend(tmp_path, capsys):
    """Runs the command over a world whose user ids are text, most of them digits; returns code, output and errors."""
    config = write_world(tmp_path)
    table = pd.read_csv(tmp_path / "interactions.csv")
    table["user_id"] = table["user_id"].str.replace("u00", "1").replace({"100": "x"})
    table.to_csv(tmp_path / "interactions.csv", index=False)
    run = [str(config), "--output", str(tmp_path / "out"), "--set", "recommend.engine=ease"]

    def call(*words, command="recommend"):
        with pytest.raises(SystemExit) as stopped:
            main([command, *run, *map(str, words)])
        said = capsys.readouterr()
        return int(stopped.value.code or 0), said.out, said.err

    assert call(command="train")[0] == 0
    return call


def test_numbers_are_ids_of_text_where_the_ids_of_the_data_are_text(recommend, tmp_path):
    assert recommend("--users", "101,102")[0] == 0
    manifest = Manifest.load(tmp_path / "out" / "recommendations")
    assert manifest.users == 2
    code, out, _ = recommend("--users", "101,x,102")
    assert (code, "3 of 3 users" in out) == (0, True), "who had a list gets one again"


def test_lists_of_some_users_do_not_replace_the_batch_of_all(recommend, tmp_path):
    assert recommend()[0] == 0
    before = Manifest.load(tmp_path / "out" / "recommendations")
    sessions = tmp_path / "sessions.csv"
    sessions.write_text("user_id,item_id,timestamp\ns,1,5\n")
    for words in (("--users", "101"), ("--histories", sessions)):
        code, _, error = recommend(*words)
        assert code == 1
        assert f"holds the lists of 24 users, and {words[0]} would replace them" in error
        assert "--set recommend.output=FOLDER" in error
    assert Manifest.load(tmp_path / "out" / "recommendations") == before
    for number, words in enumerate((("--users", "101"), ("--histories", sessions))):
        own = ("--set", f"recommend.output={tmp_path / f'own{number}'}")
        for _ in range(2):
            code, out, _ = recommend(*words, *own)
            assert (code, f"own{number}: 1 of 1" in out) == (0, True)
    assert "no user is new" in recommend("--users", "new")[1]
