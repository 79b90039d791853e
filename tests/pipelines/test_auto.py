"""`recsys auto`: tables in; a run, its report and a config that repeats it out."""

import json
from pathlib import Path

import pandas as pd
import pytest

import recsys as rs
from pipelines.commands.auto import AutoRequest, run
from pipelines.config import read_run_config
from pipelines.first_config.tables import GivenTables
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.data.synthetic.worlds import BlockTaste, SequenceRule, write_tables
from recsys.errors import ArtifactError, ConfigError, DataError
from recsys.evaluation.report.report import Report
from recsys.tracking import SilentTracker
from tests.pipelines.test_run import Ears


def request(tables, output, columns=(), **options):
    options = {"budget": "60s", "engines": ("popularity", "ease"), **options}
    return AutoRequest(GivenTables(roles=tables, columns=columns), output=output, **options)


def metrics(directory):
    engines = json.loads((directory / "report.json").read_text())["engines"]
    return {name: {key: v for key, v in values.items() if "@" in key} for name, values in engines.items()}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return write_tables(BlockTaste(users=60).dataset(), tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def made(tables, tmp_path_factory):
    ears, output = Ears(), tmp_path_factory.mktemp("out") / "auto"
    assert run(request(tables, output), ears) == 0
    return output, ears


def test_it_leaves_a_report_recommendations_and_a_config(made):
    output, _ = made
    assert {"report.json", "report.html", "auto.toml"} <= {path.name for path in output.iterdir()}
    lists = pd.concat(map(pd.read_parquet, output.glob("recommendations/*.parquet")))
    assert lists["user_id"].nunique() == 60


def test_its_config_runs_by_itself_and_gives_the_same_metrics(made, tmp_path):
    config = read_run_config(made[0] / "auto.toml")
    assert run_stages(config, Workspace(tmp_path / "again"), SilentTracker()) == 0
    assert metrics(tmp_path / "again") == metrics(made[0])


def test_running_its_config_in_place_trains_nothing_again(made):
    ears = Ears()
    run_stages(read_run_config(made[0] / "auto.toml"), Workspace(made[0]), ears)
    assert {"prepare", "train/ease", "train/popularity", "evaluate"} <= ears.reused()


def test_it_says_what_it_saw_what_it_chose_and_how_much_time_is_left(made):
    output, ears = made
    told = "\n".join(ears.heard)
    assert "60 users, 24 items, 420 interactions with timestamps" in told
    assert "protocol leave_one_out: " in told
    assert "chosen: " in told
    assert all("s left]" in line for line in ears.heard)
    assert "# ndcg@10 on validation:" in (output / "auto.toml").read_text()


def test_the_finished_run_of_another_command_is_not_written_over(made, tables):
    with pytest.raises(ArtifactError, match=r"has ended: `recsys run .*auto\.toml` runs it again"):
        run(request(tables, made[0], engines=("popularity",)), SilentTracker())


@pytest.mark.parametrize("moment", ["write_text", "_summary"])
def test_the_same_command_goes_on_wherever_it_was_stopped(moment, tables, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    given = request(tables, tmp_path, engines=("popularity",))
    with monkeypatch.context() as patched:
        patched.setattr(f"pipelines.commands.auto.{moment}", stop)
        with pytest.raises(KeyboardInterrupt):
            run(given, SilentTracker())
    ears = Ears()
    assert run(given, ears) == 0
    told = "\n".join(ears.heard)
    assert moment != "_summary" or all(f"{step}: reused" in told for step in ("train/popularity", "recommend"))


def test_a_config_that_replaces_an_unfinished_one_is_written_where_it_was_stopped_before(tables, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    for moment, engine in (("run_stages", "popularity"), ("write_text", "ease")):
        with monkeypatch.context() as patched:
            patched.setattr(f"pipelines.commands.auto.{moment}", stop)
            with pytest.raises(KeyboardInterrupt):
                run(request(tables, tmp_path, engines=(engine,)), SilentTracker())
    assert run(request(tables, tmp_path, engines=("ease",)), SilentTracker()) == 0
    assert "[engines.ease]" in (tmp_path / "auto.toml").read_text(encoding="utf-8")


def test_a_config_that_the_user_changed_after_a_stop_is_not_written_over(tables, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.commands.auto.run_stages", stop)
    with pytest.raises(KeyboardInterrupt):
        run(request(tables, tmp_path), SilentTracker())
    path = tmp_path / "auto.toml"
    path.write_text(path.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    with pytest.raises(ArtifactError, match="may hold changes of yours"):
        run(request(tables, tmp_path), SilentTracker())


def test_a_command_that_was_stopped_goes_on_with_what_it_found_and_another_one_searches_again(
    tables, tmp_path, monkeypatch
):
    stops = 2

    def stages(config, workspace, tracker):
        nonlocal stops
        if not stops:
            return run_stages(config, workspace, tracker)
        stops -= 1
        run_stages(config, workspace, tracker, "train")
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.commands.auto.run_stages", stages)
    with pytest.raises(KeyboardInterrupt):
        run(request(tables, tmp_path), SilentTracker())
    written, ears = (tmp_path / "auto.toml").read_text(encoding="utf-8"), Ears()
    with pytest.raises(KeyboardInterrupt):
        run(request(tables, tmp_path), ears)
    told = "\n".join(ears.heard)
    assert "it goes on" in told
    assert all(f"train/{name}: reused" in told for name in ("ease", "popularity"))
    assert (tmp_path / "auto.toml").read_text(encoding="utf-8") == written
    other = Ears()
    assert run(request(tables, tmp_path, engines=("popularity",)), other) == 0
    assert "chosen: " in "\n".join(other.heard)
    assert "[engines.ease]" not in (tmp_path / "auto.toml").read_text(encoding="utf-8")


def test_foreign_names_of_columns_are_found_as_init_finds_them(tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sales = pd.read_csv(tables["interactions"])
    names = {"user_id": "customer", "item_id": "articleNo", "timestamp": "boughtAt"}
    sales.rename(columns=names).to_csv("sales.csv", index=False)
    articles = pd.read_csv(tables["items"]).rename(columns={"item_id": "id"})
    articles.to_csv("articles.csv", index=False)
    given = GivenTables([Path("articles.csv"), Path("sales.csv")])
    assert run(AutoRequest(given, "60s", engines=("popularity",)), SilentTracker()) == 0
    config = read_run_config(Path("runs/sales/auto.toml"))
    assert config.data.columns.model_dump(exclude_none=True, exclude_defaults=True) == {
        "user_id": "customer",
        "item_id": "articleNo",
        "items_table_id": "id",
        "time": "boughtAt",
    }
    paths = [Path(path).resolve() for path in (config.data.interactions, config.data.items)]
    assert paths == [tmp_path / "sales.csv", tmp_path / "articles.csv"]
    assert 'interactions = "../../sales.csv"' in Path("runs/sales/auto.toml").read_text(encoding="utf-8")


def test_the_run_of_another_config_is_not_written_over(tables, tmp_path):
    (tmp_path / "report.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactError, match="holds the run of another config"):
        run(request(tables, tmp_path), SilentTracker())
    assert (tmp_path / "report.json").read_text(encoding="utf-8") == "{}"


def test_the_chosen_epochs_are_trained_once_and_repeat_in_a_run_of_the_config(tmp_path):
    tables = write_tables(SequenceRule(users=80).dataset(), tmp_path / "walks")
    options = {"engines": ("popularity", "sequence"), "columns": ["order=position"], "budget": "40s"}
    run(request(tables, tmp_path / "out", **options), SilentTracker())
    config = read_run_config(tmp_path / "out" / "auto.toml")
    name = next(name for name in config.engines if name.startswith("sequence"))
    epochs = config.engines[name]["stop_epoch"]
    assert "popularity_weight" in config.engines[name]
    curve = json.loads(Workspace(tmp_path / "out").training(name).read_text())["curve"]
    assert curve == []  # no first fit on train alone
    run_stages(config, Workspace(tmp_path / "again"), SilentTracker())
    assert metrics(tmp_path / "again") == metrics(tmp_path / "out")
    assert epochs >= 1


def test_people_who_buy_again_keep_seen_items_in_lists(tmp_path):
    rows = [(user, user % 9 + 3 * (day % 2), 86_400 * day + user) for user in range(60) for day in range(8)]
    path = tmp_path / "interactions.csv"
    pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]).to_csv(path, index=False)
    run(request({"interactions": path}, tmp_path / "out"), SilentTracker())
    config = read_run_config(tmp_path / "out" / "auto.toml")
    assert not config.evaluate.filter_seen
    assert not config.recommend.filter_seen
    assert "people come back to the same items" in (tmp_path / "out" / "auto.toml").read_text()


def test_rows_that_repeat_count_once_and_other_errors_are_reported(tables, tmp_path):
    frame = pd.read_csv(tables["interactions"])
    path = tmp_path / "interactions.csv"
    pd.concat([frame, frame.head(5)]).to_csv(path, index=False)
    run(request({"interactions": path}, tmp_path / "out", engines=("popularity",)), SilentTracker())
    assert read_run_config(tmp_path / "out" / "auto.toml").data.duplicates == "first"
    frame.assign(user_id=None).to_csv(path, index=False)
    with pytest.raises(DataError, match="user_id"):
        run(request({"interactions": path}, tmp_path / "other"), SilentTracker())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": "soon"}, "90s, 10m, 2h"),
        ({"protocol": "user_holdout"}, "temporal, leave_one_out or random"),
        ({"engines": ("eas",)}, "did you mean 'ease'"),
    ],
)
def test_options_that_are_wrong_are_errors_before_anything_is_read(tables, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        run(request(tables, tmp_path / "out", **options), SilentTracker())
    assert not (tmp_path / "out").exists()


def test_interactions_without_an_order_are_measured_on_a_random_part_of_each_user(tmp_path):
    x = BlockTaste(users=40).dataset().interactions
    path = tmp_path / "interactions.csv"
    pd.DataFrame({"user_id": x.user, "item_id": x.item}).to_csv(path, index=False)
    options = {"engines": ("popularity", "itemknn"), "budget": "30s"}
    assert run(request({"interactions": path}, tmp_path / "out", **options), SilentTracker()) == 0
    report = Report.load(tmp_path / "out")
    assert report.content["split"]["protocol"] == "random/refit"
    assert report.content["split"]["at_random"]
    assert "do not compare" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def loans(folder):
    """Views, loans and returns of books by 60 readers, who take no book twice."""
    days = [(user, (user + day) % 40, 1_000_000_000 + 864_000 * day + user) for user in range(60) for day in range(15)]
    kinds = ("page_view", "borrow", "return")
    rows = [(user, book, time + 86_400 * n, kind) for user, book, time in days for n, kind in enumerate(kinds)]
    path = folder / "loans.csv"
    pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "event"]).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(("columns", "named"), [([], {}), (["event=event"], {"event": "event"})])
def test_event_types_are_the_same_at_both_doors_and_each_finding_is_told_once(
    columns, named, tmp_path, monkeypatch, caplog, capsys
):
    monkeypatch.chdir(tmp_path)
    path, ears = loans(tmp_path).relative_to(tmp_path), Ears()
    given = request({"interactions": path}, tmp_path / "out", columns, engines=("popularity",), budget="30s")
    assert run(given, ears) == 0
    told = [line.partition("] ")[2].strip() for line in ears.heard]
    warnings = [line.replace(f"{tmp_path}/", "") for line in told if line.startswith("warning: ")]
    assert len(warnings) == len(set(warnings)) == 2
    assert sum("900 rows of 'return' count as likes" in line for line in told) == 1
    assert "where event types follow each other on one item" in warnings[1]  # lists leave out what was viewed before
    assert "prepare" in {line.split("] ")[1].split(":")[0] for line in ears.heard if "reused" in line}
    data = rs.read_dataset(path, columns=named)
    auto = rs.AutoRecommender(budget="20s", engines=["popularity"]).fit(data, verbose=True)
    assert auto.filter_seen_
    assert read_run_config(tmp_path / "out" / "auto.toml").evaluate.filter_seen
    [warning] = [record.getMessage() for record in caplog.records if record.name == "recsys.data"]
    assert warnings[0] == f"warning: {warning}"
    reasons = [line for line in told if "had before (within one event type" in line]
    assert [reason for reason in reasons if reason.removeprefix("auto: ") in capsys.readouterr().err] == reasons


def test_tables_that_are_named_from_here_are_read_once(tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    for path in tables.values():
        (tmp_path / "raw" / path.name).write_bytes(path.read_bytes())
    ears = Ears()
    near = {role: Path("raw") / path.name for role, path in tables.items()}
    assert run(request(near, Path("out/shop"), engines=("popularity",)), ears) == 0
    assert any(line.endswith("] prepare") for line in ears.reused())
