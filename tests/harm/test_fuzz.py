"""Seeded fuzz of bundles, images, configs and output folders: an answer or one error of ours; in limits."""

import io
import json
import os
import random
import shutil
import signal
import struct
import sys
import tomllib
import zlib
from contextlib import contextmanager, suppress

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

import recsys as rs
from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.content.image.pixels import decode
from recsys.data.ingest.cross_checks import image_error
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engines import ENGINES
from recsys.errors import RecsysError
from recsys.registry.bundle import Bundle
from recsys.retrieval.manifest import read_recommendations
from recsys.tracking import SilentTracker
from recsys.training.cost import measured
from tests.harm.test_finite import certify
from tests.pipelines.conftest import migrated_databases, unsynced  # noqa: F401 (they apply to this file)
from tests.pipelines.world import write_world

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.filterwarnings("ignore")]
TRIES = int(os.environ.get("RECSYS_FUZZ", "5"))
"""Percent of the full counts: 500 bundles, 100 images, 300 configs, 100 output folders."""
MEMORY_MB, SECONDS = 2048, 60
DATA = BlockTaste(users=20, items=14).dataset()
OPTIONS = {
    "popularity": {},
    "itemknn": {},
    "ease": {},
    "als": {"factors": 4, "iterations": 1},
    "sasrec": {"model": {"dim": 8, "heads": 2, "layers": 1}, "training": {"epochs": 1}},
    "two_tower": {"model": {"dim": 8}, "training": {"epochs": 1}},
}
VALUES = [
    None, True, -1, 0, 3, 10**12, 2**70, 1e308, -0.5, "", "x", "é\u202e\ud800"[:2], "../../x", "/etc", "a" * 9999,
    [], {}, [[]], [None], [1, "a"], {"a": {"b": 1}}, {"": 0},
]  # fmt: skip


