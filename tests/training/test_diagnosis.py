"""What is said of a training that ended without an error."""

import pytest

from recsys.training.diagnosis import diagnose


def curve(*losses, metric=None):
    points = [{"epoch": number, "loss": loss} for number, loss in enumerate(losses, 1)]
    return [point | ({} if metric is None else {"metric": metric}) for point in points]


def test_a_training_whose_loss_falls_is_left_alone():
    assert diagnose(curve(5.0, 4.0, 3.5, metric=0.1), steps=300, warmup=50) == []


@pytest.mark.parametrize(
    ("points", "steps", "words"),
    [
        (curve(5.0, 4.0), 6, "inside its warm-up of 50"),
        (curve(5.0, 5.5), 100, "rose from 5 to 5.5"),
        (curve(5.0, 5.0, 4.9999), 100, "has not moved from 5"),
        (curve(5.0, 4.0, metric=0.0), 100, "0 in every epoch"),
    ],
)
def test_each_fault_is_named(points, steps, words):
    (found,) = diagnose(points, steps, warmup=50)
    assert words in found


def test_no_epoch_says_nothing():
    assert diagnose([], 0, 50) == []
