import json
from dataclasses import replace

import numpy as np
import pytest

from recsys.atomic import MARK
from recsys.errors import ArtifactError
from recsys.registry.bundle import Bundle, Lineage
from tests.registry.conftest import Together


def lineage(data, parent=None):
    return Lineage(data.fingerprint, "split", {"seed": 3}, {"ndcg@10": 0.5}, parent)


@pytest.fixture
def folder(tmp_path, engine, data):
    Bundle(engine, data, lineage(data)).save(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_bundle_gives_back_the_engine_the_tables_and_the_lineage(folder, engine, data):
    bundle = Bundle.load(folder)
    np.testing.assert_array_equal(bundle.engine.groups, engine.groups)
    assert bundle.data.fingerprint == bundle.data_fingerprint == data.fingerprint
    assert bundle.lineage == lineage(data)
    assert "torch" in bundle.lineage.libraries


def test_the_same_model_has_the_same_version_and_another_has_another(tmp_path, folder, engine, data):
    same = Bundle(engine, data, lineage(data)).save(tmp_path / "same").version
    other = Bundle(engine, data, lineage(data, same)).save(tmp_path / "other").version
    assert same == Bundle.load(folder).version
    assert other != same


def test_a_bundle_saved_without_interactions_has_no_histories(tmp_path, engine, data):
    Bundle(engine, data, lineage(data), keep_histories=False).save(tmp_path / "bare")
    bundle = Bundle.load(tmp_path / "bare")
    assert bundle.histories is None
    assert len(bundle.data.interactions) == 0


FILES = ["engine/groups.safetensors", "users.parquet", "items.parquet", "histories/item.npy", "bundle.json"]
FILES += [f"fallback/{name}" for name in ("counts.safetensors", "segments.json", "items.parquet")]


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_refused_by_name(folder, name):
    path = folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=f"changed: {name}"):
        Bundle.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name(folder, name):
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=f"missing: {name}"):
        Bundle.load(folder)


def test_a_file_that_the_manifest_does_not_list_is_refused(folder):
    (folder / "engine" / "extra.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"unknown: engine/extra\.json"):
        Bundle.load(folder)


def test_a_pickle_is_refused(folder):
    (folder / "engine" / "model.pkl").write_bytes(b"")
    with pytest.raises(ArtifactError, match="pickles are refused"):
        Bundle.load(folder)


@pytest.mark.parametrize("manifest", ['{"version": 2, "files": {}}', "[]", '{"files": {}}'])
def test_a_manifest_of_an_unknown_version_is_refused(folder, manifest):
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(ArtifactError, match="bundle version"):
        Bundle.load(folder)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"manifest\.json does not exist"):
        Bundle.load(tmp_path)


def test_an_engine_that_the_library_does_not_have_is_refused(tmp_path, engine, data):
    class Newer(Together):
        kind = "newer"

    Bundle(Newer(engine.groups), data, lineage(data)).save(tmp_path / "bundle")
    with pytest.raises(ArtifactError, match="'newer', which this recsys does not have"):
        Bundle.load(tmp_path / "bundle")


def test_a_damaged_engine_with_a_matching_manifest_is_refused(folder):
    import hashlib

    (folder / "engine" / "groups.safetensors").write_bytes(b"nothing")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["engine/groups.safetensors"] = hashlib.sha256(b"nothing").hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="does not hold an engine"):
        Bundle.load(folder)


def test_interactions_without_order_are_loaded_without_order(tmp_path, engine, data):
    unordered = replace(data, has_order=False)
    Bundle(engine, unordered, lineage(data)).save(tmp_path / "bundle")
    assert not Bundle.load(tmp_path / "bundle").data.has_order


def test_a_copy_without_the_marks_of_its_folders_is_the_same_bundle_and_a_changed_mark_is_refused(folder):
    version, marks = Bundle.load(folder).version, sorted(folder.rglob(MARK))
    assert folder / MARK in marks
    marks[0].write_text("something else")
    with pytest.raises(ArtifactError, match=r"unknown: \.recsys"):
        Bundle.load(folder)
    for mark in marks:
        mark.unlink()
    assert Bundle.load(folder).version == version