def turns(full):
    return pytest.mark.parametrize("turn", range(max(1, full * TRIES // 100)))


def note(*what):
    """Shown where the test fails."""
    sys.stdout.write(" ".join(map(str, what)) + "\n")


class LateError(BaseException):
    """The time is out."""


@contextmanager
def limits():
    """Ends in a failure after `SECONDS` of CPU or above `MEMORY_MB`; our own errors are an answer, others are not.

    Who waits and takes no CPU has ten times as long, as a busy machine may let it wait.
    """

    def late(*_):
        raise LateError

    timers = {signal.ITIMER_PROF: SECONDS, signal.ITIMER_REAL: 10 * SECONDS}
    before = {number: signal.signal(number, late) for number in (signal.SIGPROF, signal.SIGALRM)}
    for timer, seconds in timers.items():
        signal.setitimer(timer, seconds)
    try:
        with measured() as cost, suppress(RecsysError):
            yield
        assert cost.peak_memory_mb < MEMORY_MB
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


# Bundles.


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    for kind, options in OPTIONS.items():
        Bundle(ENGINES[kind](**options).fit(DATA), DATA).save(folder / kind)
    return folder


@turns(500)
def test_a_crafted_bundle_is_refused_or_gives_lists_of_finite_scores(bundles, tmp_path, turn):
    rng = random.Random(f"bundle/{turn}")
    kind = rng.choice(sorted(OPTIONS))
    folder = tmp_path / "bundle"
    shutil.copytree(bundles / kind, folder)
    files = [path for path in sorted(folder.rglob("*.*")) if path.name not in ("manifest.json", ".recsys")]
    for _ in range(rng.choice([1, 1, 2])):
        path = rng.choice([path for path in files if path.is_file()])
        try:
            what = CRAFT.get(path.suffix, _bytes)(path, rng)
        except Exception:  # it was damaged a moment ago
            what = _bytes(path, rng)
        note(kind, path.relative_to(folder), what)
    certify(folder)
    with limits():
        lists = rs.recommend(Bundle.load(folder), k=4)
        assert np.isfinite(lists["score"].to_numpy()).all()
        assert lists["item_id"].notna().all()


def _safetensors(path, rng):
    arrays = dict(load_file(path))
    if not arrays or rng.random() < 0.1:
        return _bytes(path, rng)
    key = rng.choice(sorted(arrays))
    array, what = _array(arrays[key], rng)
    arrays[key] = array
    if rng.random() < 0.1:
        arrays.pop(key)
        what = "removed"
    save_file({name: np.ascontiguousarray(each) for name, each in arrays.items()}, path)
    return f"{key}: {what}"


def _npy(path, rng):
    if rng.random() < 0.1:
        with path.open("wb") as file:
            header = {"descr": "<i8", "fortran_order": False, "shape": (10**12,)}
            np.lib.format.write_array_header_1_0(file, header)
        return "a huge shape"
    array, what = _array(np.load(path), rng)
    np.save(path, array)
    return what


def _array(array, rng):
    """``array`` crafted, and what was done to it."""
    what = rng.choice(["truncated", "value", "value", "dtype", "shape", "doubled", "empty", "scalar"])
    if what == "truncated":
        return array[: rng.randrange(len(array) + 1)] if array.ndim else array, what
    if what == "value" and array.size:
        array = array.copy()
        values = [-1, -(2**31), 2**31 - 1, 2**62, 999, 0, *([np.nan, np.inf, 1e38] if array.dtype.kind == "f" else [])]
        value = rng.choice(values)
        with np.errstate(all="ignore"):
            array.reshape(-1)[rng.randrange(array.size)] = np.array(value).astype(array.dtype)
        return array, f"value {value}"
    if what == "dtype":
        return array.astype(rng.choice([np.int8, np.float16, np.float64, np.uint8, np.bool_, np.int64])), what
    if what == "shape":
        return array.reshape(rng.choice([(-1,), (1, -1), (-1, 1)])), what
    if what == "doubled":
        return np.concatenate([np.atleast_1d(array)] * 2), what
    return (np.zeros((0, *array.shape[1:]), array.dtype) if what == "empty" else np.array(3, array.dtype)), what


def _json(path, rng):
    raw = json.loads(path.read_text())
    what = _changed(raw, rng)
    path.write_text(json.dumps(raw) if what else json.dumps(rng.choice(VALUES)))
    return what


def _changed(raw, rng):
    """Changes one value, at any depth, in place; where it was, empty if there is none."""
    places, left = [], [("", raw)]
    while left:
        name, node = left.pop()
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((f"{name}.{key}", node, key))
            if isinstance(node[key], dict | list):
                left.append((f"{name}.{key}", node[key]))
    if not places:
        return ""
    name, node, key = rng.choice(places)
    node[key] = rng.choice(VALUES)
    return f"{name} = {str(node[key])[:30]!r}"


def _parquet(path, rng):
    frame = pd.read_parquet(path)
    what = rng.choice(["bytes", "truncated", "doubled", "dropped", "nulls", "text", "renamed", "shuffled"])
    if what == "bytes" or not len(frame.columns):
        return _bytes(path, rng)
    column = rng.choice(list(frame.columns))
    if what == "truncated":
        frame = frame.iloc[: rng.randrange(len(frame) + 1)]
    elif what == "doubled":
        frame = pd.concat([frame, frame])
    elif what == "dropped":
        frame = frame.drop(columns=[column])
    elif what == "nulls":
        frame[column] = frame[column].astype(object).where(np.arange(len(frame)) % 2 == 0, None)
    elif what == "text":
        frame[column] = frame[column].astype(str) + "x"
    elif what == "renamed":
        frame = frame.rename(columns={column: "../x"})
    else:
        frame = frame.sample(frac=1, random_state=1)
    frame.to_parquet(path, index=False)
    return f"{column}: {what}"


def _bytes(path, rng):
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 4, 30]) if content else 0):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path.write_bytes(content[: rng.randrange(len(content) + 1)] if rng.random() < 0.3 else content)
    return "bytes"


CRAFT = {".safetensors": _safetensors, ".npy": _npy, ".json": _json, ".parquet": _parquet}


# Images.


