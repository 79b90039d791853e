"""Image files that would start a program, never end or fill the memory; names that look like formulas; no stderr."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from recsys.content.image.pixels import decode
from recsys.data.ingest.cross_checks import image_error
from recsys.data.ingest.reading import image_files
from recsys.data.ingest.reading.image_files import read_image_file
from recsys.evaluation.report.forest import Estimate, save_forest
from recsys.tracking import ConsoleTracker

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"


def test_an_eps_starts_no_program_and_is_no_image(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    (tmp_path / "a.png").write_bytes(EPS)
    assert image_error(tmp_path / "a.png")
    assert decode(EPS, 8) is None


def test_a_pipe_and_a_device_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    assert image_error(tmp_path / "pipe.png") == "it is a pipe, not a regular file"
    with pytest.raises(OSError, match="not a regular file"):
        read_image_file(image_files.Path("/dev/zero"))


def test_a_file_above_the_limit_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "LARGEST_IMAGE", 10)
    (tmp_path / "large.png").write_bytes(b"0" * 11)
    assert "at most" in (image_error(tmp_path / "large.png") or "")


def test_a_path_with_nul_is_a_missing_file(tmp_path):
    assert image_error(tmp_path / "a\0b.png") == ""


def test_checking_and_decoding_agree_on_an_image_of_too_many_pixels(tmp_path, monkeypatch):
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    assert image_error(tmp_path / "a.png")
    assert decode((tmp_path / "a.png").read_bytes(), 4) is None


def test_a_name_that_is_half_a_formula_is_drawn(tmp_path):
    name = r"a$\frac{1$"
    save_forest(tmp_path / "plot.svg", [name], {name: [Estimate(1.0, 0.9, 1.1)]}, name)
    assert (tmp_path / "plot.svg").stat().st_size > 0


def test_messages_go_nowhere_where_stderr_is_closed(monkeypatch, capsys):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    ConsoleTracker().info("nobody hears this")
    monkeypatch.setattr(sys, "stderr", None)
    ConsoleTracker().info("nor this")
    assert capsys.readouterr().out == ""
