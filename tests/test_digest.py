"""What was read of files holds for the process while they are unchanged."""

import os
from dataclasses import replace

import numpy as np
import pytest

from recsys import digest
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.splits.split import Split, split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.digest import FileState, file_sha256
from recsys.errors import ArtifactError


@pytest.fixture
def settled(monkeypatch):
    """Files count as written long ago."""
    monkeypatch.setattr(digest, "_SETTLED_NS", -(10**18))
    monkeypatch.setattr(digest, "_KNOWN", {})


@pytest.fixture
def looks(monkeypatch):
    """The numbers of rows that were checked, one for each look."""
    seen, check = [], Interactions._check_rows
    monkeypatch.setattr(
        Interactions, "_check_rows", lambda self, part, *more: (seen.append(len(self)), check(self, part, *more))[1]
    )
    return seen


@pytest.fixture
def folder(tmp_path):
    data = BlockTaste(users=30).dataset()
    data.save(tmp_path / "dataset")
    split(data).save(tmp_path / "split")
    return tmp_path


@pytest.mark.usefixtures("settled")
def test_a_dataset_and_its_split_are_checked_once_a_process(folder, looks, monkeypatch):
    first, parts = Dataset.load(folder / "dataset"), Split.load(folder / "split")
    assert len(looks) == 1
    monkeypatch.setattr(np, "ascontiguousarray", None)  # nothing is hashed
    assert Dataset.load(folder / "dataset").fingerprint == first.fingerprint
    assert Split.load(folder / "split").fingerprint == parts.fingerprint
    assert len(looks) == 1


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("keep_time", [False, True])
def test_a_change_of_a_file_is_found_whatever_was_known_of_it(folder, keep_time):
    Dataset.load(folder / "dataset")
    column = folder / "dataset" / "interactions" / "weight.npy"
    before = column.stat()
    mapped = np.load(column, mmap_mode="r+")
    mapped[3] = 2
    mapped.flush()
    if keep_time:
        os.utime(column, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ArtifactError, match="has changed since it was written"):
        Dataset.load(folder / "dataset")


@pytest.mark.usefixtures("settled")
def test_what_was_selected_or_changed_has_a_fingerprint_of_its_own(folder):
    loaded = Dataset.load(folder / "dataset").interactions
    half = loaded.select(slice(0, 90))
    assert half.fingerprint != loaded.fingerprint
    assert half.fingerprint == Interactions.of(half.user, half.item, half.time, half.weight).fingerprint


@pytest.mark.usefixtures("settled")
def test_a_loaded_table_with_other_cells_has_another_fingerprint(folder):
    loaded = Dataset.load(folder / "dataset").items
    known = loaded.fingerprint
    assert Dataset.load(folder / "dataset").items.fingerprint == known
    other = loaded.columns.copy()
    other.iloc[0, 0] = other.iloc[-1, 0]
    assert replace(loaded, columns=other).fingerprint != known


def test_files_of_just_now_are_read_again(folder, looks, monkeypatch):
    monkeypatch.setattr(digest, "_SETTLED_NS", 3600 * 10**9)
    Dataset.load(folder / "dataset")
    Dataset.load(folder / "dataset")
    assert len(looks) == 2


@pytest.mark.usefixtures("settled")
def test_a_file_is_hashed_once_and_what_is_known_stays_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(digest, "_MOST_KNOWN", 3)
    paths = [tmp_path / str(number) for number in range(5)]
    for path in paths:
        path.write_text(path.name)
    found = [file_sha256(path) for path in paths]
    assert len(set(found)) == 5
    assert len(digest._KNOWN) == 3
    monkeypatch.setattr(digest.hashlib, "file_digest", None)
    assert file_sha256(paths[-1]) == found[-1]
    assert FileState.of(tmp_path / "nothing").stats == ()
