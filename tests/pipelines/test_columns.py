"""`recsys columns` and the same part of the report."""

import numpy as np
import pandas as pd
import pytest

from pipelines.commands.columns import ColumnOptions
from pipelines.commands.columns import run as columns
from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.atomic import read_json
from recsys.data.synthetic.worlds import BlockTaste, write_tables
from recsys.errors import ConfigError
from recsys.tracking import ConsoleTracker, SilentTracker

CONFIG = """
name = "tiny"
data = {{interactions = "{0}/interactions.csv", users = "{0}/users.csv", items = "{0}/items.csv"}}
split = {{protocol = "leave_one_out"}}
engines.popularity = {{}}
engines.towers = {{kind = "two_tower", dim = 8, epochs = 1}}
evaluate = {{ks = [1, 5, 10, 20], baseline = "popularity"}}
"""


@pytest.fixture
def config(tmp_path):
    """A tiny world as files, with a constant column <shop> of items; the path of its config."""
    paths = write_tables(BlockTaste().dataset(), tmp_path)
    items = pd.read_csv(paths["items"])
    items.assign(**{"<shop>": "main"}).to_csv(paths["items"], index=False)
    path = tmp_path / "run.toml"
    path.write_text(CONFIG.format(tmp_path.as_posix()), encoding="utf-8")
    return path


def _run(config, tmp_path, *overrides, **options):
    settings = read_run_config(config, overrides)
    return columns(settings, Workspace(tmp_path / "out"), SilentTracker(), ColumnOptions(**options))


def test_the_command_prepares_and_trains_and_leaves_a_table_and_a_file(config, tmp_path):
    text = _run(config, tmp_path, metric="recall@5", users=30)
    assert text.startswith("towers, leave_one_out, recall@5 of 30 validation users: ")
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    assert lines["genre"].split()[1:5] == ["items", "categorical", "2", "0.0%"]
    assert "items, <shop>: constant: every row has the same value, 'main'" in text
    content = read_json(tmp_path / "out" / "columns.json")
    rows = {(row["table"], row["name"]): row for row in content["columns"]}
    assert set(rows[("items", "genre")]["left_out"]) == {"difference", "low", "high", "p"}
    assert rows[("items", "genre")]["evidence"]["predictive"]
    assert rows[("items", "blurb")]["evidence"] is None
    assert not rows[("items", "blurb")]["input"]
    assert rows[("users", "team")]["alone"]["low"] <= rows[("users", "team")]["alone"]["difference"]
    assert (tmp_path / "out" / "bundles" / "towers").is_dir()
    assert not (tmp_path / "out" / "bundles" / "popularity").exists()


def test_a_current_bundle_is_used_again(config, tmp_path, capsys):
    _run(config, tmp_path)
    capsys.readouterr()
    columns(read_run_config(config), Workspace(tmp_path / "out"), ConsoleTracker())
    assert "train/towers: reused" in "".join(capsys.readouterr())


def test_of_a_split_with_a_refit_the_engine_has_not_seen_the_validation_targets(config, tmp_path):
    _run(config, tmp_path, "split.refit=true")
    out = tmp_path / "out"
    assert (out / "columns" / "bundles" / "towers").is_dir()
    assert not (out / "bundles").exists()
    with_hybrid = 'engines.mix={kind = "hybrid", parts = ["popularity", "towers"]}'
    _run(config, tmp_path, "split.refit=true", with_hybrid)
    assert (out / "pre_refit" / "towers").is_dir()


def test_without_a_two_tower_engine_only_what_train_tells_is_shown(config, tmp_path):
    text = _run(config, tmp_path, 'engines={popularity = {}, sequence = {kind = "sequence"}}')
    assert "no two-tower engine of the run reads columns" in text
    assert "genre" in text


def test_an_engine_that_reads_no_columns_is_refused_by_name(config, tmp_path):
    with pytest.raises(ConfigError, match=r"--engine popularity: it reads no columns; .* that do: towers"):
        _run(config, tmp_path, engine="popularity")
    with pytest.raises(ConfigError, match="did you mean 'towers'"):
        _run(config, tmp_path, engine="tower")


def test_tables_without_columns_are_refused(config, tmp_path):
    settings = read_run_config(config)
    bare = settings.data.model_copy(update={"users": None, "items": None})
    with pytest.raises(ConfigError, match="neither items nor users have a column"):
        columns(settings.model_copy(update={"data": bare}), Workspace(tmp_path / "out"), SilentTracker())


def test_the_report_holds_what_the_columns_tell(config, tmp_path):
    out = tmp_path / "out"
    run_stages(read_run_config(config), Workspace(out), SilentTracker(), "evaluate")
    found = read_json(out / "report.json")["columns"]
    assert found["engine"] == "towers"
    rows = {row["name"]: row for row in found["columns"]}
    assert np.isfinite(rows["genre"]["evidence"]["value"])
    assert [warning["what"] for warning in rows["<shop>"]["warnings"]] == ["constant"]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<h2>Columns</h2>" in page
    assert "&lt;shop&gt;</b> of items, constant" in page
