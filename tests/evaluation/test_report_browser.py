"""The report in a real browser, as wide as a phone and as a desk: nothing overflows, and every control works."""

import shutil

import pytest

from recsys.atomic import write_text
from recsys.evaluation.report.html import render
from recsys.evaluation.report.tuning import TrialPoint, TunedEngine, tuning_page
from tests.evaluation.report_pages import LONG, content, decision

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed"),
    pytest.mark.xdist_group("browser"),
]
api = pytest.importorskip("playwright.sync_api")


@pytest.fixture(scope="module")
def browser():
    with api.sync_playwright() as play:
        made = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    trials = [TrialPoint(n, "complete", 0.1 + 0.01 * n, 2.0, f"decay = 0.{n} <b>") for n in range(6)]
    write_text(folder / "report.html", render(content(folder), decision(True)))
    write_text(folder / "tuning.html", tuning_page("shop", "ndcg@10", {"a<b>": TunedEngine(trials, {"decay": 0.8})}))
    return folder


@pytest.fixture(params=[400, 1400])
def page(request, browser, files):
    """The report at a width; the console stays empty and the page does not scroll sideways."""
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    opened, said = context.new_page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.goto((files / "report.html").as_uri())
    yield opened
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert said == []
    context.close()


def column(page, selector):
    return page.eval_on_selector_all(f"table.results tbody tr {selector}", "cells => cells.map(c => c.dataset.v)")


def test_the_page_fits_and_its_folded_parts_fit_too(page):
    page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_heading_sorts_by_keyboard_and_back(page):
    before = column(page, "td.value")
    assert before == sorted(before, key=float, reverse=True)
    page.focus("table.results th.value button")
    page.keyboard.press("Enter")
    assert column(page, "td.value") == before[::-1]
    page.click("table.results th:first-child button")
    names = column(page, "td:first-child")
    assert names == sorted(names, key=str.casefold)


def test_the_chooser_changes_table_bars_and_panel(page):
    page.select_option("#metric", "recall")
    page.select_option("#length", "1")
    assert page.inner_text("table.results th.value").startswith("recall@1")
    assert page.locator("[data-metric=recall]").is_visible()
    assert not page.locator("[data-metric=ndcg]").is_visible()
    shown = page.inner_text("table.results tbody tr:first-child .number")
    assert float(shown) == pytest.approx(float(column(page, "td.value")[0]), abs=1e-4)


def test_one_engine_is_highlighted_everywhere_until_it_is_clicked_again(page):
    chip = page.locator(".chip[data-e='1']").first
    chip.click()
    assert page.locator("[data-e='0']:not(.chip):not(.dim)").count() == 0
    assert page.locator("[data-e='1'].dim").count() == 0
    chip.click()
    page.mouse.move(0, 0)
    assert page.locator(".dim").count() == 0


def test_a_mark_says_its_value_to_the_pointer_and_to_the_arrow_keys(page):
    mark = page.locator("[data-metric=ndcg] svg.chart .m").first
    mark.scroll_into_view_if_needed()
    mark.hover(force=True)
    assert "ndcg@1: 0." in page.inner_text("#tip")
    page.mouse.move(0, 0)
    page.focus("[data-metric=ndcg] svg.chart")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "ndcg@5: 0." in page.inner_text("#tip")


def test_the_toggle_changes_the_colours_and_the_page_remembers(page):
    paper = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(paper)
    page.click("#theme")
    after = page.evaluate(paper)
    assert after != before
    # a browser under load hands a write to the process that shows the page next in its own time
    for _ in range(20):
        page.reload()
        if page.evaluate(paper) == after:
            break
        page.wait_for_timeout(250)
    assert page.evaluate(paper) == after


def test_dark_is_followed_where_the_system_asks_for_it(browser, files):
    context = browser.new_context(color_scheme="dark")
    opened = context.new_page()
    opened.goto((files / "report.html").as_uri())
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 24)"
    context.close()


def test_without_scripts_the_page_is_read_as_it_is(browser, files):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 400, "height": 900})
    opened = context.new_page()
    opened.goto((files / "report.html").as_uri())
    assert opened.locator("table.results tbody tr").count() == 3
    assert LONG in opened.inner_text("table.results")
    assert not opened.locator("#theme").is_visible()
    assert not opened.locator("#metric").is_visible()
    assert opened.locator("[data-metric=ndcg] svg").is_visible()
    context.close()


@pytest.mark.parametrize("width", [400, 1400])
def test_the_tuning_page_fits_too(browser, files, width):
    context = browser.new_context(viewport={"width": width, "height": 900})
    opened, said = context.new_page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.goto((files / "tuning.html").as_uri())
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert said == []
    context.close()
