"""The study of one engine's trials: what is asked, what is stopped, and what is tried again."""

import json
from dataclasses import replace

import pytest

from recsys.errors import ArtifactError
from recsys.experiment.search_spaces import Range
from recsys.experiment.study import Search, Study, best_of
from recsys.experiment.trial_tracker import OutOfTime, TrialPruned, TrialTracker

SPACE = {"x": Range(low=0.0, high=1.0), "kind": ["a", "b"]}


def study(path, space=SPACE, prune_after=2):
    return Study(path / "study.db", Search("ease/1", space, 0, "ease", prune_after))


def run(found, trials, score=lambda options: options.get("x", 0.5)):
    """Runs ``trials`` and returns their options."""
    found.prepare(trials)
    drawn = []
    while (trial := found.ask(trials)) is not None:
        options = found.suggest(trial)
        if not found.repeats(trial, repr(sorted(options.items()))):
            drawn.append(options)
            value = score(options)
            found.tell(trial, {"options": options, "m": value}, value)
    return drawn


def test_the_first_trial_has_the_options_as_given_and_the_budget_counts_it(tmp_path):
    found = study(tmp_path)
    drawn = run(found, 4)
    assert len(drawn) == len(found.trials()) == 4
    assert drawn[0] == {}
    assert [trial.as_given for trial in found.trials()] == [True, False, False, False]
    assert best_of(found.trials(), "m").result["m"] == max(0.5, *(options["x"] for options in drawn[1:]))


def test_a_search_in_two_parts_tries_what_one_in_a_row_tries(tmp_path):
    (tmp_path / "other").mkdir()
    whole = run(study(tmp_path), 6)
    assert run(study(tmp_path / "other"), 3) + run(study(tmp_path / "other"), 6) == whole


def test_a_trial_that_was_killed_runs_again_with_its_options(tmp_path):
    found = study(tmp_path)
    run(found, 2)
    killed = found.suggest(found.ask(3))
    assert run(study(tmp_path), 3) == [killed]
    assert [trial.state for trial in study(tmp_path).trials()] == ["complete", "complete", "interrupted", "complete"]


def test_a_trial_that_was_killed_between_two_options_gets_the_options_it_would_have_had(tmp_path, monkeypatch):
    space = {"x": SPACE["x"], "y": SPACE["x"]}
    (tmp_path / "whole").mkdir()
    whole = run(study(tmp_path / "whole", space), 4)
    found = study(tmp_path, space)
    run(found, 2)
    trial = found.ask(3)
    with monkeypatch.context() as patch:
        patch.setattr(found, "search", replace(found.search, space={"x": space["x"]}))
        found.suggest(trial)
    assert run(study(tmp_path, space), 4) == whole[2:]


def test_all_combinations_are_tried_where_the_trials_suffice(tmp_path):
    drawn = run(study(tmp_path, {"a": [1, 2], "b": [True, [1, 2]]}), 9, score=lambda _: 0.5)
    assert {repr(options) for options in drawn[1:]} == {repr({"a": a, "b": b}) for a in (1, 2) for b in (True, [1, 2])}


def test_a_trial_below_the_median_of_the_others_is_stopped_after_its_first_epochs(tmp_path):
    found = study(tmp_path, prune_after=2)
    found.prepare(None)
    for _ in range(4):
        trial = found.ask(None)
        tracker = TrialTracker(trial)
        for epoch in (1, 2, 3):
            tracker.log_metrics({"loss": 1.0, "metric": 0.5}, epoch)
        found.tell(trial, {"options": found.suggest(trial)}, 0.5)
    tracker = TrialTracker(found.ask(None))
    tracker.log_metrics({"loss": 1.0, "metric": 0.1}, 1)
    with pytest.raises(TrialPruned):
        tracker.log_metrics({"loss": 1.0, "metric": 0.1}, 2)


@pytest.mark.parametrize("how", ["deadline", "running"])
def test_a_trial_ends_when_the_time_is_out(how):
    options = {"deadline": 1.0} if how == "deadline" else {"running": lambda: False}
    with pytest.raises(OutOfTime):
        TrialTracker(None, **options).log_metrics({"loss": 1.0})


def test_importances_tell_the_option_that_matters(tmp_path):
    found = study(tmp_path)
    assert found.importances() == {}
    run(found, 9)
    shares = found.importances()
    assert set(shares) == {"x", "kind"}
    assert shares["x"] > shares["kind"]


@pytest.mark.parametrize("content", [b"hello" * 100, b"SQLite format 3\0" + bytes(4080)])
def test_a_store_that_is_none_is_told_with_a_remedy(tmp_path, content):
    (tmp_path / "study.db").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"the store of trials .*study\.db cannot be used .*move it away"):
        study(tmp_path)


def test_a_result_with_a_flipped_bit_is_not_used(tmp_path):
    run(study(tmp_path), 3)
    path = tmp_path / "study.db"
    raw = path.read_bytes()
    number = json.dumps(study(tmp_path).trials()[1].result["m"]).encode()
    path.write_bytes(raw.replace(number, bytes([number[0] ^ 1]) + number[1:]))
    with pytest.raises(ArtifactError, match=r"trial \d in .*study\.db has changed since it was written"):
        study(tmp_path).trials()


def test_a_store_that_is_cut_off_is_told(tmp_path):
    run(study(tmp_path), 3)
    path = tmp_path / "study.db"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(ArtifactError, match="cannot be used"):
        run(study(tmp_path), 5)
