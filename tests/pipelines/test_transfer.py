"""The set on which options chosen elsewhere are tried."""

import numpy as np
import pandas as pd

from pipelines.benchmarks.transfer import short_histories


def test_the_set_has_the_ends_of_histories_and_no_rare_user_or_item(tmp_path):
    rng = np.random.default_rng(0)
    whole = pd.DataFrame(
        [(user, item, place) for user in range(60) for place, item in enumerate(rng.permutation(30)[:25])],
        columns=["user_id", "item_id", "position"],
    )
    whole.to_parquet(tmp_path / "interactions.parquet")
    items = pd.DataFrame({"item_id": range(30), "genres": "Drama|War", "year": [1987] * 29 + [None]})
    items.to_csv(tmp_path / "items.csv", index=False)

    events, items = short_histories(tmp_path, core=5, longest=10)

    lengths = events["user_id"].value_counts()
    assert lengths.between(5, 10).all()
    assert lengths.nunique() > 2
    assert events["item_id"].value_counts().min() >= 5
    assert set(items["item_id"]) == set(events["item_id"])
    assert set(items["attributes"]) == {"Drama|War|from 1985", "Drama|War"}
    assert (events.groupby("user_id")["position"].max() > 20).mean() > 0.9
