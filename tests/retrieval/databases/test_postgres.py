"""Against a real server, which the test starts on a socket of its own and kills."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recsys.errors import ArtifactError, ConfigError, DataError
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.databases import postgres
from recsys.retrieval.databases.postgres import load_postgres
from recsys.retrieval.manifest import read_recommendations
from recsys.retrieval.recommend import recommend
from recsys.retrieval.rules.options import RuleOptions
from tests.retrieval.conftest import FixedVectors, world

OPTIONS = RecommendOptions(k=5, shard_size=16)


def binary(name):
    """The newest server binary, on the path or where Debian installs it; None without any."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(debian[-1]) if debian else None)


class Server:
    def __init__(self, folder):
        self.folder, self.data = folder, folder / "data"
        self.user = {}
        if os.getuid() == 0:  # the server refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._run(binary("initdb"), "-D", self.data, "-U", "shop", "-A", "trust", "--no-sync")

    def _run(self, *words):
        subprocess.run([*map(str, words)], check=True, stdout=subprocess.DEVNULL, cwd=self.folder, **self.user)

    def start(self):
        options = f"-k {self.folder} -c listen_addresses= -c fsync=off"
        self._run(binary("pg_ctl"), "-D", self.data, "-o", options, "-l", self.folder / "log", "-w", "start")

    def kill(self):
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)

    @property
    def dsn(self):
        return f"host={self.folder} user=shop dbname=postgres"


@pytest.fixture
def server(tmp_path_factory):
    pytest.importorskip("psycopg")
    if not all(map(binary, ("initdb", "pg_ctl"))):
        pytest.skip("no PostgreSQL server is installed")
    folder = Path("/tmp") / f"pg{os.getpid()}"  # a socket's path has at most 107 characters
    folder.mkdir(mode=0o755)
    try:
        server = Server(folder)
        server.start()
        yield server
        server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def rows(server, table):
    import psycopg

    with psycopg.connect(server.dsn) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY user_id, rank").fetchall()


@pytest.mark.slow
def test_a_kill_in_the_middle_of_a_load_leaves_the_old_table_and_a_rerun_completes(server, tmp_path, monkeypatch):
    data = world()
    for name, seed in (("old", 0), ("new", 1)):
        recommend(FixedVectors(data.n_users, data.n_items, seed), data, tmp_path / name, OPTIONS)
    expected = {
        name: list(read_recommendations(tmp_path / name).itertuples(index=False, name=None)) for name in ("old", "new")
    }
    assert load_postgres(tmp_path / "old", server.dsn, "lists") == len(expected["old"])
    assert rows(server, "lists") == [pytest.approx(row) for row in expected["old"]]
    assert load_postgres(tmp_path / "old", server.dsn, "lists") == 0  # it is there already

    frames = postgres._frames

    def killed(directory, manifest):
        for number, frame in enumerate(frames(directory, manifest)):
            if number == 2:
                server.kill()
            yield frame

    monkeypatch.setattr(postgres, "_frames", killed)
    with pytest.raises(DataError, match="the table lists is as it was"):
        load_postgres(tmp_path / "new", server.dsn, "lists")
    monkeypatch.undo()
    server.start()
    assert rows(server, "lists") == [pytest.approx(row) for row in expected["old"]]
    assert load_postgres(tmp_path / "new", server.dsn, "lists") == len(expected["new"])
    assert rows(server, "lists") == [pytest.approx(row) for row in expected["new"]]


def two_nights(tmp_path, **changes):
    """Two batches of other lists, the second with other options."""
    data, folders = world(), (tmp_path / "one", tmp_path / "two")
    for seed, folder in enumerate(folders):
        options = OPTIONS.model_copy(update=changes if seed else {})
        recommend(FixedVectors(data.n_users, data.n_items, seed), data, folder, options)
    return folders


@pytest.fixture
def loaded(server, tmp_path):
    """A connection to the server whose table has the lists of the first of two nights, and the folders of both."""
    import psycopg

    one, two = two_nights(tmp_path)
    load_postgres(one, server.dsn, "lists")
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        yield connection, one, two


