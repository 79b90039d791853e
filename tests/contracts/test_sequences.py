"""Every encoder of histories, through the same tests."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils._python_dispatch import TorchDispatchMode

from recsys.encoders.sequence import SEQUENCES, SequenceShape

DIM = 8
NAMES = list(SEQUENCES)
CASES = [(name, "recency") for name in NAMES] + [("transformer", "rotary"), ("transformer", "relative")]


def encoder(name, positions="recency", use_timestamps=True, dropout=0.0):
    torch.manual_seed(0)
    module = SEQUENCES[name].build(
        SequenceShape(
            DIM,
            heads=2,
            layers=2,
            expansion=2,
            dropout=dropout,
            positions=positions,
            length=6,
            use_timestamps=use_timestamps,
        )
    )
    for parameter in module.parameters():
        if parameter.ndim:
            torch.nn.init.normal_(parameter, std=0.5)
    return module.eval()


def histories(lengths=(4, 0, 2, 9)):
    """A rectangle with room for one more position a user, and the same histories packed."""
    torch.manual_seed(1)
    counts = torch.tensor(lengths)
    width = int(counts.max()) + 1
    vectors = torch.randn(len(lengths), width, DIM)
    times = 1_700_000_000 + torch.randint(1, 90_000, (len(lengths), width)).cumsum(1)
    held = torch.arange(width) < counts[:, None]
    return vectors, times, held, counts


@pytest.mark.parametrize(("name", "positions"), CASES)
def test_packed_equals_padded(name, positions):
    module = encoder(name, positions)
    vectors, times, held, counts = histories()
    users = torch.arange(len(counts))
    predicted = torch.zeros_like(held)
    predicted[users, counts] = True
    padded = module(vectors, ~(held | predicted), times, predicted)[users, counts]
    if module.mask_probability:  # the moment of a hidden event is not known: serving repeats the newest one's
        times = torch.where(predicted, times[users, (counts - 1).clamp(min=0)][:, None], times)
        padded = module(vectors, ~(held | predicted), times, predicted)[users, counts]
        padded[1] = module.encode_last(vectors[:0, 0], counts[:0], counts[1:2])[0]
    rows = torch.randperm(int(counts.sum()))
    table = torch.empty(len(rows), DIM)
    table[rows] = vectors[held]
    packed = module.encode_last(table, rows, counts, times[held])
    short = module.encode_last(table, rows.int(), counts, times[held])
    assert torch.equal(short, packed)
    assert packed.shape == (len(counts), module.heads * DIM)
    torch.testing.assert_close(packed, padded)


class Largest(TorchDispatchMode):
    """The most elements of any tensor that is computed in the block."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        sizes = [
            part.numel() for part in (found if isinstance(found, list | tuple) else [found]) if torch.is_tensor(part)
        ]
        self.elements = max(self.elements, *sizes, 0)
        return found


@pytest.mark.parametrize("name", NAMES)
def test_packed_histories_are_encoded_without_the_vectors_of_all_events(name):
    module, lengths = encoder(name), torch.full((20_000,), 10)
    rows = torch.arange(int(lengths.sum())) % 100
    with torch.no_grad(), Largest() as largest:
        module.encode_last(torch.randn(100, DIM), rows, lengths, rows)
    assert largest.elements < len(rows) * DIM / 2


@pytest.mark.parametrize(("name", "positions"), CASES)
def test_a_future_item_changes_none_earlier(name, positions):
    module = encoder(name, positions)
    if module.mask_probability:
        return  # sees both sides in training; what it serves is the end, which has no future
    vectors, times, *_ = histories((6, 6))
    padding_mask = torch.zeros(vectors.shape[:2], dtype=torch.bool)
    moved, later = vectors.clone(), times.clone()
    moved[:, 3:] += 1
    later[:, 3:] += 1000
    before, after = module(vectors, padding_mask, times), module(moved, padding_mask, later)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert not torch.allclose(before[:, 4], after[:, 4])


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_history_gets_one_learned_vector(name):
    module = encoder(name)
    none = torch.zeros(0, dtype=torch.long)
    empty = module.encode_last(torch.zeros(0, DIM), none, torch.zeros(2, dtype=torch.long))
    assert torch.equal(empty[0], empty[1])
    empty.sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_it_survives_the_disk_bit_for_bit(name, tmp_path):
    module, other = encoder(name), encoder(name)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    save_file(module.state_dict(), tmp_path / "e.safetensors")
    other.load_state_dict(load_file(tmp_path / "e.safetensors"))
    vectors, times, held, *_ = histories()
    assert torch.equal(module(vectors, ~held, times, held), other(vectors, ~held, times, held))


@pytest.mark.parametrize(("name", "positions"), CASES)
def test_gradients_reach_every_weight_and_the_items(name, positions):
    module = encoder(name, positions, dropout=0.2).train()
    vectors, times, held, *_ = histories((9, 9, 9))
    vectors.requires_grad_(True)
    masked = torch.zeros_like(held)
    masked[:, ::3] = True
    module(vectors, ~held, times, masked if module.mask_probability else None).square().sum().backward()
    assert torch.isfinite(vectors.grad).all()
    assert vectors.grad.abs().sum() > 0
    for weight in module.parameters():
        assert torch.isfinite(weight.grad).all()
        assert weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_none(name):
    module = encoder(name)
    vectors, times, held, *_ = histories()
    junk = torch.where(held[..., None], vectors, vectors + 5)
    seen = module(vectors, ~held, times, torch.zeros_like(held))[held]
    torch.testing.assert_close(module(junk, ~held, times, torch.zeros_like(held))[held], seen)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("decayed", "learned")])
def test_timestamps_matter_where_they_are_an_input(name):
    vectors, times, held, *_ = histories()
    later = times + torch.arange(times.shape[1]) * 50_000
    timed, untimed = encoder(name), encoder(name, use_timestamps=False)
    masked = torch.zeros_like(held)
    assert not torch.allclose(timed(vectors, ~held, times, masked), timed(vectors, ~held, later, masked))
    assert torch.equal(untimed(vectors, ~held, times, masked), untimed(vectors, ~held, later, masked))


@pytest.mark.parametrize(("name", "positions"), CASES)
def test_a_device_gives_the_encoded_histories_of_the_cpu_to_four_digits(name, positions, device):
    vectors, times, held, counts = histories()
    rows, table = torch.arange(int(counts.sum())), vectors[held]
    module, found = encoder(name, positions), []
    for where in (device, "cpu"):
        module.to(where)
        packed = module.encode_last(table, rows, counts.to(where), times[held].to(where))  # the table stays on the CPU
        padded = module(*(part.to(where) for part in (vectors, ~held, times, torch.zeros_like(held))))
        found.append([packed.detach().cpu(), padded.detach().cpu()[held]])
    for there, here in zip(*found, strict=True):
        torch.testing.assert_close(there, here, rtol=1e-4, atol=1e-4)
