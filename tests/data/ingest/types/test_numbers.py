"""Columns of numbers with dirty cells stay numbers, and what is odd is named with its rows, from every way in."""

import numpy as np
import pandas as pd
import pytest

from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.readers import ingest
from recsys.data.ingest.types.odd_numbers import outliers
from recsys.data.ingest.validate import validate
from recsys.data.read import read_dataset
from recsys.errors import DataError

EVENTS = pd.DataFrame({"user_id": ["a", "b"], "item_id": [0, 1]})
PRICES = [f"{5 + n * 0.37:.2f}" for n in range(60)]


def config(folder, cells, name="price", **more):
    EVENTS.to_csv(folder / "x.csv", index=False)
    pd.DataFrame({"item_id": range(len(cells)), name: cells}).to_csv(folder / "items.csv", index=False)
    return DataConfig.model_validate({"interactions": folder / "x.csv", "items": folder / "items.csv", **more})


def found(folder, cells, name="price", **more):
    """(rows from 1, text) of each issue of the column that speaks of cells."""
    issues = validate(config(folder, cells, name, **more))
    return [((issue.rows + 1).tolist(), str(issue)) for issue in issues if issue.column == name and len(issue.rows)]


def read(folder, cells, name="price", **more):
    items = ingest(config(folder, cells, name, **more)).data.items
    return str(items.schema.columns[name]), items.columns[name].tolist()


def among(cells, *odd):
    """``cells`` whose first are ``odd``."""
    return [*odd, *cells[len(odd) :]]


DIRTY = {
    "€12,99": "write 12.99",
    "12,99": "write 12.99",
    "$5": "write 5",
    "unknown": 'data.missing = ["unknown"]',
    "?": 'data.missing = ["?"]',
    "n.a.": 'data.missing = ["n.a."]',
    "free": "mend the cells",
    "12-15": "mend the cells",
    "inf": "leave it empty",
    "1e40": "mend the cells",
}


@pytest.mark.parametrize("cell", list(DIRTY))
def test_a_column_of_numbers_with_a_dirty_cell_is_numeric_and_names_the_cell(cell, tmp_path):
    cells = among(PRICES, "3.5", cell)
    kind, values = read(tmp_path, cells)
    assert (kind, values[0]) == ("numeric", 3.5)
    assert np.flatnonzero(np.isnan(values)).tolist() == [1]
    [(rows, text)] = found(tmp_path, cells)
    assert rows == [2]
    assert f"'{cell}' is no number and counts as missing" in text
    assert DIRTY[cell] in text
    frame = pd.DataFrame({"item_id": range(len(cells)), "price": pd.Series([3.5, *cells[1:]], dtype=object)})
    items = read_dataset(EVENTS, items=frame).items
    assert str(items.schema.columns["price"]) == "numeric"
    np.testing.assert_array_equal(items.columns["price"], values)


def test_a_dirty_cell_of_a_column_that_is_said_to_be_numeric_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"row 1: '€12,99' is no number; write 12\.99"):
        read(tmp_path, among(PRICES, "€12,99"), item_schema={"price": "numeric"})


def test_a_dirty_cell_of_newer_data_is_a_warning_as_it_was_at_first(tmp_path):
    old = ingest(config(tmp_path, among(PRICES, "unknown"))).data
    newer = ingest(config(tmp_path, among(PRICES, "sold out")), joining=old).data
    assert np.flatnonzero(newer.items.columns["price"].isna()).tolist() == [0]
    with pytest.raises(DataError, match="'word' is no number"):
        ingest(config(tmp_path, ["word"] * 60), joining=old)


@pytest.mark.parametrize("share", [0.05, 0.4])
def test_a_word_for_no_value_may_be_frequent(share, tmp_path):
    n = round(share * 60)
    kind, values = read(tmp_path, among(PRICES, *["unknown"] * n), name="age")
    assert (kind, int(np.isnan(values).sum())) == ("numeric", n)
    assert read(tmp_path, among(PRICES, *["red"] * 24), name="age")[0] != "numeric"


WRITTEN = {
    "$1,299.50": (1299.5, "${}.00"),
    "1.299,50 €": (1299.5, "{},00 €"),
    "EUR 12": (12, "{} EUR"),
    "1 299,5": (1299.5, "{},0"),
    "-£3.10": (-3.1, "£{}"),
    "7 %": (7, "{}%"),
    "80 kg": (80, "{}kg"),
}


@pytest.mark.parametrize("cell", list(WRITTEN))
def test_signs_units_and_groups_of_thousands_are_taken_off_and_told(cell, tmp_path):
    value, others = WRITTEN[cell]
    cells = [cell, *(others.format(n) for n in range(1, 40))]
    kind, values = read(tmp_path, cells, name="x")
    assert (kind, values) == ("numeric", [value, *range(1, 40)])
    assert f"written as '{cell}' and read as {value:g}" in found(tmp_path, cells, "x")[0][1]


