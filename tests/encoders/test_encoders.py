"""Encoders of columns, through what a fitted column gives them; some by hand, and all through the same contract."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from recsys.data.entities import EntityTable
from recsys.data.features.categories import ABSENT, RARE
from recsys.data.features.features import FeatureOptions, FeatureSet
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.encoders import ENCODERS
from recsys.encoders.categorical import CategoricalEncoder, table_width
from recsys.encoders.numeric import NumericEncoder, Periodic, PiecewiseLinear
from recsys.encoders.tags import TagsEncoder
from recsys.errors import ConfigError

CELLS = {
    "categorical": ["a", "b", "a", "b", None, "once"],
    "tags": ["a|b", "b", "a|b|c", None, "", "c"],
    "numeric": [1.0, 2.0, 4.0, 8.0, None, 16.0],
    "time": [0.0, 1e8, 1.1e8, 1.2e8, None, 2e8],
    "embedding": [[1.0, 0.0], [0.0, 2.0], None, [1.0, 1.0], [2.0, 2.0], [0.5, 0.5]],
}
STYLES = [("numeric", "periodic"), ("numeric", "piecewise"), *((kind, "linear") for kind in CELLS)]


def table(kind, cells):
    ids = Vocabulary(np.arange(len(cells)))
    return EntityTable(ids, pd.DataFrame({"x": pd.Series(cells)}), Schema.of({"x": kind}))


def built(kind, style="linear", dim=6, **options):
    """The encoder of a fitted column, and the column's values."""
    torch.manual_seed(0)
    whole = table(kind, CELLS[kind])
    features = FeatureSet.fit(whole, None, FeatureOptions(**options))
    encoder = ENCODERS[kind].build(features.columns[0], dim, style)
    return encoder, torch.from_numpy(features.transform(whole)["x"])


@pytest.mark.parametrize("numeric", ["standard", "quantile"])
@pytest.mark.parametrize(("kind", "style"), STYLES)
def test_an_encoder_gives_one_finite_vector_a_row(kind, style, numeric):
    encoder, values = built(kind, style, numeric=numeric)
    found = encoder(values)
    assert found.shape == (6, 6)
    assert found.dtype == torch.float32
    assert found.isfinite().all()


@pytest.mark.parametrize(("kind", "style"), STYLES)
def test_a_device_gives_the_vectors_of_double_precision_to_four_digits(kind, style, device):
    encoder, values = built(kind, style)
    single = encoder.to(device)(values.to(device)).detach().cpu().double()
    double = encoder.to("cpu").double()(values.double() if values.is_floating_point() else values)
    torch.testing.assert_close(single, double.detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "style"), STYLES)
def test_every_parameter_learns_from_a_column_with_a_missing_cell(kind, style):
    encoder, values = built(kind, style)
    encoder(values).square().sum().add(encoder(values).sum()).backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("kind", "style"), STYLES)
def test_a_missing_value_has_a_vector_of_its_own_that_no_value_shares(kind, style):
    encoder, values = built(kind, style)
    torch.nn.init.normal_(getattr(encoder, "absent", torch.zeros(1)))
    missing = [row for row, cell in enumerate(CELLS[kind]) if cell is None or cell == ""]
    present = [row for row in range(6) if row not in missing]
    found = encoder(values)
    for row in missing:
        assert torch.equal(found[row], found[missing[0]])
        assert all(not torch.allclose(found[row], found[other]) for other in present)


@pytest.mark.parametrize(("kind", "style"), STYLES)
def test_an_encoder_survives_its_state(kind, style):
    encoder, values = built(kind, style)
    other, _ = built(kind, style)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(torch.randn_like(parameter))
    other.load_state_dict(encoder.state_dict())
    assert torch.equal(other(values), encoder(values))


def test_the_width_of_a_table_grows_with_its_values_up_to_the_models():
    assert [table_width(n, 32) for n in (0, 1, 10, 100, 10**6)] == [2, 2, 6, 22, 32]


def test_rare_and_unknown_categories_share_a_vector():
    encoder = CategoricalEncoder(5, 3, 4)
    found = encoder(torch.tensor([RARE, RARE, ABSENT, 2]))
    assert torch.equal(found[0], found[1])
    assert not torch.allclose(found[0], found[2])


def test_a_categorical_vector_is_its_row_of_the_table_projected():
    encoder = CategoricalEncoder(4, 3, 2)
    expected = encoder.table.weight[3] @ encoder.project.weight.T
    torch.testing.assert_close(encoder(torch.tensor([3]))[0], expected)


