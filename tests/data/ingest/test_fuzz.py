"""Mutated inputs: each gives a clear error of ours or a result, and validate and the readers agree about it."""

import gzip
import warnings
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys.data.features.features import FeatureOptions, FeatureSet
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.readers import ingest
from recsys.data.ingest.validate import to_json, to_text, validate
from recsys.data.schema import Kind
from recsys.data.splits.split import SplitConfig, make_split
from recsys.data.synthetic.worlds import BlockTaste, write_tables
from recsys.errors import RecsysError
from recsys.seeding import stream

PROTOCOLS = ["leave_one_out", "temporal", "user_holdout", "cold_items", "leave_last_n", "given"]
WORLD = BlockTaste(users=12, items=10, events=5, new_items=1)

# What replaces the bytes of a file.


def _cut(raw, rng):
    return raw[: int(rng.integers(len(raw)))]


def _flipped(raw, rng):
    data = bytearray(raw)
    for place in rng.integers(len(data), size=8):
        data[place] = rng.integers(256)
    return bytes(data)


def _inserted(what):
    def mutate(raw, rng):
        place = int(rng.integers(len(raw)))
        return raw[:place] + what + raw[place:]

    return mutate


def _replaced(old, new):
    return lambda raw, rng: raw.replace(old, new)


def _line(change):
    """``change`` of the cells of one line."""

    def mutate(raw, rng):
        lines = raw.split(b"\n")
        place = int(rng.integers(len(lines) - 1))
        lines[place] = b",".join(change(lines[place].split(b",")))
        return b"\n".join(lines)

    return mutate


BYTES = {
    "cut": _cut,
    "cut again": _cut,
    "flipped": _flipped,
    "empty": lambda raw, rng: b"",
    "blank": lambda raw, rng: b"\n\n   \n",
    "a nul": _inserted(b"\x00"),
    "nuls": lambda raw, rng: b"\x00" * len(raw),
    "a quote": _inserted(b'"'),
    "nested quotes": _inserted(b'"a ""b"" "c" \'d\''),
    "latin-1": _inserted("é".encode("latin-1")),
    "emoji": _inserted("🎬".encode()),
    "control": _inserted(b"\x1f\x07\x1b[0m"),
    "noise": lambda raw, rng: rng.bytes(500),
    "twice": lambda raw, rng: raw + raw,
}

CSV = {
    "bom": lambda raw, rng: b"\xef\xbb\xbf" + raw,
    "utf-16": lambda raw, rng: raw.decode().encode("utf-16"),
    "semicolons": _replaced(b",", b";"),
    "tabs": _replaced(b",", b"\t"),
    "bars": _replaced(b",", b"|"),
    "crlf": _replaced(b"\n", b"\r\n"),
    "cr": _replaced(b"\n", b"\r"),
    "no line ends": _replaced(b"\n", b""),
    "blank lines": _replaced(b"\n", b"\n\n"),
    "blanks": _replaced(b",", b" , "),
    "no header": lambda raw, rng: raw.split(b"\n", 1)[1],
    "header only": lambda raw, rng: raw.split(b"\n", 1)[0] + b"\n",
    "one name twice": lambda raw, rng: raw.replace(b"item_id", b"user_id", 1),
    "a longer line": _line(lambda cells: [*cells, b"1"]),
    "a much longer line": _line(lambda cells: cells * 50),
    "a shorter line": _line(lambda cells: cells[:-1]),
    "a lost line": _line(lambda cells: []),
    "swapped cells": _line(lambda cells: cells[::-1]),
    "longer lines": _replaced(b"\n", b",1\n"),
    "a quoted line": _line(lambda cells: [b'"' + b",".join(cells) + b'"']),
    "parquet": lambda raw, rng: b"PAR1" + raw + b"PAR1",
    "gzip": lambda raw, rng: gzip.compress(raw),
}

PARQUET = {
    "csv": lambda raw, rng: b"user_id,item_id\n1,2\n",
    "wrong magic": lambda raw, rng: b"RAP1" + raw[4:-4] + b"RAP1",
    "no footer": lambda raw, rng: raw[:-8],
    "a wrong footer": lambda raw, rng: raw[:-8] + b"\xff\xff\xff\x7fPAR1",
    "no head": lambda raw, rng: raw[50:],
}

# What replaces one column, or some cells of it.

