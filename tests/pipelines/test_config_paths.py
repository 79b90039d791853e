"""Paths of a config as absolute paths."""

from pathlib import Path

from pipelines.config_paths import anchored


def items_of(value, folder):
    return anchored({"data": {"items": value}}, folder)["data"]["items"]


def test_a_path_upwards_is_named_without_its_detour(tmp_path):
    (tmp_path / "runs" / "shop").mkdir(parents=True)
    (tmp_path / "items.csv").touch()
    assert items_of("../../items.csv", tmp_path / "runs" / "shop") == str(tmp_path / "items.csv")
    assert items_of("../../gone.csv", tmp_path / "runs" / "shop") == str(tmp_path / "gone.csv")


def test_a_path_upwards_from_a_linked_folder_stays_what_the_system_reads(tmp_path):
    (tmp_path / "far" / "shop").mkdir(parents=True)
    (tmp_path / "far" / "items.csv").touch()
    (tmp_path / "near").symlink_to(tmp_path / "far" / "shop")
    found = Path(items_of("../items.csv", tmp_path / "near"))
    assert found.samefile(tmp_path / "far" / "items.csv")