def test_tags_are_the_mean_of_their_vectors_in_any_order_and_padding_takes_no_part():
    encoder = TagsEncoder(6, 3, 3)
    found = encoder(torch.tensor([[2, 4, -1], [4, 2, -1], [2, -1, -1], [4, -1, -1]]))
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], (found[2] + found[3]) / 2)


def test_a_linear_number_is_a_line():
    encoder = NumericEncoder(None, 1, 3)
    found = encoder(torch.tensor([[0.0], [1.0], [2.0]]))
    torch.testing.assert_close(found[2] - found[1], found[1] - found[0])


def test_periodic_numbers_are_sines_and_cosines_of_learned_frequencies():
    periodic = Periodic(2)
    with torch.no_grad():
        periodic.frequency.copy_(torch.tensor([0.25, 1.0]))
    found = periodic(torch.tensor([[1.0], [0.5]]))
    half = math.sqrt(0.5)
    expected = torch.tensor([[1.0, 0.0, 0.0, 1.0], [half, 0.0, half, -1.0]])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_piecewise_numbers_fill_one_bin_after_another():
    filled = PiecewiseLinear(torch.tensor([0.0, 1.0, 3.0]))(torch.tensor([[-1.0], [0.5], [2.0], [9.0]]))
    assert filled.tolist() == [[0, 0], [0.5, 0], [1, 0.5], [1, 1]]


@pytest.mark.parametrize("numeric", ["standard", "quantile"])
def test_piecewise_bins_are_the_quantiles_of_train(numeric):
    cells = np.random.default_rng(0).exponential(5, 4000)
    features = FeatureSet.fit(table("numeric", cells), None, FeatureOptions(numeric=numeric))
    encoder = ENCODERS["numeric"].build(features.columns[0], 4, "piecewise")
    values = features.transform(table("numeric", cells))["x"][:, 0]
    inside = np.histogram(values, encoder.expand.edges.numpy())[0]
    assert len(inside) >= 30
    assert inside.min() > 90  # 32 bins of 125 each, but for the clipped ends of the quantile scale


def test_a_piecewise_number_learns_a_step_that_a_line_cannot():
    cells = np.linspace(0, 10, 200)
    features = FeatureSet.fit(table("numeric", cells), None, FeatureOptions())
    values = torch.from_numpy(features.transform(table("numeric", cells))["x"])
    wanted = torch.from_numpy(np.where((cells > 3) & (cells < 6), 1.0, 0.0)).float()[:, None]
    losses = {}
    for style in ("linear", "piecewise", "periodic"):
        torch.manual_seed(0)
        encoder = ENCODERS["numeric"].build(features.columns[0], 1, style)
        optimiser = torch.optim.Adam(encoder.parameters(), 0.05)
        for _ in range(300):
            optimiser.zero_grad()
            loss = (encoder(values) - wanted).square().mean()
            loss.backward()
            optimiser.step()
        losses[style] = loss.item()
    assert losses["linear"] > 0.15
    assert losses["piecewise"] < 0.02
    assert losses["periodic"] < 0.06


def test_a_constant_number_can_be_encoded_piecewise():
    features = FeatureSet.fit(table("numeric", [3.0, 3.0]), None, FeatureOptions())
    encoder = ENCODERS["numeric"].build(features.columns[0], 2, "piecewise")
    assert encoder(torch.tensor([[0.0], [1.0]])).isfinite().all()


def test_the_same_hour_of_other_days_is_near_and_another_hour_is_far():
    day = 86_400.0
    cells = [20_000 * day, 20_007 * day, 20_000 * day + day / 2, 19_000 * day, 21_000 * day]
    values = FeatureSet.fit(table("time", cells), None, FeatureOptions()).transform(table("time", cells))["x"]
    same, other = np.linalg.norm(values[0] - values[1]), np.linalg.norm(values[0] - values[2])
    assert same < 0.2 < 1.5 < other


def test_an_unknown_style_lists_the_choices():
    features = FeatureSet.fit(table("numeric", [1.0, 2.0]), None, FeatureOptions())
    with pytest.raises(ConfigError, match="linear, periodic, piecewise"):
        ENCODERS["numeric"].build(features.columns[0], 2, "wavelet")


@pytest.mark.parametrize("kind", ["numeric", "embedding"])
def test_a_number_begins_without_a_vector_that_all_entities_share(kind):
    encoder, values = built(kind)
    assert encoder(torch.zeros_like(values)).abs().max() == 0
