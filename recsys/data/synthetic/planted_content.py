"""Texts and pictures that carry a planted kind, for the items of `recsys.data.synthetic.planted.PlantedTaste`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

THEMES = (
    "harbour tide sail anchor gull pier storm lighthouse",
    "forest moss owl fern oak mushroom fox bramble",
    "dune camel oasis mirage scorpion caravan cactus sandstorm",
    "tram market skyline alley rooftop neon subway kiosk",
    "glacier snow sledge pine avalanche ridge cabin aurora",
    "orchard barn plough meadow tractor hedge rooster scarecrow",
)
"""The words of each kind of text."""

FILLERS = [
    "old",
    "quiet",
    "last",
    "hidden",
    "long",
    "strange",
    "bright",
    "winter",
    "summer",
    "secret",
    "lonely",
    "first",
]

COLOURS = ((214, 69, 65), (52, 120, 196), (232, 178, 44), (62, 148, 92), (142, 84, 170), (60, 60, 66))
SHAPES = ("circle", "square", "triangle", "stripes", "ring", "cross")

KINDS = len(THEMES)
"""The number of distinguishable kinds."""


def written(kind: int, rng: np.random.Generator, words: int = 7, noise: float = 0.15) -> str:
    """A text of words of the theme ``kind``, a share ``noise`` of any theme, each preceded by a filler word.

    Example:
        >>> written(0, np.random.default_rng(0), words=2, noise=0.0)
        'the last harbour and the secret harbour'
    """
    themes = np.where(rng.random(words) < noise, rng.integers(KINDS, size=words), kind)
    nouns = [rng.choice(THEMES[theme].split()) for theme in themes]
    return " and ".join(f"the {rng.choice(FILLERS)} {noun}" for noun in nouns)


def drawn(kind: int, rng: np.random.Generator, side: int = 32) -> Image:
    """A picture with the shape and colour of ``kind``; position, size, shade, background and grain are random."""
    from PIL import Image, ImageDraw

    colour = tuple(int(c) for c in np.clip(np.array(COLOURS[kind]) + rng.integers(-25, 26), 0, 255))
    picture = Image.new("RGB", (side, side), (int(rng.integers(190, 250)),) * 3)
    size = int(rng.integers(side // 2, 3 * side // 4))
    left, top = (int(rng.integers(side - size)) for _ in range(2))
    _shape(ImageDraw.Draw(picture), SHAPES[kind], (left, top, left + size, top + size), colour)
    grain = rng.normal(0, 6, (side, side, 3))
    pixels: NDArray[np.uint8] = np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels)


def _shape(draw: ImageDraw, shape: str, box: tuple[int, int, int, int], colour: tuple[int, ...]) -> None:
    left, top, right, bottom = box
    width = right - left
    if shape == "circle":
        draw.ellipse(box, fill=colour)
    elif shape == "square":
        draw.rectangle(box, fill=colour)
    elif shape == "triangle":
        draw.polygon([(left, bottom), (right, bottom), ((left + right) // 2, top)], fill=colour)
    elif shape == "stripes":
        for place in range(left, right, max(width // 4, 2)):
            draw.line([(place, top), (place, bottom)], fill=colour, width=max(width // 8, 1))
    elif shape == "ring":
        draw.ellipse(box, outline=colour, width=max(width // 5, 1))
    else:
        middle, arm = ((left + right) // 2, (top + bottom) // 2), max(width // 8, 1)
        draw.rectangle((middle[0] - arm, top, middle[0] + arm, bottom), fill=colour)
        draw.rectangle((left, middle[1] - arm, right, middle[1] + arm), fill=colour)
