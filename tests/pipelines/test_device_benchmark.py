"""The benchmark of a device: what it counts, what it prints, and that it runs on the CPU."""

import subprocess
import sys

import pytest
import torch
import typer
from typer.testing import CliRunner

from pipelines.benchmarks.device import throughput
from pipelines.benchmarks.device.__main__ import main
from pipelines.benchmarks.device.known_figures import Curve
from pipelines.benchmarks.device.throughput import TrainingRate, flops_of_an_event, matmul_rate, world
from recsys.engines.two_tower.sequence import SASRec


def test_a_figure_is_reached_at_the_first_epoch_within_a_hundredth_of_it():
    curve = Curve([(1.0, 0.10), (2.0, 0.198), (3.0, 0.21), (4.0, 0.20)])
    assert curve.reached(0.21) == 3.0
    assert curve.line("x", 0.2) == "x: NDCG@10 0.2100 after 3.0 s; known 0.2000, within 1 % after 2.0 s"
    assert curve.line("x", 0.3).endswith("known 0.3000, not reached")


def test_the_share_is_events_a_second_times_operations_an_event_over_the_rate_of_the_device():
    line = TrainingRate(events=1_000_000, seconds=4.0, flops=2e6).line("x", peak=1e12)
    assert line.startswith("x: 1,000,000 events in 4.0 s an epoch, 250,000 a second; 2.00 MFLOP an event, ")
    assert line.endswith("0.5 TFLOP/s, 50.00% of the products' rate")


def test_a_product_takes_longer_than_no_time():
    assert 1e8 < matmul_rate(torch.device("cpu"), 0.05) < 1e14


def test_operations_are_those_of_the_softmax_and_of_the_network(monkeypatch):
    """Per event 3 passes over C candidates: the logits and the gradients of both sides; the network adds to them."""
    monkeypatch.setattr(throughput, "_ITEMS", 2_000)
    counted = []
    for n_negatives in (512, 1024):
        options = {"dim": 32, "layers": 1, "heads": 1, "loss": "sampled_softmax", "n_negatives": n_negatives}
        options |= {"mask_seen_negatives": False, "popularity_weight": 0.0, "max_tokens": 1024}
        engine = SASRec(**options, training={"epochs": 1, "device": "cpu"}).fit(world(1_000))
        counted.append(flops_of_an_event(engine, 2_000))
    assert counted[1] - counted[0] == pytest.approx(512 * 32 * 2 * 3, rel=0.02)
    assert counted[0] > 512 * 32 * 2 * 3


@pytest.mark.slow
def test_a_quick_run_on_the_cpu_prints_a_line_an_engine():
    command = [sys.executable, "-m", "pipelines.benchmarks.device", "--device", "cpu", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    lines = done.stdout.splitlines()
    for start in ("movielens-1m", "beauty", "two_tower: ", "sasrec: "):
        assert any(line.startswith(start) for line in lines), done.stdout


def test_a_device_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    app = typer.Typer()
    app.command()(main)
    for device, message in (("cuda", "no CUDA device"), ("tpu", "cuda or cpu")):
        done = CliRunner().invoke(app, ["--device", device])
        assert done.exit_code == 2
        assert message in " ".join(done.output.split())
