import shutil
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.seeding import stream
from recsys.tracking import SilentTracker
from tests.distributed.nodes import ROOT, Nodes, environment
from tests.pipelines.world import write_world
from tests.s3_server import s3_server

_RECOMMEND = '[recommend]\nengine = "ease"\n'


@pytest.fixture(scope="package")
def s3(tmp_path_factory):
    """The variables of the clients of an S3 server; none where its packages are not installed."""
    if not all(map(find_spec, ("moto", "s3fs"))):
        yield {}
        return
    with s3_server(tmp_path_factory.mktemp("s3")) as variables:
        yield variables


@pytest.fixture(scope="package")
def nodes(s3):
    """A cluster of a head and two nodes of one CPU, whose workers may write to the S3 server."""
    pytest.importorskip("ray")
    with Nodes(s3) as cluster:
        cluster.first, cluster.second = cluster.add(), cluster.add()
        yield cluster


@pytest.fixture(scope="package")
def shop(tmp_path_factory):
    """A config, whose items have posters, and beside it the folder of a run without Ray: ``local``."""
    directory = tmp_path_factory.mktemp("shop")
    path = write_world(directory, n_users=1500)
    items = pd.read_csv(directory / "items.csv")
    items["poster"] = [f"{item}.png" for item in items["item_id"]]
    for name, pixels in zip(items["poster"], stream(0, "posters").integers(0, 255, (len(items), 8, 8, 3)), strict=True):
        Image.fromarray(pixels.astype(np.uint8)).save(directory / name)
    items.to_csv(directory / "items.csv", index=False)
    head, _, rest = path.read_text().partition("[promote]")
    path.write_text(head + _RECOMMEND + rest.partition("[recommend]\n")[2])
    run_stages(read_run_config(path), Workspace(directory / "local"), SilentTracker())
    return path


@pytest.fixture
def begin(shop, tmp_path):
    """Starts a command in a copy of the finished run without some of its outputs: the process."""

    def start(command, *words, without=(), ray=None):
        folder = tmp_path / "run"
        if not folder.exists():
            shutil.copytree(shop.parent / "local", folder)
            for name in without:
                _remove(folder / name)
        line = [sys.executable, "-m", "pipelines.entry", command, str(shop), "--output", str(folder), *words]
        line += [] if ray is None else ["--engine", "ray", "--set", f'compute.address="{ray.address}"']
        variables = environment(**({} if ray is None else ray.variables))
        return subprocess.Popen(line, cwd=ROOT, env=variables, text=True, stdout=-1, stderr=-2)

    return start


def _remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
