"""Every index returns the lists of the exact ranking where it is exact itself: on a small catalogue."""

import numpy as np
import pytest
import scipy.sparse as sp

from recsys.atomic import read_json
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING
from recsys.engine import Vectors
from recsys.errors import ArtifactError
from recsys.ranking import top_k
from recsys.retrieval import INDEXES
from recsys.retrieval.approximate.built import IndexSetting

APPROXIMATE = sorted(set(INDEXES) - {"exact"})
pytestmark = pytest.mark.filterwarnings("ignore:.*[Ss]wig.*:DeprecationWarning")


@pytest.fixture(params=sorted(INDEXES))
def index(request):
    if request.param != "exact":
        pytest.importorskip("faiss")
    return INDEXES[request.param]


def share_found(found, exact):
    return np.mean([len(set(row) & set(best)) / len(best) for row, best in zip(found, exact, strict=True)])


def vectors(seed, n, dim=8, **rest):
    return Vectors(np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32), **rest)


def histories(n_users, n_items):
    rng = np.random.default_rng(3)
    return Histories.of([rng.integers(-1, n_items, rng.integers(0, 30)).tolist() for _ in range(n_users)])


@pytest.mark.parametrize("candidates", [None, np.arange(0, 200, 3)], ids=["all items", "some items"])
@pytest.mark.parametrize("seen", [True, False])
def test_an_index_finds_what_the_exact_ranking_finds(index, candidates, seen):
    users, items = vectors(0, 20), vectors(1, 200, valid=np.arange(200) % 7 > 0)
    exclude = histories(20, 200) if seen else None
    rows, scores = index(items, candidates).top_k(users, 10, exclude)
    expected_rows, expected_scores = top_k(users, items, 10, exclude, candidates)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_allclose(scores, expected_scores, rtol=1e-5)


def test_a_short_catalogue_leaves_places_empty(index):
    rows, scores = index(vectors(1, 3)).top_k(vectors(0, 2), 5, Histories.of([[1], []]))
    assert (rows[0, 2:] == MISSING).all()
    assert (rows[1, 3:] == MISSING).all()
    assert np.isneginf(scores[rows == MISSING]).all()
    assert (np.sort(rows[1, :3]) == [0, 1, 2]).all()


def test_a_user_without_a_vector_gets_an_empty_list(index):
    rows, _ = index(vectors(1, 9)).top_k(vectors(0, 2, valid=np.array([False, True])), 4)
    assert (rows[0] == MISSING).all()
    assert (rows[1] != MISSING).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_score_that_is_not_finite_is_refused(index, value):
    users, items = vectors(0, 2), vectors(1, 9)
    items.dense[4, 0] = value
    with pytest.raises(ArtifactError, match="train the engine again"):
        index(items).top_k(users, 9)


def test_inner_products_that_overflow_are_refused(index):
    users, items = Vectors(np.full((1, 2), 1e30, np.float32)), Vectors(np.float32([[1e30, 1e30], [1, 0]]))
    with pytest.raises(ArtifactError, match="train the engine again"):
        index(items).top_k(users, 1)


def test_a_user_or_an_item_without_a_vector_may_hold_anything(index):
    users, items = vectors(0, 2, valid=np.array([True, False])), vectors(1, 9, valid=np.arange(9) != 4)
    users.dense[1] = items.dense[4] = np.nan
    rows, _ = index(items).top_k(users, 9)
    assert sorted(rows[0]) == [MISSING, 0, 1, 2, 3, 5, 6, 7, 8]
    assert (rows[1] == MISSING).all()


@pytest.mark.parametrize("name", APPROXIMATE)
def test_on_a_large_catalogue_an_index_finds_nearly_all_and_never_what_was_seen(name):
    pytest.importorskip("faiss")
    users, items = vectors(0, 50, 4), vectors(1, 24_000, 4)
    exact, _ = top_k(users, items, 20)
    seen = Histories.of([row[:5].tolist() for row in exact])
    rows, _ = INDEXES[name](items).top_k(users, 15, seen)
    assert not any(set(row) & set(best[:5]) for row, best in zip(rows, exact, strict=True))
    found = np.mean([len(set(row) & set(best[5:])) / 15 for row, best in zip(rows, exact, strict=True)])
    assert found > 0.9