def test_amounts_in_another_currency_are_no_numbers_of_the_column(tmp_path):
    cells = among([f"${price}" for price in PRICES], "€7")
    assert np.flatnonzero(np.isnan(read(tmp_path, cells)[1])).tolist() == [0]
    assert any("'€7' is no number" in text for _, text in found(tmp_path, cells))


def test_codes_are_no_numbers(tmp_path):
    codes = [f"{n:05d}" for n in range(1000, 1058)] + ["V0R2M", "T8H1N"]
    assert read(tmp_path, codes, name="zip")[0] != "numeric"
    assert read(tmp_path, [f"A{n}" for n in range(60)], name="code")[0] != "numeric"


def test_few_numbers_with_a_word_among_them_are_categories_and_the_word_is_named(tmp_path):
    cells = among(["3", "4", "5"] * 40, "five")
    assert read(tmp_path, cells, name="stars")[0] == "categorical"
    [(rows, text)] = found(tmp_path, cells, name="stars")
    assert rows == [1]
    assert "all cells are numbers but for some, as 'five'" in text


MIXED = ["{},99", "€{},99", "{}.99 EUR", "1.{}00,00", "${}.50"]


def test_amounts_of_mixed_spellings_are_told_with_the_cells_and_the_remedy(tmp_path):
    cells = [MIXED[n % len(MIXED)].format(n % 9 + 1) for n in range(60)]
    assert read(tmp_path, cells)[0] != "numeric"
    told = [(rows, text) for rows, text in found(tmp_path, cells) if "amounts are written" in text]
    [(rows, text)] = told
    assert rows == list(range(1, 61))
    assert "as '1,99', '€2,99', '3.99 EUR', '1.400,00'" in text
    assert "write all as 1.99" in text
    assert "data.items_format.decimal" in text


@pytest.mark.parametrize("cells", [["500 g", "1 kg", "250 ml"], ["red", "1,99", "blue"], ["A1", "B2", "C3"]])
def test_units_words_and_codes_are_no_amounts_of_mixed_spellings(cells, tmp_path):
    assert not [text for _, text in found(tmp_path, cells * 20, name="size") if "amounts are written" in text]


ODD = {
    ("price", "-5"): "below zero, as -5",
    ("price", "1000000000000"): "far from all others",
    ("cost_eur", "-0.01"): "below zero",
    ("age", "999"): "what no age is, as 999; the others are",
    ("age", "150"): "what no age is",
    ("age", "-1"): "what no age is",
    ("year", "19999"): "what no year is",
    ("year", "9999"): "what no year is",
    ("year", "0"): "what no year is",
    ("x", "-999"): "below zero",
    ("x", "-1"): "below zero",
    ("x", "99999"): "far from all others",
}
USUAL = {
    "price": PRICES,
    "cost_eur": PRICES,
    "age": [str(18 + n) for n in range(60)],
    "year": [str(1950 + n) for n in range(60)],
    "x": [str(10 + n) for n in range(60)],
}


@pytest.mark.parametrize(("name", "cell"), list(ODD))
def test_negative_and_absurd_numbers_are_warned_of_with_their_rows(name, cell, tmp_path):
    cells = among(USUAL[name], USUAL[name][0], cell)
    [(rows, text)] = found(tmp_path, cells, name=name)
    assert rows == [2]
    assert ODD[name, cell] in text
    assert read(tmp_path, cells, name=name)[1][1] == float(cell)
    assert found(tmp_path, USUAL[name], name=name) == []


def test_long_tails_temperatures_and_sparse_counts_are_not_odd():
    random = np.random.default_rng(0)
    assert not outliers(np.round(np.exp(random.normal(3, 1.5, 3000)), 2)).any()
    assert not outliers(np.floor(random.pareto(1.2, 3000))).any()
    assert not outliers(random.normal(0, 10, 3000)).any()
    assert not outliers(np.concatenate([np.zeros(990), np.arange(10) * 10.0])).any()
    assert outliers(np.concatenate([np.arange(1, 6).repeat(20), [55.0]])).nonzero()[0].tolist() == [100]


def test_spellings_of_true_and_false_are_one_each(tmp_path):
    cells = ["True", "false", "TRUE", "0", "1", "False"] * 5
    kind, values = read(tmp_path, cells, name="sold")
    assert (kind, values[:6]) == ("categorical", ["true", "false", "true", "false", "true", "false"])
    assert "true and false are written as 'True', 'false', 'TRUE'" in found(tmp_path, cells, name="sold")[0][1]
    assert read(tmp_path, ["True", "False"] * 5, name="sold")[1][:2] == ["True", "False"]


