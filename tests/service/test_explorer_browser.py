"""The explorer in a real browser: its story, without an error of the console and without scrolling sideways."""

import socket
import threading
import time
from pathlib import Path

import pytest

from recsys.registry.bundle import Bundle
from recsys.service.explorer.explorer import Around, Explorer
from recsys.service.explorer.export import Sample, sampled
from recsys.service.explorer.page import single_page
from recsys.service.http.app import create_app
from recsys.service.source import FolderSource
from recsys.service.state import ServiceState
from tests.service.test_explorer import films

CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium")]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of a service with pages, and the same as one file."""
    import uvicorn

    import recsys as rs

    folder = tmp_path_factory.mktemp("browser")
    data = films(folder)
    Bundle(rs.EASE().fit(data), data).save(folder / "bundle")
    state = ServiceState(FolderSource(folder / "bundle"), folder / "state")
    explorer = Explorer(lambda: state.models.champion, state.feedback.live, None, Around(folder))
    exported = folder / "page.html"
    exported.write_text(single_page(sampled(explorer, Sample(users=5, items=20, k=5))), encoding="utf-8")
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(state, explorer=explorer), log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/explore", exported.as_uri()
    server.should_exit = True
    thread.join()
    listener.close()


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
    assert page.locator(".list h2").all_inner_texts() == ["EASE", "Popularity"]
    assert len(titles(page, 0)) == len(titles(page, 1)) == 10
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


def test_the_exported_page_works_without_a_service(served, page):
    page.goto(served[1])
    page.wait_for_selector(".card")
    page.locator(".card .line").first.click()
    page.wait_for_selector("dialog[open] .near-list")
    page.keyboard.press("Escape")
    page.focus("#find-user")
    page.locator("#found-users li").last.click()
    page.wait_for_selector("#lists[aria-busy=false]")
