"""An argument of another kind is told by its name, with what to give, at every door of the Python interface."""

import pandas as pd
import pytest

import recsys as rs
from recsys.data.synthetic.worlds import BlockTaste

DATA = BlockTaste(users=30).dataset()
SPLIT = rs.split(DATA)
EASE = rs.EASE().fit(DATA, SPLIT.train)
FRAME = pd.DataFrame({"user_id": ["u000"], "item_id": [100]})
NO_ENGINE = "is no engine; give a fitted one, as EASE"
NO_DATA = r"data is a DataFrame, not a Dataset; make one .* read_dataset"
NO_HOLDOUT = "not a Holdout; give a split, or its part split.test"
NO_LISTS = "histories are a list of lists of item ids, one list for each user"

CASES = {
    "a list of engines": (lambda: rs.evaluate([EASE], DATA, SPLIT), r"a list, .* write a mapping, as \{'ease': ease"),
    "a class": (lambda: rs.evaluate(rs.EASE, DATA, SPLIT), f"the class EASE {NO_ENGINE}"),
    "a class in a mapping": (lambda: rs.evaluate({"a": rs.EASE}, DATA, SPLIT), f"the class EASE {NO_ENGINE}"),
    "a kind": (lambda: rs.evaluate("ease", DATA, SPLIT), f"the text 'ease' {NO_ENGINE}"),
    "a name that is no text": (lambda: rs.evaluate({3: EASE}, DATA, SPLIT), "the name 3 is an int"),
    "frame to evaluate on": (lambda: rs.evaluate(EASE, FRAME, SPLIT), NO_DATA),
    "frame as holdout": (lambda: rs.evaluate(EASE, DATA, FRAME), f"holdout is a DataFrame, {NO_HOLDOUT}"),
    "train as holdout": (lambda: rs.evaluate(EASE, DATA, SPLIT.train), f"holdout is an Interactions, {NO_HOLDOUT}"),
    "one length": (lambda: rs.evaluate(EASE, DATA, SPLIT, ks=10), r"give list lengths, as ks=\(10,\)"),
    "a list of frames": (lambda: rs.evaluate_lists([FRAME], FRAME), "lists is a list, not a DataFrame; .* a mapping"),
    "a dataset as truth": (lambda: rs.evaluate_lists(FRAME, DATA), "truth is a Dataset, not a DataFrame"),
    "class to recommend": (lambda: rs.recommend(rs.EASE, DATA), f"the class EASE {NO_ENGINE}"),
    "mapping to recommend": (lambda: rs.recommend({"ease": EASE}, DATA), f"a dict {NO_ENGINE}"),
    "frame to recommend from": (lambda: rs.recommend(EASE, FRAME), NO_DATA),
    "one user": (lambda: rs.recommend(EASE, DATA, 7), r"user ids are a list, not 7; write \[7\]"),
    "one item": (lambda: rs.recommend(EASE, DATA, exclude=100), r"item ids are a list, not 100; write \[100\]"),
    "a flat history": (
        lambda: rs.recommend(EASE, DATA, histories=["100", "101"]),
        rf"{NO_LISTS}; place 0 has the text '100'; for one user write \[\['100', ...\]\]",
    ),
    "a flat history of numbers": (lambda: rs.recommend(EASE, DATA, histories=[100]), r"has 100; .* \[\[100\]\]"),
    "a text as histories": (lambda: rs.recommend(EASE, DATA, histories="100"), f"{NO_LISTS}, not the text '100'"),
    "a frame as histories": (lambda: rs.recommend(EASE, DATA, histories=FRAME), f"{NO_LISTS}, not a DataFrame"),
    "several items": (lambda: rs.similar_items(EASE, DATA, [100, 102]), "item is a list; give one id or title"),
    "similar by a class": (lambda: rs.similar_items(rs.EASE, DATA, 100), f"the class EASE {NO_ENGINE}"),
    "pairs in a list": (lambda: rs.score(EASE, DATA, [("u000", 100)]), "pairs is a list, not a DataFrame"),
    "pairs without items": (lambda: rs.score(EASE, DATA, FRAME[["user_id"]]), "pairs lack the column 'item_id'"),
    "vectors of one": (lambda: rs.embeddings(EASE, DATA, "item"), "of = 'item': give 'items' or 'users'"),
    "frame to fit": (lambda: rs.EASE().fit(FRAME), NO_DATA),
    "split to fit": (lambda: rs.EASE().fit(DATA, SPLIT), "train is a Split, not an Interactions; give split.train"),
    "frame as a name": (lambda: rs.load_dataset(FRAME), "name is a DataFrame, not a str; .* recsys.read_dataset"),
    "a length that is a text": (lambda: rs.evaluate(EASE, DATA, SPLIT, ks=["10"]), "whole numbers of at least 1"),
    "a text as lengths": (lambda: rs.evaluate(EASE, DATA, SPLIT, ks="10"), "whole numbers of at least 1"),
    "no table": (lambda: rs.read_dataset(None), "interactions is None; give a path, an address or a DataFrame"),
    "a number as users": (lambda: rs.read_dataset(FRAME, users=7), "users is an int; give a path"),
    "a list as a baseline": (lambda: rs.evaluate(EASE, DATA, SPLIT, baseline=["ease"]), "baseline is a list, none of"),
    "a frame as a baseline": (lambda: rs.evaluate(EASE, DATA, SPLIT, baseline=FRAME), "baseline is a DataFrame, none"),
    "no engine in a bundle": (lambda: rs.Bundle(None, DATA), f"None {NO_ENGINE}"),
    "a class in a bundle": (lambda: rs.Bundle(rs.EASE, DATA), f"the class EASE {NO_ENGINE}"),
    "an engine that is not fitted in a bundle": (lambda: rs.Bundle(rs.EASE(), DATA), "is not fitted"),
    "a folder that no system has": (
        lambda: rs.write_recommendations(EASE, DATA, "a\0b"),
        r"directory is 'a\\x00b'; no",
    ),
    "no folder for lists": (lambda: rs.write_recommendations(EASE, DATA, None), "directory is None, not a path; give"),
    "no folder of lists": (lambda: rs.read_recommendations(EASE), "directory is an EASE, not a path"),
    "no batch": (lambda: rs.write_redis(7, "x"), "directory is an int, not a path"),
    "no file": (lambda: rs.write_redis("lists", None), "path is None, not a path"),
    "a prefix of bytes": (lambda: rs.write_redis("lists", "x", prefix=b"x"), "prefix is a bytes, not a str"),
    "no database": (lambda: rs.load_postgres("lists", None), "dsn is None, not a str; .* 'dbname=lists'"),
    "no name of a table": (lambda: rs.load_postgres("lists", "dbname=x", 7), "table is an int, not a str"),
    "frame in a bundle": (lambda: rs.Bundle(EASE, FRAME), NO_DATA),
    "no folder for a bundle": (lambda: rs.Bundle(EASE, DATA).save(None), "directory is None, not a path"),
    "no folder of a bundle": (lambda: rs.load(7), "source is an int, not a path"),
    "no folder for an export": (lambda: rs.export_bundle(rs.Bundle(EASE, DATA), 7), "folder is an int, not a path"),
    "frame to split": (lambda: rs.split(FRAME), NO_DATA),
}


@pytest.mark.parametrize("columns", [["user_id"], 7, FRAME, "user_id"], ids=str)
def test_columns_are_a_dict(columns):
    with pytest.raises(rs.ConfigError, match=r"columns is .*; give a dict, as {'user_id'"):
        rs.read_dataset(FRAME, columns=columns)


@pytest.mark.parametrize("case", CASES)
def test_an_argument_of_another_kind_is_told_with_what_to_give(case):
    ask, told = CASES[case]
    with pytest.raises(rs.DataError, match=told):
        ask()
