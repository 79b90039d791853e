"""An approximate index is kept beside the bundle of a batch and of a service, and told in the output."""

import numpy as np
import pytest

from recsys.data.synthetic.worlds import BlockTaste
from recsys.distributed.recommend import BatchInputs, batch_of
from recsys.engines.baselines.als import ALS
from recsys.registry.bundle import Bundle
from recsys.retrieval.approximate.kinds import Graph, InvertedLists
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.recommend import write_batch
from recsys.service.live_histories import LiveHistories
from recsys.service.model import ServedModel
from recsys.service.questions import Question

pytest.importorskip("faiss")
pytestmark = pytest.mark.filterwarnings("ignore:.*[Ss]wig.*:DeprecationWarning")


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    monkeypatch.setattr("recsys.retrieval.approximate.search.EXACT_UP_TO", 20)
    data = BlockTaste(users=60, items=80).dataset()
    return Bundle(ALS(factors=8).fit(data), data).save(tmp_path / "bundles" / "als")


def _build_none(monkeypatch):
    """From now on an index that is not taken from the disk fails."""

    def build(self, vectors):
        raise AssertionError("an index is built")

    for kind in (InvertedLists, Graph):
        monkeypatch.setattr(kind, "build", build)


@pytest.mark.parametrize("index", ["faiss", "hnsw"])
def test_a_batch_keeps_its_index_and_the_next_one_takes_it(bundle, index, tmp_path, monkeypatch):
    folder = tmp_path / "bundles" / f"als.{index}"
    options = RecommendOptions(k=5, index=index)

    def batch():
        return batch_of(Bundle.load(bundle.folder), bundle.data, None, options, BatchInputs("als", "", 0.0))

    first = batch()
    manifest = write_batch(first, tmp_path / "lists")
    assert any(line.startswith("index: ") and "80 items" in line for line in manifest.rules.told)
    assert np.load(folder / "item_ids.npy", allow_pickle=False).tolist() == bundle.data.items.vocabulary.ids.tolist()
    _build_none(monkeypatch)
    assert batch().told == first.told
    (folder / "items.faiss").unlink()
    with pytest.raises(AssertionError, match="an index is built"):
        assert batch().told


def test_a_service_takes_the_index_that_a_batch_left(bundle, monkeypatch):
    asked = [Question(user, k=5) for user in bundle.users.vocabulary.ids[:20].tolist()]
    faiss = RecommendOptions(index="faiss")
    first = ServedModel(bundle, options=faiss).recommend(asked, LiveHistories())
    _build_none(monkeypatch)
    again = ServedModel(Bundle.load(bundle.folder), options=faiss).recommend(asked, LiveHistories())
    assert [each.item_ids for each in again] == [each.item_ids for each in first]
