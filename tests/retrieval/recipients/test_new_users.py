"""Lists for the users who are new since the last run."""

import numpy as np
import pandas as pd
import pytest

from recsys.data.entities import EntityTable
from recsys.data.vocabulary import Vocabulary
from recsys.errors import ArtifactError
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.manifest import SUCCESS, Manifest, read_recommendations
from recsys.retrieval.recipients.users import USERS
from recsys.retrieval.recommend import recommend
from tests.retrieval.conftest import FixedVectors, digests, world
from tests.retrieval.test_recommend import DiesAfter, Killed

NEW = RecommendOptions(k=3, shard_size=8, users="new")
ALL = RecommendOptions(k=3, shard_size=8)


@pytest.fixture(params=[True, False], ids=["text ids", "integer ids"])
def days(request):
    """The data of two days, the second with ten users more."""
    later = world(n_users=40, text_ids=request.param)
    rows = np.arange(30)
    kept = later.interactions.select(later.interactions.user < 30)
    users = EntityTable.bare(Vocabulary(later.users.vocabulary.ids[rows]))
    return type(later)(later.name, users, later.items, kept, later.has_timestamps), later


def listed(folder):
    return set(read_recommendations(folder)["user_id"])


def test_without_a_run_before_all_users_get_a_list(tmp_path, days):
    first, _ = days
    manifest = recommend(FixedVectors(40, 30), first, tmp_path, NEW)
    assert manifest.users == 30
    again = recommend(FixedVectors(40, 30), first, tmp_path, NEW)
    assert again == manifest, "nobody is new, and the lists stay"


def test_users_who_came_after_the_last_run_get_the_lists_of_a_run_for_them(tmp_path, days):
    first, later = days
    engine = FixedVectors(40, 30)
    recommend(engine, first, tmp_path / "out", ALL)
    recommend(engine, later, tmp_path / "out", NEW)
    newcomers = later.users.vocabulary.ids[30:].tolist()
    recommend(engine, later, tmp_path / "named", ALL.model_copy(update={"users": tuple(newcomers)}))
    pd.testing.assert_frame_equal(read_recommendations(tmp_path / "out"), read_recommendations(tmp_path / "named"))
    assert listed(tmp_path / "out") <= set(newcomers)


def test_a_killed_run_for_new_users_is_resumed_for_the_same_users(tmp_path, days):
    first, later = days
    recommend(FixedVectors(40, 30), first, tmp_path, NEW)
    options = NEW.model_copy(update={"shard_size": 4})
    with pytest.raises(Killed):
        recommend(DiesAfter(40, 30, 1), later, tmp_path, options)
    assert recommend(FixedVectors(40, 30), later, tmp_path, options).users == 10


def test_a_run_for_some_users_adds_them_to_those_who_are_known(tmp_path, days):
    first, later = days
    recommend(FixedVectors(40, 30), first, tmp_path, ALL)
    some = tuple(later.users.vocabulary.ids[[3, 35]].tolist())
    recommend(FixedVectors(40, 30), later, tmp_path, ALL.model_copy(update={"users": some}))
    assert recommend(FixedVectors(40, 30), later, tmp_path, NEW).users == 9


def test_another_folder_can_be_the_last_run(tmp_path, days):
    first, later = days
    recommend(FixedVectors(40, 30), first, tmp_path / "nightly", ALL)
    options = NEW.model_copy(update={"since": str(tmp_path / "nightly")})
    assert recommend(FixedVectors(40, 30), later, tmp_path / "fresh", options).users == 10
    before = digests(tmp_path / "fresh")
    recommend(FixedVectors(40, 30), later, tmp_path / "fresh", options)
    assert digests(tmp_path / "fresh") == before, "those who came since the night, however often it is asked"


def test_what_a_killed_run_did_not_come_to_is_finished_where_nobody_is_new(tmp_path, days):
    first, _ = days
    recommend(FixedVectors(40, 30), first, tmp_path, ALL)
    (tmp_path / SUCCESS).unlink()
    recommend(FixedVectors(40, 30), first, tmp_path, NEW)
    assert (tmp_path / SUCCESS).exists()
    Manifest.load(tmp_path).verify(tmp_path)


def test_a_damaged_file_of_the_last_run_is_told(tmp_path, days):
    first, _ = days
    recommend(FixedVectors(40, 30), first, tmp_path, ALL)
    (tmp_path / USERS).write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match="recommend for all users once"):
        recommend(FixedVectors(40, 30), first, tmp_path, NEW)
