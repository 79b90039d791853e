"""Arrays of interactions in bundles whose digests match: of wrong types, rows, weights, order or kinds of file."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.digest import file_sha256
from recsys.engines.baselines.ease import EASE
from recsys.errors import ArtifactError
from recsys.registry.bundle import Bundle

FOLDERS = ("histories", "non_likes", "settled", "evaluation/history", "evaluation/targets", "evaluation/also_seen")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The folder of a bundle that has every array of interactions there is."""
    data = BlockTaste(users=30, items=14).dataset()
    free = np.argwhere(data.interactions.to_csr(30, 14).toarray() == 0)[::5]
    others = Interactions.of(*free.T, np.full(len(free), data.interactions.time.max() - 7200))
    data = replace(data, non_likes=others, settled=replace(others, weight=-others.weight))
    held_out = replace(split(data, "leave_one_out").test, candidates=np.arange(14), also_seen=others)
    folder = tmp_path_factory.mktemp("bundles") / "ease"
    Bundle(EASE().fit(data), data, evaluation=held_out).save(folder)
    assert all((folder / name / "item.npy").is_file() for name in FOLDERS)
    return folder


@pytest.fixture
def crafted(bundle, tmp_path):
    """A function that copies the bundle, changes its file ``name`` by ``change`` and makes every digest fit."""

    def make(name, change):
        folder = tmp_path / "crafted"
        shutil.copytree(bundle, folder)
        change(folder / name)
        listed = [
            path for path in folder.rglob("*") if path.is_file() and path.name not in (".recsys", "manifest.json")
        ]
        files = {path.relative_to(folder).as_posix(): file_sha256(path) for path in listed}
        (folder / "manifest.json").write_text(json.dumps({"version": 1, "files": files}))
        return folder

    return make


def _array(change):
    return lambda path: np.save(path, change(np.load(path)))


def _put(place, value):
    def change(path):
        column = np.load(path)
        column[place] = value
        np.save(path, column)

    return change


def _header_of(length):
    def change(path):
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<i4", "fortran_order": False, "shape": (length,)})

    return change


def _zip(path):
    with path.open("wb") as file:
        np.savez(file, column=np.arange(3))


def _pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


WRONG_FILES = {
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-4]),
    "empty": lambda path: path.write_bytes(b""),
    "no array": lambda path: path.write_bytes(b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535),
    "missing": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir(), (path / "x").write_text("x")),
    "a pipe": _pipe,
    "a zip": _zip,
    "of 10^12": _header_of(10**12),
    "pickled": lambda path: np.save(path, np.array([{}]), allow_pickle=True),
    "float64": _array(lambda column: column.astype(np.float64)),
    "int8": _array(lambda column: column.astype(np.int8)),
    "two-dimensional": _array(lambda column: column[None]),
    "a number": _array(lambda column: column[0]),
}


@pytest.mark.parametrize("change", WRONG_FILES.values(), ids=WRONG_FILES)
@pytest.mark.parametrize("name", ["histories/time.npy", "non_likes/weight.npy", "evaluation/users.npy"])
def test_a_file_that_is_no_such_array_is_refused_by_its_name(crafted, name, change):
    with pytest.raises(ArtifactError, match=name):
        Bundle.load(crafted(name, change))


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("item.npy", _put(0, 10**6)),
        ("item.npy", _put(3, -5)),
        ("user.npy", _put(-1, 2**31 - 1)),
        ("user.npy", _put(0, -1)),
        ("weight.npy", _put(0, np.nan)),
        ("weight.npy", _put(0, -np.inf)),
        ("weight.npy", _array(lambda weight: np.full_like(weight, 3e38))),
        ("time.npy", _put(-1, 2**63 - 1)),
        ("time.npy", _put(0, -(2**63))),
        ("weight.npy", _array(lambda weight: weight[:-1])),
    ],
)
def test_values_that_cannot_be_are_refused_by_the_name_of_their_file(crafted, folder, name, change):
    with pytest.raises(ArtifactError, match=f"{folder}/{name}|evaluation has changed"):
        Bundle.load(crafted(f"{folder}/{name}", change))


@pytest.mark.parametrize(
    ("name", "told"),
    [("user.npy", "user.npy is not sorted"), ("time.npy", "time.npy does not ascend")],
)
def test_histories_in_another_order_are_refused_for_they_would_be_those_of_other_people(crafted, name, told):
    with pytest.raises(ArtifactError, match=told):
        Bundle.load(crafted(f"histories/{name}", _array(lambda column: column[::-1])))


@pytest.mark.parametrize("value", [0, -1])
def test_interactions_without_a_positive_weight_are_refused(crafted, value):
    with pytest.raises(ArtifactError, match=r"weight.npy holds weights that are not positive"):
        Bundle.load(crafted("histories/weight.npy", _put(2, value)))


def _refingerprinted(change):
    """Changes the candidates and the fingerprint of the holdout with them."""

    def both(path):
        from recsys.data.splits.holdout import Holdout

        old = Holdout.load(path.parent)
        rows = change(np.array(old.candidates))
        new = replace(old, candidates=rows)
        np.save(path, rows)
        header = json.loads((path.parent / "holdout.json").read_text())
        (path.parent / "holdout.json").write_text(json.dumps({**header, "fingerprint": new.fingerprint}))

    return both


@pytest.mark.parametrize(
    "change", [lambda rows: rows + 10**6, lambda rows: rows - 1, lambda rows: rows[:0], lambda rows: rows // 2]
)
def test_candidates_that_are_no_items_are_refused(crafted, change):
    with pytest.raises(ArtifactError, match=r"evaluation/candidates.npy"):
        Bundle.load(crafted("evaluation/candidates.npy", _refingerprinted(change)))


@pytest.mark.parametrize("name", ["histories/tie.npy", "extra", "engine/x.npy"])
def test_a_pipe_in_a_bundle_is_refused_and_not_read(crafted, name):
    with pytest.raises(ArtifactError, match=f"{name} may not be part of a bundle"):
        Bundle.load(crafted(name, _pipe))


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("bundle.json", "has_order", "no"),
        ("bundle.json", "has_timestamps", None),
        ("bundle.json", "name", 3),
        ("bundle.json", "lineage", {"a": 1}),
        ("evaluation/holdout.json", "filter_seen", "false"),
    ],
)
def test_a_header_whose_values_are_of_another_kind_is_refused_by_its_name(crafted, name, key, value):
    def change(path):
        path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))

    with pytest.raises(ArtifactError, match=rf"{name}.*{key if key != 'lineage' else 'not as it was written'}"):
        Bundle.load(crafted(name, change))


def test_what_was_saved_is_loaded(bundle, tmp_path):
    loaded = Bundle.load(bundle)
    loaded.data.save(tmp_path / "data")
    assert Dataset.load(tmp_path / "data").fingerprint == loaded.data.fingerprint
    assert loaded.evaluation.candidates.tolist() == list(range(14))
