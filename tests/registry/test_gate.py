from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import recsys as rs
from recsys.errors import PromotionError
from recsys.registry.candidate import Candidate, compared_users
from recsys.registry.gate import Decision, EvaluationResult, GateConfig, decide, significantly_behind

CONFIG = GateConfig(must_not_lose={"recall@10": 0.01}, min_users=50)


def measured(model="new", gain=0.0, noise=0.0, recall=0.5, users=200, data="d", split="s"):
    rng = np.random.default_rng(0)
    base = np.random.default_rng(1).random(users)
    ndcg = base + gain + noise * rng.normal(size=users)
    return EvaluationResult(
        model, data, split, np.arange(users), {"ndcg@10": ndcg, "recall@10": np.full(users, recall)}
    )


def verdicts(decision):
    return {rule.name: rule.passed for rule in decision.rules}


def test_the_first_model_is_promoted():
    decision = decide(measured(), None, CONFIG)
    assert decision.promoted
    assert decision.champion is None


def test_the_first_model_still_needs_enough_users():
    assert not decide(measured(users=49), None, CONFIG).promoted
    assert decide(measured(users=50), None, CONFIG).promoted


def test_the_first_model_may_not_be_significantly_behind_the_baseline():
    behind = decide(measured(gain=-0.05, noise=0.1), None, CONFIG, measured("popularity"))
    assert (behind.promoted, behind.baseline, verdicts(behind)["first"]) == (False, "popularity", False)
    assert "of the baseline popularity" in behind.rules[-1].reason
    for within in ({"gain": -0.02, "noise": 1.0}, {"gain": 0.0}, {"gain": 0.1}):
        assert decide(measured(**within), None, CONFIG, measured("popularity")).promoted


def test_the_upper_bound_is_the_one_worked_out_by_hand():
    users = np.arange(4)
    ours = EvaluationResult("new", "d", "s", users, {"ndcg@10": np.array([0.0, 0.0, 0.0, 0.0])})
    theirs = EvaluationResult("old", "d", "s", users, {"ndcg@10": np.array([1.0, 1.0, 0.0, 1.0])})
    config = GateConfig(must_not_lose={}, min_users=1)
    assert significantly_behind(ours, theirs, config)  # -0.75 + 1.6449 * 0.5 / 2 = -0.34
    assert not significantly_behind(ours, theirs, config.model_copy(update={"confidence": 0.999}))  # 0.02


def test_a_refusal_names_what_would_pass():
    refused = Decision(False, "1", None, (), baseline="popularity", instead="ease")
    assert 'promote.engine = "ease" would pass' in str(refused)


def test_why_users_are_not_compared_is_counted_and_told(tmp_path):
    rows = [
        *(("both", item, time) for item, time in ((1, 10), (2, 20), (3, 90))),
        *(("old", item, time) for item, time in ((1, 10), (2, 20))),
        ("cold", 3, 95),
        *(("learnt", item, time) for item, time in ((1, 15), (2, 92))),
        *(("validated", item, time) for item, time in ((1, 20), (2, 60))),
    ]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    users = pd.DataFrame({"user_id": ["both", "old", "cold", "learnt", "validated", "nobody"]})
    data = rs.read_dataset(frame, users=users)
    parts = rs.split(data, "temporal", validation_from=50, test_from=80)
    asked = Candidate(tmp_path, data, parts.test, "s", of_run=True)
    kept = parts.test.users[data.users.vocabulary.ids[parts.test.users] != "learnt"]
    compared = replace(asked, holdout=parts.test.of_users(kept))
    found = compared_users(asked, compared, parts.train_and_validation)
    assert (found.users, found.of, found.without_history) == (2, 6, 1)
    assert found.left_out == {"without_interactions": 1, "nothing_held_out": 2, "champion_learnt": 1}
    told = str(Decision(False, "2", "1", (), compared=found)).splitlines()
    assert told[1] == (
        "  compared on 2 of 6 users (1 of them without a history); left out: 1 without any interaction, 2 of whom "
        "nothing is held out (no new interactions, or too few to hold some out), 1 whose targets the champion may have "
        "learnt (not held out of both)"
    )


