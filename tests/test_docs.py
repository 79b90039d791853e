"""The pages: nothing that they or the docstrings point to is missing, and the front page stays short."""

import pytest

from tests.links import ROOT, broken_in_docstrings, broken_in_page, pages, resolves, sources


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_points_to_what_is_there(page):
    assert list(broken_in_page(page)) == []


def test_docstrings_name_modules_that_are_there():
    found = {path.relative_to(ROOT).as_posix(): list(broken_in_docstrings(path)) for path in sources()}
    assert {path: broken for path, broken in found.items() if broken} == {}


def test_the_front_page_is_under_ten_kilobytes():
    assert len((ROOT / "README.md").read_bytes()) < 10_000


@pytest.mark.parametrize(
    "text",
    [
        "[a](nowhere.md)",
        "[a](README.md#no-such-heading)",
        "`recsys/nowhere.py`",
        "`recsys.nowhere.thing`",
        "    python -m pipelines.nowhere",
    ],
)
def test_a_broken_link_is_found(text):
    assert len(list(broken_in_page(ROOT / "page.md", text))) == 1


def test_a_broken_name_in_a_docstring_is_found():
    text = '"""See `recsys.errors` and `recsys.errors.NoSuchError`."""'
    assert list(broken_in_docstrings(ROOT / "module.py", text)) == ["recsys.errors.NoSuchError: no such name"]


def test_a_name_resolves_to_a_module_or_to_what_a_module_defines():
    assert resolves("recsys.data")
    assert resolves("recsys.errors.ConfigError")
    assert not resolves("recsys.errors.nothing")
