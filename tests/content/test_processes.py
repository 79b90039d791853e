"""Blocks in several processes: what one process makes, whatever is killed."""

import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from recsys.content import EmbedderContext, ImageEmbedder, MaskedLMEmbedder, text_table
from recsys.content.cache import ContentCache, content_key, in_turn
from recsys.content.image.pixels import PixelStore
from recsys.content.processes import Processes, blocks_of_network, chosen_device
from recsys.data.entities import EntityTable
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.errors import ArtifactError, FieldError, RecsysError
from recsys.seeding import stream
from recsys.tracking import SilentTracker
from tests.content.tiny_models import save_bert, save_vit

ROOT = Path(__file__).parents[2]
BLOCKS = [np.arange(start, start + 3) for start in range(0, 12, 3)]
RUN = """
import sys
from functools import partial
from pathlib import Path
from recsys.content.processes import Processes
from tests.content.test_processes import cached, slow

cached(Path(sys.argv[1]), partial(slow, Path(sys.argv[2])), Processes(2))
"""


class Listener(SilentTracker):
    def __init__(self):
        self.lines = []

    def info(self, message):
        self.lines.append(message)


def where(rows):
    return os.getpid(), (rows * 2).tolist()


def halves(rows):
    return np.float32(rows)[:, None] / 2


def slow(folder, rows):
    """`halves`, and a file for each block that is begun, which holds the number of the process."""
    (folder / f"{rows[0]}-{time.monotonic_ns()}").write_text(str(os.getpid()))
    time.sleep(0.5)
    return halves(rows)


def dies_once(folder, rows):
    """Kills its process at the first try of the second block."""
    if 1024 in rows and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return halves(rows)


def dies(rows):
    os.kill(os.getpid(), signal.SIGKILL)


def threads_here(rows):
    return torch.get_num_threads()


def refuses(rows):
    raise ArtifactError(f"rows {rows[0]} and on are not here")


class TwoPartsError(Exception):
    def __init__(self, what, row):
        super().__init__(f"{what} at row {row}")


def fails_in_two_parts(rows):
    raise TwoPartsError("no weights", rows[0])


def makes_a_function(rows):
    return lambda: rows


def waits_at_first(rows):
    """The first block takes a tenth of a second, in which 300 more are worth processes."""
    time.sleep(0.1 if 0 in rows else 0)
    return os.getpid()


def cached(folder, make, blocks=in_turn):
    keys = [content_key(f"text {row}") for row in range(4000)]
    return ContentCache(folder).through(keys, make, blocks=blocks)


@pytest.fixture
def posters(tmp_path):
    """A table of 300 posters, one of which is cut off, one twice and one missing."""
    rng, names = stream(0, "posters"), [f"{row}.png" for row in range(300)]
    for name in names[:-1]:
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / names[5]).write_bytes((tmp_path / names[5]).read_bytes()[:60])
    (tmp_path / names[7]).write_bytes((tmp_path / names[6]).read_bytes())
    frame = pd.DataFrame({"poster": names})
    return EntityTable(Vocabulary(np.arange(300)), frame, Schema.of({"poster": "image"}))


def test_every_block_is_made_once_in_another_process():
    made = dict(Processes(2)(where, BLOCKS))
    assert {number: rows for number, (_, rows) in made.items()} == {n: (2 * b).tolist() for n, b in enumerate(BLOCKS)}
    assert os.getpid() not in {process for process, _ in made.values()}


@pytest.mark.parametrize("count", [1, None])
def test_one_process_and_a_small_input_stay_in_this_one(count):
    listener = Listener()
    made = list(Processes(count, tracker=listener)(where, BLOCKS))
    assert [number for number, _ in made] == [0, 1, 2, 3]
    assert {process for _, (process, _) in made} == {os.getpid()}
    assert listener.lines == []
    assert list(Processes(3)(where, [])) == []


def test_what_takes_long_is_divided_unasked(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1}, raising=False)
    listener, blocks = Listener(), [np.array([row]) for row in range(301)]
    made = dict(Processes(tracker=listener)(waits_at_first, blocks))
    assert made.pop(0) == os.getpid()
    assert os.getpid() not in made.values()
    assert len(made) == 300
    assert listener.lines == ["  2 processes, threads of each 1"]


def test_a_killed_process_is_replaced_and_its_block_made_again(tmp_path):
    listener = Listener()
    found = cached(tmp_path / "there", partial(dies_once, tmp_path), Processes(2, tracker=listener))
    assert found.tobytes() == cached(tmp_path / "here", halves).tobytes()
    assert any("was killed" in line for line in listener.lines)


@pytest.mark.slow
def test_processes_that_are_killed_again_and_again_end_the_work_with_the_remedy():
    with pytest.raises(RecsysError, match=r"\(exit code -9\).* set fewer compute\.workers"):
        list(Processes(2)(dies, BLOCKS))


def test_an_error_of_a_process_is_that_of_the_caller():
    with pytest.raises(ArtifactError, match="rows 0 and on are not here") as caught:
        list(Processes(2)(refuses, BLOCKS[:1] * 2))
    assert "in refuses" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (fails_in_two_parts, RecsysError, "TwoPartsError: no weights at row 0"),
        (makes_a_function, Exception, "Can't pickle|Can't get local object"),
    ],
)
def test_an_error_that_does_not_fit_a_pipe_is_told_at_once(make, kind, message):
    """And is not taken for a process that was killed."""
    with pytest.raises(kind, match=message) as caught:
        list(Processes(2)(make, BLOCKS[:1] * 2))
    assert "Traceback" in caught.value.__notes__[0]


