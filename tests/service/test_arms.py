"""The arms of an experiment, from the exposure log of a service."""

import numpy as np
import pytest

from recsys.errors import ArtifactError, DataError
from recsys.evaluation.intervals import unpaired_test
from recsys.service.arms import compare_arms
from recsys.service.logs.json_log import line


def shown(number, user, arm, items=(1, 2)):
    about = {"exposure_id": f"x{number}", "user_id": user, "arm": arm, "version": "v", "item_ids": list(items)}
    return {"kind": "exposure", "time": number, **about}


def click(user, item, exposure=None, meaning="like"):
    return {"kind": "feedback", "user_id": user, "item_id": item, "meaning": meaning, "exposure_id": exposure}


@pytest.fixture
def log(tmp_path):
    def write(*records, torn=b""):
        (tmp_path / "exposures.jsonl").write_bytes(b"".join(line(each) for each in records) + torn)
        return tmp_path / "exposures.jsonl"

    return write


def test_clicks_are_counted_by_arm_and_the_better_arm_is_found(log):
    rng, records = np.random.default_rng(0), []
    for user in range(200):
        arm = "challenger" if user % 2 else "champion"
        records.append(shown(user, user, arm))
        if rng.random() < (0.6 if user % 2 else 0.2):
            records.append(click(user, 1, f"x{user}" if user % 3 else None))
    found = compare_arms(log(*records))
    assert {name: arm.users for name, arm in found.arms.items()} == {"champion": 100, "challenger": 100}
    assert found.unpaired.low > 0.2
    assert found.unpaired.p < 0.01
    assert found.paired is None
    assert "challenger - champion" in str(found)


def test_a_click_belongs_to_the_named_list_or_to_the_last_that_holds_the_item(log):
    records = [shown(1, "a", "champion", [1]), shown(2, "a", "champion", [1, 2]), shown(3, "b", "challenger", [5])]
    clicks = [click("a", 1), click("b", 5, meaning="dislike"), click("b", 9), click("a", 1, "x2")]
    found = compare_arms(log(*records, *clicks))
    assert (found.arms["champion"].clicked, found.arms["challenger"].clicked, found.unplaced) == (1, 0, 1)


def test_users_of_both_arms_are_compared_in_pairs(log):
    records = [shown(2 * user + arm, user, ["champion", "challenger"][arm]) for user in range(20) for arm in (0, 1)]
    found = compare_arms(log(*records, *(click(user, 1, f"x{2 * user + 1}") for user in range(20))))
    assert found.unpaired is None
    assert found.paired.difference == 1


def test_a_torn_last_line_is_passed_over_and_a_damaged_one_is_not(log):
    both = [shown(1, 1, "champion"), shown(2, 2, "challenger")]
    assert compare_arms(log(*both, torn=b'{"kind": "expo')).arms["champion"].users == 1
    with pytest.raises(ArtifactError, match="line 1"):
        compare_arms(log(torn=b"x\n" + line(both[0]) + line(both[1])))
    with pytest.raises(DataError, match="no list of the challenger"):
        compare_arms(log(both[0]))
    with pytest.raises(ArtifactError, match="is not a file"):
        compare_arms("nowhere.jsonl")


def test_the_unpaired_test_holds_its_level():
    rng = np.random.default_rng(1)
    p = [unpaired_test(rng.random(30), rng.random(40), seed, 200).p for seed in range(200)]
    assert 0.01 < np.mean(np.array(p) < 0.05) < 0.1


@pytest.mark.parametrize("change", [{"item_ids": 3}, {"item_ids": [[1]]}, {"user_id": [1]}, {"arm": "third"}])
def test_a_record_of_another_shape_is_an_error(log, change):
    path = log(shown(1, 1, "champion"), shown(2, 2, "challenger") | change)
    with pytest.raises(ArtifactError, match="is not as it was written"):
        compare_arms(path)


def test_a_record_without_a_user_is_an_error(log):
    with pytest.raises(ArtifactError, match="is not as it was written"):
        compare_arms(log({"kind": "exposure"}))
