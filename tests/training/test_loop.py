import math

import pytest
import torch
from torch import nn

from recsys.errors import ConfigError
from recsys.tracking import SilentTracker
from recsys.training import loop
from recsys.training.checkpoint import CheckpointFolder
from recsys.training.loop import LoopOptions, train


class Noisy:
    """Fits a line under dropout; fails after some steps to play a killed process."""

    def __init__(self, die_after=None):
        torch.manual_seed(0)
        self.module = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.left = die_after

    def batches(self, epoch, rng):
        return [rng.normal(size=(16, 4)).astype("float32") for _ in range(5)]

    def loss(self, batch, rng):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        x = torch.from_numpy(batch) + torch.from_numpy(rng.normal(size=batch.shape).astype("float32")) * 0.1
        x = x.to(self.module[0].weight.device)
        return (self.module(x).squeeze(1) - x.sum(1)).square().mean()

    def examples(self, batch):
        return len(batch)

    def validate(self):
        x = torch.linspace(-1, 1, 40, device=self.module[0].weight.device).reshape(10, 4)
        return -float((self.module(x).squeeze(1) - x.sum(1)).square().mean())


class Heard(SilentTracker):
    """Keeps the points of the curve and the messages."""

    def __init__(self):
        self.points, self.messages = {}, []

    def info(self, message):
        if "warning: training of" not in message:  # of a curve of two noisy epochs
            self.messages.append(message)

    def log_metrics(self, metrics, step=None):
        self.points[step] = dict(metrics)


OPTIONS = LoopOptions(
    epochs=6, warmup=3, max_grad_norm=1.0, ema=0.9, patience=0, checkpoint_seconds=0, learning_rate=0.01, device="cpu"
)


def on(device):
    return OPTIONS.model_copy(update={"device": device})