def test_a_clearly_better_candidate_is_promoted():
    decision = decide(measured(gain=0.05, noise=0.1), measured("old"), CONFIG)
    assert decision.promoted
    assert decision.champion == "old"


def test_the_same_model_again_is_not_promoted():
    decision = decide(measured(), measured("old"), CONFIG)
    assert verdicts(decision)["gain ndcg@10"] is False
    assert not decision.promoted


def test_a_gain_within_the_noise_is_not_enough():
    candidate = measured(gain=0.02, noise=1.0)
    assert verdicts(decide(candidate, measured("old"), CONFIG))["gain ndcg@10"] is False


def test_the_lower_bound_is_the_one_worked_out_by_hand():
    users = np.arange(4)
    ours = EvaluationResult("new", "d", "s", users, {"ndcg@10": np.array([1.0, 1.0, 0.0, 1.0])})
    theirs = EvaluationResult("old", "d", "s", users, {"ndcg@10": np.array([0.0, 0.0, 0.0, 0.0])})
    config = GateConfig(must_not_lose={}, min_users=1)
    # mean 0.75, standard error 0.5 / 2, z(0.95) = 1.6449: 0.75 - 0.4112 = 0.3388
    assert decide(ours, theirs, config.model_copy(update={"min_gain": 0.3387})).promoted
    assert not decide(ours, theirs, config.model_copy(update={"min_gain": 0.3389})).promoted


def test_the_gain_must_exceed_the_least_gain():
    config = CONFIG.model_copy(update={"min_gain": 0.05})
    assert not decide(measured(gain=0.04), measured("old"), config).promoted
    assert decide(measured(gain=0.06), measured("old"), config).promoted


def test_a_loss_elsewhere_beyond_the_tolerance_stops_a_gain():
    decision = decide(measured(gain=0.1, recall=0.48), measured("old"), CONFIG)
    assert verdicts(decision) == {
        "users": True, "data": True, "split": True, "evaluation_users": True,
        "gain ndcg@10": True, "not lost recall@10": False,
    }  # fmt: skip
    assert decide(measured(gain=0.1, recall=0.495), measured("old"), CONFIG).promoted


@pytest.mark.parametrize("other", [{"data": "x"}, {"split": "x"}, {"users": 199}], ids=["data", "split", "users"])
def test_metrics_of_other_users_splits_or_data_are_not_compared(other):
    decision = decide(measured(gain=0.1), measured("old", **other), CONFIG)
    assert not decision.promoted
    assert "gain ndcg@10" not in verdicts(decision)


def test_a_metric_that_was_not_measured_is_an_error_that_names_it():
    with pytest.raises(PromotionError, match="ndcg@99 of new; its metrics are: ndcg@10, recall@10"):
        decide(measured(), None, GateConfig(metric="ndcg@99"))


def test_a_decision_tells_both_numbers():
    decision = decide(measured(gain=0.1, recall=0.1), measured("old"), CONFIG)
    assert "NO  recall@10 0.1000 against 0.5000" in str(decision)


def test_a_candidate_that_is_the_champion_already_stays_champion():
    assert str(Decision(True, "1", "1", ())) == "version 1 stays champion"
    assert str(Decision(True, "2", "1", ())) == "version 2 replaces version 1"
    assert str(Decision(False, "new", "old", ())) == "new does not replace old"
    assert str(Decision(True, "1", None, ())) == "version 1 is the first champion"
    assert str(Decision(False, "1", None, ())) == "version 1 does not become the first champion"


def test_a_refusal_for_too_few_users_names_its_key():
    few = decide(measured(), None, CONFIG.model_copy(update={"min_users": 10_000}))
    assert "at least 10000 are needed, as promote.gate.min_users says" in str(few)
    assert "promote.gate.min_users" not in str(decide(measured(), None, CONFIG))
