"""Ids of several tables that do not meet are an error that names the likely cause; ids come back as written."""

import numpy as np
import pandas as pd
import pytest

from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.readers import ingest
from recsys.data.ingest.types.id_mismatch import mismatches
from recsys.data.ingest.validate import validate
from recsys.data.read import read_dataset
from recsys.errors import DataError


def table(ids, name="item_id", **more):
    return pd.DataFrame({name: ids, **more})


def events(items, users=None):
    return pd.DataFrame({"user_id": range(len(items)) if users is None else users, "item_id": items})


def written(folder, **tables):
    for name, frame in tables.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return DataConfig.model_validate({name: folder / f"{name}.csv" for name in tables})


SPELLINGS = {
    "zeros lost": ("108775003", "0108775003", "zeros at the front were lost"),
    "decimals": ("12.0", "12", "whole numbers with decimals"),
    "decimals there": ("12", "12.0", "whole numbers with decimals"),
    "decimals and zeros": ("12.0", "0012", "zeros at the front were lost"),
    "capital letters": ("AB-7", "ab-7", "capital letters"),
    "blanks": (" B7", "B7", "blanks or quotes"),
    "digits in groups": ("1 234 567", "1234567", "groups the digits"),
    "a prefix": ("item_17", "17", "prefix"),
    "lost digits": ("1.08775E+08", "0108775000", "scientific notation have lost digits"),
}


@pytest.mark.parametrize("name", list(SPELLINGS))
def test_ids_of_another_spelling_are_an_error_that_names_the_cause(name, tmp_path):
    ours, theirs, cause = SPELLINGS[name]
    config = written(tmp_path, interactions=events([ours]), items=table([theirs]))
    with pytest.raises(DataError) as refused:
        ingest(config)
    assert "none of the 1 items is in items.csv" in str(refused.value)
    assert f"'{ours}' would be '{theirs}' there" in str(refused.value)
    assert cause in str(refused.value)
    with pytest.raises(DataError, match="none of the 1 items is in items"):
        read_dataset(events([ours]), items=table([theirs]))


def test_ids_whose_digits_are_lost_are_named_where_nothing_can_be_found(tmp_path):
    config = written(tmp_path, interactions=events(["1.08775E+08"]), items=table(["0108775003"]))
    with pytest.raises(DataError, match="ids in scientific notation have lost digits"):
        ingest(config)


def test_ids_of_other_things_show_both(tmp_path):
    config = written(tmp_path, interactions=events(["a", "b"]), items=table(["x", "y"]))
    with pytest.raises(DataError, match=r"none of the 2 items is in items\.csv; .*here as 'a', there as 'x'"):
        ingest(config)


def test_most_ids_of_another_spelling_are_an_error_too(tmp_path):
    config = written(tmp_path, interactions=events([7, 12, 120]), items=table(["007", "012", "120"]))
    with pytest.raises(DataError, match=r"2 of the 3 items are not in items\.csv; '7' would be '007' there"):
        ingest(config)


def test_some_ids_of_another_spelling_are_a_warning_that_names_the_cause(tmp_path):
    config = written(tmp_path, interactions=events(["A", "B", "c"]), items=table(["A", "B", "C"]))
    assert any("'c' would be 'C' there" in warning.found for warning in validate(config).issues.warnings)
    assert ingest(config).data.n_items == 4


def test_newer_ids_of_another_spelling_do_not_double_the_catalogue(tmp_path):
    old = ingest(written(tmp_path, interactions=events(["007", "012"]))).data
    newer = written(tmp_path, interactions=events([7, 12]))
    with pytest.raises(DataError, match="none of the 2 items is in the existing dataset; '7' would be '007' there"):
        ingest(newer, joining=old)


def test_a_table_of_new_items_alone_joins_a_dataset_that_knows_the_others(tmp_path):
    old = ingest(written(tmp_path, interactions=events(["a", "b"]))).data
    newer = written(tmp_path, interactions=events(["a", "b"]), items=table(["c", "d"]))
    assert ingest(newer, joining=old).data.n_items == 4


