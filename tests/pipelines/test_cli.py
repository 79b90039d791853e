"""The command line: exit codes, messages, and that it answers at once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli import main
from pipelines.config import read_run_config
from pipelines.seen_items import check_shown
from recsys.errors import ConfigError
from tests.pipelines.world import write_world


def _exit_code(*words: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    return int(stopped.value.code or 0)


def test_help_lists_the_commands_and_ends_well(capsys):
    assert _exit_code("--help") == 0
    shown = capsys.readouterr().out
    commands = "run demo data validate prepare pretrain train finetune evaluate promote rollback recommend similar tune"
    assert all(command in shown for command in commands.split())


def test_help_imports_nothing_heavy():
    heavy = "torch pandas numpy scipy mlflow matplotlib pydantic pyarrow implicit"
    code = (
        "import sys\nfrom pipelines.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n"
        f"    print(sorted(set(sys.modules) & set({heavy!r}.split())), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_an_unknown_key_names_the_nearest_and_ends_with_1(tmp_path, capsys):
    config = write_world(tmp_path)
    assert _exit_code("run", config, "--set", "evaluate.baselin=ease") == 1
    message = capsys.readouterr().err
    assert "evaluate.baselin" in message
    assert "did you mean 'baseline'" in message
    assert "Traceback" not in message


def test_an_unknown_engine_option_names_the_nearest(tmp_path, capsys):
    assert _exit_code("run", write_world(tmp_path), "--set", "engines.ease.regularizaton=3") == 1
    message = capsys.readouterr().err
    assert "engines [ease]" in message
    assert "did you mean 'regularization'" in message


def test_an_unknown_kind_of_engine_lists_the_choices(tmp_path, capsys):
    assert _exit_code("run", write_world(tmp_path), "--set", "engines.eas.regularization=3") == 1
    assert "unknown engine 'eas'; did you mean 'ease'?" in capsys.readouterr().err


def test_a_promoted_engine_must_be_one_of_the_run(tmp_path, capsys):
    assert _exit_code("run", write_world(tmp_path), "--set", "promote.engine=als") == 1
    assert "promote.engine = 'als' is no engine of this run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("engines.two_tower.loss=sampled_sofmax", "did you mean 'sampled_softmax'"),
        ("engines.two_tower.negatives=popular", "did you mean 'popularity'"),
        ("engines.two_tower.metric=ndgc@10", "did you mean 'ndcg'"),
        ("engines.two_tower.model.pooling=transfomer", "did you mean 'transformer'"),
        ("engines.two_tower.model.item_fusion=gate", "did you mean 'gated'"),
        ("recommend.index=exakt", "did you mean 'exact'"),
        ("promote.gate.metric=ndcg", "expected a name, @ and a list length"),
        ("promote.gate.metric=ndcg@7", "promote.gate names 'ndcg@7', but its k is not in evaluate.ks = [1, 5, 10, 20]"),
        ("engines.two_tower.model={dim=33, heads=2}", "engines [two_tower]: model.dim = 33 and model.heads = 2"),
        ("engines.sequence.model={dim=64, heads=3, pooling='hstu'}", "dim = 64 and model.heads = 3 do not fit"),
        ("engines.lightgcn.loss=full_softmax", "'loss': Input should be 'sampled_softmax', 'bpr' or 'gbce'"),
        ("engines.sage.loss=full_softmax", "'loss': Input should be 'sampled_softmax', 'bpr' or 'gbce'"),
        ("engines.two_tower={loss='gbce', label_smoothing=0.1}", "label_smoothing = 0.1 needs a softmax loss, not"),
    ],
)
def test_wrong_names_and_options_that_exclude_each_other_are_found_before_the_first_stage(
    tmp_path, capsys, change, message
):
    output = tmp_path / "out"
    assert _exit_code("run", write_world(tmp_path), "--output", output, "--set", change) == 1
    assert message in capsys.readouterr().err
    assert not output.exists()


def test_lists_of_what_was_seen_are_refused_from_an_engine_that_ranks_what_is_new_alone(tmp_path):
    run = write_world(tmp_path)
    shown = ["recommend.filter_seen=false"]
    check_shown(read_run_config(run, shown))  # ease ranks everything
    towers = [
        *shown,
        "engines.sequence={}",
        "engines.inner={kind='hybrid', parts=['ease', 'sequence']}",
        "engines.outer={kind='hybrid', parts=['popularity', 'inner']}",
    ]
    for name in ("sequence", "inner", "outer"):
        config = [*towers, f"recommend.engine={name}"]
        with pytest.raises(ConfigError, match=r"engines.sequence is trained to rank unseen items"):
            check_shown(read_run_config(run, config))
        check_shown(read_run_config(run, [*config, "evaluate.filter_seen=false"]))
        check_shown(read_run_config(run, [*config, "engines.sequence.mask_seen_negatives=false"]))
    output = tmp_path / "out"
    changes = [word for change in config for word in ("--set", change)]
    assert _exit_code("run", run, "--output", output, *changes) == 1
    assert not output.exists()


@pytest.mark.parametrize("filtered", ["true", "false"])
def test_the_batch_leaves_out_what_was_seen_where_the_report_does_unless_told_otherwise(tmp_path, filtered):
    run, changes = write_world(tmp_path), [f"evaluate.filter_seen={filtered}"]
    assert read_run_config(run, changes).recommend.options.filter_seen is (filtered == "true")
    for own in (True, False):
        told = read_run_config(run, [*changes, f"recommend.filter_seen={str(own).lower()}"])
        assert told.recommend.options.filter_seen is own


def test_the_defaults_of_every_engine_name_what_exists():
    from pipelines.specs import engine_spec
    from recsys.engines import ENGINES

    for name in ENGINES:
        needed = {"hybrid": {"parts": ["ease", "als"]}, "content_knn": {"table": "text"}}.get(name, {})
        assert engine_spec(name, needed).kind == name


def test_similar_wants_an_engine_of_the_run_and_at_least_one_item(tmp_path, capsys):
    path = write_world(tmp_path)
    assert _exit_code("similar", path, "Film 1", "--engine", "eas") == 1
    assert "--engine = 'eas' is no engine of this run; did you mean 'ease'?" in capsys.readouterr().err
    assert _exit_code("similar", path, "Film 1", "--k", -3) == 1
    assert "'--k': Input should be greater than or equal to 1" in capsys.readouterr().err


def test_a_run_ends_with_its_numbers_and_the_place_of_the_report(tmp_path, capsys):
    path, output = write_world(tmp_path), tmp_path / "out"
    config = path.read_text(encoding="utf-8").split("[promote]")[0]
    path.write_text(config, encoding="utf-8")
    assert _exit_code("run", path, "--output", output) == 0
    shown = capsys.readouterr().out
    assert "ndcg@10" in shown.split("engine ")[1].splitlines()[0]
    assert shown.splitlines()[-1] == f"report  {output / 'report.html'}"


@pytest.mark.parametrize("bad", ["novalue", ".x=1", "name.x=1"])
def test_a_bad_set_is_explained(tmp_path, capsys, bad):
    assert _exit_code("run", write_world(tmp_path), "--set", bad) == 1
    assert f"--set {bad!r}" in capsys.readouterr().err


def test_a_missing_config_and_a_wrong_word_end_with_1(tmp_path, capsys):
    assert _exit_code("run", tmp_path / "none.toml") == 1
    assert "none.toml" in capsys.readouterr().err
    assert _exit_code("rum") == 1
    assert "rum" in capsys.readouterr().err


def test_a_bundle_that_is_not_there_is_named(tmp_path, capsys):
    path, output = write_world(tmp_path), tmp_path / "out"
    assert _exit_code("recommend", path, "--output", output, "--bundle", tmp_path / "nope") == 1
    message = capsys.readouterr().err
    assert "nope holds no bundle" in message
    assert "unexpected" not in message


def test_debug_shows_the_traceback_wherever_it_stands(tmp_path, capsys):
    assert _exit_code("run", tmp_path / "none.toml", "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_unexpected_error_is_one_line_with_a_hint(tmp_path, capsys, monkeypatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError("by hand")

    monkeypatch.setattr("pipelines.config.read_run_config", broken)
    assert _exit_code("run", tmp_path / "x.toml") == 1
    message = capsys.readouterr().err
    assert message == "error: unexpected ZeroDivisionError: by hand (--debug shows where)\n"


def test_validate_reports_findings_of_bare_files_as_json(tmp_path, capsys):
    write_world(tmp_path)
    assert _exit_code("validate", "--interactions", tmp_path / "interactions.csv", "--json") == 0
    json.loads(capsys.readouterr().out)
    broken = tmp_path / "broken.csv"
    broken.write_text("user_id,item_id,timestamp\nu1,1,-5\nu1,,7\n", encoding="utf-8")
    assert _exit_code("validate", "--interactions", broken) == 1
    assert "broken.csv" in capsys.readouterr().out


def test_validate_wants_a_config_or_files_but_not_both(tmp_path, capsys):
    assert _exit_code("validate") == 1
    assert "--interactions" in capsys.readouterr().err


_CONFIGS = sorted(Path("pipelines/configs").glob("*.toml"))


@pytest.mark.parametrize("path", _CONFIGS, ids=lambda path: path.stem)
def test_every_committed_config_is_valid(path):
    assert read_run_config(path).name == path.stem


def _tree(directory):
    return {p.relative_to(directory): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(
    "place", ["dataset", "split", "recommendations", "bundles/ease", "pre_refit/ease", "tables/als"]
)
@pytest.mark.parametrize("command", ["prepare", "run", "recommend"])
def test_a_folder_of_the_user_is_never_replaced(tmp_path, capsys, monkeypatch, place, command):
    monkeypatch.chdir(tmp_path)
    config = write_world(tmp_path / place)
    config = config.rename(tmp_path / "c.toml")
    before = _tree(tmp_path)
    asked = ["--set", "pretrain.als.engine=als"]
    assert _exit_code(command, "c.toml", "--output", ".", *asked) == 1
    message = capsys.readouterr().err
    assert f"{tmp_path / place} is a folder that recsys did not make" in message
    assert "choose another folder (--output)" in message
    assert _tree(tmp_path) == before


@pytest.mark.parametrize(
    "name",
    [
        *(".recsys", ".lock", "mlflow.db", "report.json", "report.html", "per_user.parquet", "decision.json"),
        *("attribution.json", "stages/prepare.json", "bundles/ease.training.json", "tables/als.cost.json"),
    ],
)
@pytest.mark.parametrize("command", ["run", "prepare", "recommend", "rollback"])
def test_a_file_of_the_user_is_never_overwritten(tmp_path, capsys, monkeypatch, name, command):
    monkeypatch.chdir(tmp_path)
    write_world(tmp_path).rename(tmp_path / "c.toml")
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = _tree(tmp_path)
    assert _exit_code(command, "c.toml", "--output", ".", "--set", "promote.engine=ease") == 1
    message = capsys.readouterr().err
    assert str(tmp_path / name) in message
    assert "choose another --output" in message
    assert _tree(tmp_path) == before


def test_an_output_folder_with_other_files_of_the_user_is_written_to_again_and_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_world(tmp_path).rename(tmp_path / "c.toml")
    (tmp_path / "notes.json").write_text("mine")
    for engine in ("ease", "itemknn"):
        assert _exit_code("evaluate", "c.toml", "--output", ".", "--set", f"engines.{engine}.kind={engine}") == 0
    assert (tmp_path / "notes.json").read_text() == "mine"
    assert (tmp_path / "report.json").is_file()


def test_a_registry_of_the_user_is_no_hindrance_where_the_config_names_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_world(tmp_path).rename(tmp_path / "c.toml")
    (tmp_path / "mlflow.db").write_text("mine")
    settings = ["--set", "promote.engine=ease", "--set", "promote.tracking_uri=sqlite:///elsewhere.db"]
    assert _exit_code("prepare", "c.toml", "--output", ".", *settings) == 0
    assert _exit_code("prepare", "c.toml", "--output", ".", "--set", "promote.engine=ease") == 1
    assert (tmp_path / "mlflow.db").read_text() == "mine"


@pytest.mark.parametrize("place", ["dataset", "bundles", "bundles/ease", "recommendations", "stages", "."])
def test_a_file_where_a_run_needs_a_folder_is_told_and_stays(tmp_path, capsys, place):
    config, output = write_world(tmp_path / "world"), tmp_path / "out"
    (output / place).parent.mkdir(parents=True, exist_ok=True)
    (output / place).write_text("mine")
    assert _exit_code("run", config, "--output", output) == 1
    assert f"{output / place} is a file, where recsys writes a folder" in capsys.readouterr().err
    assert (output / place).read_text() == "mine"


def test_raw_tables_in_a_folder_that_no_run_uses_are_no_hindrance(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = write_world(tmp_path / "tables" / "raw")
    assert _exit_code("prepare", config, "--output", ".") == 0
    assert _exit_code("prepare", config, "--output", ".", "--set", "split.protocol=temporal") == 0
    assert (tmp_path / "tables" / "raw" / "interactions.csv").is_file()


def test_the_command_line_is_one_process(monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit) as ended:
        main(["options", "ease"])
    assert ended.value.code == 1
    assert "start it without torchrun" in capsys.readouterr().err
