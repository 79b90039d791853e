import pytest
import torch
from torch import nn

from recsys.tracking import SilentTracker
from recsys.training.loop import LoopOptions, train
from recsys.training.row_adam import RowAdam, row_tables


def step(module, optimizer, rows):
    optimizer.zero_grad(set_to_none=True)
    (module(rows) * torch.linspace(1, 2, 3, device=rows.device)).square().sum().backward()
    optimizer.step()


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_it_is_adamw_without_a_first_moment_when_every_step_touches_every_row(decay, device):
    torch.manual_seed(0)
    sparse = nn.Embedding(4, 3, sparse=True, device=device)
    dense = nn.Embedding(4, 3, device=device)
    dense.load_state_dict(sparse.state_dict())
    ours = RowAdam([sparse.weight], 0.1, decay)
    theirs = torch.optim.AdamW([dense.weight], 0.1, betas=(0.0, 0.999), weight_decay=decay)
    rows = torch.tensor([0, 1, 2, 3, 1], device=device)
    for _ in range(5):
        step(sparse, ours, rows)
        step(dense, theirs, rows)
    torch.testing.assert_close(sparse.weight, dense.weight)


def test_a_gradient_moves_a_rare_row_as_far_as_adam_does_over_the_steps_that_follow():
    weights = []
    for sparse, optimizer in ((True, RowAdam), (False, torch.optim.AdamW)):
        torch.manual_seed(0)
        table = nn.Embedding(2, 3, sparse=sparse)
        chosen = optimizer([table.weight], 1e-3, weight_decay=0.0)
        for count in range(300):
            chosen.zero_grad(set_to_none=sparse)
            (table(torch.tensor([int(count % 100 == 0)])) * torch.linspace(1, 2, 3)).sum().backward()
            chosen.step()
        weights.append(table.weight.detach()[1])
    torch.testing.assert_close(weights[0], weights[1], atol=0, rtol=0.02)


def test_a_row_without_a_gradient_stays(device):
    torch.manual_seed(0)
    table = nn.Embedding(3, 3, sparse=True, device=device)
    before = table.weight.detach().clone()
    optimizer = RowAdam([table.weight], 0.1)
    for _ in range(10):
        step(table, optimizer, torch.tensor([0], device=device))
    assert torch.equal(table.weight[1:], before[1:])


def test_a_loaded_state_counts_its_steps_as_the_saved_one_does(device):
    table = nn.Embedding(4, 3, sparse=True, device=device)
    saved, loaded = RowAdam([table.weight], 0.1), RowAdam([table.weight], 0.1)
    step(table, saved, torch.tensor([0, 2], device=device))
    saved.state[table.weight]["step"].fill_(2**24 + 1)  # more than a single-precision number counts
    loaded.load_state_dict(saved.state_dict())
    step(table, loaded, torch.tensor([1], device=device))
    found = loaded.state[table.weight]["step"]
    assert (found.item(), found.dtype, found.device.type) == (2**24 + 2, torch.double, "cpu")


class Tables:
    """Pulls embeddings of a few random rows a step together; some rows come late or never."""

    def __init__(self, die_after=None):
        torch.manual_seed(0)
        self.module = nn.ModuleDict({"table": nn.Embedding(50, 4, sparse=True), "out": nn.Linear(4, 1)})
        self.left = die_after

    def batches(self, epoch, rng):
        return [rng.integers(0, 10 + 5 * epoch, 6) for _ in range(4)]

    def loss(self, batch, rng):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        rows = torch.from_numpy(batch).to(self.module["out"].weight.device)
        return (self.module["out"](self.module["table"](rows)) - 1).square().mean()

    def examples(self, batch):
        return len(batch)

    def validate(self):
        return -float((self.module["out"](self.module["table"].weight) - 1).square().mean())


@pytest.mark.parametrize("die_after", [3, 9, 17])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_killed_training_of_tables_resumes_to_the_same_weights(tmp_path, die_after, ema, device):
    options = LoopOptions(
        epochs=5, warmup=2, max_grad_norm=0.5, ema=ema, checkpoint_seconds=0, learning_rate=0.05, device=device
    )
    whole, killed, resumed = Tables(), Tables(die_after), Tables()
    assert row_tables(whole.module) == {whole.module["table"].weight}
    expected = train(whole, options, 1, SilentTracker())
    with pytest.raises(KeyboardInterrupt):
        train(killed, options, 1, SilentTracker(), directory=tmp_path, identity="x")
    progress = train(resumed, options, 1, SilentTracker(), directory=tmp_path, identity="x")
    assert progress.curve == expected.curve
    for a, b in zip(whole.module.parameters(), resumed.module.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_large_gradient_is_clipped_over_dense_and_row_parts_together():
    free, clipped = Tables(), Tables()
    for task, largest in ((free, 0.0), (clipped, 1e-9)):
        options = LoopOptions(epochs=1, warmup=0, max_grad_norm=largest, patience=0, device="cpu")
        train(task, options, 1, SilentTracker())
    start = Tables()
    moved = [(t.module["out"].weight - start.module["out"].weight).abs().sum() for t in (free, clipped)]
    assert moved[1] < 0.9 * moved[0]