@pytest.mark.slow
def test_a_reader_and_indexes_go_on_over_two_loads(server, tmp_path):
    import psycopg

    one, two = two_nights(tmp_path)
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        for role in ("reader", "shelf", "loader"):
            connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute("GRANT CREATE ON SCHEMA public TO loader")
        connection.execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO shelf")
        load_postgres(one, server.dsn, "lists")
        connection.execute("ALTER TABLE lists OWNER TO loader")
        connection.execute("REVOKE ALL ON lists FROM shelf")
        connection.execute("GRANT SELECT ON lists TO reader WITH GRANT OPTION")
        connection.execute("GRANT SELECT (item_id, rank) ON lists TO shelf")
        connection.execute('CREATE INDEX "by item" ON lists (item_id) WHERE rank < 3')
        connection.execute("CREATE UNIQUE INDEX pairs ON lists USING btree (user_id, item_id)")
        about = (
            "SELECT relacl::text, pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'lists'",
            "SELECT attname, attacl::text FROM pg_attribute WHERE attrelid = 'lists'::regclass AND attacl IS NOT NULL"
            " ORDER BY 1",
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'lists' ORDER BY 1",
            "SELECT conname FROM pg_constraint WHERE conrelid = 'lists'::regclass AND contype = 'p'",
        )
        before = [sorted(map(str, connection.execute(query).fetchall())) for query in about]
        for folder in (two, one):
            assert load_postgres(folder, server.dsn.replace("user=shop", "user=loader"), "lists") > 0
            after = [sorted(map(str, connection.execute(query).fetchall())) for query in about]
            assert [set(row.replace("{", "").split(",")) for row in after[0]] == [
                set(row.replace("{", "").split(",")) for row in before[0]
            ]
            assert after[1:] == before[1:]
            with psycopg.connect(server.dsn.replace("user=shop", "user=reader")) as reader:
                assert reader.execute("SELECT count(*) FROM lists").fetchone()[0] > 0
            with psycopg.connect(server.dsn.replace("user=shop", "user=shelf")) as shelf:
                shelf.execute("SELECT item_id FROM lists")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    shelf.execute("SELECT score FROM lists")


@pytest.mark.slow
def test_views_and_policies_go_on_and_other_columns_are_told(server, loaded, tmp_path):
    connection, one, two = loaded
    connection.execute("CREATE VIEW best AS SELECT user_id, item_id FROM lists WHERE rank = 1")
    load_postgres(two, server.dsn, "lists")
    table = read_recommendations(two)
    first = table[table["rank"] == 1][["user_id", "item_id"]]
    assert sorted(connection.execute("SELECT * FROM best").fetchall()) == sorted(first.itertuples(index=False))
    assert load_postgres(two, server.dsn, "lists") == 0
    assert connection.execute("SELECT to_regclass(%s)", ["best"]).fetchone() == ("best",)
    left = connection.execute("SELECT count(*) FROM pg_class WHERE relname LIKE 'recsys%' AND relkind = 'r'")
    assert left.fetchone() == (0,)
    (tmp_path / "reasons").mkdir()
    _, other = two_nights(tmp_path / "reasons", rules=RuleOptions(reasons=True))
    with pytest.raises(ArtifactError, match=r"has the columns .*would be without view best: drop them, load"):
        load_postgres(other, server.dsn, "lists")
    assert len(rows(server, "lists")) == len(table)
    connection.execute("DROP VIEW best")
    connection.execute("ALTER TABLE lists ENABLE ROW LEVEL SECURITY")
    connection.execute("CREATE POLICY own ON lists USING (user_id = current_user)")
    load_postgres(one, server.dsn, "lists")
    assert connection.execute("SELECT count(*) FROM pg_policy").fetchone() == (1,)
    connection.execute("DROP POLICY own ON lists")
    load_postgres(two, server.dsn, "lists")
    secured = connection.execute("SELECT relrowsecurity FROM pg_class WHERE relname = 'lists'")
    assert secured.fetchone() == (True,)


