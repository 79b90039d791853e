"""JSON files of a run that hold other shapes than were written: an ArtifactError that names the file, nothing else."""

import json
import shutil

import numpy as np
import pytest

from recsys.data.dataset import Dataset
from recsys.data.splits.partition import Split
from recsys.data.splits.split import split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.data.vocabulary import Vocabulary
from recsys.embedding_table import EmbeddingTable
from recsys.engines.baselines.popularity import Popularity
from recsys.errors import ArtifactError
from recsys.evaluation.compare import evaluate_engines
from recsys.evaluation.report.report import Report
from recsys.files.stored_json import as_written, read_object

LOADERS = {"dataset": Dataset.load, "split": Split.load, "report": Report.load, "table": EmbeddingTable.load}
SHAPES = [[], None, 3, "text", True, {}, [[1]], {"version": 1}, {"schema": 1, "engines": []}]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("written"), BlockTaste(users=30, items=14).dataset()
    parts = split(data)
    data.save(folder / "dataset")
    parts.save(folder / "split")
    evaluate_engines(Popularity().fit(data, parts.train), data, parts, ks=(5, 10)).save(folder / "report")
    EmbeddingTable(Vocabulary.of(["a", "b"]), np.eye(2, dtype=np.float32), {}).save(folder / "table")
    return folder


def _changes(content):
    """The content without each of its keys, and with another value for each."""
    for key in content if isinstance(content, dict) else ():
        yield {name: value for name, value in content.items() if name != key}
        for value in (None, 3, [], {}, "x"):
            yield {**content, key: value}


@pytest.mark.parametrize("kind", LOADERS)
def test_json_of_another_shape_is_an_artifact_error_or_is_not_read(kind, written, tmp_path):
    folder = tmp_path / kind
    shutil.copytree(written / kind, folder)
    LOADERS[kind](folder)
    messages = []
    for path in sorted(folder.rglob("*.json")):
        original = path.read_text()
        for content in [*SHAPES, *_changes(json.loads(original))]:
            path.write_text(json.dumps(content))
            try:
                LOADERS[kind](folder)
            except ArtifactError as error:
                messages.append(str(error))
        path.write_text(original)
    assert len(messages) >= 6  # any object is a provenance
    assert all(str(folder) in message for message in messages)


def test_a_value_of_another_type_names_the_file(tmp_path):
    (tmp_path / "a.json").write_text('{"engines": 3}')
    with pytest.raises(ArtifactError, match=r"a\.json lacks curve"):
        read_object(tmp_path / "a.json", "engines", "curve")
    with pytest.raises(ArtifactError, match=r"a\.json is not as it was written"), as_written(tmp_path / "a.json"):
        read_object(tmp_path / "a.json", "engines")["engines"]["ease"]
