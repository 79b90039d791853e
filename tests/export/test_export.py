import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import recsys as rs
from recsys.data.synthetic.worlds import BlockTaste, SequenceRule
from recsys.errors import ArtifactError, ConfigError, DataError
from recsys.export.export import export_bundle, parse_kinds, verify_export

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = [pytest.mark.filterwarnings("ignore:.*[Ss]wig.*:DeprecationWarning")]

PARTS = {
    "graph_weight": 0.5,
    "popularity_weight": 0.3,
    "item_bias": True,
    "user_id": True,
    "user_fusion": "attention",
    "item_fusion": "gated",
}
HISTORIES = [[3, 5, 7, 3], [11], [1, 2, 4, 6, 8, 9, 10, 12]]


def served(folder, history, k):
    """The item ids that the example prints, in a process that cannot import recsys or torch."""
    code = (
        "import sys, runpy; sys.modules['torch'] = sys.modules['recsys'] = None; "
        f"sys.argv = ['serve_example.py', {','.join(map(str, history))!r}, '{k}']; "
        f"runpy.run_path({str(folder / 'serve_example.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    return [line.split("\t")[0] for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def data():
    return BlockTaste().dataset()


@pytest.fixture(scope="module")
def bundle(data):
    engine = rs.TwoTower(dim=8, epochs=1, **PARTS).fit(data)
    return rs.Bundle(engine, data)


@pytest.fixture(scope="module")
def folder(bundle, tmp_path_factory):
    target = tmp_path_factory.mktemp("export") / "out"
    export_bundle(bundle, target)
    return target


def test_the_example_lists_what_recommend_lists(bundle, data, folder):
    ids = data.items.vocabulary.ids
    history = ids[[3, 5, 7, 3]].tolist()
    expected = rs.recommend(bundle, histories=[history], k=6)
    assert served(folder, history, 6) == [str(item) for item in expected["item_id"]]


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("decayed", "learned", "hstu", "masked")]


@pytest.mark.parametrize("pooling", ["gru", *SLOW])  # the other tests export a transformer
def test_every_history_encoder_is_exported(pooling, data, tmp_path):
    from recsys.export.serve_example import ExportedModel

    other = SequenceRule().dataset() if pooling in ("gru", "hstu") else data
    engine = rs.TwoTower(pooling=pooling, dim=8, layers=1, epochs=1, item_id=True).fit(other)
    export_bundle(rs.Bundle(engine, other), tmp_path / "out", ["onnx"])
    model = ExportedModel(tmp_path / "out")
    for history in (other.items.vocabulary.ids[rows].tolist() for rows in HISTORIES):
        expected = rs.recommend(engine, other, histories=[history], k=5)
        found = model.recommend(history, 5)
        assert [item for item, _ in found] == expected["item_id"].tolist()
        np.testing.assert_allclose([score for _, score in found], expected["score"], rtol=1e-4, atol=1e-4)


def test_a_history_of_unknown_items_has_an_empty_list(folder):
    from recsys.export.serve_example import ExportedModel

    assert ExportedModel(folder).recommend(["nothing", "known"]) == []


def test_vectors_are_those_of_the_engine_in_both_formats(bundle, data, folder):
    frame = pd.read_parquet(folder / "vectors/users.parquet")
    expected = rs.embeddings(bundle, data, "users")
    assert frame["user_id"].tolist() == expected["user_id"].tolist()
    table = np.load(folder / "vectors/users.npy")
    np.testing.assert_array_equal(np.stack(frame["vector"].tolist()), table)
    np.testing.assert_array_equal(table, np.stack(expected["vector"].tolist()))
    assert np.load(folder / "vectors/user_ids.npy").tolist() == expected["user_id"].tolist()


def test_the_index_finds_the_best_items_by_its_id_map(bundle, data, folder):
    faiss = pytest.importorskip("faiss")
    index, ids = faiss.read_index(str(folder / "faiss/items.faiss")), np.load(folder / "faiss/item_ids.npy")
    user = np.load(folder / "vectors/users.npy")[:1]
    expected = rs.recommend(bundle, users=data.users.vocabulary.ids[:1].tolist(), k=3, filter_seen=False)
    assert ids[index.search(user, 3)[1][0]].tolist() == expected["item_id"].tolist()


