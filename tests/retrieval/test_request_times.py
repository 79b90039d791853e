"""Times among the attributes that come with a request are read as those of the training table were."""

import pandas as pd
import pytest

from recsys.data.dataset import Dataset
from recsys.data.read import read_dataset
from recsys.data.schema import Schema
from recsys.errors import ConfigError
from recsys.retrieval.anonymous import typed_attributes

EVENTS = pd.DataFrame({"user_id": ["a", "b", "a"], "item_id": ["x", "x", "y"], "timestamp": [1, 2, 3]})


def trained(folder, cells, **options):
    """A dataset whose users joined at ``cells``, as it is after it was stored."""
    users = pd.DataFrame({"user_id": ["a", "b"], "joined": cells})
    read_dataset(EVENTS, users=users, schema={"joined": "time"}, users_format=options).save(folder / "data")
    return Dataset.load(folder / "data").users


WRITTEN = [
    (["2020-09-13 12:00:00", "2020-01-13 06:30:00"], {"time_zone": "Europe/Berlin"}),
    (["2020-09-13 12:00:00", "2020-01-13 00:00:00"], {"time_zone": "Europe/Berlin"}),
    (["03/04/20 12:00", "05/06/20 00:00"], {"time_format": "%d/%m/%y %H:%M", "time_zone": "America/Los_Angeles"}),
    (["03/04/20", "05/06/20"], {"time_format": "%d/%m/%y", "time_zone": "Europe/Berlin"}),
    ([1_600_000_000_000, 1_600_000_000_500], {"time_unit": "ms"}),
    (["2020-09-13 12:00:00", "2020-01-13 06:30:00"], {}),
]


@pytest.mark.parametrize(("cells", "options"), WRITTEN)
def test_each_cell_alone_is_the_time_that_it_was_in_training(cells, options, tmp_path):
    users = trained(tmp_path, cells, **options)
    for cell, time in zip(cells, users.columns["joined"], strict=True):
        request = pd.DataFrame({"joined": [cell]})
        assert typed_attributes(users.schema, request, "rows")["joined"].tolist() == [time]


def test_a_time_of_a_zone_is_no_time_of_utc(tmp_path):
    users = trained(tmp_path, ["2020-09-13 12:00:00", "2020-01-13 06:30:00"], time_zone="Europe/Berlin")
    rows = pd.DataFrame({"joined": ["2020-09-13 14:26:40", "2020-09-13T12:26:40Z", None]})
    assert typed_attributes(users.schema, rows, "rows")["joined"].fillna(0).tolist() == [1_600_000_000.0] * 2 + [0]


def test_the_kind_of_a_column_reads_back_how_its_times_are_written():
    kinds = {"joined": 'time:{"zone": "Europe/Berlin"}', "tags": "tags:;", "born": "time"}
    assert Schema.of(kinds).to_dict() == kinds
    with pytest.raises(ConfigError, match=r"column 'joined': 'time:utc' is no kind.*time_zone"):
        Schema.of({"joined": "time:utc"})
