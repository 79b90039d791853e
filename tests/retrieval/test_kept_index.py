"""An approximate index is kept beside the bundle of a batch and of a service, and told in the output."""

import numpy as np
import pytest

from recsys.data.synthetic.worlds import BlockTaste
from recsys.distributed.recommend import BatchInputs, batch_of
from recsys.engines.baselines.als import ALS
from recsys.registry.bundle import Bundle
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.recommend import write_batch
from recsys.service.model import ServedModel

pytest.importorskip("faiss")
pytestmark = pytest.mark.filterwarnings("ignore:.*[Ss]wig.*:DeprecationWarning")


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    monkeypatch.setattr("recsys.retrieval.approximate.search.EXACT_UP_TO", 20)
    data = BlockTaste(users=60, items=80).dataset()
    return Bundle(ALS(factors=8).fit(data), data).save(tmp_path / "bundles" / "als")


@pytest.mark.parametrize("index", ["faiss", "hnsw"])
def test_a_batch_keeps_its_index_and_the_next_one_takes_it(bundle, index, tmp_path):
    folder = tmp_path / "bundles" / f"als.{index}"
    options = RecommendOptions(k=5, index=index)

    def batch():
        return batch_of(Bundle.load(bundle.folder), bundle.data, None, options, BatchInputs("als", "", 0.0))

    first = batch()
    manifest = write_batch(first, tmp_path / "lists")
    assert any(line.startswith("index: ") and "80 items" in line for line in manifest.rules.told)
    assert np.load(folder / "item_ids.npy", allow_pickle=False).tolist() == bundle.data.items.vocabulary.ids.tolist()
    made = (folder / "items.faiss").stat().st_mtime_ns
    assert batch().told == first.told
    assert (folder / "items.faiss").stat().st_mtime_ns == made


def test_a_service_takes_the_index_that_a_batch_left(bundle, tmp_path):
    ServedModel(bundle, index="faiss")
    made = (tmp_path / "bundles" / "als.faiss" / "items.faiss").stat().st_mtime_ns
    ServedModel(Bundle.load(bundle.folder), index="faiss")
    assert (tmp_path / "bundles" / "als.faiss" / "items.faiss").stat().st_mtime_ns == made