@pytest.mark.slow
def test_the_table_stays_in_its_schema_and_what_is_around_it_is_left(server, tmp_path):
    import psycopg

    one, two = two_nights(tmp_path)
    sizes = [len(read_recommendations(folder)) for folder in (one, two)]
    with psycopg.connect(server.dsn, autocommit=True) as connection:

        def asked(query):
            return connection.execute(query).fetchall()

        load_postgres(one, server.dsn, "lists")
        connection.execute("CREATE SCHEMA shop")  # that of the user, which new tables are made in
        load_postgres(two, server.dsn, "lists")
        assert asked("SELECT count(*) FROM public.lists") == [(sizes[1],)]
        connection.execute("ALTER TABLE lists ADD COLUMN twice real GENERATED ALWAYS AS (score * 2) STORED")
        connection.execute("CREATE FUNCTION shown(lists) RETURNS text LANGUAGE sql AS 'SELECT $1.item_id'")
        connection.execute("CREATE TABLE more () INHERITS (lists)")
        connection.execute("INSERT INTO more SELECT user_id, item_id, rank, score FROM ONLY lists LIMIT 3")
        load_postgres(one, server.dsn, "lists")
        assert asked("SELECT count(*), bool_and(twice = score * 2) FROM ONLY lists") == [(sizes[0], True)]
        assert asked("SELECT count(*) FROM more") == [(3,)]
        assert asked("SELECT count(shown(lists)) FROM ONLY lists") == [(sizes[0],)]
        connection.execute("DROP TABLE lists CASCADE")
        load_postgres(one, server.dsn, "lists")
        connection.execute("CREATE TABLE every (LIKE lists) PARTITION BY LIST (rank)")
        connection.execute("ALTER TABLE every ATTACH PARTITION lists DEFAULT")
        load_postgres(two, server.dsn, "lists")
        assert asked("SELECT count(*) FROM every") == [(sizes[1],)]


GIVEN = {
    "ADD COLUMN note text": "column note",
    "ADD COLUMN loaded timestamptz NOT NULL DEFAULT now()": "column loaded",
    "ADD COLUMN number int GENERATED ALWAYS AS IDENTITY": "column number",
    "ALTER COLUMN score SET DEFAULT 0": "column score",
    "ADD CONSTRAINT ranked CHECK (rank > 0)": "constraint ranked on table lists",
    "ADD CONSTRAINT known FOREIGN KEY (user_id) REFERENCES customers": "constraint known on table lists",
    "ADD CONSTRAINT pairs UNIQUE (user_id, item_id) DEFERRABLE": "constraint pairs on table lists",
    "ALTER COLUMN score TYPE numeric(12, 4)": "column score",
    "ALTER COLUMN user_id TYPE varchar(40)": "column user_id",
    'ALTER COLUMN user_id TYPE text COLLATE "C"': "column user_id",
    "ALTER COLUMN user_id SET STATISTICS 500": "column user_id",
    "ALTER COLUMN rank ADD GENERATED ALWAYS AS IDENTITY": "column rank",
    "REPLICA IDENTITY FULL": "replica identity",
    "SET (fillfactor = 70)": "storage parameters",
}


