"""Raw histories of a file, answered with the rules of users."""

import numpy as np
import pandas as pd
import pytest

import recsys as rs
from recsys.data.ingest.config import DataConfig
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engines.baselines.ease import EASE
from recsys.errors import DataError
from recsys.retrieval.batch import Batch, RecommendOptions
from recsys.retrieval.manifest import read_recommendations
from recsys.retrieval.recipients.sessions import AnonymousUsers, read_sessions
from recsys.retrieval.recommend import write_batch

ROWS = [("s1", 100, 5), ("s1", 102, 6), ("s2", 103, 1), ("s2", 999, 2), ("s3", 998, 1)]


@pytest.fixture(params=["csv", "parquet"])
def path(tmp_path, request):
    frame = pd.DataFrame(ROWS, columns=["session", "product", "timestamp"])
    path = tmp_path / f"sessions.{request.param}"
    (frame.to_csv if request.param == "csv" else frame.to_parquet)(path, index=False)
    return path


CONFIG = DataConfig(columns={"user_id": "session", "item_id": "product"})


def test_sessions_get_the_lists_of_their_histories_under_their_ids_and_unknown_items_are_told(path, tmp_path):
    data = BlockTaste(users=30).dataset()
    engine = EASE().fit(data)
    found = read_sessions(path, CONFIG, data)
    assert "2 of 5 rows" in found.told[1]
    assert "2 items that are not in the data, first 998" in found.told[1]
    options = RecommendOptions(k=4, rules={"exclusions": [["s1", 104]]})
    write_batch(Batch(AnonymousUsers(engine, data.users), found.data, options, of_users=False), tmp_path / "out")
    table = read_recommendations(tmp_path / "out")
    expected = rs.recommend(engine, data, histories=[[100, 102], [103]], k=5)
    expected = expected[~((expected["user_id"] == 0) & (expected["item_id"] == 104))].groupby("user_id").head(4)
    assert table["user_id"].unique().tolist() == ["s1", "s2"], "nothing is known of the third without a fallback"
    assert table["item_id"].tolist() == expected["item_id"].tolist()
    np.testing.assert_allclose(table["score"], expected["score"], rtol=1e-6)
    assert not (tmp_path / "out" / "_users.pq").exists(), "sessions are not remembered as users"


def test_a_session_with_the_id_of_a_user_is_not_that_user():
    data = BlockTaste(users=30).dataset()

    class Knows:
        kind = "knows"

        def user_vectors(self, request):
            assert not np.isin(request.users.vocabulary.ids, data.users.vocabulary.ids).any()
            return EASE().fit(data).user_vectors(request)

    request = rs.engine.Request.from_dataset(data, np.array([0, 3]))
    assert len(AnonymousUsers(Knows(), data.users).user_vectors(request)) == 2


def test_a_file_without_the_columns_is_told(tmp_path):
    (tmp_path / "sessions.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="session"):
        read_sessions(tmp_path / "sessions.csv", CONFIG, BlockTaste(users=30).dataset())


def test_sessions_without_times_end_at_the_newest_time_of_the_data(tmp_path):
    data = BlockTaste(users=30).dataset()
    frame = pd.DataFrame(ROWS, columns=["session", "product", "position"])
    frame.to_csv(tmp_path / "sessions.csv", index=False)
    found = read_sessions(tmp_path / "sessions.csv", CONFIG, data).data.interactions
    newest = int(data.interactions.time.max())
    assert found.time.tolist() == [newest - 1, newest, newest]


def test_sessions_without_times_end_before_the_time_of_the_recommendation(tmp_path):
    data = BlockTaste(users=30).dataset()
    pd.DataFrame(ROWS, columns=["session", "product", "position"]).to_csv(tmp_path / "sessions.csv", index=False)
    assert read_sessions(tmp_path / "sessions.csv", CONFIG, data, 7).data.interactions.time.tolist() == [5, 6, 6]
