"""The comparison of embedders: a row for each, kept as it stands, and no table that saw a question."""

import pytest

from pipelines.benchmarks.embedders import __main__ as command
from pipelines.benchmarks.embedders.row import COLUMNS, EvaluationSplits, measured_row, row_cache_key
from pipelines.config import read_run_config
from pipelines.stages.prepare import run as prepare
from pipelines.workspace import Workspace
from recsys.atomic import read_json, write_json
from recsys.tracking import SilentTracker
from tests.pipelines.world import write_world

SECTIONS = """
[pretrain.words]
embedder = "hashing"
columns = ["title"]
options = {dim = 8}

[engines.two_tower]
max_tokens = 64
model = {dim = 4, heads = 1, layers = 1}
training = {epochs = 1}
"""


@pytest.fixture
def prepared(tmp_path):
    path = write_world(tmp_path / "world")
    items = path.parent / "items.csv"
    lines = items.read_text().splitlines()
    items.write_text("\n".join([f"{lines[0]},genres", *(f"{line},{'ab'[n % 2]}" for n, line in enumerate(lines[1:]))]))
    path.write_text(path.read_text().replace('items.csv"', 'items.csv"\nitem_schema = {genres = "tags"}') + SECTIONS)
    run, workspace = read_run_config(path), Workspace(tmp_path / "run")
    prepare(run, workspace, SilentTracker())
    return run, path, workspace


@pytest.mark.parametrize("name", [COLUMNS, "words"])
def test_a_row_says_what_a_table_is_worth_and_what_it_costs(prepared, name, tmp_path, monkeypatch):
    run, _, workspace = prepared
    monkeypatch.setenv("RECSYS_CACHE_DIR", str(tmp_path / "cache"))
    splits = EvaluationSplits.of(workspace.load_dataset(), workspace.load_split(), validation=False)
    row = measured_row(run, name, splits, workspace.directory, SilentTracker())
    assert all(0 <= row[key]["low"] <= row[key]["value"] <= row[key]["high"] <= 1 for key in ("cold", "joined"))
    assert ("cpu_seconds" in row) == (name != COLUMNS)
    write_json(tmp_path / "row.json", row)
    assert read_json(tmp_path / "row.json")["cache_key"] == row_cache_key(
        run, name, splits.data, splits.standard, validation=False
    )


def test_a_table_learns_from_no_interaction_that_either_question_hides(prepared):
    _, _, workspace = prepared
    splits = EvaluationSplits.of(workspace.load_dataset(), workspace.load_split(), validation=False)
    train = splits.shared_train()
    hidden = [*splits.cold.validation.candidates, *splits.cold.test.candidates]
    assert len(train)
    assert not set(train.item.tolist()) & set(hidden)
    last = splits.standard.test.targets
    assert not set(zip(last.user.tolist(), last.item.tolist(), strict=True)) & set(
        zip(train.user.tolist(), train.item.tolist(), strict=True)
    )


def test_a_finished_row_is_not_made_again_and_one_of_another_section_is(prepared, monkeypatch, capsys):
    run, path, workspace = prepared
    data, split, made = workspace.load_dataset(), workspace.load_split(), []
    part = {"value": 0.5, "low": 0.4, "high": 0.6}
    for name, seed in ((COLUMNS, run.seed), ("words", run.seed + 1)):
        cache_key = row_cache_key(run, name, data, split, False) | {"seed": seed}
        write_json(
            workspace.directory / "rows" / f"{name}.json",
            {"name": name, "cache_key": cache_key, "cold": part, "joined": part},
        )
    monkeypatch.setattr(command, "_made", lambda config, name, *_: made.append(name) or False)
    with pytest.raises(command.typer.Exit) as end:
        command.main(path, None, workspace.directory, False)
    assert made == ["words"]
    assert end.value.exit_code == 1
    assert "| columns | 0.5000 [0.4000, 0.6000] |" in capsys.readouterr().out
