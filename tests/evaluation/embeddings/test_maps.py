"""Maps, neighbours and the pictures of them, on spaces whose answers are known."""

import numpy as np
import pytest

from recsys.evaluation.embeddings.maps import cell_centres, flat_map, landmarks
from recsys.evaluation.embeddings.neighbourhoods import nearest, overlap, overlaps
from recsys.evaluation.report.pictures import draw_map, draw_neighbours, draw_overlaps, draw_poster_map
from recsys.seeding import stream

GROUPS = np.repeat([0, 1, 2], 20)
VECTORS = (np.eye(3)[GROUPS] + stream(0, "map").normal(0, 0.05, (60, 3))).astype(np.float32)


@pytest.fixture
def figure():
    from matplotlib.figure import Figure

    return Figure()


@pytest.mark.parametrize("method", ["tsne", "pca"])
def test_a_map_keeps_the_groups_apart(method):
    points = flat_map(VECTORS, method, seed=3)
    assert (points.min(0) == 0).all()
    assert (points.max(0) == 1).all()
    centres = np.stack([points[group == GROUPS].mean(0) for group in range(3)])
    closest = np.square(points[:, None] - centres).sum(2).argmin(1)
    assert (closest == GROUPS).all()


def test_one_seed_gives_one_map():
    assert (flat_map(VECTORS, seed=3) == flat_map(VECTORS, seed=3)).all()


def test_neighbours_are_those_of_the_slow_way_whatever_the_block():
    lists = nearest(VECTORS, 5, block=7)
    unit = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    unit = unit - unit.mean(0)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for row in range(60):
        others = sorted((-float(unit[row] @ unit[other]), other) for other in range(60) if other != row)
        assert lists[row].tolist() == [other for _, other in others[:5]]


def test_a_space_shares_all_with_itself_and_little_with_a_random_one():
    own, other = nearest(VECTORS, 5), nearest(stream(1, "other").normal(size=(60, 3)).astype(np.float32), 5)
    shares = overlaps({"own": own, "other": other})
    assert (np.diag(shares) == 1).all()
    assert shares[0, 1] == overlap(own, other).mean() == pytest.approx(5 / 59, abs=0.06)


def test_the_heaviest_point_of_each_cell_is_its_landmark():
    points, weight = stream(2, "points").random((200, 2)), stream(2, "weight").permutation(200)
    chosen = landmarks(points, weight, 4, 3)
    cells = (points * [4, 3]).astype(int)
    for row in range(200):
        (winner,) = [c for c in chosen if (cells[c] == cells[row]).all()]
        assert weight[winner] >= weight[row]
    assert (np.abs(cell_centres(points, 4, 3) - points) <= [1 / 8 + 1e-9, 1 / 6 + 1e-9]).all()


def test_pictures_show_what_is_there(figure):
    posters = {row: np.full((4, 4, 3), row, np.uint8) for row in range(0, 60, 2)}
    points, names = flat_map(VECTORS, "pca"), [f"film {row}" for row in range(60)]
    plain, wall, matrix, below = figure.subfigures(2, 2).flat
    points[5] = points[3]  # so that its label would cover the first
    draw_map(plain.subplots(), points, GROUPS, ["red", "blue"], {3: "film 3", 5: "film 5", 25: "film 25"})
    assert [text.get_text() for text in plain.axes[0].texts] == ["film 3", "film 25"]
    draw_poster_map(wall.subplots(), points, np.arange(60), posters, 3, 2)
    assert 1 <= len(wall.axes[0].images) <= 6
    lists = {"one": nearest(VECTORS, 3), "two": nearest(VECTORS[:, ::-1], 3)}
    draw_overlaps(matrix.subplots(), overlaps(lists), list(lists))
    assert len(matrix.axes[0].texts) == 2
    draw_neighbours(below, 0, {name: rows[0] for name, rows in lists.items()}, posters, names, np.array([1]))
    assert len(below.axes) == 2 * 4
    figure.canvas.draw()