@pytest.mark.slow
def test_what_people_gave_the_table_goes_on_and_is_named_where_it_cannot(server, tmp_path):
    import psycopg

    one, two = two_nights(tmp_path)
    (tmp_path / "reasons").mkdir()
    _, other = two_nights(tmp_path / "reasons", rules=RuleOptions(reasons=True))
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        about = (
            "SELECT attname, format_type(atttypid, atttypmod), attcollation, attnotnull, pg_get_expr(adbin, adrelid),"
            " attidentity, attstattarget, col_description(attrelid, attnum)"
            " FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
            " WHERE attrelid = 'lists'::regclass AND attnum > 0 ORDER BY 1",
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'lists'::regclass ORDER BY 1",
            "SELECT reloptions, relreplident FROM pg_class WHERE oid = 'lists'::regclass",
        )
        load_postgres(one, server.dsn, "lists")
        connection.execute("CREATE TABLE customers AS SELECT DISTINCT user_id FROM lists")
        connection.execute("ALTER TABLE customers ADD PRIMARY KEY (user_id)")
        for change, told in GIVEN.items():
            connection.execute("DROP TABLE lists")
            load_postgres(one, server.dsn, "lists")
            connection.execute(f"ALTER TABLE lists {change}")
            before = [connection.execute(query).fetchall() for query in about]
            assert load_postgres(two, server.dsn, "lists") == len(read_recommendations(two))
            assert [connection.execute(query).fetchall() for query in about] == before
            with pytest.raises(ArtifactError, match=f"would be without {told}: drop them"):
                load_postgres(other, server.dsn, "lists")
        connection.execute("DROP TABLE lists")
        load_postgres(other, server.dsn, "lists")
        assert load_postgres(one, server.dsn, "lists") > 0, "columns that lists had before are not of people"
        connection.execute("COMMENT ON COLUMN lists.rank IS 'from 1'")
        load_postgres(two, server.dsn, "lists")
        assert connection.execute("SELECT col_description('lists'::regclass, 3)").fetchone() == ("from 1",)
        connection.execute("COMMENT ON COLUMN lists.rank IS NULL")
        connection.execute("CREATE INDEX shelf ON lists (item_id)")
        connection.execute("COMMENT ON INDEX shelf IS 'of the shop'")
        load_postgres(one, server.dsn, "lists")
        assert connection.execute("SELECT obj_description('shelf'::regclass)").fetchone() == ("of the shop",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["ADD COLUMN note text NOT NULL DEFAULT 'a'", "ALTER COLUMN note DROP DEFAULT"], "column note"),
        (["RENAME COLUMN score TO points"], "column points"),
    ],
)
def test_a_column_that_lists_cannot_fill_is_not_dropped(server, loaded, changes, told):
    connection, _, two = loaded
    for change in changes:
        connection.execute(f"ALTER TABLE lists {change}")
    before = rows(server, "lists")
    with pytest.raises(ArtifactError, match=f"would be without {told}: drop"):
        load_postgres(two, server.dsn, "lists")
    assert rows(server, "lists") == before


@pytest.mark.slow
def test_no_row_of_another_table_goes_with_the_old_lists(server, loaded):
    connection, _, two = loaded
    connection.execute("CREATE TABLE clicks (user_id text, rank bigint)")
    connection.execute("INSERT INTO clicks SELECT user_id, rank FROM lists WHERE rank = 1")
    before = connection.execute("SELECT count(*) FROM clicks").fetchone()
    key = "ALTER TABLE clicks ADD CONSTRAINT shown FOREIGN KEY (user_id, rank) REFERENCES lists"
    for how in ("CASCADE", "SET NULL"):
        connection.execute(f"{key} ON DELETE {how}")
        with pytest.raises(ArtifactError, match="the key shown of clicks in PostgreSQL changes or deletes rows"):
            load_postgres(two, server.dsn, "lists")
        connection.execute("ALTER TABLE clicks DROP CONSTRAINT shown")
    connection.execute(key)
    with pytest.raises(DataError, match=r"still referenced from table .clicks.*lists is as it was$"):
        load_postgres(two, server.dsn, "lists")
    connection.execute("ALTER TABLE clicks DROP CONSTRAINT shown")
    connection.execute(f"{key} DEFERRABLE")
    assert load_postgres(two, server.dsn, "lists") > 0
    assert connection.execute("SELECT count(*) FROM clicks").fetchone() == before