def test_an_error_of_a_field_is_the_same_in_another_process():
    error = pickle.loads(pickle.dumps(FieldError("row 0 is no text", "title")))
    assert (type(error), str(error), error.where) == (FieldError, "row 0 is no text", "title")


@pytest.mark.slow
def test_a_script_without_the_guard_is_told_to_have_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(RUN)
    command = [sys.executable, str(script), str(tmp_path / "cache"), str(tmp_path)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert "needs the guard `if __name__" in done.stderr.strip().splitlines()[-1]


@pytest.mark.slow
def test_a_killed_parent_takes_its_processes_along_and_the_rerun_goes_on(tmp_path):
    begun, cache = tmp_path / "begun", tmp_path / "cache"
    begun.mkdir()
    command = [sys.executable, "-c", RUN, str(cache), str(begun)]
    parent = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    _until(lambda: (cache / "keys.bin").exists() and (cache / "keys.bin").stat().st_size)
    parent.kill()
    parent.wait()
    kept = len(ContentCache(cache).records())
    assert 0 < kept < 4000
    _until(lambda: not any(_is_alive(int(path.read_text())) for path in begun.iterdir()))
    for path in begun.iterdir():
        path.unlink()
    found = cached(cache, partial(slow, begun), Processes(2))
    assert len(list(begun.iterdir())) == -(-(4000 - kept) // 1024)
    assert found.tobytes() == cached(tmp_path / "here", halves).tobytes()


def test_images_are_decoded_in_processes_as_in_this_one(posters, tmp_path):
    found = []
    for blocks in (in_turn, Processes(2)):
        context = EmbedderContext(tmp_path / f"cache{len(found)}", tmp_path, blocks=blocks)
        found.append(PixelStore(context, ["poster"], 8).read(posters))
    here, there = found
    assert here.pixels.tobytes() == there.pixels.tobytes()
    assert len(here.pixels) == 298
    assert here.provenance == there.provenance
    assert (here.provenance["broken_paths"], here.provenance["file_missing"]) == (["5.png"], 1)


def test_an_image_that_another_process_finds_changed_is_told(posters, tmp_path):
    def elsewhere(make, blocks):
        (tmp_path / "9.png").unlink()
        return in_turn(make, blocks)

    context = EmbedderContext(tmp_path / "cache", tmp_path, blocks=elsewhere)
    with pytest.raises(ArtifactError, match=r"9\.png changed while it was read, or is not on storage that all nodes"):
        PixelStore(context, ["poster"], 8).read(posters)


def test_a_gpu_is_left_to_one_process_unless_several_are_asked_for(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    unasked, asked = Processes(), Processes(2)
    assert chosen_device("auto").type == chosen_device(None).type == "cuda"
    assert blocks_of_network(unasked, "auto") is in_turn
    assert blocks_of_network(unasked, "cpu") is not in_turn
    assert blocks_of_network(asked, None) is asked


def test_networks_keep_the_threads_of_this_process_unless_told(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(4)), raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    for threads, expected in ((None, 4), (1, 1)):
        blocks = Processes(threads=threads)
        assert blocks_of_network(blocks, "cpu") == replace(blocks, threads=expected)


def test_a_block_of_this_process_has_the_threads_of_those_of_others():
    """So that the last bits do not depend on how many blocks are left."""
    before = torch.get_num_threads()
    assert dict(Processes(1, threads=before + 2)(threads_here, BLOCKS[:2])) == {0: before + 2, 1: before + 2}
    assert torch.get_num_threads() == before


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("kind", ["trained text", "image"])
def test_networks_encode_in_processes_the_bytes_of_one(kind, tmp_path):
    """Of a language model that was trained further the weights in memory count; more than a block each."""
    if kind == "image":
        rng, names = stream(0, "posters"), [f"{row}.png" for row in range(1100)]
        for name in names:
            Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(tmp_path / name)
        table = EntityTable(
            Vocabulary(np.arange(1100)), pd.DataFrame({"poster": names}), Schema.of({"poster": "image"})
        )
        embedder = ImageEmbedder(columns=["poster"], model=str(save_vit(tmp_path / "vit")), side=32)
    else:
        table = text_table(title=[f"robot of the {row} kings" for row in range(1100)])
        training = {"epochs": 1, "learning_rate": 1e-2}
        embedder = MaskedLMEmbedder(columns=["title"], model=str(save_bert(tmp_path / "bert")), training=training)
        embedder.fit(table, EmbedderContext(tmp_path / "cache"))
    found = [
        embedder.embed(table, EmbedderContext(tmp_path / f"cache{number}", tmp_path, blocks=blocks)).vectors
        for number, blocks in enumerate((in_turn, Processes(2, threads=1)))
    ]
    assert len(found[0]) == 1100
    assert found[0].tobytes() == found[1].tobytes()


def _is_alive(process):
    """Whether a process works; one that has ended may wait for its parent."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _until(condition):
    for _ in range(2400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it does not come")
