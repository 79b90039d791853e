"""The scale benchmark: its table, and the costs of other libraries beside it."""

import pytest

from pipelines.benchmarks.scale.page import save_plot, table
from pipelines.benchmarks.scale.peers.measured import PeerError, peer_costs
from pipelines.benchmarks.scale.stages import Cost
from pipelines.benchmarks.scale.world import Size, write


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
