"""A split on disk is the split."""

from dataclasses import replace

import numpy as np
import pytest

from recsys.data.interactions import Interactions
from recsys.data.splits.split import Holdout, Split, split
from recsys.data.synthetic.worlds import BlockTaste
from recsys.errors import ArtifactError, ConfigError


def _split(candidates=None) -> Split:
    part = Interactions.of(np.array([0, 1, 1]), np.array([2, 0, 1]), np.array([5, 6, 7]))
    holdout = Holdout(np.array([0, 1], np.int32), part, part, candidates)
    return Split("leave_one_out", part, holdout, part, holdout, {"n": 1}, 3)


@pytest.mark.parametrize("candidates", [None, np.array([0, 2])])
def test_a_split_comes_back_with_its_fingerprint(tmp_path, candidates):
    split = _split(candidates)
    split.save(tmp_path / "split")
    back = Split.load(tmp_path / "split")
    assert back.fingerprint == split.fingerprint
    assert (back.cutoffs, back.dropped_users) == ({"n": 1}, 3)


def test_a_damaged_split_is_an_artifact_error(tmp_path):
    _split().save(tmp_path / "split")
    (tmp_path / "split" / "test" / "users.npy").write_bytes(b"")
    with pytest.raises(ArtifactError, match="prepare the data again"):
        Split.load(tmp_path / "split")


@pytest.mark.parametrize("part", ["test/targets/item.npy", "train/user.npy", "validation/users.npy"])
def test_a_part_that_changed_since_it_was_written_is_an_artifact_error(tmp_path, part):
    _split().save(tmp_path / "split")
    rows = np.load(tmp_path / "split" / part)
    np.save(tmp_path / "split" / part, rows + 1)
    with pytest.raises(ArtifactError, match="changed since"):
        Split.load(tmp_path / "split")


@pytest.mark.parametrize("part", ["train", "test/holdout.json", "validation/history", "split.json"])
def test_a_missing_part_is_an_artifact_error(tmp_path, part):
    _split().save(tmp_path / "split")
    path = tmp_path / "split" / part
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(ArtifactError):
        Split.load(tmp_path / "split")


def test_filter_seen_is_part_of_the_questions_and_of_their_fingerprint(tmp_path):
    split = _split()
    kept = split.with_filter_seen(False)
    assert (split.filter_seen, kept.filter_seen) == (True, False)
    assert split.fingerprint != kept.fingerprint
    assert split.test.fingerprint != kept.test.fingerprint
    assert split.test.held_out_fingerprint == kept.test.held_out_fingerprint == split.test.fingerprint
    assert split.test.seen is not None
    assert kept.test.seen is None
    kept.save(tmp_path / "split")
    assert Split.load(tmp_path / "split").test.filter_seen is False


def test_a_refit_is_a_field_of_the_split_and_stands_in_its_name(tmp_path):
    split = replace(_split(), refit=True)
    split.save(tmp_path / "split")
    back = Split.load(tmp_path / "split")
    assert (back.protocol, back.name, back.refit) == ("leave_one_out", "leave_one_out/refit", True)
    assert back.fingerprint != _split().fingerprint


def test_a_split_and_its_holdouts_say_what_they_hold():
    text = repr(_split())
    assert "leave_one_out" in text
    assert "2 users, 3 targets" in text
    assert "3 interactions" in _split()._repr_html_()


def test_a_split_is_made_by_name_with_options_as_keywords():
    data = BlockTaste().dataset()
    by_name = split(data, "leave_last_n", n=2, refit=True, filter_seen=False)
    assert (by_name.name, by_name.filter_seen) == ("leave_last_2/refit", False)
    with pytest.raises(ConfigError, match="has no option 'n'; its options are: refit"):
        split(data, "leave_one_out", n=2)
    with pytest.raises(ConfigError, match="did you mean 'share'"):
        split(data, "cold_items", shar=0.2)
