"""A text table of interactions is one dataset, with the same findings, however it is cut into chunks or read whole."""

import bz2
import gzip
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys import read_dataset
from recsys.data.ingest.chunks import plain_text, text_columns
from recsys.data.ingest.config import DataConfig
from recsys.data.ingest.readers import encode
from recsys.data.ingest.reading import table
from recsys.data.ingest.reading.options import TableFormat
from recsys.data.ingest.validate import to_json, validate
from recsys.errors import DataError
from tests.data.ingest.reading.grammar import tables

IDS = ("user_id", "item_id")
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@contextmanager
def chunks_of(size: int | None, most_distinct: int = 1 << 16) -> Iterator[None]:
    """Text is read in chunks of ``size`` bytes; None reads it as a whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_columns, "MOST_DISTINCT", most_distinct)
        if size is None:
            patch.setattr(table, "read_plain_text", lambda *_: None)
        else:
            patch.setattr(plain_text, "BLOCK_BYTES", size)
        yield


def told(config: DataConfig) -> tuple[str, str]:
    """All that `recsys validate` says of the data, and the fingerprint of the dataset, if there is one."""
    found = validate(config)
    return to_json(found), "" if found.failed else encode(found.typed, "x").data.fingerprint


def same_however_it_is_cut(config: DataConfig, sizes: tuple[int, ...] = (1, 7, 1000, 1 << 24)) -> None:
    with chunks_of(None):
        whole = told(config)
    for size in sizes:
        with chunks_of(size, most_distinct=3 if size == 7 else 1 << 16):
            assert told(config) == whole, size


def chunks_read(path: Path, options: TableFormat | None = None) -> bool:
    return plain_text.read_plain_text([path], options or TableFormat(), IDS, [path.name]) is not None


@given(made=tables())
@settings(max_examples=15, deadline=None, report_multiple_bugs=False, suppress_health_check=QUIET)
def test_generated_tables_with_quirks_are_the_same_however_they_are_cut(made, tmp_path):
    path = tmp_path / made.name
    path.write_bytes(made.content)
    same_however_it_is_cut(DataConfig(interactions=path, **made.options), (1, 7, 1 << 24))
    torn = any("\n" in (cell or "") for row in made.rows for cell in row) or (
        b"::" in made.content and b'"' in made.content
    )
    assert made.bad or torn or chunks_read(path, TableFormat(**made.options))


KINDS = {
    "user_id": [lambda c: str(c.randint(0, 30)), lambda c: f"u{c.randint(0, 30)}", lambda c: f"{c.randint(0, 30):03}"],
    "item_id": [lambda c: str(c.randint(1, 10**4)), lambda c: f"i {c.randint(1, 10**4)}", lambda c: "1.0"],
    "timestamp": [
        lambda c: str(1_500_000_000 + c.randint(0, 10**6)),
        lambda c: str(1_500_000_000_000 + c.randint(0, 10**9)),
        lambda c: f"2015-0{c.randint(1, 9)}-0{c.randint(1, 9)} 0{c.randint(0, 9)}:00:00",
        lambda c: f"0{c.randint(1, 9)}/0{c.randint(1, 9)}/2015",
        lambda c: f"201{c.randint(0, 9)}0131",
        lambda c: f"15{c.randint(10, 99)}000000.5",
    ],
    "rating": [lambda c: str(c.randint(-1, 5)), lambda c: f"{c.randint(1, 5)},5", lambda c: f"{c.randint(1, 5)}.0"],
    "quantity": [lambda c: str(c.randint(-2, 9)), lambda c: c.choice(["1,234.50", "2,000", "7"]), lambda c: "x"],
    "event": [lambda c: c.choice(["view", "buy"]), lambda c: c.choice(["skip", "NA", "like"])],
}


@st.composite
def logs(draw):
    """Name, content and options of a table of interactions whose columns are written in ways that are told."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    kinds = {name: chance.choice(ways) for name, ways in KINDS.items()}
    mark, feed = chance.choice([",", ";", "\t", "::"]), chance.choice(["\n", "\n", "\r\n"])
    lines = [mark.join(kinds)]
    for _ in range(chance.randint(3, 40)):
        cells = [kind(chance) for kind in kinds.values()]
        for column in range(len(cells)):
            if chance.random() < 0.01:
                other = chance.choice(["", "NA", "-5", "007", "99999999999", "Total", "é", "4"])
                cells[column] = other if chance.random() < 0.5 else KINDS[[*KINDS][column]][0](chance)
        cells = [f'"{cell}"' if mark in cell or chance.random() < 0.05 * (mark != "::") else cell for cell in cells]
        lines += [mark.join(cells), *[""] * (chance.random() < 0.03)]
    options = chance.choice([{}, {}, {"skip_footer": 2}, {"footer": "Total"}, {"decimal": ","}, {"time_unit": "s"}])
    if chance.random() < 0.1:
        lines.insert(0, "an export")
        options = {**options, "skip_lines": 1, **chance.choice([{}, {"header": [*KINDS]}])}
    lines += ["Total" + mark * (len(kinds) - 1)] * (chance.random() < 0.15)
    content = feed.join(lines) + feed * (chance.random() < 0.9)
    content = chance.choice(["\ufeff", ""]) * (chance.random() < 0.2) + content
    return "x.csv", content.encode(), options