def test_the_manifest_has_the_digest_of_every_file(folder, tmp_path):
    verify_export(folder)
    manifest = json.loads((folder / "export.json").read_text())
    assert {"onnx/user_tower.onnx", "vectors/items.npy", "faiss/items.faiss"} <= set(manifest["files"])
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(folder), str(copy)], check=True)
    (copy / "onnx/user_tower.onnx").write_bytes(b"other")
    with pytest.raises(ArtifactError, match=r"onnx/user_tower\.onnx; export again"):
        verify_export(copy)


def test_an_engine_without_towers_exports_what_it_has(data, tmp_path):
    als = rs.Bundle(rs.ALS(factors=4).fit(data), data)
    done = export_bundle(als, tmp_path / "als")
    assert list(done.written) == ["vectors", "faiss"]
    assert "'als' has none" in done.refused["onnx"]
    assert not (tmp_path / "als/onnx").exists()
    with pytest.raises(ConfigError, match="needs an engine with two towers"):
        export_bundle(als, tmp_path / "other", ["onnx"])
    assert not (tmp_path / "other").exists()


def exported_scores(folder):
    """[U, I] the sums of the inner products of the parts of an export, and the same read from Parquet."""
    scores, read = 0, 0
    if (folder / "items.npy").exists():
        scores = np.load(folder / "users.npy") @ np.load(folder / "items.npy").T
        users, items = (np.stack(pd.read_parquet(folder / f"{side}.parquet")["vector"]) for side in ("users", "items"))
        read = users @ items.T
    users, items = (sp.load_npz(folder / f"{side}_sparse.npz") for side in ("users", "items"))
    frames = [pd.read_parquet(folder / f"{side}_sparse.parquet") for side in ("users", "items")]
    tables = [np.zeros(part.shape) for part in (users, items)]
    for frame, table in zip(frames, tables, strict=True):
        for row, (columns, values) in enumerate(zip(frame["columns"], frame["values"], strict=True)):
            table[row, columns] = values
    return scores + (users @ items.T).toarray(), read + tables[0] @ tables[1].T


@pytest.mark.parametrize("engine", ["EASE", "ItemKNN", "Spectral", "Frequency", "hybrid"])
def test_sparse_vectors_are_exported_as_matrices_whose_products_are_the_scores(engine, data, tmp_path):
    if engine == "hybrid":
        parts = {"ease": rs.EASE().fit(data), "als": rs.ALS(factors=4).fit(data), "knn": rs.ItemKNN().fit(data)}
        fitted = rs.Bundle(rs.Hybrid(parts=parts).fit(data), data)
    else:
        fitted = rs.Bundle(getattr(rs, engine)().fit(data), data)
    done = export_bundle(fitted, tmp_path / "out")
    assert list(done.written) == ["vectors"]
    assert "are sparse, at least in part" in done.refused["faiss"]
    folder = tmp_path / "out" / "vectors"
    users, items = np.load(folder / "user_ids.npy"), np.load(folder / "item_ids.npy")
    assert pd.read_parquet(folder / "items_sparse.parquet")["item_id"].tolist() == items.tolist()
    pairs = pd.DataFrame([(user, item) for user in users for item in items], columns=["user_id", "item_id"])
    expected = rs.score(fitted, data, pairs)["score"].to_numpy().reshape(len(users), len(items))
    for found in exported_scores(folder):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    verify_export(tmp_path / "out")
    with pytest.raises(ConfigError, match="are sparse"):
        export_bundle(fitted, tmp_path / "other", ["faiss"])


def test_towers_of_the_parts_of_a_hybrid_are_exported_by_name_and_list_what_they_do(bundle, data, tmp_path):
    towers = bundle.engine
    inner = rs.Hybrid(parts={"two_tower": towers, "als": rs.ALS(factors=4).fit(data)}).fit(data)
    mixed = rs.Hybrid(parts={"ease": rs.EASE().fit(data), "first": towers, "inner": inner}).fit(data)
    done = export_bundle(rs.Bundle(mixed, data), tmp_path / "out")
    first, second = done.written["onnx"].splitlines()
    assert "both towers of 'first', in parts/first/, the history encoder 'transformer'" in first
    assert "of 'inner/two_tower', in parts/inner/two_tower/" in second
    history = data.items.vocabulary.ids[[3, 5]].tolist()
    expected = rs.recommend(towers, data, histories=[history], k=5)["item_id"].tolist()
    for name in ("first", "inner/two_tower"):
        assert served(tmp_path / "out" / "parts" / name, history, 5) == [str(item) for item in expected]


