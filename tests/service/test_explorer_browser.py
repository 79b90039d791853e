"""The explorer in a real browser: its story, without an error of the console and without scrolling sideways."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from recsys.registry.bundle import Bundle
from recsys.retrieval.rules.options import RuleOptions
from recsys.service.explorer.documents import Documents
from recsys.service.explorer.explorer import Around, Explorer
from recsys.service.explorer.export import Sample, sampled
from recsys.service.explorer.page import single_page
from recsys.service.http.app import create_app
from recsys.service.http.guard import read_keys
from recsys.service.state import ServiceState
from recsys.service.versions.source import FolderSource
from tests.service.test_explorer import ODD, films
from tests.service.test_explorer_rules import towers

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium")]


KEY = "a-long-enough-key-1"


@contextmanager
def answering(app):
    """The address of the pages of ``app``."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/explore"
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of a service with pages, the same as one file, and the address of a service that asks for a key."""
    folder = tmp_path_factory.mktemp("browser")
    data = films(folder)
    Bundle(towers(data), data).save(folder / "bundle")
    state = ServiceState(FolderSource(folder / "bundle"), folder / "state")
    run = folder / "run"
    (run / "decisions").mkdir(parents=True)
    (run / "report.html").write_text("<h1>The report</h1>")
    for number, promoted in ((1, True), (2, False)):
        rule = {"name": "gain", "passed": promoted, "reason": f"as {ODD} says"}
        decision = {"engine": "hybrid", "promoted": promoted, "version": str(number), "champion": "1", "rules": [rule]}
        (run / "decisions" / f"{number:04d}.json").write_text(json.dumps(decision))
    documents = Documents(run, {"report": run / "report.html"}, run / "decisions")
    config = {"exploration": {"share": 0.1}, "boosts": [{"where": f"title != {json.dumps(ODD)}"}]}
    rules = RuleOptions.model_validate(config)
    around = Around(folder, documents, rules=rules, tables={"text": f"text by {ODD}"})
    explorer = Explorer(lambda: state.models.champion, state.feedback.live, None, around)
    exported = folder / "page.html"
    exported.write_text(single_page(sampled(explorer, Sample(users=5, items=20, k=5))), encoding="utf-8")
    (folder / "keys").write_text(KEY)
    other = ServiceState(FolderSource(folder / "bundle"), folder / "other")
    with (
        answering(create_app(state, explorer=explorer)) as address,
        answering(create_app(other, keys=read_keys(folder / "keys"), explorer=explorer)) as keyed,
    ):
        yield address, exported.as_uri(), keyed


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(params=[400, 1400])
def page(browser, request):
    """A page of a phone's and of a desk's width, whose console stays empty and which never scrolls sideways."""
    page = browser.new_page(viewport={"width": request.param, "height": 900})
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()
    assert said == []


def titles(page, number):
    return page.locator(".list").nth(number).locator(".card .title").all_inner_texts()


def test_a_person_finds_a_user_compares_lists_opens_an_item_and_builds_a_history(served, page):
    from playwright.sync_api import expect

    page.goto(served[0])
    page.wait_for_selector(".card")
    page.fill("#find-user", "17")
    page.wait_for_selector("#found-users li")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=User 17")
    assert page.locator(".list h2").all_inner_texts() == ["Hybrid", "Popularity"]
    assert len(titles(page, 0)) == len(titles(page, 1)) == 10
    shares = page.locator(".list").first.locator(".inputs").first
    expect(shares.locator("li").first).to_be_hidden()
    shares.locator("summary").click()
    expect(shares.locator(".part")).to_have_count(4)
    page.locator(".card .line").first.click()
    page.wait_for_selector("dialog[open] .near-list")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    first = page.locator("#item-title").inner_text()
    page.locator(".near-list .line").first.click()
    expect(page.locator("#item-title")).not_to_have_text(first)
    page.keyboard.press("Escape")
    page.click("#tab-history")
    page.wait_for_selector("#history-title:has-text('(0)')")
    for text, count in (("Film 12", 1), ("Odd", 2)):
        page.fill("#find-item", text)
        page.locator("#found-items li").first.click()
        page.wait_for_selector(f"#history-title:has-text('({count})')")
    page.wait_for_selector("#lists[aria-busy=false]")
    assert "Film 12" not in titles(page, 0)
    assert page.locator("#history .title").first.inner_text().startswith("Odd </script>")
    page.locator(".drop").first.click()
    page.wait_for_selector("#history-title:has-text('(1)')")
    page.locator("#k").fill("3")
    expect(page.locator(".list .card")).to_have_count(6)
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#map-said:has-text('Film')")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")


def test_rules_are_moved_act_on_both_lists_and_go_back_to_the_config(served, page):
    from playwright.sync_api import expect

    page.goto(served[0])
    page.wait_for_selector(".card")
    if page.viewport_size["width"] < 720:
        expect(page.locator("#controls")).to_be_hidden()
        page.click("#rules summary")
    before, randoms = [titles(page, 0), titles(page, 1)], page.locator(".badge.rule:has-text('Random')").count()
    expect(page.locator("#back")).to_be_disabled()
    expect(page.locator("#rule-exploration")).to_have_value("0.1")
    expect(page.locator("#rule-favour_factor")).to_be_hidden()
    page.locator("#rule-exploration").focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    for number in (0, 1):
        expect(page.locator(".list").nth(number).locator(".badge.rule:has-text('Random')").nth(1)).to_be_visible()
    expect(page.locator("#moved")).to_have_text("1 moved")
    page.click("#back")
    expect(page.locator(".badge.rule:has-text('Random')")).to_have_count(randoms)
    assert [titles(page, 0), titles(page, 1)] == before
    page.locator("#rule-calibration").fill("0.8")
    expect(page.locator("#rule-calibration_column")).to_be_visible()
    page.locator("#rule-diversity").fill("0.5")
    expect(page.locator("#rule-calibration")).to_have_value("0.5")
    page.locator("#rule-cap").fill("2")
    page.select_option("#rule-favour", label="genres: Comedy")
    page.locator("#rule-favour_factor").fill("3")
    page.locator("#rule-boost_0").fill("0")
    expect(page.locator("#moved")).to_have_text("6 moved")
    expect(page.locator(".badge.rule:has-text('Boosted')").first).to_be_visible()
    expect(page.locator("#lists[aria-busy=false]")).to_be_visible()
    assert len(titles(page, 0)) == 4  # two comedies and two others
    assert page.locator(".list .problem").count() == 0


def test_neighbours_are_chosen_by_each_kind_of_embedding(served, page):
    from playwright.sync_api import expect

    page.goto(served[0])
    page.locator(".card .line").first.click()
    page.wait_for_selector("dialog[open] .near-list")
    names = page.locator("#by-0 option").all_inner_texts()
    assert names == [
        "Hybrid, the whole model",
        "part EASE",
        "part tower",
        "tower · item ids (who chose what)",
        f"tower · text (text by {ODD})",
        "tower · column genres",
        "tower · column year",
    ]
    for number in range(len(names)):
        page.select_option("#by-1", index=number)
        expect(page.locator("#said")).to_contain_text(names[number])
        assert page.evaluate(
            "document.querySelector('#item').scrollWidth <= document.querySelector('#item').clientWidth"
        )
    page.locator(".near-list").nth(1).locator(".line").first.click()
    expect(page.locator("#by-1 option:checked")).to_have_text("tower · column year")


def test_the_report_and_the_decisions_of_the_run_are_opened(served, page):
    from playwright.sync_api import expect

    page.goto(served[0])
    page.wait_for_selector(".card")
    page.click("text=Decisions")
    headings = page.locator("#decisions h3")
    expect(headings).to_have_text(
        ["2. Not promoted: version 1 is the champion", "1. Promoted: version 1 is the champion"]
    )
    expect(page.locator("#decisions .no")).to_contain_text(ODD)
    page.locator("#decisions .close").click()
    expect(page.locator("#decisions")).to_be_hidden()
    with page.expect_popup() as opened:
        page.click("text=Report")
    expect(opened.value.locator("h1")).to_have_text("The report")
    opened.value.close()


def test_a_history_is_edited_coloured_and_cleared_by_names_and_in_every_theme(served, page):
    from playwright.sync_api import expect

    page.emulate_media(color_scheme="light")
    page.goto(served[0])
    page.wait_for_selector(".card")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(ground)
    assert light != dark
    for name, colour in (("light", light), ("dark", dark)):
        page.get_by_role("button", name="Colours: ").click()
        expect(page.get_by_role("button", name=f"Colours: {name}", exact=True)).to_be_visible()
        assert page.evaluate(ground) == colour
    page.emulate_media(color_scheme="light")
    page.reload()
    expect(page.get_by_role("button", name="Colours: dark", exact=True)).to_be_visible()
    assert page.evaluate(ground) == dark, "the choice is kept"
    page.wait_for_selector(".card")
    heading = page.locator("#history-title")
    expect(heading).to_have_text("History (6)")
    expect(page.get_by_role("button", name="Clear")).to_be_hidden()
    page.get_by_role("button", name="Edit").click()
    expect(page.get_by_role("tab", name="A history")).to_have_attribute("aria-selected", "true")
    expect(page.get_by_role("tabpanel", name="A history")).to_be_visible()
    expect(page.get_by_role("button", name="Take out")).to_have_count(6)
    for count in (7, 8, 9):
        page.locator(".list").first.get_by_role("button", name="1. ").first.click()
        page.get_by_role("dialog").get_by_role("button", name="Add to history").click()
        expect(heading).to_have_text(f"History ({count})")
        expect(page.locator("#lists")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#history li")).to_have_count(8)
    page.get_by_role("button", name="Show all 9").click()
    expect(page.locator("#history li")).to_have_count(9)
    page.get_by_role("button", name="Show fewer").click()
    expect(page.locator("#history li")).to_have_count(8)
    legend = page.get_by_role("list", name="Colours of the map")
    before = legend.inner_text()
    page.get_by_role("combobox", name="Colour", exact=True).select_option("year")
    expect(legend).not_to_have_text(before, use_inner_text=True)
    group = legend.get_by_role("checkbox").first
    group.uncheck()
    expect(group).not_to_be_checked()
    page.get_by_role("button", name="Clear").click()
    expect(heading).to_have_text("History (0)")
    expect(page.get_by_role("article", name="Hybrid").get_by_text("Fallback").first).to_be_visible()
    page.get_by_role("combobox", name="Add an item").fill("Film 12")
    page.get_by_role("option", name="Film 12").click()
    expect(heading).to_have_text("History (1)")


def test_a_key_is_asked_for_and_opens_the_report(served, browser):
    from playwright.sync_api import expect

    page = browser.new_page()  # whose console tells of the refused requests
    page.goto(served[2])
    dialog = page.get_by_role("dialog", name="API key")
    dialog.get_by_label("Key", exact=True).fill("a-wrong-key-of-16-signs")
    dialog.get_by_role("button", name="Go on").click()
    expect(dialog.get_by_label("Key", exact=True)).to_have_value("")
    dialog.get_by_label("Key", exact=True).fill(KEY)
    dialog.get_by_role("button", name="Go on").click()
    page.wait_for_selector(".card")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Report").click()
    expect(opened.value.locator("h1")).to_have_text("The report")
    opened.value.close()
    page.get_by_role("button", name="Decisions").click()
    expect(page.get_by_role("dialog", name="Decisions").get_by_role("heading", level=3)).to_have_count(2)
    page.close()


def test_the_exported_page_works_without_a_service(served, page):
    page.goto(served[1])
    page.wait_for_selector(".card")
    page.locator(".card .line").first.click()
    page.wait_for_selector("dialog[open] .near-list")
    page.select_option("#by-1", label="tower · column genres")
    page.locator(".near-list").nth(1).locator(".line").first.wait_for()
    page.keyboard.press("Escape")
    assert page.locator("#rules-panel").is_hidden()
    assert page.locator("#documents *").count() == 0
    page.focus("#find-user")
    page.locator("#found-users li").last.click()
    page.wait_for_selector("#lists[aria-busy=false]")
