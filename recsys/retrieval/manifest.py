"""The manifest of a batch recommendation: its parts with their digests, and what they were made from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from reprlib import repr as short

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from recsys.data.vocabulary import as_ids
from recsys.errors import ArtifactError, DataError
from recsys.json_values import JsonObject
from recsys.names import stored_name
from recsys.retrieval.output import Place, output_folder
from recsys.retrieval.output.folder import inside
from recsys.retrieval.output.formats import Form

MANIFEST = "_manifest.json"
SUCCESS = "_SUCCESS"
"""An empty file that is written last, after the manifest, for schedulers that wait for it."""
PART = r"part-[0-9]{5,}\.(?:parquet|csv|jsonl)"
ID_COLUMNS = ("user_id", "item_id")
"""Of users and of items, by default."""
_VERSION = 3
TOTALS = ("users", "users_without", "fallback_users", "topped_up_users", "rows", "empty_places")
"""The sums over all parts that the manifest holds."""


@dataclass(frozen=True)
class Part:
    """One file of a batch.

    Args:
        name: of the file.
        users: the number of its users.
        users_without: how many of them have no recommendations.
        fallback_users: how many have a list of the fallback alone.
        topped_up_users: how many have a list of the engine that the fallback has filled up.
        rows: the number of recommended items.
        sha256: digest of the file, hexadecimal.
    """

    name: str
    users: int
    users_without: int
    fallback_users: int
    topped_up_users: int
    rows: int
    sha256: str


@dataclass(frozen=True)
class Rules:
    """What the rules of a batch left.

    Args:
        eligible_items: how many items may be recommended.
        places: the length of a full list.
        told: what the rules left out or passed over, one line each.
    """

    eligible_items: int
    places: int
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """Describes a complete batch recommendation; it is written after all parts.

    Args:
        model_version: of the model, as the caller named it.
        data_fingerprint: of the dataset of the users and items.
        fingerprint: of options, data and model together; outputs with the same fingerprint are byte-identical.
        options: the options of the batch, `recsys.retrieval.batch.RecommendOptions` as JSON.
        parts: the files, in the order of the users.
        rules: what the rules of the batch left.
        form: of the files.
    """

    model_version: str
    data_fingerprint: str
    fingerprint: str
    options: JsonObject
    parts: tuple[Part, ...]
    rules: Rules
    form: Form

    @property
    def id_columns(self) -> tuple[str, str]:
        """The names of the columns of users and items."""
        owner, item = self.options.get("id_columns", ID_COLUMNS)
        return owner, item

    @property
    def users(self) -> int:
        return sum(part.users for part in self.parts)

    @property
    def users_without(self) -> int:
        return sum(part.users_without for part in self.parts)

    @property
    def fallback_users(self) -> int:
        return sum(part.fallback_users for part in self.parts)

    @property
    def topped_up_users(self) -> int:
        return sum(part.topped_up_users for part in self.parts)

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def empty_places(self) -> int:
        """How many places of all lists stay empty, because a user has too few items left."""
        return self.users * self.rules.places - self.rows

    def save(self, directory: Place) -> None:
        totals = {name: getattr(self, name) for name in TOTALS}
        output_folder(directory).write_json(MANIFEST, {"version": _VERSION, **totals, **asdict(self)})

    @classmethod
    def load(cls, directory: Place, file: str = MANIFEST) -> Manifest:
        """The manifest in ``directory``, with the name ``file``.

        Raises:
            ArtifactError: it is missing (the batch is not complete), damaged or of an unknown version.
        """
        raw = output_folder(directory).read_json(file)
        name = inside(directory, file)
        if not isinstance(raw, dict):
            raise ArtifactError(f"{name} is not a manifest (it holds {type(raw).__name__}); recommend again")
        try:
            if raw["version"] != _VERSION:
                raise ArtifactError(f"{name} has version {raw['version']!r}; recommend again")
            parts = tuple(Part(**part) for part in raw["parts"])
            rules = Rules(raw["rules"]["eligible_items"], raw["rules"]["places"], tuple(raw["rules"]["told"]))
            form, versions = Form.from_json(raw["form"]), (raw["model_version"], raw["data_fingerprint"])
            found = cls(*versions, raw["fingerprint"], raw["options"], parts, rules, form)
            for part in parts:
                stored_name(Path(name), part.name)
            if not all(map(_is_counted, parts)) or not all(isinstance(each, str) for each in found.id_columns):
                raise TypeError("it has counts or columns of another type")
            if any(raw[total] != getattr(found, total) for total in TOTALS) or len({p.name for p in parts}) < len(
                parts
            ):
                raise ArtifactError(f"{name} lists other parts than were written: its totals differ; recommend again")
            return found
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError(f"{name} is not a manifest ({error!r}); recommend again") from error

    def verify(self, directory: Place) -> None:
        """Compares the digest of every part with the manifest.

        Raises:
            ArtifactError: names the parts that are missing or changed, not in the manifest, or the same as another.
        """
        folder = output_folder(directory)
        bad = [part.name for part in self.parts if folder.digest(part.name) != part.sha256]
        if bad:
            raise ArtifactError(
                f"{directory}: {', '.join(bad)} missing or changed since the batch was written; run recommend again"
            )
        filled = [part.sha256 for part in self.parts if part.rows]
        if twice := sorted(part.name for part in self.parts if filled.count(part.sha256) > 1):
            raise ArtifactError(f"{directory}: {', '.join(twice)} are one and the same; run recommend again")
        unlisted = sorted({name for name in folder.names() if is_part(name)} - {part.name for part in self.parts})
        if unlisted:
            raise ArtifactError(f"{directory}: {', '.join(unlisted)} not in the manifest; run recommend again")
        if not self.parts:
            raise ArtifactError(f"{directory} has no parts; run recommend again")

    def read_part(self, directory: Place, part: Part, users: pa.Array | None = None) -> pd.DataFrame:
        """The rows of one part, one for each item; with ``users`` those of these users.

        Raises:
            ArtifactError: see `part_table`.
        """
        table = self.part_table(directory, part)
        if users is not None:
            table = table.filter(pc.is_in(table.column(0), users)).combine_chunks()
        frame: pd.DataFrame = table.to_pandas()
        return frame

    def part_table(self, directory: Place, part: Part) -> pa.Table:
        """The rows of one part, one for each item.

        Raises:
            ArtifactError: it is none of this batch, has another number of rows or columns, or a score is not finite.
        """
        from recsys.retrieval.output.parts import batch_of  # which writes what is described here

        try:
            if self.form.format == "parquet" and batch_of(directory, part.name) != self.fingerprint:
                raise ValueError("it is of another batch")
            with output_folder(directory).open(part.name) as file:
                table = self.form.read(file)
            if len(table) != part.rows or not np.isfinite(table["score"].to_numpy()).all():
                raise ValueError("its rows or scores are not those of lists")
        except (OSError, pa.ArrowException, ValueError, TypeError, KeyError) as error:
            text = f"{inside(directory, part.name)} is no part of this batch ({error}); recommend again"
            raise ArtifactError(text) from error
        return table


def is_part(name: str) -> bool:
    """Whether a file has the name of a part, of any format."""
    return re.fullmatch(PART, name) is not None


def read_recommendations(directory: Place, users: Iterable[int | str] | None = None) -> pd.DataFrame:
    """The recommendations of a complete batch, verified: ``user_id, item_id, rank, score`` and ``fallback``.

    Batches of any format and layout are read, and give the same frame.

    Args:
        directory: the folder of the batch, or its address, as ``s3://bucket/lists``.
        users: ids of the users whose recommendations are read; None is all users.

    Raises:
        ArtifactError: the batch is not complete, or a part has changed.
        DataError: ``users`` are no list of ids of the type that the batch has.

    Example:
        >>> import tempfile
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> from recsys.retrieval.write import write_recommendations
        >>> data = BlockTaste(users=30).dataset()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = write_recommendations(EASE().fit(data), data, f"{folder}/lists", k=5)
        ...     read_recommendations(f"{folder}/lists", ["u003"])["rank"].tolist()
        [1, 2, 3, 4, 5]
    """
    manifest = Manifest.load(directory)
    manifest.verify(directory)
    wanted = None if users is None else _ids(users, manifest.form.schema.field(0))
    return pd.concat([manifest.read_part(directory, part, wanted) for part in manifest.parts], ignore_index=True)


def _ids(users: Iterable[int | str], field: pa.Field) -> pa.Array:
    try:
        if isinstance(users, str):
            raise TypeError("one id")
        return pa.array(as_ids(users).tolist(), field.type)
    except (DataError, TypeError, pa.ArrowException) as error:
        raise DataError(
            f"users are {short(users)}; give a list of ids of the type of {field.name}, {field.type}"
        ) from error


def _is_counted(part: Part) -> bool:
    counts = (part.users, part.users_without, part.fallback_users, part.topped_up_users, part.rows)
    return isinstance(part.sha256, str) and all(type(count) is int and count >= 0 for count in counts)
