"""The scale benchmark: its table, and the costs of other libraries beside it."""

import subprocess
import sys
import time

import pandas as pd
import pytest

from pipelines.benchmarks.scale.__main__ import main
from pipelines.benchmarks.scale.page import save_plot, table
from pipelines.benchmarks.scale.peers.measured import PeerError, peer_costs
from pipelines.benchmarks.scale.phases import OTHER, PHASES, Profiler
from pipelines.benchmarks.scale.stages import Cost
from pipelines.benchmarks.scale.world import FORMATS, Size, write


def test_growth_is_told_against_the_next_smaller_size_that_was_measured():
    cost = Cost(1.0, 1.0, 100.0)
    found = {10: {"prepare": cost}, 100: {"prepare": cost, "peer": cost}, 1000: {"prepare": cost, "peer": cost}}
    rows = table(found).splitlines()[2:]
    assert [line.split(" | ")[1] for line in rows if line.startswith("| peer")] == ["100", "1,000"]
    assert [line.endswith("0.00 |") for line in rows if line.startswith("| peer")] == [False, True]


def test_the_plot_has_plain_numbers_on_its_axes(tmp_path):
    found = {size: {"prepare": Cost(1.0, size / 10**5, 300.0, size / 10**4)} for size in (10**6, 10**8)}
    save_plot(found, tmp_path / "plot.svg")
    drawn = (tmp_path / "plot.svg").read_text()
    assert "mathdefault" not in drawn
    assert all(f"<!-- {text} -->" in drawn for text in ("1,000,000", "100,000,000", "1,000", "prepare"))


@pytest.mark.slow
def test_implicit_is_measured_phase_by_phase_and_a_script_that_fails_is_told(tmp_path):
    write(Size(3000), tmp_path / "interactions")
    costs = dict(peer_costs("implicit", tmp_path / "interactions", tmp_path / "log.txt"))
    assert len(costs) == 4
    assert all(cost.peak_mb > 0 for cost in costs.values())
    with pytest.raises(PeerError, match=r"log\.txt"):
        dict(peer_costs("implicit", tmp_path / "nothing", tmp_path / "log.txt"))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("text_ids", [False, True])
def test_interactions_are_the_same_in_each_format(form, text_ids, tmp_path):
    rows = write(Size(3000), tmp_path, form=form, text_ids=text_ids)
    (path,) = tmp_path.iterdir()
    found = pd.read_parquet(path) if "parquet" in form else pd.read_csv(path)
    write(Size(3000), tmp_path / "wanted")
    wanted = pd.read_parquet(tmp_path / "wanted")
    assert len(found) == len(wanted) == rows
    if text_ids:
        wanted = wanted.assign(
            user_id="user-" + wanted["user_id"].astype(str), item_id="item-" + wanted["item_id"].astype(str)
        )
    pd.testing.assert_frame_equal(found.astype(str), wanted.astype(str), check_dtype=False)


@pytest.mark.slow
def test_a_stage_is_measured_again_where_other_engines_are_asked_for(tmp_path, monkeypatch, capsys):
    def printed(*engines):
        asked = ["scale", "--events", "3000", "--output", str(tmp_path), "--engines", *engines]
        monkeypatch.setattr(sys, "argv", asked)
        assert main() == 0
        table = capsys.readouterr().out
        return [line.split(" | ")[0][2:] for line in table[: table.index("| stage")].splitlines()]

    of_data = ["validate", "prepare", "pretrain word2vec"]
    of_engine = ["train popularity", "evaluate and report popularity", "recommend popularity"]
    assert printed("popularity") == [*of_data, *of_engine]
    assert printed("popularity") == []
    again = printed("popularity", "itemknn")
    assert again == ["train itemknn", "evaluate and report popularity, itemknn", "recommend itemknn"]
    assert "recommend itemknn" in (tmp_path / "results.md").read_text()


def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def outer():
    burn(0.2)
    inner()


def inner():
    burn(0.1)


def test_cpu_time_goes_to_the_innermost_function_that_is_a_phase():
    profiler = Profiler({"*scale_benchmark:inner": "product", "*scale_benchmark:outer": "read"})
    with profiler.running():
        outer()
        burn(0.1)
    expected = {"read": 0.2, "product": 0.1, OTHER: 0.1}
    assert dict(profiler.seconds) == pytest.approx(expected, abs=0.04)


@pytest.mark.slow
def test_the_phases_of_a_stage_are_those_of_its_command(tmp_path):
    found = subprocess.run(
        [sys.executable, "-m", "pipelines.benchmarks.scale.phases", "--events", "200000", "--output", tmp_path],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for stage, phases in PHASES.items():
        assert f"| {stage}, " in found
        assert set(phases.values()) & {line.split(" | ")[1] for line in found.splitlines() if " | " in line}
    assert not list(tmp_path.iterdir())
