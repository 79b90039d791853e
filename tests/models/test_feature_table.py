"""The features of all users or items: what a step is sent of them, and what it looks up."""

import numpy as np
import pytest
import torch

from recsys.models import feature_table
from recsys.models.feature_table import FeatureTable

VALUES = {"year": torch.arange(10.0)[:, None], "tags": torch.arange(30).view(10, 3)}
ROWS = np.array([7, 0, 7])


@pytest.fixture
def as_a_device(monkeypatch):
    """The CPU counts as a device that is not the CPU."""
    monkeypatch.setattr(feature_table, "CPU", torch.device("meta"))


def looked_up(table, device):
    taken = table.take(ROWS, torch.device(device))
    assert not isinstance(taken, dict) or {part.device.type for part in taken.values()} == {"cpu"}
    sent = {k: v.to(device) for k, v in taken.items()} if isinstance(taken, dict) else taken.to(device)
    found = table.gather(sent)
    assert {part.device.type for part in found.values()} == {torch.device(device).type}
    for name, values in VALUES.items():
        assert torch.equal(found[name].cpu(), values[ROWS])
    return taken


def test_rows_have_their_values_on_every_device(device):
    assert isinstance(looked_up(FeatureTable(VALUES), device), dict) == (device == "cpu")


def test_a_device_is_sent_row_numbers_and_holds_one_copy(as_a_device):
    table = FeatureTable(VALUES)
    taken, held = looked_up(table, "cpu"), table.nearest(torch.device("cpu"))
    assert taken.tolist() == ROWS.tolist()
    looked_up(table, "cpu")
    assert table.nearest(torch.device("cpu")) is held


def test_features_that_take_over_a_quarter_of_the_free_memory_stay_where_they_are(as_a_device, monkeypatch):
    size = sum(values.nbytes for values in VALUES.values())
    for free, is_held in ((4 * size, True), (4 * size - 1, False)):
        monkeypatch.setattr("recsys.ranking.on_device.free_bytes", lambda _, free=free: free)
        table = FeatureTable(VALUES)
        assert isinstance(looked_up(table, "cpu"), torch.Tensor) == is_held
        assert (table.nearest(torch.device("cpu")) is VALUES) != is_held
