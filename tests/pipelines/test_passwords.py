"""Passwords of addresses are in no file that a command writes and in no message."""

from pathlib import Path

import fsspec
import pytest

from pipelines.cli import main
from pipelines.commands.auto import run as auto
from pipelines.commands.init import run as init
from pipelines.commands.tune_outputs import tuned_text
from pipelines.config import read_run_config
from pipelines.first_config.tables import GivenTables
from recsys.data.synthetic.worlds import BlockTaste, write_tables
from recsys.errors import DataError, PromotionError
from recsys.files.addresses import without_password, without_passwords
from recsys.registry.mlflow_client import check_registry
from tests.pipelines.test_auto import request
from tests.pipelines.test_run import Ears
from tests.pipelines.world import write_world

ADDRESS = "memory://ann:secret@shop/interactions.csv"


@pytest.fixture
def interactions(tmp_path):
    """The path of an address with a password, at which there is a table."""
    tables = write_tables(BlockTaste(users=30).dataset(), tmp_path / "tables")
    fsspec.filesystem("memory").pipe(ADDRESS, Path(tables["interactions"]).read_bytes())
    return Path(ADDRESS)


def texts(folder: Path) -> str:
    return "".join(path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file())


def test_the_config_that_auto_leaves_holds_no_password_and_is_run_with_it(interactions, tmp_path):
    output = tmp_path / "out"
    given, ears = request({"interactions": interactions}, output, engines=("popularity",), protocol="random"), Ears()
    assert auto(given, ears) == 0
    assert any("prepare: reused, nothing changed" in line for line in ears.heard)
    assert "ann:...@shop" in (output / "auto.toml").read_text()
    assert "secret" not in texts(output)


def test_the_config_that_init_leaves_holds_no_password(interactions, tmp_path):
    init(GivenTables(roles={"interactions": interactions}), tmp_path / "first.toml")
    assert "ann:...@shop" in (tmp_path / "first.toml").read_text()
    assert "secret" not in (tmp_path / "first.toml").read_text()


def test_the_config_that_tune_leaves_holds_no_password(tmp_path):
    tracking = "promote.tracking_uri=https://ann:secret@shop.example"
    config = read_run_config(write_world(tmp_path), [f"data.interactions={ADDRESS}", tracking])
    text = tuned_text(config, {})
    assert "secret" not in text
    assert text.count("ann:...@shop") == 2


def test_an_address_whose_password_was_left_out_says_so(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["validate", "--interactions", without_password(ADDRESS)])
    assert "--set data.interactions=ADDRESS" in capsys.readouterr().out
    with pytest.raises(PromotionError, match=r"--set promote\.tracking_uri=ADDRESS"):
        check_registry("https://ann:...@shop.example")


@pytest.mark.parametrize("error", [DataError, RuntimeError])
def test_no_message_of_the_command_line_holds_a_password(error, monkeypatch, capsys):
    def refused(*_):
        raise error("nobody is at https://ann:secret@shop.example/x?token=hidden; ask bob@shop.example")

    monkeypatch.setattr("pipelines.cli.open_run", refused)
    with pytest.raises(SystemExit):
        main(["rollback", "x.toml"])
    told = capsys.readouterr().err
    assert "secret" not in told
    assert "hidden" not in told
    assert "bob@shop.example" in told


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3:/key:secret@bucket/x.csv", "s3:/key:...@bucket/x.csv"),
        ("postgresql://db/x?user=ann&password=secret", "postgresql://db/x?user=ann&password=..."),
        ("https://x.example/y?X-Amz-Signature=secret&part=2", "https://x.example/y?X-Amz-Signature=...&part=2"),
        ("host=db password=secret dbname=x", "host=db password=... dbname=x"),
        ("price < 3 and token=5", "price < 3 and token=5"),
        ("http://localhost:5000 and ann@shop.example", "http://localhost:5000 and ann@shop.example"),
    ],
)
def test_what_is_shown_of_an_address(address, shown):
    assert (without_passwords if " and " in address else without_password)(address) == shown