@pytest.mark.slow
def test_only_a_table_that_was_made_here_is_replaced(server, tmp_path, data, engine):
    import psycopg

    recommend(engine, data, tmp_path / "lists", OPTIONS)
    names = ["customers", "seen", 'a"; DROP TABLE customers; --', "ä" * 31]
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE customers (name text)")
        connection.execute("INSERT INTO customers VALUES ('Ann')")
        connection.execute("COMMENT ON TABLE customers IS 'those who buy'")
        connection.execute("CREATE VIEW seen AS SELECT name FROM customers")
        connection.execute("CREATE TABLE lists__new (name text)")
        for name in names[:2]:
            with pytest.raises(ArtifactError, match=f"{name} in PostgreSQL is no table that recsys made"):
                load_postgres(tmp_path / "lists", server.dsn, name)
        for name in [*names[2:], "lists"]:
            assert load_postgres(tmp_path / "lists", server.dsn, name) > 0
            assert load_postgres(tmp_path / "lists", server.dsn, name) == 0
        assert connection.execute("SELECT name FROM seen").fetchall() == [("Ann",)]
        assert connection.execute("SELECT count(*) FROM lists__new").fetchall() == [(0,)]


@pytest.mark.slow
def test_two_loads_at_once_leave_one_whole_table(server, tmp_path, monkeypatch):
    data = world()
    for name, seed in (("one", 0), ("two", 1)):
        recommend(FixedVectors(data.n_users, data.n_items, seed), data, tmp_path / name, OPTIONS)
    load_postgres(tmp_path / "one", server.dsn, "lists")
    recommend(FixedVectors(data.n_users, data.n_items, 2), data, tmp_path / "three", OPTIONS)
    meet, frames = threading.Barrier(2), postgres._frames

    def together(directory, manifest):
        meet.wait()
        return frames(directory, manifest)

    monkeypatch.setattr(postgres, "_frames", together)
    with ThreadPoolExecutor(2) as pool:
        loads = [pool.submit(load_postgres, tmp_path / name, server.dsn, "lists") for name in ("two", "three")]
        assert all(load.result(timeout=60) for load in loads)
    whole = [
        list(read_recommendations(tmp_path / name).itertuples(index=False, name=None)) for name in ("two", "three")
    ]
    assert rows(server, "lists") in [[pytest.approx(row) for row in table] for table in whole]


@pytest.mark.slow
def test_a_role_without_rights_is_told_and_changes_nothing(server, tmp_path, data, engine):
    import psycopg

    recommend(engine, data, tmp_path, OPTIONS)
    load_postgres(tmp_path, server.dsn, "lists")
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE guest LOGIN")
        connection.execute("CREATE SCHEMA closed")
    guest = server.dsn.replace("user=shop", "user=guest")
    for table in ("closed.lists", "public.mine", "missing.lists"):
        with pytest.raises(DataError, match=rf"PostgreSQL: .*the table {table} is as it was"):
            load_postgres(tmp_path, guest, table)


@pytest.mark.parametrize("table", ["", ".", "a.", "ä" * 32, "a\0b"])
def test_a_name_that_the_server_would_cut_or_refuse_is_no_table(tmp_path, data, engine, table):
    pytest.importorskip("psycopg")
    recommend(engine, data, tmp_path, OPTIONS)
    with pytest.raises(ConfigError, match="is no table; write a name"):
        load_postgres(tmp_path, "dbname=x", table)


def test_a_server_that_does_not_answer_is_given_up(tmp_path, data, engine, monkeypatch):
    pytest.importorskip("psycopg")
    recommend(engine, data, tmp_path, OPTIONS)
    monkeypatch.setattr(postgres, "_CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(DataError, match="timeout"):
        load_postgres(tmp_path, f"host=127.0.0.1 port={silent.getsockname()[1]} dbname=x")


def test_a_table_has_a_name(tmp_path, data, engine):
    pytest.importorskip("psycopg")
    recommend(engine, data, tmp_path, OPTIONS)
    with pytest.raises(ConfigError, match="is no table"):
        load_postgres(tmp_path, "dbname=x", "a.b.c")


def test_a_server_that_is_not_there_is_told(tmp_path, data, engine):
    pytest.importorskip("psycopg")
    recommend(engine, data, tmp_path, OPTIONS)
    with pytest.raises(DataError, match="PostgreSQL"):
        load_postgres(tmp_path, f"host={tmp_path} dbname=x")
