"""Networks of images: what is made faster stays the same, and the small one learns from pixels."""

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import nn

from recsys.content import EmbedderContext, ImageEmbedder, MetricLearningEmbedder
from recsys.content.image.efficientnet import fold_normalisation
from recsys.content.image.pixels import PixelStore, decode
from recsys.content.transforms.metric_learning import _pair_labels
from recsys.data.entities import EntityTable
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.seeding import stream
from tests.content.tiny_models import save_clip, save_convnext, save_vit


class Block(nn.Module):
    """Convolutions named before their normalisations, as the package has them, and a way past them."""

    def __init__(self) -> None:
        super().__init__()
        self._expand_conv = nn.Conv2d(3, 8, 1, bias=False)
        self._bn0 = nn.BatchNorm2d(8)
        self._project_conv = nn.Conv2d(8, 3, 3, padding=1, bias=False)
        self._bn1 = nn.BatchNorm2d(3)
        self._activation = nn.ReLU6()

    def forward(self, pixels):
        inner = self._activation(self._bn0(self._expand_conv(pixels)))
        return self._bn1(self._project_conv(inner)) + pixels


def test_folding_the_normalisation_changes_no_feature():
    torch.manual_seed(0)
    block, pixels = Block(), torch.randn(4, 3, 8, 8)
    for _ in range(3):
        block(pixels)  # gives the normalisations a mean and a variance
    block.eval()
    with torch.no_grad():
        before, kept = block(pixels), pixels.clone()
        fold_normalisation(block)
        after = block(pixels)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in block.modules())
    torch.testing.assert_close(after, before)
    torch.testing.assert_close(pixels, kept)


@pytest.fixture
def stripes(tmp_path):
    """Posters with stripes that run across or down, in random colours; the label says which way."""
    rng, across = stream(0, "stripes"), np.arange(16) % 2 == 0
    for row in range(16):
        lines = np.repeat(rng.integers(0, 255, (8, 1, 3), np.uint8), 8, axis=1)
        Image.fromarray(lines if across[row] else lines.swapaxes(0, 1)).save(tmp_path / f"{row}.png")
    frame = pd.DataFrame({"poster": [f"{row}.png" for row in range(16)], "way": np.where(across, "across", "down")})
    return EntityTable(Vocabulary(np.arange(16)), frame, Schema.of({"poster": "image", "way": "categorical"})), across


def test_the_small_network_learns_labels_from_pixels(stripes, tmp_path):
    table, across = stripes
    options = {"base": "pixels", "label": "way", "loss": "contrastive", "dim": 4, "side": 16, "batch_size": 16}
    options |= {"batches": 40, "epochs": 1, "learning_rate": 1e-2, "columns": ["poster"]}
    embedder, context = MetricLearningEmbedder(**options), EmbedderContext(tmp_path / "cache", tmp_path)
    found = embedder.fit_transform(table, context)
    nearest = np.array([found.neighbours(row, 1)[0][0] for row in range(16)])
    assert (across[nearest] == across).all()
    embedder.save(tmp_path / "model")
    again = MetricLearningEmbedder(**options)
    again.restore(tmp_path / "model")
    np.testing.assert_array_equal(again.embed(table, context).vectors, found.vectors)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("save", [save_vit, save_convnext, save_clip])
def test_a_vision_model_out_of_a_folder_embeds_posters(save, stripes, tmp_path):
    table, _ = stripes
    embedder = ImageEmbedder(columns=["poster"], model=str(save(tmp_path / "model")), side=32)
    found = embedder.embed(table, EmbedderContext(tmp_path / "cache", tmp_path))
    assert found.vectors.shape == (16, 16)
    assert np.isfinite(found.vectors).all()
    assert np.ptp(found.vectors, axis=0).max() > 0


def test_pixels_stay_on_disk_until_they_are_taken(stripes, tmp_path):
    table, _ = stripes
    found = PixelStore(EmbedderContext(tmp_path / "cache", tmp_path), ["poster"], 16).read(table)
    assert not found.records.flags.owndata
    assert not found.records.flags.writeable
    np.testing.assert_array_equal(found.take(np.array([3, 1])), found.pixels[[3, 1]])
    file = (tmp_path / "3.png").read_bytes()
    np.testing.assert_array_equal(found.pixels[3], decode(file, 16))


def test_no_label_says_that_a_pair_is_different():
    pairs = np.array([[1, 2], [3, 1], [4, 5], [6, 6], [2, 7]])
    rows, labels = _pair_labels(pairs)
    assert rows.tolist() == [1, 2, 4, 5]
    assert labels.tolist() == [0, 0, 1, 1]