@pytest.mark.parametrize("share", [1, 0.01, 0.001])
@pytest.mark.parametrize("name", APPROXIMATE)
def test_a_list_is_never_shorter_than_k_while_items_are_left(share, name):
    pytest.importorskip("faiss")
    users, items = vectors(0, 8, 4), vectors(1, 30_000, 4)
    allowed = None if share == 1 else np.random.default_rng(2).choice(30_000, int(30_000 * share), replace=False)
    pool = np.arange(30_000) if allowed is None else np.sort(allowed)
    k = min(2_000, len(pool)) if share == 1 else len(pool) - 5
    seen = Histories.of([pool[user::7][:5].tolist() for user in range(8)])
    rows, scores = INDEXES[name](items, allowed, IndexSetting(target=0)).top_k(users, k, seen)
    assert (rows != MISSING).all()
    assert np.isin(rows, pool).all()
    assert all(len(set(row)) == k and not set(row) & set(seen.take([user]).items) for user, row in enumerate(rows))
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("name", APPROXIMATE)
def test_a_list_may_be_longer_than_there_are_candidates(name, monkeypatch):
    pytest.importorskip("faiss")
    monkeypatch.setattr("recsys.retrieval.approximate.search.EXACT_UP_TO", 100)
    users, items = vectors(0, 8, 4), vectors(1, 1_000, 4)
    rows, scores = INDEXES[name](items, np.arange(900), IndexSetting(target=0)).top_k(users, 950)
    assert (np.sort(rows[:, :900], axis=1) == np.arange(900)).all()
    assert (rows[:, 900:] == MISSING).all()
    assert np.isneginf(scores[:, 900:]).all()


@pytest.mark.parametrize("name", APPROXIMATE)
def test_the_list_of_a_user_does_not_depend_on_the_histories_of_others(name):
    pytest.importorskip("faiss")
    users, items = vectors(0, 3, 4), vectors(1, 24_000, 4)
    index = INDEXES[name](items)
    alone, _ = index.top_k(users.take(np.array([0])), 10, Histories.of([[5, 6]]))
    beside, _ = index.top_k(users, 10, Histories.of([[5, 6], list(range(4_000)), []]))
    np.testing.assert_array_equal(alone[0], beside[0])


def test_a_stored_index_of_a_large_catalogue_reaches_the_target_recall(tmp_path):
    faiss = pytest.importorskip("faiss")
    from recsys.export.search_index import write_index

    users, items = vectors(0, 60, 8), vectors(1, 21_000, 8)
    told = write_index(items.dense, Vectors(users.dense[:30]), tmp_path / "items.faiss", target=0.95)
    index = faiss.read_index(str(tmp_path / "items.faiss"))
    assert told["kind"] == "IndexIVFScalarQuantizer"
    assert told["recall"] >= 0.95
    assert index.nprobe == told["nprobe"] < index.nlist
    held_out, _ = top_k(Vectors(users.dense[30:]), items, 10)
    found = index.search(users.dense[30:], 10)[1]
    assert np.mean([len(set(row) & set(best)) / 10 for row, best in zip(found, held_out, strict=True)]) > 0.9


@pytest.mark.parametrize("share", [1, 0.9, 0.7])
@pytest.mark.parametrize("name", APPROXIMATE)
def test_recall_reaches_the_target_whatever_part_of_the_items_is_allowed(name, share):
    pytest.importorskip("faiss")
    users, items = vectors(0, 400, 8), vectors(1, 30_000, 8)
    allowed = np.flatnonzero(np.random.default_rng(5).random(30_000) < share)
    index = INDEXES[name](items, allowed, IndexSetting(lambda: vectors(7, 200, 8)))
    exact, scores = top_k(users, items, 100, candidates=allowed)
    rows, found = index.top_k(users, 100)
    assert share_found(rows, exact) > 0.985
    assert np.isin(rows, allowed).all()
    same = rows == exact
    np.testing.assert_allclose(found[same], scores[same], rtol=1e-5)


def test_candidates_share_one_index_and_few_of_them_need_none(monkeypatch):
    pytest.importorskip("faiss")
    from recsys.retrieval.approximate import kinds

    built, original = [], kinds.InvertedLists.build
    monkeypatch.setattr(kinds.InvertedLists, "build", lambda *given: built.append(1) or original(*given))
    make, items = INDEXES["faiss"].sharing(IndexSetting()), vectors(1, 24_000, 4)
    make(items, np.arange(20_000)).top_k(vectors(0, 3, 4), 5)
    assert built == []
    for candidates in (None, np.arange(23_000)):
        make(items, candidates).top_k(vectors(0, 3, 4), 5)
    assert built == [1]


@pytest.mark.parametrize("name", APPROXIMATE)
def test_vectors_with_a_sparse_part_are_ranked_by_both(name):
    pytest.importorskip("faiss")
    rng = np.random.default_rng(4)

    def part(rows, per_row):
        columns = rng.integers(0, 500, rows * per_row)
        weights = rng.normal(size=rows * per_row).astype(np.float32) * 3
        return sp.csr_array((weights, (np.repeat(np.arange(rows), per_row), columns)), shape=(rows, 500))

    items, users = vectors(1, 24_000, sparse=part(24_000, 3)), vectors(0, 60, sparse=part(60, 8))
    setting = IndexSetting(lambda: vectors(2, 100, sparse=part(100, 8)), target=0.95)
    exact, scores = top_k(users, items, 20)
    rows, found = INDEXES[name](items, None, setting).top_k(users, 20)
    assert share_found(rows, exact) > 0.9
    same = rows == exact
    np.testing.assert_allclose(found[same], scores[same], rtol=1e-4)


