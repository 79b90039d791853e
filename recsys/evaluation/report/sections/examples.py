"""Example lists: what a few test users had, what came, and what two engines recommended to them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape

from recsys.evaluation.report.page.html import card, section
from recsys.evaluation.report.page.marks import Look
from recsys.json_values import JsonMapping

_IMAGE = re.compile(r"data:image/jpeg;base64,[A-Za-z0-9+/]+=*")


def examples(found: JsonMapping, known: Mapping[str, Look]) -> str:
    """HTML of the section.

    Args:
        found: ``examples`` of ``report.json``.
        known: engine -> its look.
    """
    pair = found["engines"]
    first, second = (f"<b>{escape(name)}</b>" for name in pair)
    words = {
        "both": f"{first} and {second} find it",
        "first": f"{first} finds it, {second} does not",
        "second": f"{second} finds it, {first} does not",
        "neither": "neither finds it",
    }
    rows = [_user(user, found["items"], [known[name] for name in pair], words[user["case"]]) for user in found["users"]]
    shares = "; ".join(f"{words[case]}: {share:.0%}" for case, share in found["cases"].items())
    return section(
        "Examples of lists",
        card(*rows),
        note=f"Test users drawn at random from four cases, by whether what came is in the first ten. Of all users: "
        f"{shares}. A green frame marks what came.",
    )


def _user(user: JsonMapping, items: JsonMapping, pair: Sequence[Look], words: str) -> str:
    wanted = set(user["targets"])
    lists = "".join(
        f"<div><div class='what'>{look.key} {escape(look.name)}</div>"
        f"{_strip(user['lists'][look.name], items, wanted)}</div>"
        for look in pair
    )
    length = user["history_length"]
    had = f"had, latest first{f' ({length:,} in all)' if length > len(user['history']) else ''}"
    return (
        f"<div class='example'><h3>User {escape(user['user'])} <span class='tag'>{words}</span></h3>"
        f"<div class='two'><div><div class='what'>{had}</div>{_strip(user['history'], items, set())}</div>"
        f"<div><div class='what'>then came</div>{_strip(user['targets'], items, wanted)}</div></div>"
        f"<div class='two'>{lists}</div></div>"
    )


def _strip(rows: Sequence[int], items: JsonMapping, wanted: set[int]) -> str:
    if not rows:
        return "<p class='note'>nothing</p>"
    posters = any(_picture(item) for item in items.values())
    shown = "".join(_item(items[str(row)], row in wanted, posters) for row in rows)
    return f"<ol class='strip{' posters' if posters else ''}'>{shown}</ol>"


def _item(item: JsonMapping, hit: bool, posters: bool) -> str:
    """An item by its title; where others have posters, one without has an empty one."""
    picture, title = _picture(item), escape(item["title"])
    image = f"<img class='poster' alt='' src='{picture}'>" if picture else "<div class='poster'></div>"
    return (
        f"<li class='item{' hit' if hit else ''}' title='{escape(item['title'], quote=True)}'>"
        f"{image if posters else ''}<span>{title}</span></li>"
    )


def _picture(item: JsonMapping) -> str:
    """The image of an item; empty where it has none, or anything but a small JPEG."""
    picture = str(item.get("image", ""))
    return picture if _IMAGE.fullmatch(picture) else ""
