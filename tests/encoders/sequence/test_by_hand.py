import pytest
import torch

from recsys.encoders.dropout import ByteDropout
from recsys.encoders.sequence.attention import RelativeBias, SelfAttention, rotated
from recsys.encoders.sequence.causal import rectangles
from recsys.encoders.sequence.pooling import DecayedPooling
from recsys.encoders.sequence.time_encoding import TimeEncoding


def test_the_decayed_mean_by_hand():
    module = DecayedPooling(1, 0.5)
    vectors = torch.tensor([[[4.0], [1.0], [0.0]]])
    pooled = module(vectors, torch.zeros(1, 3, dtype=torch.bool))
    assert pooled.flatten().tolist() == pytest.approx([0.0, 4.0, (0.5 * 4 + 1) / 1.5])


def test_byte_dropout_drops_its_share_and_keeps_the_mean():
    torch.manual_seed(0)
    module = ByteDropout(0.25)
    dropped = module(torch.ones(300, 1001))
    assert float((dropped == 0).float().mean()) == pytest.approx(0.25, abs=0.005)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.01)
    assert torch.equal(module.eval()(torch.ones(3)), torch.ones(3))


def test_rectangles_hold_every_position_of_users_with_a_history_once():
    lengths = torch.tensor([3, 0, 1, 3, 2, 3])
    owner = torch.repeat_interleave(torch.arange(6), lengths)
    seen = []
    for users, places in rectangles(lengths, max_tokens=6):
        assert places.numel() <= 6
        assert (owner[places] == users[:, None]).all()
        seen += places.flatten().tolist()
    assert sorted(seen) == list(range(12))


def test_attention_equals_a_slow_reference():
    torch.manual_seed(0)
    module, x = SelfAttention(4, 2), torch.randn(1, 3, 4)
    query, key, value = module.inputs(x)[0].split(4, dim=1)
    rows = []
    for i in range(3):
        heads = []
        for h in (slice(0, 2), slice(2, 4)):
            weight = torch.softmax(torch.stack([query[i, h] @ key[j, h] / 2**0.5 for j in range(i + 1)]), 0)
            heads.append(sum(weight[j] * value[j, h] for j in range(i + 1)))
        rows.append(module.out(torch.cat(heads)))
    torch.testing.assert_close(module(x)[0], torch.stack(rows))
    zero = torch.zeros(1, 2, 3, 3)
    torch.testing.assert_close(module(x, zero)[0], torch.stack(rows))


def test_rotated_products_depend_on_the_distance_alone():
    a, b = torch.randn(8), torch.randn(8)
    first, second = rotated(a.expand(1, 1, 6, 8))[0, 0], rotated(b.expand(1, 1, 6, 8))[0, 0]
    products = first @ second.T
    torch.testing.assert_close(products[1, 0], products[5, 4])
    torch.testing.assert_close(products[2, 5], products[0, 3])


def test_the_relative_bias_tells_near_steps_apart_and_sees_gaps_of_time():
    bias = RelativeBias(1, 50, use_timestamps=True)
    with torch.no_grad():
        bias.steps.copy_(torch.arange(bias.steps.shape[1])[None])
        bias.gaps.copy_(torch.arange(34)[None] * 100)
    assert bias(4, None)[0, 0, 3].tolist() == [3.0, 2.0, 1.0, 0.0]
    times = torch.tensor([[0, 0, 3, 1000]])
    assert bias(4, times)[0, 0, 3].tolist() == [903.0, 902.0, 901.0, 0.0]
    assert bias(4, times)[0, 0, 1, 0] == 1.0


def test_the_time_encoding_holds_the_hour_and_the_gap():
    encoding = TimeEncoding(7)
    with torch.no_grad():
        encoding.project.weight.copy_(torch.eye(7))
    noon = 1_700_006_400 - 1_700_006_400 % 86_400 + 43_200
    features = encoding(torch.tensor([[noon, noon + 86_400]]))[0]
    torch.testing.assert_close(features[0, 1], features[1, 1])
    torch.testing.assert_close(features[0, 4], torch.tensor(-1.0))
    assert features[0, 0] == 0
    assert features[1, 0] > 1
