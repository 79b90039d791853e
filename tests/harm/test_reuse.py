"""What is reused or loaded is held against a digest of what was written."""

import shutil

import pandas as pd
import pytest

from pipelines.commands.similar import similar_items
from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.data.dataset import Dataset
from recsys.data.synthetic.worlds import BlockTaste
from recsys.errors import ArtifactError
from recsys.tracking import SilentTracker
from tests.pipelines.test_run import Ears
from tests.pipelines.world import write_world

WITHOUT = ["engines.ease.decay=0.9", "promote.engine=ease"]


def flip(path, place=0.5):
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 1
    path.write_bytes(content)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run without a registry: its config, and its output folder."""
    folder = tmp_path_factory.mktemp("run")
    path = write_world(folder)
    text = path.read_text()
    start, end = text.index("[promote]"), text.index("[recommend]")
    path.write_text(text[:start] + text[end:] + 'engine = "ease"\n')
    run_stages(read_run_config(path), Workspace(folder / "out"), SilentTracker())
    return path, folder / "out"


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("dataset/interactions/item.npy", "prepare"),
        ("dataset/items.parquet", "prepare"),
        ("split/test/targets/item.npy", "prepare"),
        ("bundles/ease/engine/arrays.safetensors", "train/ease"),
        ("report.json", "evaluate"),
        ("per_user.parquet", "evaluate"),
        ("final/bundles/ease/engine/arrays.safetensors", "final/ease"),
        ("recommendations/part-00001.parquet", "recommend"),
    ],
)
def test_an_output_with_a_flipped_bit_is_made_again_and_ends_the_same(finished, tmp_path, name, step):
    path, folder = finished
    copy = tmp_path / "out"
    shutil.copytree(folder, copy)
    before = (copy / name).read_bytes()
    flip(copy / name)
    ears = Ears()
    run_stages(read_run_config(path), Workspace(copy), ears)
    assert step not in ears.reused()
    if name != "report.json":  # it holds how long the fits took
        assert (copy / name).read_bytes() == before


@pytest.mark.parametrize("folder_of", ["bundles", "final/bundles"])
def test_a_command_does_not_read_another_bundle_that_was_put_in_place(finished, tmp_path, folder_of):
    path, folder = finished
    copy = tmp_path / "out"
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / folder_of / "ease")
    shutil.copytree(folder / "bundles" / "popularity", copy / folder_of / "ease")
    with pytest.raises(ArtifactError, match="changed since"):
        similar_items(read_run_config(path), Workspace(copy), "1", 3, "ease")


def test_a_batch_manifest_without_parts_is_made_again(finished, tmp_path):
    path, folder = finished
    copy = tmp_path / "out"
    shutil.copytree(folder, copy)
    manifest = next((copy / "recommendations").glob("*manifest.json"))
    whole = manifest.read_text()
    start, end = whole.index('"parts": ['), whole.index("],", whole.index('"parts": ['))
    manifest.write_text(whole[:start] + '"parts": [' + whole[end:])
    run_stages(read_run_config(path), Workspace(copy), SilentTracker())
    assert manifest.read_text() == whole
    assert pd.read_parquet(sorted((copy / "recommendations").glob("*.parquet"))[0]).user_id.nunique() == 10


@pytest.mark.parametrize("name", ["item.npy", "weight.npy", "time.npy"])
def test_a_dataset_with_a_flipped_bit_is_not_loaded(tmp_path, name):
    BlockTaste(users=30).dataset().save(tmp_path / "data")
    flip(tmp_path / "data" / "interactions" / name, 0.9)
    with pytest.raises(ArtifactError, match=rf"changed since it was written|{name}"):
        Dataset.load(tmp_path / "data")
