"""`recsys init`: a first config from tables with foreign names, which runs as it stands."""

import tomllib

import numpy as np
import pandas as pd
import pytest

from pipelines.cli import main
from pipelines.commands.init import run
from pipelines.config import read_run_config
from pipelines.first_config.tables import GivenTables, read_first_tables
from recsys.data.ingest.issues import ValidationIssues
from recsys.data.ingest.readers import ingest
from recsys.data.sources import resolve
from recsys.data.synthetic.worlds import BlockTaste, SequenceRule
from recsys.errors import ConfigError, DataError


def init(files, roles, columns=(), output=None):
    return run(GivenTables(files, roles, columns), output)


def _shop(folder, returning=True, users=60):
    """A shop's tables with names of its own: sales, people, and articles whose key is called ``id``."""
    data = BlockTaste(users=users, items=40, events=8).dataset()
    x, rng = data.interactions, np.random.default_rng(0)
    when = x.time + (rng.integers(0, 50, len(x)) if returning else 86_400 * x.user.astype(np.int64))
    sales = pd.DataFrame(
        {
            "customer": data.users.vocabulary.ids[x.user],
            "articleNo": data.items.vocabulary.ids[x.item],
            "boughtAt": pd.to_datetime(when, unit="s").strftime("%Y-%m-%d %H:%M:%S"),
            "stars": rng.integers(1, 6, len(x)),
            "channel": "web",
        }
    )
    articles = data.items.columns.assign(id=data.items.vocabulary.ids, shop="main")
    articles["sku"] = [f"A{n:05d}" for n in range(len(articles))]
    sales.to_csv(folder / "sales.csv", index=False)
    articles.to_parquet(folder / "articles.parquet", index=False)
    data.users.columns.assign(customer=data.users.vocabulary.ids).to_csv(folder / "people.csv", index=False)
    return [folder / "people.csv", folder / "articles.parquet", folder / "sales.csv"]


