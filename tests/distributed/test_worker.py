"""What a worker of a cluster makes, made in this process: it loads the batch from files, and has its rules."""

import dataclasses

import pandas as pd
import pytest

from recsys.data.entities import EntityTable
from recsys.data.schema import Schema
from recsys.data.synthetic.worlds import BlockTaste
from recsys.distributed.recommend import BatchFiles, BatchInputs, PartWriter
from recsys.engines.baselines.ease import EASE
from recsys.errors import ArtifactError
from recsys.registry.bundle import Bundle, Lineage
from recsys.retrieval.batch import Batch, RecommendOptions
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.recommend import write_batch

CITY = Schema.of({"city": "categorical"})
RULES = {"reasons": True, "exploration": {"share": 0.4}, "freshness": {"days": 1}}


@pytest.fixture(params=["parquet", "csv", "jsonl"])
def batch(tmp_path, request):
    """A batch with rules, one of them by time and in the past, whose model is saved in ``bundle``."""
    data = BlockTaste(users=30).dataset()
    engine = EASE().fit(data)
    Bundle(engine, data, Lineage(data.fingerprint)).save(tmp_path / "bundle")
    options, newest = (
        RecommendOptions(k=4, shard_size=8, rules=RULES, format=request.param, layout="lists"),
        float(data.interactions.time.max()),
    )
    return Batch(engine, data, options, "v1", "made", Fallback.fit(data), now=newest)


def writer(batch, folder):
    files = BatchFiles(folder / "bundle")
    inputs = BatchInputs(batch.model_version, batch.made_from, batch.now)
    return PartWriter(files, folder / "there", batch.options, inputs, batch.stamp)


def test_a_worker_makes_the_parts_of_a_local_batch_with_its_rules(batch, tmp_path):
    manifest = write_batch(batch, tmp_path / "here")
    (tmp_path / "there").mkdir()
    make = writer(batch, tmp_path)()
    for number in reversed(range(len(batch))):
        assert make(number).part == manifest.parts[number]


def test_a_worker_asks_conditions_between_items_and_users_as_a_local_batch_does(tmp_path):
    data = BlockTaste(users=30).dataset()
    cities = [
        EntityTable(table.vocabulary, pd.DataFrame({"city": (["Bern", "Rome", None] * len(table))[: len(table)]}), CITY)
        for table in (data.users, data.items)
    ]
    data = dataclasses.replace(data, users=cities[0], items=cities[1])
    engine = EASE().fit(data)
    Bundle(engine, data, Lineage(data.fingerprint)).save(tmp_path / "bundle")
    options = RecommendOptions(k=4, shard_size=8, where="city == user.city")
    batch = Batch(engine, data, options, "v1", "made", Fallback.fit(data))
    manifest = write_batch(batch, tmp_path / "here")
    (tmp_path / "there").mkdir()
    make = writer(batch, tmp_path)()
    assert [make(number).part for number in range(len(batch))] == list(manifest.parts)


def test_a_worker_whose_model_gives_other_vectors_refuses_to_work(batch, tmp_path):
    other = dataclasses.replace(batch.stamp, fingerprint="0" * 16)
    with pytest.raises(ArtifactError, match="give other vectors here"):
        dataclasses.replace(writer(batch, tmp_path), stamp=other)()


def test_a_worker_takes_lists_of_the_previous_output(batch, tmp_path):
    def changed(**update):
        options = batch.options.model_copy(update={"incremental": True, **update})
        return dataclasses.replace(batch, options=options)

    write_batch(changed(), tmp_path / "there")
    later = changed(shard_size=10)

    def over_a_cluster(numbers):
        make = writer(later, tmp_path)()
        for number in numbers:
            written = make(number)
            assert written.reused == written.part.users
            yield number, written

    found = write_batch(later, tmp_path / "there", make=over_a_cluster)
    assert found == write_batch(dataclasses.replace(batch, options=later.options), tmp_path / "alone")


def test_a_batch_that_a_gpu_ranks_has_another_stamp_and_one_of_the_cpu_that_of_before(batch):
    on_cpu, on_gpu = (dataclasses.replace(batch, device=device).stamp for device in ("cpu", "cuda"))
    assert on_cpu == batch.stamp
    assert on_gpu.fingerprint != batch.stamp.fingerprint
    assert (on_gpu.model_version, on_gpu.data_fingerprint) == (on_cpu.model_version, on_cpu.data_fingerprint)


def test_a_worker_without_the_gpu_that_is_to_rank_refuses_to_work(batch, tmp_path):
    there = dataclasses.replace(batch, device="cuda")
    with pytest.raises(ArtifactError, match=r"PyTorch with CUDA where compute\.gpus is given"):
        dataclasses.replace(writer(batch, tmp_path), stamp=there.stamp)()
