"""Matplotlib drawings of embedding maps and of neighbours with their posters."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recsys.data.vocabulary import Rows
from recsys.evaluation.embeddings.maps import Points, cell_centres, landmarks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Posters = Mapping[int, NDArray[np.uint8]]
"""Item row -> [height, width, 3]; items without a picture are absent."""

_GREY, _INK = "#c9d0d6", "#30404d"
_TURN = 0.75
"""Labels of points to the right of this x are placed on their left."""


def draw_map(
    axes: Axes,
    points: Points,
    groups: NDArray[np.int64],
    colours: Sequence[str],
    labels: Mapping[int, str],
) -> None:
    """Points by the colour of their group, those of no group (``len(colours)``) in grey below them, some with a label.

    A label that would cover an earlier one is left out.

    Args:
        axes: of matplotlib.
        points: [n, 2].
        groups: [n].
        colours: of the groups.
        labels: row of a point -> its label; the most important first.
    """
    for group, colour in [(len(colours), _GREY), *enumerate(colours)]:
        here = points[groups == group]
        axes.scatter(here[:, 0], here[:, 1], s=11, color=colour, lw=0, alpha=0.55 if group == len(colours) else 0.85)
    for row, text in _apart(points, labels).items():
        x, y = points[row]
        axes.plot(x, y, "o", ms=4, mfc="none", mec=_INK, mew=0.8)
        left = x > _TURN
        shift = (-5 if left else 5, 2)
        note = axes.annotate(text, (x, y), shift, textcoords="offset points", ha="right" if left else "left", size=7.5)
        note.set(color=_INK, bbox={"facecolor": "white", "alpha": 0.65, "lw": 0, "pad": 0.6})
    axes.set(xticks=[], yticks=[], xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.spines[:].set_visible(False)


def draw_poster_map(
    axes: Axes, points: Points, weight: NDArray[np.number], posters: Posters, columns: int = 26, rows: int = 13
) -> None:
    """The poster of the item of largest weight in each cell of a grid over the map; empty where no item lies.

    Args:
        axes: of matplotlib.
        points: [n, 2].
        weight: [n], such as how often an item was chosen.
        posters: by row of ``points``.
        columns: of the grid.
        rows: of the grid.
    """
    shown = np.array(sorted(posters), np.int64)
    chosen = shown[landmarks(points[shown], np.asarray(weight)[shown], columns, rows)]
    half_width, half_height = 0.47 / columns, 0.47 / rows
    for row, (x, y) in zip(chosen.tolist(), cell_centres(points[chosen], columns, rows), strict=True):
        axes.imshow(posters[row], extent=(x - half_width, x + half_width, y - half_height, y + half_height))
    axes.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1), aspect="auto")
    axes.spines[:].set_visible(False)


def draw_neighbours(
    figure: Figure, query: int, lists: Mapping[str, Rows], posters: Posters, names: Sequence[str], marked: Rows
) -> None:
    """One row of posters per space: the query item, then its nearest neighbours; ``marked`` ones are in colour.

    Args:
        figure: of matplotlib.
        query: row of the item.
        lists: space -> its neighbours [k].
        posters: by item row.
        names: [n], the titles.
        marked: rows whose title is in colour, such as those that are neighbours in several spaces.
    """
    k = max(len(rows) for rows in lists.values())
    grid = figure.subplots(len(lists), k + 1, squeeze=False, gridspec_kw={"width_ratios": [1.25, *[1] * k]})
    for axes in grid.flat:
        axes.set_axis_off()
    for strip, (space, rows) in zip(grid, lists.items(), strict=True):
        _poster(strip[0], posters.get(query), names[query], "black", bold=True)
        strip[0].set_title(space, loc="left", size=10, color=_INK)
        for axes, row in zip(strip[1:], rows.tolist(), strict=False):
            _poster(axes, posters.get(row), names[row], "#d1603d" if row in marked else _INK)


def draw_overlaps(axes: Axes, shares: NDArray[np.float64], names: Sequence[str]) -> None:
    """A heat map [S, S] of the share of neighbours that each two spaces have in common."""
    shown = np.where(np.eye(len(shares), dtype=bool), np.nan, shares)
    axes.imshow(shown, cmap="Blues", vmin=0, vmax=max(0.4, float(np.nanmax(shown))))
    for (y, x), share in np.ndenumerate(shown):
        if x != y:
            axes.text(x, y, f"{share:.0%}", ha="center", va="center", color="white" if share > 0.25 else _INK, size=9)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _apart(points: Points, labels: Mapping[int, str]) -> dict[int, str]:
    """Those of ``labels`` that do not overlap an earlier one, on axes about seven inches wide."""
    kept: dict[int, tuple[float, float, float]] = {}
    for row, text in labels.items():
        x, y = points[row]
        width = 0.02 + 0.0095 * len(text)
        low, high = (x - width, x) if x > _TURN else (x, x + width)
        if all(abs(y - other) > 0.022 or low > end or high < start for start, end, other in kept.values()):
            kept[row] = (low, high, y)
    return {row: labels[row] for row in kept}


def _poster(axes: Axes, pixels: NDArray[np.uint8] | None, name: str, colour: str, bold: bool = False) -> None:
    blank = np.full((3, 2, 3), 228, np.uint8)
    axes.imshow(blank if pixels is None else pixels, extent=(0, 2, 0, 3))
    written = "\n".join(textwrap.wrap(name, 18)[:2])
    axes.text(0, -0.15, written, va="top", size=7, color=colour, weight="bold" if bold else "normal")
