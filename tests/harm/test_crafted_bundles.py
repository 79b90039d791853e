"""Bundles whose manifest agrees with content that was made to harm: refused, quickly, in one way."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import recsys as rs
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engines import ENGINES
from recsys.errors import ArtifactError
from recsys.registry.bundle import Bundle
from tests.harm.test_finite import certify

DATA = BlockTaste(users=30, items=14).dataset()
OPTIONS = {
    "sasrec": {"model": {"dim": 8, "heads": 2, "layers": 1}, "training": {"epochs": 1}},
    "sage": {"dim": 8, "training": {"epochs": 1}},
    "ease": {},
    "itemknn": {},
    "spectral": {},
    "content_knn": {"columns": ["genre"]},
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    made = {}
    for kind, options in OPTIONS.items():
        made[kind] = tmp_path_factory.mktemp("bundles") / kind
        Bundle(ENGINES[kind](**options).fit(DATA), DATA).save(made[kind])
    return made


@pytest.fixture
def crafted(bundles, tmp_path):
    """A function that copies the bundle of a kind, changes a file by ``change`` and writes the manifest anew."""
    import shutil

    def make(kind, name, change):
        folder = tmp_path / "crafted"
        shutil.copytree(bundles[kind], folder)
        path = folder / name
        if path.suffix == ".json":
            raw = json.loads(path.read_text())
            path.write_text(json.dumps(change(raw) or raw))
        elif path.suffix == ".npy":
            np.save(path, change(np.load(path)))
        else:
            arrays = load_file(path)
            save_file({key: np.ascontiguousarray(a) for key, a in (change(arrays) or arrays).items()}, path)
        certify(folder)
        return folder

    return make


def _put(key, place, value):
    def change(arrays):
        arrays[key] = arrays[key].copy()
        arrays[key].reshape(-1)[place] = value

    return change


@pytest.mark.parametrize("kind", ["itemknn", "spectral"])
@pytest.mark.parametrize(
    "change",
    [
        _put("indices", 0, 10**6),
        _put("indices", 0, -5),
        _put("indptr", 3, 10**9),
        _put("indptr", 0, 7),
        _put("indptr", -1, 0),
        _put("indptr", -1, -1),
        _put("shape", 1, 10**12),
        lambda arrays: {**arrays, "data": arrays["data"].astype(np.int8)},
        lambda arrays: {**arrays, "counts": arrays["counts"][:3]},
        lambda arrays: {key: value for key, value in arrays.items() if key != "indptr"},
    ],
)
def test_a_sparse_matrix_with_wrong_indices_is_refused(crafted, kind, change):
    with pytest.raises(ArtifactError):
        Bundle.load(crafted(kind, "engine/arrays.safetensors", change))


@pytest.mark.parametrize("key", ["indices", "indptr"])
def test_a_fallback_with_wrong_indices_is_refused(crafted, key):
    with pytest.raises(ArtifactError, match="fallback"):
        Bundle.load(crafted("ease", "fallback/counts.safetensors", _put(key, 0, 10**6)))


@pytest.mark.parametrize(
    ("key", "place", "value"), [("indptr", -1, 0), ("indptr", -1, -(2**63)), ("popularity", 3, np.nan)]
)
def test_a_fallback_that_cannot_rank_is_refused_when_it_is_loaded(crafted, key, place, value):
    with pytest.raises(ArtifactError, match="fallback"):
        Bundle.load(crafted("ease", "fallback/counts.safetensors", _put(key, place, value)))


@pytest.mark.parametrize(
    ("key", "value"), [("strengths", []), ("weights", ["x"]), ("weights", [1e308] * 2), ("weights", [1e200])]
)
def test_a_fallback_with_parameters_of_another_shape_is_refused_when_it_is_loaded(crafted, key, value):
    with pytest.raises(ArtifactError, match="fallback"):
        Bundle.load(crafted("ease", "fallback/segments.json", lambda raw: raw.update({key: value})))


@pytest.mark.parametrize("separators", [3, ["genre"], {"genre": 3}])
def test_separators_of_another_shape_are_refused(crafted, separators):
    with pytest.raises(ArtifactError, match="separators"):
        Bundle.load(crafted("content_knn", "engine/separators.json", lambda raw: separators))


def test_vectors_whose_squares_are_infinite_have_finite_similarities():
    engine = ENGINES["als"](factors=2, iterations=1).fit(DATA)
    engine.factors[:] = np.linspace(1e19, 3e19, 28, dtype=np.float32).reshape(14, 2)
    for found in (rs.similar_items(engine, DATA, 100, k=3), rs.similar_items(engine, DATA, 113, k=3)):
        assert np.isfinite(found["similarity"]).all()
        assert found["similarity"].between(-1.001, 1.001).all()


@pytest.mark.parametrize("option", [{"dim": 10**9}, {"layers": 10**6}, {"heads": 10**7}, {"expansion": 10**8}])
def test_a_config_that_asks_for_a_huge_network_is_refused_before_it_is_built(crafted, option):
    folder = crafted("sasrec", "engine/config.json", lambda raw: raw["model"].update(option))
    with pytest.raises(ArtifactError, match="is beyond"):
        Bundle.load(folder)


@pytest.mark.parametrize(("dim", "told"), [(4096, "do not fit its config"), (10**9, "is beyond 65,536")])
def test_a_graph_network_of_another_size_is_refused(crafted, dim, told):
    with pytest.raises(ArtifactError, match=told):
        Bundle.load(crafted("sage", "engine/config.json", lambda raw: raw.update(dim=dim)))


def test_a_history_length_without_an_end_takes_no_memory(crafted):
    folder = crafted("sasrec", "engine/config.json", lambda raw: raw.update(max_history=10**12))
    with pytest.raises(ArtifactError):
        Bundle.load(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: {"engine": 3},
        lambda raw: [raw],
        lambda raw: raw.update(engine=["ease"]),
        lambda raw: raw.update(lineage=[1]),
        lambda raw: raw.update(engine="itemknn"),
        lambda raw: raw.update(engine="sasrec"),
        lambda raw: raw.pop("has_order"),
    ],
)
def test_a_header_of_another_shape_is_refused(crafted, change):
    def only(raw):
        found = change(raw)
        return found if isinstance(found, dict | list) and found is not raw.get("has_order") else None

    with pytest.raises(ArtifactError):
        Bundle.load(crafted("ease", "bundle.json", only))


def test_weights_of_another_shape_are_refused(crafted):
    with pytest.raises(ArtifactError, match="there are 14 ids"):
        Bundle.load(crafted("ease", "engine/arrays.safetensors", lambda a: {**a, "weights": a["weights"][:, :5]}))


@pytest.mark.parametrize("key", ["users", "items"])
@pytest.mark.parametrize("missing", [1, 3])
def test_a_record_of_what_was_trained_that_is_cut_off_is_refused(crafted, key, missing):
    short = crafted("sasrec", "engine/trained.safetensors", lambda a: {**a, key: a[key][:-missing]})
    with pytest.raises(ArtifactError, match="and the vocabulary has"):
        Bundle.load(short)


def test_a_deeply_nested_header_is_refused(bundles, tmp_path):
    import shutil

    folder = tmp_path / "deep"
    shutil.copytree(bundles["ease"], folder)
    (folder / "bundle.json").write_text("[" * 100_000)
    certify(folder)
    with pytest.raises(ArtifactError):
        Bundle.load(folder)


@pytest.mark.parametrize("manifest", ["[]", '{"version": 1, "files": [1]}', '{"version": 1, "files": 3}', "{"])
def test_a_manifest_of_another_shape_is_refused(bundles, tmp_path, manifest):
    import shutil

    folder = tmp_path / "other"
    shutil.copytree(bundles["ease"], folder)
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(ArtifactError):
        Bundle.load(folder)
