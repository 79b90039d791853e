"""Decisions that are kept one by one in a folder of a run."""

import os

from recsys.registry.candidate import is_kept, keep_decision


def test_pipes_and_folders_among_the_decisions_are_passed_over(tmp_path):
    latest, history = tmp_path / "decision.json", tmp_path / "decisions"
    latest.write_text("{}", encoding="utf-8")
    keep_decision(latest, history)
    os.mkfifo(history / "0002.json")
    (history / "0003.json").mkdir()
    assert is_kept(latest, history)
    latest.write_text('{"a": 1}', encoding="utf-8")
    assert not is_kept(latest, history)
    keep_decision(latest, history)
    assert (history / "0004.json").read_text(encoding="utf-8") == '{"a": 1}'
    assert is_kept(latest, history)