@pytest.mark.parametrize("name", APPROXIMATE)
def test_an_index_is_built_once_and_kept_with_its_ids(name, tmp_path, monkeypatch):
    pytest.importorskip("faiss")
    items, folder = vectors(1, 21_000, 4, valid=np.arange(21_000) != 3), tmp_path / f"bundle.{name}"
    setting = IndexSetting(lambda: vectors(0, 40, 4), folder, np.arange(21_000).astype(str))
    first = INDEXES[name](items, None, setting).top_k(vectors(5, 6, 4), 10)
    assert read_json(folder / "index.json")["recall"] >= 0.95
    ids = np.load(folder / "item_ids.npy", allow_pickle=False)
    assert len(ids) == 20_999
    assert ids[3] == "4"

    def build(self, items):
        raise AssertionError("built again")

    monkeypatch.setattr(type(INDEXES[name].kind), "build", build)
    again = INDEXES[name](items, None, setting).top_k(vectors(5, 6, 4), 10)
    np.testing.assert_array_equal(first[0], again[0])
    with pytest.raises(AssertionError, match="built again"):
        INDEXES[name](vectors(2, 21_000, 4), None, setting)


@pytest.mark.parametrize("damage", ["cut", "other bytes", "about", "missing"])
def test_a_damaged_index_is_built_anew(damage, tmp_path):
    pytest.importorskip("faiss")
    items, folder = vectors(1, 21_000, 4), tmp_path / "bundle.faiss"
    setting = IndexSetting(lambda: vectors(0, 40, 4), folder)
    first = INDEXES["faiss"](items, None, setting).top_k(vectors(5, 6, 4), 10)
    stored = folder / "items.faiss"
    content = stored.read_bytes()
    if damage == "cut":
        stored.write_bytes(content[:1000])
    elif damage == "other bytes":
        stored.write_bytes(content[:5000] + bytes([content[5000] ^ 255]) + content[5001:])
    elif damage == "about":
        (folder / "index.json").write_text('{"version": 1, "vectors": []}')
    else:
        stored.unlink()
    again = INDEXES["faiss"](items, None, setting).top_k(vectors(5, 6, 4), 10)
    np.testing.assert_array_equal(first[0], again[0])
    assert stored.read_bytes() == content


@pytest.mark.parametrize(("user_scale", "item_scale"), [(1e-6, 1), (1e6, 1), (1, 1e-6), (1, 1e6), (1, 1e30)])
@pytest.mark.parametrize("name", APPROXIMATE)
def test_recall_does_not_depend_on_how_long_vectors_are(name, user_scale, item_scale):
    pytest.importorskip("faiss")
    users, items, queries = (vectors(seed, n, 8) for seed, n in ((0, 100), (1, 21_000), (7, 100)))
    for each, scale in ((users, user_scale), (queries, user_scale), (items, item_scale)):
        each.dense[:] *= np.float32(scale)
    index = INDEXES[name](items, None, IndexSetting(lambda: queries))
    assert not index._built.missed
    assert share_found(index.top_k(users, 50)[0], top_k(users, items, 50)[0]) > 0.97


def test_an_index_that_misses_its_recall_gives_way_to_a_scan(monkeypatch):
    pytest.importorskip("faiss")
    from recsys.retrieval.approximate.kinds import InvertedLists

    monkeypatch.setattr(InvertedLists, "most", lambda self, index: 1)
    users, items = vectors(0, 20, 8), vectors(1, 21_000, 8)
    index = INDEXES["faiss"](items, None, IndexSetting(lambda: vectors(7, 100, 8)))
    assert "exact scan" in index.told
    np.testing.assert_array_equal(index.top_k(users, 50)[0], top_k(users, items, 50)[0])


def test_a_folder_with_an_index_of_another_kind_or_of_other_ids_is_built_anew(tmp_path):
    pytest.importorskip("faiss")
    items, users, folder = vectors(1, 21_000, 4), vectors(5, 6, 4), tmp_path / "kept"
    INDEXES["faiss"](items, None, IndexSetting(None, folder, np.arange(21_000)))
    INDEXES["hnsw"](items, None, IndexSetting(None, folder, np.arange(21_000))).top_k(users, 10)
    assert read_json(folder / "index.json")["kind"] == "neighbour graph"
    INDEXES["hnsw"](items, None, IndexSetting(None, folder, np.arange(100, 21_100)))
    assert np.load(folder / "item_ids.npy", allow_pickle=False)[0] == 100
