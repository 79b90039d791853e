"""Image files that would start a program, never end or fill the memory; names that look like formulas; no stderr."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from pipelines.cli_errors import describe, fail
from recsys.content.image.pixels import decode
from recsys.data.ingest.cross_checks import check_images, image_error
from recsys.data.ingest.issues import Location, ValidationIssues
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


def test_a_refused_image_is_told_by_file_row_reason_and_remedy(tmp_path):
    whole = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)).save(whole, "PNG")
    for name, content in {"no.png": b"text", "eps.png": EPS, "cut.png": whole.getvalue()[:500]}.items():
        (tmp_path / name).write_bytes(content)
    issues = ValidationIssues()
    check_images(["no.png", "eps.png", "cut.png"], Location(issues, tmp_path / "items.csv").at("poster"))
    told = [str(issue) for issue in issues.warnings]
    assert "items.csv" in told[0]
    assert "rows 1, 2:" in told[0]
    assert "the image 'no.png' cannot be decoded (its content is no image of these formats)" in told[0]
    assert all("replace it with a whole JPEG, PNG, WEBP, GIF, BMP or TIFF file" in text for text in told)
    assert len(told) == 2
    assert "object at 0x" not in "".join(told)


def test_a_message_of_the_command_line_holds_no_object_of_the_memory(capsys):
    with pytest.raises(SystemExit):
        fail(describe(RuntimeError(f"no image in {io.BytesIO()}, {np.zeros} or {print}")), debug=False)
    assert "0x" not in capsys.readouterr().err


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
