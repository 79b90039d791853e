"""SIGKILL at random moments: the batch resumes and ends with the same bytes."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.manifest import read_recommendations
from recsys.retrieval.recommend import recommend
from tests.retrieval.conftest import FixedVectors, digests, world

OPTIONS = RecommendOptions(k=20, shard_size=50)
USERS, ITEMS = 2000, 500
PROGRAM = """
import sys, time
from pathlib import Path
from recsys.retrieval.recommend import recommend
from tests.retrieval.test_recommend_killed import OPTIONS, Slow, built
recommend(Slow(*built()[1]), built()[0], Path(sys.argv[1]), OPTIONS)
"""


class Slow(FixedVectors):
    def user_vectors(self, request):
        time.sleep(0.02)
        return super().user_vectors(request)


def built():
    return world(USERS, ITEMS), (USERS, ITEMS)


@pytest.mark.slow
def test_ten_kills_at_random_moments_change_no_byte(tmp_path):
    data, sizes = built()
    recommend(FixedVectors(*sizes), data, tmp_path / "whole", OPTIONS)
    broken, moments = tmp_path / "broken", random.Random(3)
    command = [sys.executable, "-c", PROGRAM, str(broken)]
    kills = 0
    while kills < 10:
        process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
        before = len(list(broken.glob("part-*.parquet")))
        while process.poll() is None and len(list(broken.glob("part-*.parquet"))) == before:
            time.sleep(0.005)  # past the imports, so that the kill meets the writing
        time.sleep(moments.random() * 0.1)
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        kills += 1
    assert kills == 10
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True)
    assert digests(broken) == digests(tmp_path / "whole")
    assert len(read_recommendations(broken)) == sum(
        part.num_rows for part in map(_metadata, sorted(broken.glob("part-*.parquet")))
    )


def _metadata(path):
    import pyarrow.parquet as pq

    return pq.read_metadata(path)