@pytest.mark.parametrize("read", [1, 3, 100])
@pytest.mark.parametrize("die_after", [0, 1, 7, 15, 29])
def test_a_killed_training_resumes_to_the_same_weights_and_logs_the_same_curve(
    tmp_path, die_after, read, device, monkeypatch
):
    whole, killed, resumed = Noisy(), Noisy(die_after), Noisy()
    first, second = Heard(), Heard()
    expected = train(whole, on(device), 1, first)
    monkeypatch.setitem(loop._LOSSES_READ, device, read)
    with pytest.raises(KeyboardInterrupt):
        train(killed, on(device), 1, SilentTracker(), directory=tmp_path, identity="x")
    progress = train(resumed, on(device), 1, second, directory=tmp_path, identity="x")
    assert progress.curve == expected.curve
    assert second.points == first.points
    assert len(first.points) == OPTIONS.epochs
    for a, b in zip(whole.module.parameters(), resumed.module.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_finished_training_is_not_repeated(tmp_path, device):
    first = Noisy()
    train(first, on(device), 1, SilentTracker(), directory=tmp_path, identity="x")
    again = Noisy(die_after=0)
    train(again, on(device), 1, SilentTracker(), directory=tmp_path, identity="x")
    assert torch.equal(first.module[0].weight, again.module[0].weight)


def test_the_mean_loss_of_the_progress_is_that_of_the_steps_that_were_read(monkeypatch):
    class Lines(SilentTracker):
        def __init__(self):
            self.losses = []

        def progress(self, message):
            self.losses.append(message.split("loss ")[1].split()[0])

    each, third = Lines(), Lines()
    train(Noisy(), OPTIONS, 1, each)
    monkeypatch.setitem(loop._LOSSES_READ, "cpu", 3)
    train(Noisy(), OPTIONS, 1, third)
    assert third.losses[:5] == ["0.0000", "0.0000", each.losses[2], each.losses[2], each.losses[2]]


@pytest.mark.parametrize("task", ["ours", "theirs"])
def test_a_training_is_deterministic_and_leaves_the_process_as_it_was(task):
    class Asked(Noisy):
        def loss(self, batch, rng):
            modes.add(torch.get_deterministic_debug_mode())
            return super().loss(batch, rng)

    modes, before = set(), torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode({"ours": "default", "theirs": "warn"}[task])
    try:
        train(Asked(), OPTIONS, 1, SilentTracker())
        assert torch.get_deterministic_debug_mode() == {"ours": 0, "theirs": 1}[task]
    finally:
        torch.set_deterministic_debug_mode(before)
    assert modes == {1 if torch.cuda.is_available() else 2}


def test_resuming_a_finished_training_says_of_its_end_what_the_training_said(tmp_path):
    class Told(SilentTracker):
        def __init__(self):
            self.warnings = []

        def info(self, message):
            self.warnings += [message] if "warning: training of" in message else []

    for options in (OPTIONS, OPTIONS.model_copy(update={"warmup": 1_000})):
        first, again = Told(), Told()
        for tracker in (first, again):
            train(Noisy(), options, 1, tracker, directory=tmp_path, identity=str(options.warmup))
        assert again.warnings == first.warnings
    assert "inside its warm-up" in again.warnings[0]


class Counted(Noisy):
    """Keeps the batches of each step."""

    def __init__(self):
        super().__init__()
        self.drawn, self.seen = [], []

    def batches(self, epoch, rng):
        self.drawn.append(super().batches(epoch, rng))
        return self.drawn[-1]

    def loss(self, batch, rng):
        self.seen.append(batch)
        return super().loss(batch, rng)


@pytest.mark.parametrize(("most", "steps"), [(None, 5), (2, 2), (9, 5)])
def test_an_epoch_has_at_most_as_many_steps_as_asked_for_and_the_schedule_spans_them(monkeypatch, most, steps):
    rates, task = [], Counted()
    monkeypatch.setattr(loop, "set_learning_rates", lambda _, rate, warmup, decay: rates.append(decay))
    train(task, OPTIONS.model_copy(update={"steps_per_epoch": most, "epochs": 3}), 1, SilentTracker())
    assert [id(batch) for batch in task.seen] == [id(batch) for drawn in task.drawn for batch in drawn[:steps]]
    assert rates == pytest.approx([0.5 + 0.5 * math.cos(math.pi * step / (3 * steps)) for step in range(3 * steps)])


def test_the_weights_of_the_best_epoch_are_kept():
    class Rising(Noisy):
        metrics = iter([0.1, 0.5, 0.3, 0.2, 0.1, 0.0])

        def validate(self):
            value = next(self.metrics)
            if value == 0.5:
                self.best = self.module[0].weight.detach().clone()
            return value

    task = Rising()
    progress = train(task, OPTIONS.model_copy(update={"patience": 2, "ema": 0.0}), 1, SilentTracker())
    assert progress.best_epoch == 2
    assert len(progress.curve) == 4
    assert torch.equal(task.module[0].weight, task.best)


def test_a_frozen_part_stays_as_it_is():
    task = Noisy()
    before = task.module[0].weight.detach().clone()
    train(task, OPTIONS.model_copy(update={"lr_multipliers": {"0": 0.0, "2.bias": 0.1}}), 1, SilentTracker())
    assert torch.equal(task.module[0].weight, before)


def test_a_rate_that_names_no_parameter_is_an_error_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"'2.bais', and no parameter starts with it; did you mean '2.bias'"):
        train(Noisy(), OPTIONS.model_copy(update={"lr_multipliers": {"0": 0.5, "2.bais": 0.0}}), 1, SilentTracker())


def kill(directory, after=7):
    with pytest.raises(KeyboardInterrupt):
        train(Noisy(after), OPTIONS, 1, SilentTracker(), directory=directory, identity="x")
    return directory / "training.safetensors"


