"""prepare runs again when anything that it read has changed, and refuses files that change while they are read."""

import pandas as pd
import pytest

from pipelines.config import RunConfig
from pipelines.stages import prepare
from pipelines.workspace import Workspace
from recsys.errors import DataError
from recsys.tracking import ConsoleTracker, SilentTracker

EVENTS = pd.DataFrame(
    {"user_id": [1, 1, 1, 2, 2, 2], "item_id": [5, 6, 7, 5, 6, 7], "timestamp": range(10**9, 10**9 + 6)}
)


@pytest.fixture
def run(tmp_path):
    """The folder of parts, and a function that prepares and returns the number of users."""
    folder, workspace = tmp_path / "events", Workspace(tmp_path / "out")
    folder.mkdir()
    EVENTS.to_parquet(folder / "part-0.parquet")
    raw = {"name": "x", "data": {"interactions": folder}, "split": {"protocol": "leave_one_out"}}
    config = RunConfig.model_validate(raw | {"engines": {"popularity": {}}, "recommend": {"engine": "popularity"}})

    def prepared():
        with workspace.lock():
            prepare.run(config, workspace, SilentTracker())
        return workspace.load_dataset().n_users

    return folder, prepared


def test_a_part_that_is_added_changed_or_taken_away_is_noticed(run, tmp_path):
    folder, prepared = run
    assert prepared() == 2
    EVENTS.assign(user_id=3).to_parquet(tmp_path / "elsewhere")
    (folder / "part-1.parquet").symlink_to(tmp_path / "elsewhere")
    assert prepared() == 3
    EVENTS.assign(user_id=[3, 3, 3, 4, 4, 4]).to_parquet(tmp_path / "elsewhere")
    assert prepared() == 4
    (folder / "part-1.parquet").unlink()
    assert prepared() == 2


def test_small_tables_are_drawn_and_of_larger_ones_no_earlier_page_stays(run, tmp_path, monkeypatch):
    folder, prepared = run
    assert prepared() == 2
    assert "interactions" in (tmp_path / "out" / "data.html").read_text()
    monkeypatch.setattr(prepare, "DRAWN", 6)
    EVENTS.assign(user_id=3).to_parquet(folder / "part-1.parquet")
    assert prepared() == 3
    assert not (tmp_path / "out" / "data.html").exists()


def test_a_file_that_changes_while_it_is_read_is_refused(run, monkeypatch):
    folder, prepared = run
    read = prepare.typed_tables

    def slow(*arguments):
        found = read(*arguments)
        EVENTS.assign(user_id=9).to_parquet(folder / "part-1.parquet")
        return found

    monkeypatch.setattr(prepare, "typed_tables", slow)
    with pytest.raises(DataError, match="events: changed while it was read"):
        prepared()
    monkeypatch.setattr(prepare, "typed_tables", read)
    assert prepared() == 3


@pytest.mark.parametrize(("policy", "told"), [("first", 1), ("last", 1), ("keep", 0)])
def test_repeated_rows_that_are_left_out_are_counted(policy, told, tmp_path, capsys):
    pd.concat([EVENTS, EVENTS.iloc[:4]]).to_parquet(tmp_path / "events.parquet")
    data = {"interactions": tmp_path / "events.parquet", "duplicates": policy}
    raw = {"name": "x", "data": data, "engines": {"popularity": {}}, "recommend": {"engine": "popularity"}}
    workspace = Workspace(tmp_path / "out")
    with workspace.lock():
        prepare.run(RunConfig.model_validate(raw), workspace, ConsoleTracker())
    out = "".join(capsys.readouterr())
    assert out.count(f"4 rows that repeat user, item and time of another are left out: the {policy} of each") == told


@pytest.mark.parametrize(("named", "name"), [({}, "shop"), ({"name": "sales"}, "sales")])
def test_data_without_a_name_has_that_of_the_run_and_not_of_the_folder(named, name, tmp_path):
    EVENTS.to_parquet(tmp_path / "events.parquet")
    raw = {"name": "shop", "data": {"interactions": tmp_path / "events.parquet", **named}}
    more = {"engines": {"popularity": {}}, "recommend": {"engine": "popularity"}}
    workspace = Workspace(tmp_path / "out")
    with workspace.lock():
        prepare.run(RunConfig.model_validate(raw | more), workspace, SilentTracker())
    assert workspace.load_dataset().name == name
