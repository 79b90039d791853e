"""Texts and images in one space: what is held out measures it and teaches nothing."""

import numpy as np
import pandas as pd
from PIL import Image

from recsys.content.embedder import EmbedderContext
from recsys.content.transforms.contrastive_alignment import (
    ContrastiveAlignment,
    held_out,
    text_finds_image,
)
from recsys.data.entities import EntityTable
from recsys.data.schema import Kind, Schema
from recsys.data.vocabulary import Vocabulary

N = 60
COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 220)}
OPTIONS = {
    "text": {"embedder": "hashing", "columns": ["title"]},
    "image": {"embedder": "colours"},
    "dim": 8,
    "hidden": 0,
    "dropout": 0.0,
    "held_out": 0.2,
    "training": {"epochs": 40, "learning_rate": 0.02},
}


def world(folder, shade=None):
    """Items whose titles say the colour of their picture; ``shade`` changes single pictures."""
    (folder / "posters").mkdir(exist_ok=True)
    names = [list(COLOURS)[row % 3] for row in range(N)]
    for row, name in enumerate(names):
        colour = (shade or {}).get(row, np.array(COLOURS[name]) + row // 3)
        Image.new("RGB", (16, 24), tuple(int(part) for part in colour)).save(folder / f"posters/{row}.png")
    frame = pd.DataFrame(
        {"title": [f"a {name} film" for name in names], "poster": [f"posters/{r}.png" for r in range(N)]}
    )
    return EntityTable(Vocabulary(np.arange(N)), frame, Schema.of({"title": "text", "poster": "image"}))


def context(folder):
    return EmbedderContext(folder / "cache", folder, 3)


def test_a_text_finds_its_image_at_its_rank():
    images = np.eye(12, dtype=np.float32)
    texts = np.stack([images[0], images[1] + 2 * images[2], np.ones(12, np.float32)])
    found = text_finds_image(texts, images, np.array([0, 1, 2]))
    assert found == {"recall@1": 1 / 3, "recall@10": 2 / 3, "items": 3, "candidates": 12}


def test_what_is_held_out_teaches_nothing(tmp_path):
    embedder = ContrastiveAlignment(**OPTIONS).fit(world(tmp_path), context(tmp_path))
    assert {name: (found["items"], found["candidates"]) for name, found in embedder.measured.items()} == {
        "all": (12, N),
        "held_out": (12, 12),
    }
    before = {name: value.clone() for name, value in embedder.heads.state_dict().items()}
    changed = dict.fromkeys(held_out(N, 0.2, 3).tolist(), (255, 255, 255))
    again = ContrastiveAlignment(**OPTIONS).fit(world(tmp_path, changed), context(tmp_path))
    assert all((value == before[name]).all() for name, value in again.heads.state_dict().items())
    assert again.measured != embedder.measured


def test_a_colour_finds_pictures_of_that_colour(tmp_path):
    items, embedder = world(tmp_path), ContrastiveAlignment(**OPTIONS)
    embedder.fit(items, context(tmp_path))
    texts, images = (embedder.one_side(items, kind).vectors for kind in (Kind.TEXT, Kind.IMAGE))
    nearest = (texts @ images.T).argmax(1)
    assert (nearest % 3 == np.arange(N) % 3).all()
    assert embedder.measured["all"]["recall@10"] > 10 / N


def test_the_table_says_what_was_measured_after_the_disk_too(tmp_path):
    items, embedder = world(tmp_path), ContrastiveAlignment(**OPTIONS)
    embedder.fit(items, context(tmp_path))
    embedder.save(tmp_path / "model")
    again = ContrastiveAlignment(**OPTIONS)
    again.restore(tmp_path / "model")
    assert again.embed(items, context(tmp_path)).provenance["held_out"] == embedder.measured