def _image(rng):
    """The bytes of an image file, crafted, and what was done."""
    kind, stream = rng.choice(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"]), io.BytesIO()
    mode = rng.choice(["RGB", "L"])
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (16, 16, 3), np.uint8)).convert(mode).save(stream, kind)
    raw = bytearray(stream.getvalue())
    if kind == "PNG" and rng.random() < 0.5:
        sides = rng.choice([(60000, 60000), (13000, 13000), (2**31 - 1, 1), (0, 5), (1, 10**8)])
        raw[16:24] = struct.pack(">II", *sides)
        raw[29:33] = struct.pack(">I", zlib.crc32(raw[12:29]))
        return bytes(raw), f"PNG of {sides}"
    if rng.random() < 0.4:
        return bytes(raw[: rng.randrange(len(raw))]), f"{kind} cut"
    for _ in range(rng.choice([1, 5, 40])):
        raw[rng.randrange(len(raw) if rng.random() < 0.5 else min(64, len(raw)))] = rng.randrange(256)
    return bytes(raw), f"{kind} flipped"


@turns(100)
def test_a_crafted_image_is_decoded_or_is_none(tmp_path, turn):
    raw, what = _image(random.Random(f"image/{turn}"))
    note(what)
    path = tmp_path / "a.png"
    path.write_bytes(raw)
    with limits():
        wrong, pixels = image_error(path), decode(raw, 8)
        assert (pixels is None) == bool(wrong), wrong
        assert pixels is None or pixels.shape == (8, 8, 3)


# Configs and names.


@turns(300)
def test_a_crafted_config_is_refused_or_prepares_and_nothing_outside_the_output_changes(tmp_path, turn):
    rng = random.Random(f"config/{turn}")
    (tmp_path / "outside").mkdir()
    path = write_world(tmp_path / "outside")
    raw = tomllib.loads(path.read_text())
    if rng.random() < 0.3:
        old = rng.choice(["ease", "popularity"])
        raw["engines"][_name(rng)] = raw["engines"].pop(old)
    note(_changed(raw, rng))
    try:
        path.write_text(_toml(raw), encoding="utf-8")
    except UnicodeEncodeError:
        return  # no file can hold it
    before = _files(tmp_path)
    with limits():
        run_stages(read_run_config(path), Workspace(tmp_path / "out"), SilentTracker(), "train")
    after = _files(tmp_path)
    assert {name: after.get(name) for name in before} == before
    assert not [name for name in after if name not in before and not name.startswith("out/")]


def _name(rng):
    signs = "abc/\\.:*?\"'\0\n\x1b\u202e\u4e2d\U0001f600 -$%#{}"
    return rng.choice(["../x", "/tmp/x", "..", "con", "a" * 5000, "".join(rng.choices(signs, k=rng.randrange(12)))])


def _toml(value):
    """``value`` as TOML; what TOML does not have (null) is an empty text."""
    return "\n".join(f"{_key(key)} = {_inline(each)}" for key, each in value.items())


def _key(text):
    return '"' + "".join(f"\\U{ord(sign):08x}" for sign in text) + '"'


def _inline(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return _key(value or "") if isinstance(value, str | None) else repr(value)


def _files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# What a finished run left, registry included.


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    path = write_world(tmp_path_factory.mktemp("finished"))
    assert run_stages(read_run_config(path), Workspace(path.parent / "out"), SilentTracker()) == 0
    return path


@turns(100)
def test_a_damaged_output_folder_heals_or_is_refused_by_name(finished, tmp_path, turn):
    rng, folder = random.Random(f"store/{turn}"), tmp_path / "out"
    shutil.copytree(finished.parent / "out", folder)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".recsys"]
    likely = [path for path in files if path.name == "mlflow.db" or "mlflow-artifacts" in path.parts]
    path = rng.choice(likely if rng.random() < 0.5 else files)
    what = rng.choice(["removed", "bytes", "bytes", "empty", "folder"])
    note(path.relative_to(folder), what)
    if what == "bytes":
        _bytes(path, rng)
    elif what == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
        if what == "folder":
            path.mkdir()
    with limits():
        run_stages(read_run_config(finished), Workspace(folder), SilentTracker())
        lists = read_recommendations(folder / "recommendations")
        assert np.isfinite(lists["score"].to_numpy()).all()
        assert lists["user_id"].nunique() == 24
