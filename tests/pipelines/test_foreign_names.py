"""Tables of a shop that call their columns in another language: roles, remedies, and files without a role."""

import pytest

from pipelines.commands.data import placed_paths
from pipelines.commands.init import run
from pipelines.first_config.tables import GivenTables, read_first_tables
from recsys.config import parse
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.validate import validate
from recsys.errors import ConfigError, DataError


def shop(folder, user="Kundennr", item="Artikelnr", lost=""):
    """Orders, customers and articles; all have a column of the shop; ids of customers may have zeros in front."""
    orders = "".join(f"{n};{n % 20 + 1};{n * 7 % 30 + 100};2024-01-{n % 28 + 1:02} 10:00;1\n" for n in range(200))
    customers = "".join(f"{lost}{n};1;8{n:04}\n" for n in range(1, 21))
    articles = "".join(f"{n};1;Stuhl {n}\n" for n in [*range(100, 130), 105])
    files = {
        "bestellungen.csv": f"Beleg;{user};{item};Bestelldatum;Mandant\n{orders}",
        "kunden.csv": f"{user};Mandant;PLZ\n{customers}",
        "artikel.csv": f"{item};Mandant;Bezeichnung\n{articles}",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    return [folder / name for name in files]


@pytest.mark.parametrize(("user", "item"), [("Kundennr", "Artikelnr"), ("Kunden_ID", "Artikel_ID"), ("Ab", "Zu")])
def test_columns_that_tables_share_are_the_ids(user, item, tmp_path):
    orders, customers, articles = shop(tmp_path, user, item)
    articles.write_text(articles.read_text().rpartition("105;")[0])
    given = GivenTables((), {"interactions": orders, "users": customers, "items": articles})
    roles = read_first_tables(given, "recsys init").roles
    assert (roles.columns["user_id"], roles.columns["item_id"]) == (user, item)
    assert (roles.users_id, roles.items_id) == (user, item)


def test_german_names_tell_which_table_is_which_and_a_repeated_id_is_told(tmp_path):
    with pytest.raises(DataError, match=r"artikel.csv, column 'Artikelnr'.*the id 105 is repeated"):
        read_first_tables(GivenTables(shop(tmp_path)), "recsys init")


def test_ids_that_lost_their_zeros_are_told_as_such(tmp_path):
    paths = shop(tmp_path, lost="000")
    with pytest.raises(DataError, match="zeros at the front were lost"):
        read_first_tables(GivenTables(paths), "recsys init")


def test_unknown_names_are_asked_for_with_the_columns_that_tables_share(tmp_path):
    with pytest.raises(DataError, match=r"say which table is which by --users FILE.*Ab \(also in .*kunden.csv\), Zu"):
        read_first_tables(GivenTables(shop(tmp_path, "Ab", "Zu")), "recsys init")


def remedies(paths, **columns):
    config = dict(zip(("interactions", "users", "items"), paths, strict=True)) | {"columns": columns}
    issues = validate(parse(DataConfig, config, "test"))
    return [(issue.file.name, issue.remedy) for issue in issues if "there is no column" in issue.found]


def test_the_remedy_of_a_foreign_name_names_the_key_and_the_column(tmp_path):
    found = remedies(shop(tmp_path))
    assert [name for name, _ in found] == ["bestellungen.csv"] * 2 + ["kunden.csv", "artikel.csv"]
    assert all('data.columns.user_id = "Kundennr"' in remedy for remedy in (found[0][1], found[2][1]))
    assert all('data.columns.item_id = "Artikelnr"' in remedy for remedy in (found[1][1], found[3][1]))


def test_the_remedy_of_a_users_table_with_another_name_is_users_table_id(tmp_path):
    paths = shop(tmp_path)
    paths[1].write_text(paths[1].read_text().replace("Kundennr", "Nr"))
    found = remedies(paths, user_id="Kundennr", item_id="Artikelnr")
    assert [name for name, _ in found] == ["kunden.csv"]
    assert found[0][1].startswith('data.columns.users_table_id = "Nr" names the column of this table')


def test_files_without_roles_are_answered_with_the_command_that_takes_them(tmp_path):
    orders, customers, articles = shop(tmp_path)
    with pytest.raises(ConfigError) as error:
        placed_paths([articles, customers, orders], None, {})
    assert f"recsys validate --interactions {orders} --users {customers} --items {articles}" in str(error.value)
    with pytest.raises(ConfigError, match=r"recsys validate --interactions .*bestellungen.csv --users .*kunden.csv"):
        placed_paths([customers], orders, {"items": None})
    assert placed_paths([orders], None, {"users": customers}) == (None, orders)
    assert placed_paths([tmp_path], None, {}) == (None, tmp_path)
    config = tmp_path / "config.toml"
    assert placed_paths([config], None, {}) == (config, None)
    with pytest.raises(ConfigError, match="give one CONFIG"):
        placed_paths([config, orders], None, {})


def test_remedies_for_files_of_unknown_roles_name_no_option_of_all_tables(tmp_path):
    paths = shop(tmp_path)
    paths[1].write_bytes("Kundennr;Name\n1;Jäger\n".encode("cp1252"))
    with pytest.raises(DataError, match=r'data.TABLE_format.encoding = "cp1252"') as error:
        read_first_tables(GivenTables(paths), "recsys init")
    assert "--users FILE --items FILE --set data.users_format.encoding=cp1252" in str(error.value)
    paths[1].write_text("Kundennr;Name\n" + "".join(f"{n};Jo\n" for n in range(1, 21)))
    paths[2].write_text("Artikelnr;Preis\n" + "".join(f"{n};2,50\n" for n in range(100, 130)))
    issues = read_first_tables(GivenTables(paths), "recsys init").issues
    assert any('data.items_format.decimal = ","' in issue.remedy for issue in issues)
    assert "TABLE_format" not in " ".join(map(str, issues))


def test_a_first_config_holds_the_options_of_the_table_that_needs_them(tmp_path):
    paths = shop(tmp_path)
    paths[1].write_bytes(
        paths[1].read_text().replace("PLZ", "Größe").encode("cp1252") + "Zahl: 20;;\n".encode("cp1252")
    )
    paths[2].write_text(paths[2].read_text().rpartition("105;")[0])
    roles = dict(zip(("interactions", "users", "items"), paths, strict=True))
    options = ["data.users_format.encoding=cp1252", "data.users_format.footer=Zahl"]
    run(GivenTables((), roles, (), options), tmp_path / "config.toml")
    lines = (tmp_path / "config.toml").read_text().splitlines()
    assert 'users_format = {encoding = "cp1252", footer = ["Zahl"]}' in lines
    assert not any(line.startswith(("encoding", "footer")) for line in lines)


def two(folder, customers):
    (folder / "orders.csv").write_text(
        "kunde,item_id,timestamp\n" + "".join(f"{n % 9},a{n % 5},{n}\n" for n in range(60))
    )
    (folder / "people.csv").write_text("kundennr,stadt\n" + "".join(f"{row},A\n" for row in customers))
    return {"interactions": folder / "orders.csv", "users": folder / "people.csv"}


@pytest.mark.parametrize("columns", [(), ("users_table_id=kundennr",)])
@pytest.mark.parametrize(
    ("customers", "told"),
    [
        ([*range(9), 3], r"people.csv, column 'kundennr', row.* the id 3 is repeated"),
        ([f"00{n}" for n in range(9)], "zeros at the front were lost"),
        ([f"00{n}" for n in (*range(9), 3)], r"people.csv, column 'kundennr', row.* is repeated"),
    ],
)
def test_the_nearest_column_of_a_table_is_taken_and_what_differs_is_told(customers, told, columns, tmp_path):
    with pytest.raises(DataError, match=told):
        read_first_tables(GivenTables((), two(tmp_path, customers), columns), "recsys init")


def test_the_role_that_names_the_ids_of_a_table_is_taken_by_init(tmp_path):
    paths = two(tmp_path, [*range(100, 109)])
    with pytest.raises(DataError, match=r"--column users_table_id=NAME"):
        read_first_tables(GivenTables((), paths), "recsys init")
    paths = two(tmp_path, range(9))
    for given in (
        GivenTables((), paths, ("users_table_id=kundennr",)),
        GivenTables(list(paths.values()), None, ("users_table_id=kundennr", "user_id=kunde")),
    ):
        assert read_first_tables(given, "recsys init").roles.users_id == "kundennr"
    with pytest.raises(DataError, match="no column 'nr' for users_table_id"):
        read_first_tables(GivenTables((), paths, ("users_table_id=nr",)), "recsys init")
