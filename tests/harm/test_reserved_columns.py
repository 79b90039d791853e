"""Columns whose names a stored dataset has of its own: refused by validation and by reading alike."""

import pandas as pd
import pytest

from recsys.data.read import read_dataset
from recsys.errors import DataError

EVENTS = pd.DataFrame({"user_id": ["a", "a", "b"], "item_id": [1, 2, 1], "timestamp": [10**9, 10**9 + 1, 10**9 + 2]})


@pytest.mark.parametrize("name", ["__id__", "__listed__"])
@pytest.mark.parametrize(("what", "key", "ids"), [("users", "user_id", ["a", "b"]), ("items", "item_id", [1, 2])])
def test_a_column_of_a_reserved_name_is_an_error_that_names_it(name, what, key, ids):
    with pytest.raises(DataError, match=rf"{name}.*rename the column"):
        read_dataset(EVENTS, **{what: pd.DataFrame({key: ids, name: ["x", "y"]})})