def places(path):
    """Byte offsets in the header and all over the tensors."""
    size, header = path.stat().st_size, int.from_bytes(path.read_bytes()[:8], "little")
    return [3, 20, header - 30, *range(header + 8, size, max((size - header) // 12, 1)), size - 1]


def test_a_checkpoint_with_a_flipped_bit_is_reported_and_training_begins_anew(tmp_path):
    path = kill(tmp_path)
    intact, expected = path.read_bytes(), Noisy()
    train(expected, OPTIONS, 1, SilentTracker())
    for place in places(path):
        damaged = bytearray(intact)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        again, heard = Noisy(), Heard()
        train(again, OPTIONS.model_copy(update={"epochs": 1}), 1, heard, directory=tmp_path, identity="x")
        assert [m for m in heard.messages if f"{path} is damaged; training begins anew" in m], place
        assert set(heard.points) == {1}


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\x00" * 100])
def test_a_checkpoint_that_cannot_be_read_is_reported_and_the_weights_are_those_of_a_new_training(tmp_path, content):
    path = kill(tmp_path)
    path.write_bytes(content)
    whole, again, heard = Noisy(), Noisy(), Heard()
    train(whole, OPTIONS, 1, SilentTracker())
    train(again, OPTIONS, 1, heard, directory=tmp_path, identity="x")
    assert heard.messages == [f"the checkpoint {path} is damaged; training begins anew"]
    assert torch.equal(whole.module[0].weight, again.module[0].weight)


def test_a_checkpoint_of_another_identity_or_none_is_silently_not_resumed(tmp_path):
    kill(tmp_path)
    for identity, directory in (("y", tmp_path), ("x", tmp_path / "new")):
        heard = Heard()
        train(Noisy(), OPTIONS, 1, heard, directory=directory, identity=identity)
        assert not heard.messages


@pytest.mark.parametrize("read", [1, 4, 100])
@pytest.mark.parametrize(
    ("clip", "remedy"), [(0.0, "set training.max_grad_norm = 1.0"), (2.0, r"max_grad_norm \(2.0\)")]
)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_training_and_names_model_epoch_step_and_remedy(
    value, clip, remedy, read, monkeypatch
):
    class Diverging(Noisy):
        steps = 0

        def loss(self, batch, rng):
            self.steps += 1
            return super().loss(batch, rng) * (value if self.steps == 8 else 1.0)

    monkeypatch.setitem(loop._LOSSES_READ, "cpu", read)
    options = OPTIONS.model_copy(update={"max_grad_norm": clip})
    pattern = rf"mine diverged: the loss is {value} at epoch 2, step 3; lower training.learning_rate \(0.01\).*{remedy}"
    with pytest.raises(ConfigError, match=pattern):
        train(Diverging(), options, 1, SilentTracker(), name="mine")


def test_no_checkpoint_holds_a_loss_that_was_not_checked(tmp_path, monkeypatch):
    class Diverging(Noisy):
        def loss(self, batch, rng):
            return super().loss(batch, rng) * (float("nan") if self.left == 0 else 1.0)

    monkeypatch.setitem(loop._LOSSES_READ, "cpu", 100)
    for left in (8, 1):  # the second resumes from what the first left
        with pytest.raises(ConfigError, match="the loss is nan at epoch 2, step 3"):
            train(Diverging(left), OPTIONS, 1, SilentTracker(), directory=tmp_path, identity="x")


def test_weights_that_diverge_in_the_last_step_stop_training_before_they_are_validated_or_kept(tmp_path):
    class Poisoned(Noisy):
        steps = 0

        def loss(self, batch, rng):
            self.steps += 1
            loss = super().loss(batch, rng)
            if self.steps == 5:  # the loss stays finite and its gradient does not
                self.module[0].weight.register_hook(lambda grad: grad * float("nan"))
            return loss

        def validate(self):
            raise AssertionError("validated weights that are not finite")

    with pytest.raises(ConfigError, match=r"the weights 0.weight hold NaN or infinity at epoch 1.*learning_rate"):
        train(Poisoned(), OPTIONS.model_copy(update={"max_grad_norm": 0.0}), 1, SilentTracker(), directory=tmp_path)


def with_others(directory):
    """A folder with checkpoints of two and of three processes, and a file of somebody else."""
    directory.mkdir(exist_ok=True)
    names = [f"training.{rank}-of-{count}.3-7.safetensors" for count in (2, 3) for rank in range(count)]
    for name in [*names, "training.notes.txt"]:
        (directory / name).write_bytes(b"of another training")
    return names


def test_checkpoints_of_other_numbers_of_processes_go_when_the_training_has_its_own(tmp_path):
    names = with_others(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(Noisy(3), OPTIONS, 1, SilentTracker(), directory=tmp_path, identity="x")
    assert all((tmp_path / name).exists() for name in names)  # within the first epoch, from which they can go on
    train(Noisy(), OPTIONS, 1, SilentTracker(), directory=tmp_path, identity="x")
    assert {path.name for path in tmp_path.iterdir()} == {"training.safetensors", "training.notes.txt"}


def test_checkpoints_of_a_training_that_runs_are_left_alone(tmp_path):
    names = with_others(tmp_path)
    running = CheckpointFolder(tmp_path)
    train(Noisy(), OPTIONS, 1, SilentTracker(), directory=tmp_path, identity="x")
    assert all((tmp_path / name).exists() for name in names)
    running.remove_others(3)
    assert [name for name in names if (tmp_path / name).exists()] == names[2:]
    assert not (tmp_path / "training.safetensors").exists()
