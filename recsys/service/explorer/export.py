"""A sample of what the page asks for, to be written into one file that needs no service."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from recsys.service.explorer.catalogue import Json
from recsys.service.explorer.explorer import Explorer
from recsys.service.explorer.pair import Asked

_POSTER_WIDTH = 120
_CARD = ("title", "columns", "image", "count")


@dataclass(frozen=True)
class Sample:
    """How much is exported.

    Args:
        users: of short to long histories.
        items: at most so many are given with neighbours and posters: those of the lists first.
        k: the longest list.
        near: neighbours of an item.
    """

    users: int = 24
    items: int = 500
    k: int = 20
    near: int = 8


def sampled(explorer: Explorer, sample: Sample) -> Json:
    """The answers of ``explorer`` about users and items of the sample.

    Cards are given once, in ``items``; elsewhere an item has its id and what is particular to the place.
    """
    cards: dict[str, Json] = {}
    about = explorer.about() | {"most_k": sample.k, "controls": [], "documents": []}
    users = [
        card
        for card in cast("list[Json]", explorer.find_users("", sample.users)["users"])
        if card["count"] or not about["interactions"]
    ]
    lists: dict[str, Json] = {}
    for card in users:
        lists[str(card["id"])] = _folded(explorer.lists(Asked(str(card["id"]), k=sample.k)), cards)
    chosen = [*dict.fromkeys([*_listed(lists), *cards])][: sample.items]
    near = _near(explorer, chosen, sample.near, cards)
    colours = cast("list[str]", about["colours"])
    first = explorer.map(None)
    maps = {name: _groups(explorer.map(name)) for name in colours}
    answers: Json = {"about": about, "users": users, "lists": lists, "sampled": chosen, "near": near, "items": cards}
    return answers | {"map": first, "maps": maps, "posters": _posters(explorer, chosen) if about["images"] else {}}


def _listed(lists: Mapping[str, Json]) -> list[str]:
    """Ids of the items of all lists, those of the first places first."""
    answers = [cast("list[Json]", answer["lists"]) for answer in lists.values()]
    items = [list(enumerate(cast("list[Json]", each["items"]))) for answer in answers for each in answer]
    return [
        str(item["id"]) for _, item in sorted((pair for pairs in items for pair in pairs), key=lambda pair: pair[0])
    ]


def _folded(answer: Json, cards: dict[str, Json]) -> Json:
    """``answer`` without cards, which are added to ``cards``."""
    found = dict(answer)
    found["history"] = [_short(each, cards) for each in cast("list[Json]", found["history"])]
    found["lists"] = [
        {**each, "items": [_short(item, cards) for item in cast("list[Json]", each["items"])]}
        for each in cast("list[Json]", found["lists"])
    ]
    return found


def _near(
    explorer: Explorer, keys: Iterable[str], k: int, cards: dict[str, Json]
) -> dict[str, dict[str, list[list[object]]]]:
    """Embedding -> item -> the ids of its nearest items, and their similarities."""
    every = list(explorer.pair().embeddings)
    found: dict[str, dict[str, list[list[object]]]] = {by: {} for by in every}
    for key in keys:
        for answer in cast("list[Json]", explorer.similar(key, k, every)["lists"]) if every else ():
            items = cast("list[Json]", answer["items"])
            short = [_short(item, cards) for item in items]
            if short:
                similarity = [round(cast(float, item["similarity"]), 3) for item in short]
                found[str(answer["by"])][key] = [[item["id"] for item in short], [*similarity]]
    return found


def _short(item: Json, cards: dict[str, Json]) -> Json:
    cards.setdefault(str(item["id"]), {name: item[name] for name in ("id", *_CARD)})
    return {name: value for name, value in item.items() if name not in _CARD}


def _groups(answer: Json) -> Json:
    return {name: answer[name] for name in ("column", "names", "groups")}


def _posters(explorer: Explorer, keys: Iterable[str]) -> dict[str, str]:
    """Id -> image, as an address that holds it."""
    found = {key: explorer.poster(key, _POSTER_WIDTH) for key in keys}
    return {key: f"data:image/jpeg;base64,{b64encode(file).decode()}" for key, file in found.items() if file}