@given(made=logs(), packed=st.booleans())
@settings(max_examples=10, deadline=None, report_multiple_bugs=False, suppress_health_check=QUIET)
def test_logs_with_numbers_of_any_spelling_are_the_same_however_they_are_cut(made, packed, tmp_path):
    check_log(made, packed, tmp_path, (7, 1000))


@pytest.mark.slow
@given(made=logs(), packed=st.booleans())
@settings(max_examples=40, deadline=None, report_multiple_bugs=False, suppress_health_check=QUIET)
def test_many_logs_are_the_same_however_they_are_cut(made, packed, tmp_path):
    check_log(made, packed, tmp_path, (1, 7, 1000, 1 << 24))


def check_log(made, packed, folder, sizes):
    name, content, options = made
    path = folder / name
    path.write_bytes(gzip.compress(content) if packed else content)
    weights = [{}, {"weight": "rating"}, {"event": "event", "event_weights": {"view": 1.0, "buy": 2.0}}]
    columns = weights[len(content) % 3]
    same_however_it_is_cut(DataConfig(interactions=path, columns=columns, duplicates="first", **options), sizes)


@pytest.mark.parametrize("mark", [",", "::"])
def test_a_folder_is_the_same_dataset_and_its_findings_name_part_and_line(tmp_path, mark):
    rng = np.random.default_rng(0)
    rows = [f"{u}{mark}{i}{mark}{1_500_000_000 + u * 999 + i}" for u, i in rng.integers(0, 60, (90, 2)).tolist()]
    rows = [*dict.fromkeys(rows)]
    rows[50] = f"7{mark}8{mark}-5"
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, part in enumerate(np.array_split(rows, 3)):
        text = "\n".join([mark.join([*IDS, "timestamp"]), *part]) + "\n" * (number != 1)
        (folder / f"part-{number}.csv").write_text(text)
    same_however_it_is_cut(DataConfig(interactions=folder))
    files = sorted(folder.iterdir())
    assert plain_text.read_plain_text(files, TableFormat(), IDS, [file.name for file in files]) is not None
    with pytest.raises(DataError, match=r"part-1\.csv line"):
        read_dataset(folder)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, bytes])
def test_packed_text_parquet_and_a_frame_are_one_dataset(tmp_path, pack):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.integers(0, 50, (300, 2)), columns=list(IDS)).drop_duplicates(ignore_index=True)
    frame["timestamp"] = 1_500_000_000 + rng.integers(0, 10**6, len(frame))
    frame["rating"] = rng.integers(2, 10, len(frame)) / 2
    path = tmp_path / "events.csv"
    path.write_bytes(pack(frame.to_csv(index=False).encode()))
    assert chunks_read(path)
    columns = {"weight": "rating"}
    assert read_dataset(path, columns=columns).fingerprint == read_dataset(frame, columns=columns).fingerprint


@pytest.mark.parametrize(
    "text",
    [
        "user_id,item_id\n1,2\n3\n",
        "user_id,item_id\n1,2\n3,4,5\n",
        'user_id,item_id\n1,"2\n3,4\n',
        'user_id,item_id\n1,"a\nb"\n',
        "user_id,item_id\r\n1,2\r\n3,4\n",
        "user_id,item_id\n1,2\nuser_id,item_id\n",
        "user_id,item_id\n1,2\0\n",
        "1,2\n1,3\n2,3\n",
        "user_id,item_id\n",
        "",
    ],
)
def test_what_is_not_plain_is_read_as_a_whole(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text, newline="")
    assert not chunks_read(path)
    same_however_it_is_cut(DataConfig(interactions=path))


def test_other_encodings_are_read_as_a_whole(tmp_path):
    for name, encoding in (("a.csv", "utf-16"), ("b.csv", "latin-1")):
        (tmp_path / name).write_bytes("user_id,item_id\né,2\n".encode(encoding))
        assert not chunks_read(tmp_path / name)


def test_the_stored_dataset_is_the_same_byte_for_byte(tmp_path):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.integers(0, 90, (300, 2)), columns=list(IDS)).drop_duplicates(ignore_index=True)
    frame["timestamp"] = 1_500_000_000 + rng.integers(0, 10**6, len(frame))
    frame.to_csv(tmp_path / "x.csv", index=False)
    (tmp_path / "x.gz").write_bytes(gzip.compress((tmp_path / "x.csv").read_bytes()))
    frame.to_parquet(tmp_path / "x.parquet", index=False)
    stored = []
    for name, size in (("x.csv", None), ("x.csv", 7), ("x.csv", 1000), ("x.gz", 64), ("x.parquet", 7)):
        with chunks_of(size):
            read_dataset(tmp_path / name, name="x").save(folder := tmp_path / f"{name}-{size}")
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        stored.append({path.relative_to(folder): path.read_bytes() for path in files})
    assert stored[0]
    assert all(files == stored[0] for files in stored)