def test_a_part_whose_towers_cannot_be_exported_is_told_and_the_others_are(bundle, data, tmp_path, monkeypatch):
    from recsys.export import onnx

    write, other = onnx.write_towers, rs.TwoTower(dim=8, epochs=1).fit(data)

    def refusing(engine, *of):
        if engine is other:
            raise ConfigError("no such operator")
        return write(engine, *of)

    monkeypatch.setattr(onnx, "write_towers", refusing)
    mixed = rs.Hybrid(parts={"good": bundle.engine, "bad": other}).fit(data)
    done = export_bundle(rs.Bundle(mixed, data), tmp_path / "out")
    assert "no onnx of 'bad': no such operator" in str(done)
    assert [path.name for path in (tmp_path / "out/parts").iterdir()] == ["good"]
    none = rs.Hybrid(parts={"bad": other, "als": rs.ALS(factors=4).fit(data)}).fit(data)
    done = export_bundle(rs.Bundle(none, data), tmp_path / "none")
    assert done.refused["onnx"] == "of 'bad': no such operator"
    assert not (tmp_path / "none" / "parts").exists()


def test_towers_that_differ_from_torch_are_left_out_and_told_and_refused_where_asked_for(bundle, tmp_path, monkeypatch):
    from recsys.export import onnx

    monkeypatch.setattr(onnx, "TOLERANCE", -1.0)
    done = export_bundle(bundle, tmp_path / "out")
    assert list(done.written) == ["vectors", "faiss"]
    assert "tower differs from torch" in done.refused["onnx"]
    assert {path.name for path in (tmp_path / "out").iterdir()} & {"onnx", "parts", "serve_example.py"} == set()
    verify_export(tmp_path / "out")
    with pytest.raises(ArtifactError, match="tower differs from torch"):
        export_bundle(bundle, tmp_path / "onnx", ["onnx"])


def test_an_engine_that_auto_chose_is_exported_as_itself(bundle, data, tmp_path):
    auto = rs.AutoRecommender(budget="5s", engines=["popularity", "itemknn"]).fit(data)
    auto.engine = bundle.engine
    done = export_bundle(rs.Bundle(auto, data), tmp_path / "out", ["onnx"])
    assert "both towers, the history encoder" in done.written["onnx"]
    assert (tmp_path / "out" / "onnx" / "user_tower.onnx").is_file()


def test_a_folder_that_is_no_export_is_not_replaced(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    with pytest.raises(ArtifactError, match="something else than an export"):
        export_bundle(bundle, tmp_path / "bundle", ["vectors"])
    rs.load(tmp_path / "bundle")


def test_an_earlier_export_is_replaced(bundle, tmp_path):
    export_bundle(bundle, tmp_path / "out", ["vectors", "faiss"])
    export_bundle(bundle, tmp_path / "out", ["vectors"])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".recsys", "export.json", "vectors"]


def test_a_bundle_without_histories_has_no_user_vectors(bundle, tmp_path):
    done = export_bundle(rs.Bundle(bundle.engine, bundle.data, keep_histories=False), tmp_path / "out", ["vectors"])
    assert "keeps no histories" in done.written["vectors"]
    assert not (tmp_path / "out/vectors/users.npy").exists()


def test_a_wrong_kind_is_refused_by_name_and_what_is_no_bundle_as_such(bundle, data, tmp_path):
    with pytest.raises(ConfigError, match="the export has no kind 'onx'"):
        parse_kinds("vectors,onx")
    with pytest.raises(ConfigError, match="the export has no kind 'onx'; did you mean 'onnx'"):
        export_bundle(bundle, tmp_path / "out", ["onx"])
    with pytest.raises(DataError, match="no bundle; give rs"):
        export_bundle(bundle.engine, tmp_path / "out")
    with pytest.raises(DataError, match="is not fitted"):
        export_bundle(rs.Bundle(rs.ALS(), data), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    for kinds in ("vectors", ["vectors", "vectors"]):
        assert list(export_bundle(bundle, tmp_path / "out", kinds).written) == ["vectors"]


def test_the_command_exports_a_bundle(bundle, tmp_path, capsys):
    from pipelines.cli import main

    bundle.save(tmp_path / "bundle")
    words = ["export", "--bundle", str(tmp_path / "bundle"), "--output", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as done:
        main([*words, "--what", "vectors"])
    assert not done.value.code
    assert "vectors: 24 items and 40 users" in capsys.readouterr().out
    with pytest.raises(SystemExit) as done:
        main([*words, "--what", "vectors", "nothing.toml"])
    assert done.value.code == 1
    assert "exactly one of CONFIG and --bundle" in capsys.readouterr().err