def _parsed(path):
    return tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.mark.filterwarnings(  # what MLflow and its database say about their own future
    "ignore::DeprecationWarning",
    "ignore::FutureWarning",
    "ignore::UserWarning",
    "ignore::ResourceWarning",
    "ignore::sqlalchemy.exc.SAWarning",
    "ignore::sqlalchemy.exc.SADeprecationWarning",
)
def test_the_config_of_tables_with_foreign_names_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    _shop(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(["init", "people.csv", "articles.parquet", "sales.csv", "--output", "shop.toml"])
    assert not stopped.value.code
    assert "wrote shop.toml; next: recsys run shop.toml" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        main(["run", "shop.toml"])
    assert not stopped.value.code
    assert (tmp_path / "runs" / "shop" / "report.html").is_file()
    assert (tmp_path / "runs" / "shop" / "recommendations").is_dir()


def test_tables_and_columns_are_found_by_names_and_by_the_ids_that_they_share(tmp_path):
    path = tmp_path / "first.toml"
    init(_shop(tmp_path), {}, output=path)
    found = _parsed(path)
    assert {key: found["data"][key].rpartition("/")[2] for key in ("interactions", "users", "items")} == {
        "interactions": "sales.csv",
        "users": "people.csv",
        "items": "articles.parquet",
    }
    assert found["data"]["columns"] == {
        "user_id": "customer",
        "item_id": "articleNo",
        "items_table_id": "id",
        "time": "boughtAt",
    }
    assert list(found["engines"]) == ["popularity", "itemknn", "ease", "als", "two_tower", "hybrid"]
    assert found["promote"] == {"engine": "hybrid", "gate": {"min_users": 30}}
    assert read_run_config(path).baseline == "ease"


def test_every_inferred_fact_is_a_comment(tmp_path):
    path = tmp_path / "first.toml"
    init(_shop(tmp_path), {}, output=path)
    text = path.read_text(encoding="utf-8")
    lines = {line.split(" = ")[0]: line for line in text.splitlines() if " = " in line}
    assert lines["genre"].split("# ")[1].startswith("categorical, 2 values, 0 % missing, as '")
    assert "tells who chooses what, +0." in lines["genre"]
    assert "# constant: every row has the same value, 'main'" in text
    assert "# unique values: almost every row has a value of its own, as 'A00000'" in text
    schema = _parsed(path)["data"]["item_schema"]
    assert tuple(schema[name] for name in ("shop", "sku", "mood", "size")) == (
        "ignored",
        "ignored",
        "tags:|",
        "numeric",
    )
    assert lines["# weight"].startswith('# weight = "stars"')
    assert "# not read: channel" in text
    assert "0.0% of the interactions repeat an earlier one of the same user and item" in text


def test_the_split_follows_from_who_comes_back(tmp_path):
    init(_shop(tmp_path, users=90), {}, output=tmp_path / "a.toml")
    assert _parsed(tmp_path / "a.toml")["split"]["protocol"] == "temporal"
    assert "users of the last tenth in time 100% have a history" in (tmp_path / "a.toml").read_text(encoding="utf-8")
    for users, returning in ((90, False), (60, True)):  # each user on days of its own; too few users
        text = init(_shop(tmp_path, returning, users), {}, output=tmp_path / f"{users}.toml")
        assert _parsed(tmp_path / f"{users}.toml")["split"]["protocol"] == "leave_one_out"
        assert "a temporal test wants 50 such users" in text


def test_an_order_without_a_time_is_left_one_out_and_without_items_too(tmp_path):
    x = SequenceRule().dataset().interactions
    frame = pd.DataFrame({"listener": x.user + 500, "track": x.item, "position": x.time})
    frame.to_csv(tmp_path / "plays.csv", index=False)
    init([tmp_path / "plays.csv"], {}, output=tmp_path / "a.toml")
    found = _parsed(tmp_path / "a.toml")
    assert found["split"]["protocol"] == "leave_one_out"
    assert found["data"]["columns"] == {"user_id": "listener", "item_id": "track", "order": "position"}


def test_without_an_order_a_random_part_of_each_user_is_held_out_or_else_items(tmp_path):
    _shop(tmp_path)
    sales = pd.read_csv(tmp_path / "sales.csv")[["customer", "articleNo"]]
    sales.to_csv(tmp_path / "pairs.csv", index=False)
    init([tmp_path / "pairs.csv", tmp_path / "articles.parquet"], {}, output=tmp_path / "a.toml")
    assert _parsed(tmp_path / "a.toml")["split"]["protocol"] == "random"
    sales.groupby("customer").head(2).to_csv(tmp_path / "pairs.csv", index=False)
    init([tmp_path / "pairs.csv", tmp_path / "articles.parquet"], {}, output=tmp_path / "b.toml")
    assert _parsed(tmp_path / "b.toml")["split"]["protocol"] == "cold_items"
    with pytest.raises(DataError, match=r"pairs\.csv: there is no time and no order.*no user has three interactions"):
        init([tmp_path / "pairs.csv"], {}, output=tmp_path / "c.toml")


def test_people_who_buy_again_get_lists_with_seen_items_and_repeated_rows_count_once(tmp_path):
    rng = np.random.default_rng(1)
    n = 600
    frame = pd.DataFrame({"user": rng.integers(0, 40, n), "item": rng.integers(0, 8, n), "timestamp": 1_600_000_000})
    frame["timestamp"] += 3600 * np.arange(n)
    pd.concat([frame, frame.head(3)]).to_csv(tmp_path / "log.csv", index=False)
    text = init([tmp_path / "log.csv"], {}, output=tmp_path / "a.toml")
    found = _parsed(tmp_path / "a.toml")
    assert found["evaluate"]["filter_seen"] is False
    assert "people come back to items, so lists may hold them" in text
    assert found["data"]["duplicates"] == "first"
    assert "# 3 rows have the user, item and time of another row" in (tmp_path / "a.toml").read_text(encoding="utf-8")


def test_columns_that_no_name_tells_are_found_by_the_tables_they_meet_or_asked_for(tmp_path):
    paths = _shop(tmp_path)
    sales = pd.read_csv(paths[2]).rename(columns={"customer": "a", "articleNo": "b"})
    sales[["a", "b", "boughtAt"]].to_csv(paths[2], index=False)
    with pytest.raises(DataError, match=r"sales\.csv: cannot tell .* a, b, boughtAt; name them with --column user_id="):
        init([paths[2]], {}, output=tmp_path / "a.toml")
    given = {"interactions": paths[2], "users": paths[0], "items": paths[1]}
    init([], given, ["user_id=a"], tmp_path / "a.toml")
    columns = _parsed(tmp_path / "a.toml")["data"]["columns"]
    assert (columns["item_id"], columns["users_table_id"], columns["items_table_id"]) == ("b", "customer", "id")


def test_a_table_that_meets_nothing_is_named_as_not_used(tmp_path):
    paths = _shop(tmp_path)
    pd.DataFrame({"region": ["north", "south"], "manager": ["ann", "bob"]}).to_csv(
        tmp_path / "regions.csv", index=False
    )
    text = init([*paths, tmp_path / "regions.csv"], {}, output=tmp_path / "a.toml")
    assert "regions.csv: it meets neither users nor items" in text


def test_a_file_is_never_replaced_and_bad_arguments_say_what_to_do(tmp_path):
    paths = _shop(tmp_path)
    mine = tmp_path / "mine.toml"
    mine.write_text("mine", encoding="utf-8")
    with pytest.raises(
        ConfigError, match=r"mine\.toml exists, and recsys init replaces no file; give another --output"
    ):
        init(paths, {}, output=mine)
    assert mine.read_text(encoding="utf-8") == "mine"
    other = tmp_path / "other.toml"
    with pytest.raises(ConfigError, match="give the tables"):
        init([], {}, output=other)
    with pytest.raises(ConfigError, match=r"--column user=x: expected ROLE=NAME; did you mean 'user_id'\?"):
        init(paths, {}, ["user=x"], other)
    with pytest.raises(DataError, match=r"sales\.csv: there is no column 'nobody' for user_id; it has customer"):
        init(paths, {}, ["user_id=nobody"], other)
    with pytest.raises(DataError, match=r"nowhere\.csv: the file does not exist"):
        init([tmp_path / "nowhere.csv"], {}, output=other)
    assert not other.exists()


def test_times_that_a_run_could_not_read_are_refused_with_the_remedy(tmp_path):
    frame = pd.DataFrame(
        {"user_id": [1, 1, 2], "item_id": [3, 4, 3], "timestamp": [1_600_000_000_000, 1_600_000_000, 1_600_000_001]}
    )
    frame.to_csv(tmp_path / "log.csv", index=False)
    with pytest.raises(DataError, match=r"log\.csv, column 'timestamp', .*: it is in milliseconds or finer; divide"):
        init([tmp_path / "log.csv"], {}, output=tmp_path / "a.toml")


def test_a_file_with_a_header_alone_is_an_error_that_names_it(tmp_path):
    (tmp_path / "sales.csv").write_text("customer,article,boughtAt\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"sales\.csv: the file has no rows; give a file with a header and rows"):
        init([tmp_path / "sales.csv"], {}, output=tmp_path / "a.toml")
    assert not (tmp_path / "a.toml").exists()


def test_a_weight_that_was_found_is_said_not_to_be_used_and_one_that_was_named_is(tmp_path):
    sales = _shop(tmp_path)[2]
    text = init([sales], {}, output=tmp_path / "a.toml")
    assert "not used      weight = stars" in text
    assert "weight" not in _parsed(tmp_path / "a.toml")["data"]["columns"]
    text = init([sales], {}, ["weight=stars"], tmp_path / "b.toml")
    assert "weight = stars" in next(line for line in text.splitlines() if line.startswith("columns"))
    assert _parsed(tmp_path / "b.toml")["data"]["columns"]["weight"] == "stars"


def _log(folder):
    """Plays, skips, views and returns: 120 of each."""
    sales = pd.read_csv(_shop(folder)[2])
    kinds = ["play", "skip", "page view", "return"]
    sales.assign(action=(kinds * len(sales))[: len(sales)]).to_csv(folder / "log.csv", index=False)
    return folder / "log.csv"


def test_event_types_that_are_no_likes_get_a_meaning_and_no_weight(tmp_path):
    init([_log(tmp_path)], {}, output=tmp_path / "a.toml")
    lines = (tmp_path / "a.toml").read_text().splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith('# event = "action"'))
    assert lines[at + 1] == '# event_weights = {play = 1, "page view" = 1}'
    assert '# event_meaning = {skip = "dislike", return = "removal"}' in lines
    text = "\n".join(line.removeprefix("# ") if line.startswith("# event") else line for line in lines)
    (tmp_path / "b.toml").write_text(text)
    columns = read_run_config(tmp_path / "b.toml").data.columns
    assert (columns.event, columns.event_meaning) == ("action", {"skip": "dislike", "return": "removal"})


def test_event_types_that_may_be_no_likes_are_left_out_until_the_user_says_what_they_are(tmp_path, capsys):
    told = init([_log(tmp_path)], {}, ["event=action"], tmp_path / "a.toml")
    assert "left out      120 rows of 'return': a comment in" in told
    columns = _parsed(tmp_path / "a.toml")["data"]["columns"]
    assert columns["event_weights"] == {"play": 1, "page view": 1}
    assert columns["event_meaning"] == {"skip": "ignore", "return": "ignore"}
    text = (tmp_path / "a.toml").read_text()
    assert '# event_meaning = {skip = "dislike", return = "removal"}' in text
    assert "240 interactions" in text
    with pytest.raises(SystemExit, match="0"):
        main(["validate", str(tmp_path / "a.toml")])
    assert "1 note: the data can be read" in capsys.readouterr().out


def test_where_people_buy_again_a_refund_is_written_as_taking_back_one_order(tmp_path):
    orders = [(f"u{n % 60}", f"i{n % 7}", 86_400 * n, "order") for n in range(600)]
    refunds = [(user, item, time + 60, "refund") for user, item, time, _ in orders[::20]]
    log = pd.DataFrame([*orders, *refunds], columns=["user_id", "item_id", "timestamp", "action"])
    log.to_csv(tmp_path / "log.csv", index=False)
    for number, given in enumerate(([], ["event=action"])):
        told = init([tmp_path / "log.csv"], {}, given, output=tmp_path / f"{number}.toml")
        assert "filter_seen   false" in told
        text = (tmp_path / f"{number}.toml").read_text()
        assert "with positive_from = 1 in [data] and no meaning of the type" in " ".join(text.replace("#", " ").split())
        assert 'removal"' not in text
        lines = [line for line in text.splitlines() if not line.startswith(("event_weights", "event_meaning"))]
        mended = "\n".join(line.removeprefix("# ") if line.startswith("# event") else line for line in lines)
        path = tmp_path / f"mended{number}.toml"
        path.write_text(mended.replace("[data]\n", "[data]\npositive_from = 1\n", 1))
        config = read_run_config(path).data
        assert config.columns.event_weights == {"order": 1, "refund": -1}
        assert ingest(config).data.feedback.returned == 30


def test_what_the_user_says_of_event_types_is_written_and_not_guessed(tmp_path):
    says = ['event="action"', "event_meaning.skip=dislike", "event_meaning.play=ignore", "event_weights.return=2.5"]
    overrides = [f"data.columns.{text}" for text in says]
    run(GivenTables([_log(tmp_path)], overrides=overrides), tmp_path / "a.toml")
    columns = read_run_config(tmp_path / "a.toml").data.columns
    assert columns.event_weights == {"page view": 1, "return": 2.5}
    assert columns.event_meaning == {"skip": "dislike", "play": "ignore"}


def test_where_all_event_types_may_be_no_likes_they_are_likes_and_told(tmp_path):
    sales = pd.read_csv(_shop(tmp_path)[2]).assign(action="returned")
    sales.to_csv(tmp_path / "log.csv", index=False)
    told = init([tmp_path / "log.csv"], {}, ["event=action"], tmp_path / "a.toml")
    assert "480 rows of 'returned' count as likes" in told
    assert _parsed(tmp_path / "a.toml")["data"]["columns"]["event_weights"] == {"returned": 1}


def test_a_view_a_cart_and_a_purchase_of_one_item_are_no_repeat(tmp_path):
    kinds = ("view", "cart", "purchase")
    days = [(f"u{user}", f"i{(user + day) % 40}", 432_000 * day) for user in range(60) for day in range(9)]
    rows = [(user, item, time + n, kind) for user, item, time in days for n, kind in enumerate(kinds)]
    log = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp", "event"])
    log.to_csv(tmp_path / "log.csv", index=False)
    told = init([tmp_path / "log.csv"], {}, output=tmp_path / "a.toml")
    assert "filter_seen   true: 0.0% of the interactions repeat an earlier one" in told
    assert "(within one event type of the column 'event')" in told
    assert "with events of any type it is 66.7%: where event types follow each other on one item" in told


def test_returns_are_no_sign_that_people_come_back_to_items(tmp_path):
    days = range(0, 16, 2)
    loans = [(f"u{n}", f"i{(n + day) % 40}", 86_400 * (day + later), what) for n in range(60) for day in days
             for later, what in enumerate(("loan", "return"))]  # fmt: skip
    log = pd.DataFrame(loans, columns=["user_id", "item_id", "timestamp", "event"])
    log.to_csv(tmp_path / "log.csv", index=False)
    init([tmp_path / "log.csv"], {}, output=tmp_path / "a.toml")
    text = (tmp_path / "a.toml").read_text()
    assert "filter_seen = true" in text
    assert "without the rows of 'return', which may be no likes" in " ".join(text.replace("#", " ").split())


def test_the_plain_names_of_columns_are_taken_before_others_that_sound_alike(tmp_path):
    x = BlockTaste(users=40).dataset().interactions
    frame = {"session_id": x.user * 7, "user_id": x.user, "item_id": x.item, "timestamp": x.time % 1000}
    pd.DataFrame(frame).to_csv(tmp_path / "log.csv", index=False)
    init([tmp_path / "log.csv"], {}, output=tmp_path / "a.toml")
    assert _parsed(tmp_path / "a.toml")["data"]["columns"] == {
        "user_id": "user_id",
        "item_id": "item_id",
        "time": "timestamp",
    }


def test_a_table_is_of_the_side_that_it_describes_better_where_both_count_from_one(tmp_path):
    x = BlockTaste(users=40, items=60).dataset().interactions
    frame = pd.DataFrame({"user_id": x.user + 1, "item_id": x.item + 1, "timestamp": x.time})
    frame.to_csv(tmp_path / "log.csv", index=False)
    n = int(frame["item_id"].max())
    kinds = pd.DataFrame({"item_id": np.arange(n) + 1, "shade": np.arange(n) % 3})
    kinds.to_csv(tmp_path / "table.csv", index=False)
    init([tmp_path / "log.csv", tmp_path / "table.csv"], {}, output=tmp_path / "a.toml")
    assert "users" not in _parsed(tmp_path / "a.toml")["data"]
    assert _parsed(tmp_path / "a.toml")["data"]["items"].endswith("table.csv")


def test_options_of_reading_are_honoured_and_written_into_the_config(tmp_path, monkeypatch, capsys):
    events = [f"u{n % 30};Größe {n % 7};{1 + n % 28:02}.05.2024 {n % 24:02}:00;{n},50" for n in range(300)]
    text = "\r\n".join(["Umsätze", "", "Kunde;Artikel;Zeit;Umsatz", *events, "Summe;;;1,00"])
    (tmp_path / "sales.csv").write_bytes(text.encode("cp1252"))
    (tmp_path / "goods.csv").write_text(
        "Artikel;Preis\n" + "".join(f"Größe {n % 70};{n}\n" for n in range(70)) + "x;tba\n"
    )
    monkeypatch.chdir(tmp_path)
    options = ["encoding=cp1252", "skip_lines=2", "skip_footer=1", "time_zone=Europe/Berlin"]
    options.append("items_format.encoding=utf-8")
    sets = [text for option in options for text in ("--set", f"data.{option}")]
    columns = ["--column", "user_id=Kunde", "--column", "item_id=Artikel", "--column", "time=Zeit"]
    with pytest.raises(SystemExit, match="0"):
        main(["init", "--interactions", "sales.csv", "--items", "goods.csv", *columns, *sets])
    data = read_run_config(tmp_path / "config.toml").data
    assert (data.encoding, data.skip_lines, data.time_zone) == ("cp1252", 2, "Europe/Berlin")
    assert data.items_format.encoding == "utf-8"
    assert data.item_schema == {}, "with a kind that is given, the cell without a price would be an error"
    with pytest.raises(SystemExit, match="0"):
        main(["validate", "config.toml"])
    with pytest.raises(ConfigError, match=r"data\.skip_lines is for one table.*--interactions FILE"):
        run(
            GivenTables([tmp_path / "sales.csv", tmp_path / "goods.csv"], {}, (), ["data.skip_lines=2"]), tmp_path / "b"
        )


def test_a_first_config_says_what_was_guessed_so_that_runs_do_not_warn_of_it(tmp_path):
    sales = ["Kunde;item_id;date", *(f"{n % 7};{n % 5};2024-01-{1 + n % 28:02d}" for n in range(60))]
    (tmp_path / "sales.csv").write_text("\n".join(sales) + "\n")
    people = ["Kunde;birthday;size", *(f"{n};{10 + n}.12.1980;{n},50" for n in range(7))]
    (tmp_path / "people.csv").write_text("\n".join(people) + "\n")
    files = [tmp_path / "sales.csv", tmp_path / "people.csv"]
    init(files, {}, ["user_id=Kunde"], tmp_path / "shop.toml")
    data = read_run_config(tmp_path / "shop.toml").data
    assert (data.separator, data.users_format.time_format, data.users_format.decimal) == (";", "%d.%m.%Y", ",")
    assert 'users_format = {decimal = ",", time_format = "%d.%m.%Y"}' in (tmp_path / "shop.toml").read_text()
    issues = ValidationIssues()
    ingest(resolve(data), issues)
    assert not issues.warnings, list(map(str, issues.warnings))


def test_tables_whose_ids_do_not_meet_are_told_by_the_ids_that_were_found(tmp_path):
    (tmp_path / "plays.csv").write_text("user_id,what\n" + "".join(f"u{n % 7},c{n % 5}\n" for n in range(40)))
    (tmp_path / "shows.csv").write_text("code,title\n" + "".join(f"X-{n},Show {n}\n" for n in range(5)))
    with pytest.raises(
        DataError, match=r"plays\.csv has user ids in 'user_id'; the other ids may be written otherwise"
    ):
        run(GivenTables([tmp_path / "plays.csv", tmp_path / "shows.csv"]), tmp_path / "shop.toml")


def test_ids_that_are_dropped_are_not_in_the_data_of_a_first_config(tmp_path):
    paths = dict(zip(("users", "items", "interactions"), _shop(tmp_path), strict=True))
    people = pd.read_csv(paths["users"])
    people.iloc[:50].to_csv(paths["users"], index=False)
    given = GivenTables((), paths, (), ("data.unknown_ids=drop",))
    assert read_first_tables(given, "recsys auto").data.n_users == 50
