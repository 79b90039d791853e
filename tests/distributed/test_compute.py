"""What --engine ray means without a cluster: the config, the messages, and that nothing is loaded."""

import subprocess
import sys

import pytest

from pipelines.config import read_run_config
from recsys.content.cache import ContentCache, content_key
from recsys.data.synthetic.worlds import BlockTaste
from recsys.distributed.cluster import connected, room_for_workers
from recsys.distributed.compute import ComputeOptions
from recsys.distributed.train import fit_over_ray
from recsys.engines.two_tower.sequence import SASRec
from recsys.errors import ConfigError
from recsys.tracking import SilentTracker
from tests.pipelines.world import write_world


def test_a_run_computes_in_its_own_process_unless_told(tmp_path):
    path = write_world(tmp_path)
    assert not read_run_config(path).compute.over_ray
    assert read_run_config(path, ['compute.engine="ray"']).compute.over_ray


def test_an_engine_of_another_name_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="compute"):
        read_run_config(write_world(tmp_path), ['compute.engine="spark"'])


def test_no_engine_of_a_run_is_called_ray(tmp_path):
    with pytest.raises(ConfigError, match="an engine cannot be called 'ray'"):
        read_run_config(write_world(tmp_path), ['engines.ray={kind="ease"}'])


def test_without_ray_the_remedy_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(ConfigError, match=r"pip install 'recsys-towers\[ray\]'"),
        connected(ComputeOptions(engine="ray"), SilentTracker()),
    ):
        pass


def test_ray_is_not_imported_by_commands_that_do_not_use_it():
    code = (
        "import sys, pipelines.stages.recommend, pipelines.stages.evaluate, pipelines.stages.pretrain\n"
        "import pipelines.commands.tune\nprint('ray' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_blocks_may_be_ready_in_any_order(tmp_path):
    """As those of a cluster are."""
    import numpy as np

    texts = [f"text {n}" for n in range(3000)]
    keys = [content_key(text) for text in texts]

    def make(rows):
        return np.float32(rows)[:, None]

    def backwards(make, blocks):
        assert [len(block) for block in blocks] == [1024, 1024, 952]
        return iter([(number, make(blocks[number])) for number in (2, 0, 1)])

    here = ContentCache(tmp_path / "here").through(keys, make)
    there = ContentCache(tmp_path / "there").through(keys, make, blocks=backwards)
    assert here.tobytes() == there.tobytes()


def test_gpus_of_a_worker_are_a_share_or_a_whole_number(tmp_path):
    path = write_world(tmp_path)
    assert read_run_config(path, ["compute.gpus=0.25"]).compute.gpus == 0.25
    for gpus, told in (
        ("1.5", r"1\.5 GPUs: above 1 it is a whole number"),
        ("0.001", r"0\.001 of a GPU: a share is at least 0\.01; 0 computes on the CPU"),
        ("-1", "greater than or equal to 0, found -1"),
        ("inf", "a finite number, found inf"),
    ):
        with pytest.raises(ConfigError, match=told):
            read_run_config(path, [f"compute.gpus={gpus}"])


@pytest.mark.parametrize(("gpus", "workers"), [(0, 8), (0.1, 8), (0.3, 6), (0.5, 4), (1, 2), (2, 1), (3, 0)], ids=str)
def test_a_node_has_room_for_the_workers_that_its_cpus_and_gpus_allow(gpus, workers):
    assert room_for_workers({"CPU": 16.0, "GPU": 2.0, "memory": 1e9}, 2, gpus) == workers
    assert room_for_workers({"CPU": 16.0}, 2, gpus) == (8 if gpus == 0 else 0)


def test_a_gpu_is_shared_by_as_many_workers_as_ray_places_there():
    """Which counts whole ten-thousandths: 0.33335 of a GPU are 3,333 of them."""
    for gpus, workers in ((1 / 3, 3), (0.33335, 3), (0.34, 2), (1 / 70, 70), (1 / 93, 93), (0.01, 100), (0.99, 1)):
        assert room_for_workers({"CPU": 200.0, "GPU": 1.0}, 1, gpus) == workers


def test_a_training_whose_workers_would_share_a_gpu_is_refused_with_the_remedy(tmp_path):
    data = BlockTaste(users=20, items=14).dataset()
    compute = ComputeOptions(engine="ray", workers=2, gpus=0.5)
    with pytest.raises(ConfigError, match=r"compute\.gpus = 0\.5 .* give each a whole one"):
        fit_over_ray(SASRec(), data, data.interactions, tmp_path / "shared", compute=compute)
    assert not (tmp_path / "shared").exists()