CELLS = {
    "nan": np.nan,
    "not a number": "NaN",
    "text": "abc",
    "nothing": "",
    "a blank": " ",
    "negative": -3,
    "zero": 0,
    "fraction": 0.5,
    "huge": 10**30,
    "larger than 64 bits": 2**63,
    "5000 digits": "9" * 5000,
    "overflow": "1e400",
    "infinite": "inf",
    "milliseconds": 1_600_000_000_123,
    "a date": "2020-02-30",
    "an old date": "0001-01-01",
    "a true one": True,
    "leading zeros": "007",
    "decimals": "5.0",
    "underscore": "1_000",
    "hexadecimal": "0x10",
    "surrogates": "𝕊\u202e\ufeff",
    "a comma and a quote": 'a, "b"\n',
    "a list": "[1, 2]",
}

COLUMNS = {
    "floats": lambda n: np.linspace(0, 1, n),
    "whole floats": lambda n: np.arange(n) * 1.0,
    "integers": lambda n: np.arange(n),
    "small integers": lambda n: np.arange(n).astype(np.int8),
    "nullable": lambda n: pd.array([None, *range(1, n)], "Int64"),
    "unsigned": lambda n: np.full(n, 2**64 - 1, np.uint64),
    "bools": lambda n: np.arange(n) % 2 == 0,
    "none": lambda n: [None] * n,
    "texts": lambda n: [f"x{i}" for i in range(n)],
    "moments": lambda n: pd.date_range("2020-01-01", periods=n),
    "moments with a zone": lambda n: pd.date_range("2020-01-01", periods=n, tz="Asia/Tokyo"),
    "days": lambda n: [datetime(2020, 1, 1, tzinfo=UTC).date()] * n,
    "spans": lambda n: pd.to_timedelta(np.arange(n), unit="s"),
    "bytes": lambda n: [b"\xff\x00"] * n,
    "decimals": lambda n: [Decimal("1.5")] * n,
    "categories": lambda n: pd.Categorical(["a", "b"] * (n // 2) + ["a"] * (n % 2)),
    "dicts": lambda n: [{"a": 1}] * n,
    "vectors": lambda n: [[0.5, 1.5]] * n,
    "ragged vectors": lambda n: [[0.5] * (1 + i % 3) for i in range(n)],
    "vectors with holes": lambda n: [[0.5, np.nan], None, []] * (n // 3) + [[1.0, 2.0]] * (n % 3),
    "lists of words": lambda n: [["a", "b|c"]] * n,
    "lists of lists": lambda n: [[[1.0], [2.0]]] * n,
    "infinite": lambda n: [np.inf] * n,
    "complex text": lambda n: ["\x00\x1f"] * n,
}


TABLES = ["interactions", "users", "items"]
COLUMN_NAMES = ["user_id", "item_id", "timestamp", "weight"]


def _byte_cases():
    for number, (name, change) in enumerate((BYTES | CSV).items()):
        for table in (TABLES[0], TABLES[1 + number % 2]):
            yield name, ".csv", table, ("bytes", change)
    for number, (name, change) in enumerate((BYTES | PARQUET).items()):
        for table in (TABLES[0], TABLES[1 + number % 2]):
            yield name, ".parquet", table, ("bytes", change)


def _column_cases():
    for kind, suffix, changes in (("cell", ".csv", CELLS), ("column", ".parquet", COLUMNS)):
        for number, (name, change) in enumerate(changes.items()):
            for column in COLUMN_NAMES:
                yield f"{column} {name}", suffix, "interactions", (kind, column, change)
            table, column = (("users", "user_id"), ("items", "item_id"))[number % 2]
            yield f"{column} {name}", suffix, table, (kind, column, change)
            yield f"size {name}", suffix, "items", (kind, "size" if kind == "cell" else "extra", change)


def _table_cases():
    for column in COLUMN_NAMES:
        yield f"without {column}", ".csv", "interactions", ("drop", column)
    yield "swapped columns", ".csv", "interactions", ("rename", {"user_id": "item_id", "item_id": "user_id"})
    yield "time for item", ".csv", "interactions", ("rename", {"item_id": "timestamp", "timestamp": "item_id"})
    yield "numbered columns", ".parquet", "interactions", ("rename", {"user_id": 0})
    yield "no rows", ".parquet", "interactions", ("rows", 0)
    yield "no rows", ".parquet", "items", ("rows", 0)
    yield "one row", ".csv", "interactions", ("rows", 1)
    yield "two rows", ".csv", "interactions", ("rows", 2)


# (what, suffix of the tables, which table, how it is changed); of the mutations of columns a part is quick to run.
COLUMN_CASES = list(_column_cases())
QUICK = {number for number in range(len(COLUMN_CASES)) if (number + number // 6) % 7 < 2}
CASES = [*_byte_cases(), *_table_cases(), *COLUMN_CASES]
FIRST_OF_COLUMNS = len(CASES) - len(COLUMN_CASES)


def _mutate(path: Path, how, rng) -> None:
    kind, *arguments = how
    if kind == "bytes":
        path.write_bytes(arguments[0](path.read_bytes(), rng))
        return
    frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    if kind == "cell":
        column, cell = arguments
        frame[column] = frame[column].astype(object)
        frame.loc[rng.integers(len(frame), size=3), column] = cell
    elif kind == "column":
        column, make = arguments
        frame[column] = make(len(frame))
    elif kind == "drop":
        frame = frame.drop(columns=arguments)
    elif kind == "rename":
        frame = frame.rename(columns=arguments[0])
    else:
        frame = frame.head(arguments[0])
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path, index=False)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """The world's tables by suffix."""
    folder = tmp_path_factory.mktemp("world")
    return {suffix: write_tables(WORLD.dataset(), folder / suffix[1:], suffix) for suffix in (".csv", ".parquet")}


def _config(paths, number):
    duplicates = ("error", "first", "last", "keep")[number % 4]
    unknown_ids = ("add", "error")[number % 2]
    raw = {**paths, "duplicates": duplicates, "unknown_ids": unknown_ids, "columns": {"weight": "weight"}}
    if PROTOCOLS[number % 6] == "given":
        raw["test_interactions"] = paths["interactions"]
    return DataConfig.model_validate(raw)


def _prepared(config, protocol):
    read = ingest(config)
    return read.data, make_split(read.data, SplitConfig(protocol=protocol, share=0.3), read.given)


def _parameters():
    for number, (name, suffix, table, _) in enumerate(CASES):
        place = number - FIRST_OF_COLUMNS
        marks = () if place < 0 or place in QUICK else (pytest.mark.slow,)
        yield pytest.param(number, id=f"{number}-{name}-{table}{suffix}", marks=marks)


def test_there_are_hundreds_of_cases():
    assert len(CASES) > 380
    assert FIRST_OF_COLUMNS + len(QUICK) > 200


@pytest.mark.parametrize("number", list(_parameters()))
def test_a_mutated_input_is_read_or_refused_with_reasons(number, pristine, tmp_path):
    _, suffix, table, how = CASES[number]
    paths = {}
    for name, path in pristine[suffix].items():
        paths[name] = tmp_path / path.name
        paths[name].write_bytes(path.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas on what a mutation does
        _mutate(paths[table], how, stream(number, "fuzz"))
    config = _config(paths, number)

    validation = validate(config)
    assert to_text(validation)
    assert to_json(validation)
    try:
        data, split = _prepared(config, PROTOCOLS[number % 6])
    except RecsysError as error:
        message = str(error)
    else:
        message = ""
        _assert_sound(data, split)
    if validation.failed:
        assert table in message, "what is wrong is told, with the file"
    else:
        assert not message or "the split" in message, "what validates is read; a split may still be empty"


@pytest.mark.parametrize("suffix", [".csv", pytest.param(".parquet", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", list(Kind))
def test_a_kind_that_does_not_suit_a_column_is_refused_or_does_no_harm(kind, suffix, pristine):
    for column in ("genre", "mood", "size", "blurb"):
        config = DataConfig.model_validate({**pristine[suffix], "item_schema": {column: str(kind)}})
        validation = validate(config)
        if validation.failed:
            with pytest.raises(RecsysError, match=f"column '{column}'"):
                ingest(config)
        else:
            data, split = _prepared(config, "leave_one_out")
            _assert_sound(data, split)


def _assert_sound(data, split):
    assert len(split.train)
    assert np.isfinite(data.interactions.weight).all()
    assert (data.interactions.user >= 0).all()
    assert (data.interactions.item >= 0).all()
    assert len(data.fingerprint) == 16
    for table, rows in ((data.items, split.train.item), (data.users, split.train.user)):
        features = FeatureSet.fit(table, np.unique(rows), FeatureOptions(numeric="quantile"))
        assert all(len(values) == len(table) for values in features.transform(table).values())
