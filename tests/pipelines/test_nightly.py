"""The nightly recipe of pipelines/README.md on a shop that lives: new users, new, removed and changed items."""

import re
from pathlib import Path

import pandas as pd
import pytest

from pipelines.cli import main
from recsys.atomic import read_json
from recsys.retrieval.manifest import Manifest
from recsys.seeding import stream

pytestmark = [
    pytest.mark.filterwarnings("ignore::" + kind)
    for kind in ("DeprecationWarning", "FutureWarning", "UserWarning", "ResourceWarning")
]

DAYS, BAD_NIGHT, CHANGED = 30, 20, 15
DAY = 86_400

CONFIG = """
name = "shop"

[data]
interactions = "export/interactions.csv"
items = "export/items.csv"

[split]
protocol = "leave_one_out"

[engines.popularity]

[engines.ease]
regularization = 5.0

[evaluate]
ks = [5, 10]

[promote]
engine = "ease"
gate = {metric = "ndcg@5", min_gain = -0.2, must_not_lose = {}, min_users = 10, first = "any"}

[recommend]
k = 4
where = "price < 100"
"""


class Shop:
    """Users of three tastes, who choose among the items of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.rng = folder, stream(4, "shop")
        self.events: list[tuple[int, int, int]] = []
        self.items, self.removed, self.users = set(range(30)), set(), 0
        (folder / "export").mkdir(parents=True)
        (folder / "shop.toml").write_text(CONFIG)
        for _ in range(60):
            self.sign_up(0)

    def sign_up(self, day: int) -> None:
        self.users += 1
        for _ in range(4):
            self.choose(self.users - 1, day)

    def choose(self, user: int, day: int) -> None:
        """One more item of the user's taste that the user does not have."""
        had = {item for other, item, _ in self.events if other == user}
        left = sorted(item for item in self.items - had if item % 3 == user % 3)
        if left:
            self.events.append((user, int(self.rng.choice(left)), 1_600_000_000 + DAY * day + len(self.events)))

    def live(self, day: int) -> None:
        """A day: two users sign up, others come back; items arrive and leave, and a column changes."""
        if day % 3 == 0:
            self.items.add(max(self.items | self.removed) + 1)
        if day % 5 == 0:
            gone = min(self.items)
            self.items.remove(gone)
            self.removed.add(gone)
        for user in self.rng.choice(self.users, 20, replace=False).tolist():
            self.choose(user, day)
        for _ in range(2):
            self.sign_up(day)

    def export(self, day: int) -> None:
        frame = pd.DataFrame(self.events, columns=["user_id", "item_id", "timestamp"])
        frame.to_csv(self.folder / "export" / "interactions.csv", index=False)
        listed = sorted(self.items)
        items = pd.DataFrame({"item_id": listed, "price": [500 if item == 9 else 5 + item for item in listed]})
        if day >= CHANGED:
            items["price"] = items["price"].map("{:.2f}".format)
            items["brand"] = [f"brand {item % 3}" for item in listed]
        items.to_csv(self.folder / "export" / "items.csv", index=False)


def _run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


@pytest.mark.slow
def test_thirty_nights_of_a_living_shop(tmp_path, capsys):
    shop, out, champion, promotions = Shop(tmp_path), tmp_path / "out", 0, 0
    for day in range(1, DAYS + 1):
        shop.live(day)
        shop.export(day)
        broken = ["--set", "engines.ease={kind='popularity'}"] if day == BAD_NIGHT else []
        code = _run("run", tmp_path / "shop.toml", "--output", out, *broken)
        decision, manifest = read_json(out / "decision.json"), Manifest.load(out / "recommendations")
        told = capsys.readouterr().err
        assert code == (0 if decision["promoted"] else 2), told
        if decision["promoted"]:
            champion, promotions = int(decision["version"]), promotions + 1
        assert decision["promoted"] is False or day != BAD_NIGHT
        assert manifest.model_version == f"shop/{champion}"
        _check_lists(pd.read_parquet(out / "recommendations"), shop, manifest)
    assert len(list((out / "decisions").iterdir())) == DAYS
    assert promotions > DAYS / 2  # an ordinary night is refused where it is worse by chance
    assert re.search(r"\d+ items are not in the items table and not recommended", told)


def _check_lists(lists: pd.DataFrame, shop: Shop, manifest: Manifest) -> None:
    """Every user has a list, new ones too, of listed items that the condition allows and the user did not have."""
    assert set(lists["user_id"]) == set(range(shop.users))
    assert manifest.users == shop.users
    assert set(lists["item_id"]) <= shop.items - {9}
    had = {(user, item) for user, item, _ in shop.events}
    assert not had & set(zip(lists["user_id"], lists["item_id"], strict=True))
    assert manifest.rows + manifest.empty_places == 4 * shop.users
