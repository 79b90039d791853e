"""A split on disk is the split."""

import numpy as np
import pytest

from pipelines.stored_split import load_split, save_split
from recsys.data.interactions import Interactions
from recsys.data.splits.split import Holdout, Split
from recsys.errors import ArtifactError


def _split(candidates=None) -> Split:
    part = Interactions.of(np.array([0, 1, 1]), np.array([2, 0, 1]), np.array([5, 6, 7]))
    holdout = Holdout(np.array([0, 1], np.int32), part, part, candidates)
    return Split("leave_one_out", part, holdout, part, holdout, {"n": 1}, 3)


@pytest.mark.parametrize("candidates", [None, np.array([0, 2])])
def test_a_split_comes_back_with_its_fingerprint(tmp_path, candidates):
    split = _split(candidates)
    save_split(split, tmp_path / "split")
    back = load_split(tmp_path / "split")
    assert back.fingerprint == split.fingerprint
    assert (back.cutoffs, back.dropped_users) == ({"n": 1}, 3)


def test_a_damaged_split_is_an_artifact_error(tmp_path):
    save_split(_split(), tmp_path / "split")
    (tmp_path / "split" / "test" / "users.npy").write_bytes(b"")
    with pytest.raises(ArtifactError, match="prepare the data again"):
        load_split(tmp_path / "split")