@pytest.mark.parametrize("hole", [False, True])
def test_truth_values_are_the_same_with_and_without_a_missing_cell_and_from_frames(hole, tmp_path):
    cells = [True, False] * 10 + ([None] if hole else [True])
    frame = pd.DataFrame({"item_id": range(21), "sold": pd.Series(cells, dtype=object if hole else bool)})
    kinds = [({}, "categorical", ["True", "False"]), ({"sold": "numeric"}, "numeric", [1, 0])]
    for schema, kind, values in kinds:
        items = read_dataset(EVENTS, items=frame, schema=schema).items
        assert (str(items.schema.columns["sold"]), items.columns["sold"].tolist()[:2]) == (kind, values)
        assert read(tmp_path, cells, "sold", item_schema=schema) == (kind, items.columns["sold"].tolist()) or hole


def test_lists_of_texts_that_are_written_as_python_or_json_are_tags(tmp_path):
    cells = ["['Comedy', 'Solo']", '["News"]', "-", "[]", '["Comedy", "True Crime"]', "['News']", "['O\\'Hara, M']"]
    kind, tags = read(tmp_path, cells, "topics")
    assert kind == "tags(|)"
    assert [*tags[:3], *tags[4:]] == ["Comedy|Solo", "News", "-", "Comedy|True Crime", "News", "O'Hara, M"]
    assert pd.isna(tags[3])
    assert read(tmp_path, ["[draft] a", "[draft] b"] * 9, "note")[0] == "categorical"


def test_words_for_a_missing_value_among_categories_are_told_and_taken_out_by_the_option_that_is_named(tmp_path):
    cells = ["$9.99", "1,299.00", "-", "0", "4.99"] * 5
    [(rows, text)] = found(tmp_path, cells)
    assert rows == [3, 8, 13, 18, 23]
    assert 'data.missing = ["-"] takes them as missing' in text
    assert read(tmp_path, cells)[0] == "categorical"
    assert [pd.isna(value) for value in read(tmp_path, cells, missing=["-"])[1][:4]] == [False, False, True, False]
    assert found(tmp_path, ["none", "yes", "maybe"], item_schema={"price": "categorical"}, missing=["none"]) == []


YEARS = [str(1950 + n % 55) for n in range(100)]
NO_YEARS = {
    "words and zeros": ["0000"] * 5 + ["unknown"] * 8,
    "words": ["unknown"] * 8,
    "zeros": ["0000"] * 5,
    "words, zeros and dates": ["0000"] * 5 + ["unknown"] * 8 + ["01.01.1901"],
    "mostly words": ["unknown"] * 45,
}


@pytest.mark.parametrize("odd", list(NO_YEARS))
def test_a_column_of_years_is_numeric_whatever_stands_for_unknown_ones(odd, tmp_path):
    kind, values = read(tmp_path, among(YEARS, *NO_YEARS[odd]), "born")
    assert kind == "numeric"
    assert values[len(NO_YEARS[odd]) :] == [float(year) for year in YEARS[len(NO_YEARS[odd]) :]]


def test_a_date_among_years_is_named_with_the_year_to_write(tmp_path):
    cells = among(YEARS, "0000", "unknown", "01.01.1901")
    told = [text for rows, text in found(tmp_path, cells, "born") if rows == [3]]
    assert "1 cell is a date in a column of years, as '01.01.1901'" in told[0]
    assert "counts as missing; write the year, 1901" in told[0]


@pytest.mark.parametrize("dates", [20, 60])
def test_years_beside_dates_are_read_as_their_first_day_and_never_as_seconds(dates, tmp_path):
    cells = among(YEARS, *["1980-05-01"] * dates)
    kind, values = read(tmp_path, cells, "born")
    assert (kind, values[-1]) == ("time", pd.Timestamp(f"{YEARS[-1]}-01-01").timestamp())
    assert any("are read as their first day" in text for _, text in found(tmp_path, cells, "born"))


def test_years_that_the_schema_says_are_times_are_their_first_days(tmp_path):
    _, values = read(tmp_path, YEARS, "born", item_schema={"born": "time"})
    assert values[0] == pd.Timestamp("1950-01-01").timestamp()


def test_numbers_that_would_be_times_of_the_first_days_of_1970_are_warned_of(tmp_path):
    told = found(tmp_path, [str(17 + n) for n in range(30)], "born", item_schema={"born": "time"})
    assert any("all lie within days of 1970-01-01, as '46'" in text for _, text in told)


def test_postal_codes_stay_texts_beside_words_and_zeros(tmp_path):
    assert read(tmp_path, ["01067", "00000", "unknown", *["10115", "80331"] * 20], "plz")[0] == "categorical"


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("13.88 CHF", "the column is in €: convert the amount from CHF, or leave the cell empty"),
        ("13.88", "write it with its unit, €, as the other cells are"),
    ],
)
def test_an_amount_that_may_be_of_another_currency_is_to_be_converted_and_not_rewritten(cell, told, tmp_path):
    (_, text), *_ = found(tmp_path, among([f"{n},83 €" for n in range(40)], cell))
    assert told in text
    assert "write 13.88" not in text
