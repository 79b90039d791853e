"""The page with pictures of the data."""

import pytest

from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.validate import validate
from recsys.data.overview.overview import overview
from recsys.evaluation.report.html_data import data_page


@pytest.fixture
def page(tmp_path):
    def made(items, events="1,0,100000000\n1,1,100100000\n2,1,100200000\n"):
        (tmp_path / "events.csv").write_text(f"user_id,item_id,timestamp\n{events}", encoding="utf-8")
        (tmp_path / "items.csv").write_text(items, encoding="utf-8")
        paths = {"interactions": tmp_path / "events.csv", "items": tmp_path / "items.csv"}
        found = validate(DataConfig.model_validate(paths))
        return data_page("<shop>", found, overview(found.typed))

    return made


def test_it_shows_activity_columns_missing_cells_and_what_is_odd(page):
    text = page("item_id,price,empty\n0,1.5,\n1,,\n")
    for part in ("Activity over time", "interactions a user", "50.0%", "What is odd", "every cell is missing"):
        assert part in text
    assert text.count("<svg class='chart") == 4


def test_names_of_every_script_and_markup_are_shown_as_they_are(page):
    text = page("item_id,<b>\n0,$x_1$\n1,日本<i>\n")
    assert "<b>日" not in text
    assert "<i>" not in text
    assert "$x_1$" in text
    assert "日本&lt;i&gt;" in text
    assert "Data of &lt;shop&gt;" in text


def test_data_with_errors_still_has_a_page(page):
    text = page("item_id,price\n0,1\n0,2\n", events="1,0,100000000\n1,9,-5\n")
    assert "the data cannot be read" in text
    assert "negative" in text


def test_the_same_data_has_the_same_page(page):
    items = "item_id,price\n0,1.5\n1,2.5\n"
    assert page(items) == page(items)