def test_an_id_of_scientific_notation_is_warned_of_and_a_code_is_not(tmp_path):
    found = validate(written(tmp_path, interactions=events(["1.08775E+08", "108775003"])))
    assert any("scientific notation" in warning.found for warning in found.issues.warnings)
    found = validate(written(tmp_path, interactions=events(["1e55", "a3ff", "9bcd"])))
    assert not any("scientific notation" in warning.found for warning in found.issues.warnings)


@pytest.mark.parametrize("dtype", ["float64", "float32", "Float64", "object"])
def test_whole_numbers_of_a_float_column_are_integers_with_and_without_a_missing_cell(dtype, tmp_path):
    full = pd.Series([3, 4, 5]).astype("float64").astype(dtype)
    assert read_dataset(events(full)).items.vocabulary.ids.tolist() == [3, 4, 5]
    events(full).to_parquet(tmp_path / "x.parquet")
    assert read_dataset(tmp_path / "x.parquet").items.vocabulary.ids.tolist() == [3, 4, 5]
    with pytest.raises(DataError, match=r"^interactions, column 'item_id', row 2: the id is missing"):
        read_dataset(events(full.where([True, False, True])))


@pytest.mark.parametrize("hole", [False, True])
@pytest.mark.parametrize(("ids", "dtype"), [([2.0**53, 5], "float64"), ([2.0**24 + 2, 5], "float32")])
def test_floats_that_do_not_hold_every_digit_are_refused(ids, dtype, hole):
    cells = pd.Series([*ids, np.nan if hole else 7.0]).astype(dtype)
    with pytest.raises(DataError, match=r"row 1: the id .* does not hold all its digits"):
        read_dataset(events(cells))
    with pytest.raises(DataError, match=f"row 1: ids are {dtype}"):
        read_dataset(events(cells.where(cells != ids[0], 0.5)))


def test_numbers_of_several_libraries_in_one_column_are_integers():
    cells = pd.Series([3, np.int64(4), 5.0, np.float32(6)], dtype=object)
    assert read_dataset(events(cells)).items.vocabulary.ids.tolist() == [3, 4, 5, 6]


def test_text_with_zeros_beside_integers_says_that_zeros_are_lost():
    with pytest.raises(DataError, match="integers lose zeros at the front"):
        read_dataset(events([108775003]), items=table(["0108775003"]))


def test_a_part_of_an_id_is_no_cause():
    assert mismatches(np.array(["a1"], object), np.array(["b1"], object)) is None


def test_newer_ids_without_the_prefix_of_the_old_ones_are_new(tmp_path):
    old = ingest(written(tmp_path, interactions=events(["u7", "u12"]))).data
    assert ingest(written(tmp_path, interactions=events([7, 13])), joining=old).data.n_items == 2


def test_each_cause_of_unknown_ids_is_counted_with_an_example(tmp_path):
    known = [f"0{n}X" for n in range(10)] + ["B1", "77", "Q9"] + [f"ok{n}" for n in range(30)]
    seen = [f"{n}X" for n in range(6)] + ["06x", "b1", "77.0", " Q9 ", "zzz", "yyy"] + [f"ok{n}" for n in range(30)]
    config = written(tmp_path, interactions=events(seen), items=table(known))
    [told] = [issue for issue in validate(config) if "not in items.csv" in issue.found]
    assert "12 ids are not in items.csv" in told.found
    for cause in (
        "6 as '0X' would be '00X' there: zeros at the front were lost",
        "2 as '06x' would be '06X' there: they differ in capital letters",
        "1 as '77.0' would be '77' there: one of them writes whole numbers with decimals",
        "1 as ' Q9 ' would be 'Q9' there: one of them has blanks",
        "2 for no known reason, as 'zzz'",
    ):
        assert cause in told.found


def test_an_id_that_lost_zeros_and_is_in_small_letters_has_a_cause():
    assert "zeros at the front were lost, and" in str(mismatches(np.array(["7x"], object), np.array(["007X"], object)))
