"""The formats of parts: Parquet, CSV or JSON lines, with a row for each item or a row for each list."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from recsys.data.vocabulary import places
from recsys.json_values import JsonObject

Format: TypeAlias = Literal["parquet", "csv", "jsonl"]
Layout: TypeAlias = Literal["long", "lists"]

RANK = "rank"
_TYPES = {str(kind): kind for kind in (pa.int64(), pa.int32(), pa.float32(), pa.string(), pa.bool_())}
_SLICE = 2**16
"""Rows that are made into text at a time."""


@dataclass(frozen=True)
class Form:
    """How the parts of a batch are written.

    Args:
        format: ``parquet``, ``csv`` or ``jsonl``.
        layout: ``long``, a row for each item; or ``lists``, a row for each user who has a list, whose columns but the
            first hold lists, best item first, and no rank. In CSV such a list is JSON in one cell.
        columns: the names and Arrow types of the columns of the layout ``long``, that of users first.
    """

    format: Format
    layout: Layout
    columns: tuple[tuple[str, str], ...]

    @classmethod
    def from_json(cls, raw: JsonObject) -> Form:
        """What `dataclasses.asdict` made of a form.

        Raises:
            KeyError: a key is missing, or a format, layout or type is unknown.
        """
        columns = tuple((str(name), str(kind)) for name, kind in raw["columns"])
        if raw["format"] not in _WRITERS or raw["layout"] not in ("long", "lists"):
            raise KeyError(f"format {raw['format']!r}, layout {raw['layout']!r}")
        if any(kind not in _TYPES for _, kind in columns) or RANK not in dict(columns):
            raise KeyError(f"columns {columns!r}")
        return cls(raw["format"], raw["layout"], columns)

    @property
    def names(self) -> list[str]:
        """Of the columns of the layout ``long``."""
        return [name for name, _ in self.columns]

    @property
    def schema(self) -> pa.Schema:
        """Of the file: that of ``columns``, or with lists in place of items."""
        fields = [(name, _TYPES[kind]) for name, kind in self.columns]
        if self.layout == "lists":
            fields = [fields[0], *((name, pa.list_(kind)) for name, kind in fields[1:] if name != RANK)]
        return pa.schema(fields)

    def write(self, table: pa.Table, path: Path) -> None:
        """Writes ``table``, which is in the layout ``long`` with the rows of a user one after the other."""
        shaped = table if self.layout == "long" else as_lists(table)
        _WRITERS[self.format](shaped, path)

    def read(self, file: IO[bytes]) -> pa.Table:
        """The table of a file that `write` wrote, in the layout ``long``.

        Raises:
            pyarrow.ArrowInvalid: the file has another form.
        """
        found = _READERS[self.format](file, self.schema)
        return found if self.layout == "long" else _as_rows(found, self.names)


def as_lists(table: pa.Table) -> pa.Table:
    """``table`` with one row for each user, whose rows follow each other: the other columns as lists, without the rank.

    Example:
        >>> rows = pa.table({"user_id": [7, 7, 9], "item_id": [1, 2, 1], "rank": [1, 2, 1]})
        >>> as_lists(rows).to_pylist()
        [{'user_id': 7, 'item_id': [1, 2]}, {'user_id': 9, 'item_id': [1]}]
    """
    first = np.flatnonzero(table[RANK].to_numpy() == 1)
    bounds = pa.array(np.append(first, len(table)).astype(np.int32))
    owner, *others = (name for name in table.column_names if name != RANK)
    columns = {owner: table[owner].take(pa.array(first))}
    for name in others:
        columns[name] = pa.ListArray.from_arrays(bounds, table[name].combine_chunks())
    return pa.table(columns).replace_schema_metadata(table.schema.metadata)


def _as_rows(table: pa.Table, names: list[str]) -> pa.Table:
    """`as_lists` undone, with the columns ``names``."""
    owner, item = names[:2]
    lists = table[item].combine_chunks()
    lengths = pc.list_value_length(lists).to_numpy().astype(np.int64)
    columns = {name: pc.list_flatten(table[name]) for name in names if name not in (owner, RANK)}
    columns[owner] = table[owner].take(pa.array(np.repeat(np.arange(len(lengths)), lengths)))
    columns[RANK] = pa.array((places(lengths) + 1).astype(np.int32))
    return pa.table({name: columns[name] for name in names})


def _write_parquet(table: pa.Table, path: Path) -> None:
    owner, item = table.column_names[:2]
    repeated = [owner, item, RANK] if RANK in table.column_names else [owner, f"{item}.list.element"]
    pq.write_table(table, path, use_dictionary=repeated, write_statistics=[owner])


def _write_csv(table: pa.Table, path: Path) -> None:
    columns = {
        name: _json_texts(column.combine_chunks()) if pa.types.is_list(column.type) else column
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    pyarrow.csv.write_csv(pa.table(columns), path)


def _write_jsonl(table: pa.Table, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for batch in table.to_batches(max_chunksize=_SLICE):
            pieces: list[object] = []
            for place, name in enumerate(table.column_names):
                pieces += [f"{', ' if place else '{'}{json.dumps(name)}: ", _json_texts(batch.column(place))]
            lines = pc.binary_join_element_wise(*pieces, "}\n", "")
            stream.writelines(lines.to_pylist())


def _json_texts(column: pa.Array) -> pa.Array:
    """Each value of ``column`` as JSON; a float has the fewest digits that give the same float32."""
    kind = column.type
    if pa.types.is_list(kind):
        texts = pa.ListArray.from_arrays(column.offsets, _json_texts(column.values))
        return pc.binary_join_element_wise("[", pc.binary_join(texts, ", "), "]", "")
    if pa.types.is_string(kind):
        distinct = column.dictionary_encode()
        quoted = [json.dumps(text, ensure_ascii=False) for text in distinct.dictionary.to_pylist()]
        return pa.array(quoted, pa.string()).take(distinct.indices)
    texts = column.cast(pa.string())
    if pa.types.is_floating(kind):
        whole = pc.invert(pc.match_substring_regex(texts, "[.e]"))
        return pc.if_else(whole, pc.binary_join_element_wise(texts, ".0", ""), texts)
    return texts


def _read_csv(file: IO[bytes], schema: pa.Schema) -> pa.Table:
    types = {field.name: pa.string() if pa.types.is_list(field.type) else field.type for field in schema}
    cells = pyarrow.csv.read_csv(
        file,
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=False),
    )
    columns = {
        field.name: pa.array([json.loads(cell) for cell in cells[field.name].to_pylist()], field.type)
        if pa.types.is_list(field.type)
        else cells[field.name]
        for field in schema
    }
    return pa.table(columns, schema=schema)


def _read_jsonl(file: IO[bytes], schema: pa.Schema) -> pa.Table:
    def batches() -> Iterator[pa.RecordBatch]:
        lines: list[JsonObject] = []
        for line in file:
            lines.append(json.loads(line))
            if len(lines) == _SLICE:
                yield pa.RecordBatch.from_pylist(lines, schema=schema)
                lines = []
        yield pa.RecordBatch.from_pylist(lines, schema=schema)

    return pa.Table.from_batches(batches(), schema=schema)


_WRITERS: dict[Format, Callable[[pa.Table, Path], None]] = {
    "parquet": _write_parquet,
    "csv": _write_csv,
    "jsonl": _write_jsonl,
}
_READERS: dict[Format, Callable[[IO[bytes], pa.Schema], pa.Table]] = {
    "parquet": lambda file, schema: pq.read_table(file),
    "csv": _read_csv,
    "jsonl": _read_jsonl,
}
