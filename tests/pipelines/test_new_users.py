"""The benchmark of users that training never saw, on a tiny world."""

import re

import pytest
import typer

from pipelines.benchmarks.new_users import main
from tests.pipelines.world import write_world


def test_it_tells_new_users_from_seen_ones(tmp_path, capsys):
    with pytest.raises(typer.Exit):
        main(write_world(tmp_path, n_users=60), ["ease"], share=0.2, given=0.7)
    row = re.search(r"ease +recall@20 of 12 new users (\S+), of seen users (\S+), ratio", capsys.readouterr().out)
    assert [float(figure) for figure in row.groups()] == [1, 1]  # twelve items, lists of twenty
