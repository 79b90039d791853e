"""The rules under which peers are timed."""

import json
import math

from pipelines.benchmarks.peers.protocol import ndcg_at_10, run


def test_ndcg_counts_the_place_of_the_one_wanted_item_and_nothing_after_the_tenth():
    lists = {1: [7, 8, 9], 2: list(range(20))}
    assert ndcg_at_10(lists, {1: 8, 2: 12, 3: 5}) == 1 / math.log2(3) / 3


def test_a_peer_stops_when_its_metric_no_longer_rises(capsys):
    metrics = iter([0.1, 0.3, 0.2, 0.25, 0.4])
    trained = []
    run(epochs=5, seconds=60, patience=2, train=trained.append, ask=lambda: next(metrics))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert trained == [1, 2, 3, 4]
    assert [line["ndcg@10"] for line in lines] == [0.1, 0.3, 0.2, 0.25]


def test_a_peer_stops_when_its_time_is_spent(capsys):
    run(epochs=5, seconds=0, patience=9, train=lambda _: None, ask=lambda: 0.5)
    assert len(capsys.readouterr().out.splitlines()) == 1
