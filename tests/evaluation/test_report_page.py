"""The page of a report: what it says, that everything in it is escaped, and that it needs nothing else."""

import re

import numpy as np
import pytest

from recsys.evaluation.report.html import fragment, render
from recsys.evaluation.report.page.charts import Axis, Line, Point, line_chart
from recsys.evaluation.report.page.marks import looks
from recsys.evaluation.report.page.numbers import log_ticks, p_text, plain
from recsys.evaluation.report.verdict import leader_test, standing
from tests.evaluation.report_pages import BASELINE, LONG, MATHS, Reader, bare_content, content, decision, per_user


@pytest.fixture(scope="module")
def page():
    return Reader(render(bare_content()))


def test_the_summary_says_who_leads_by_how_much_and_what_the_tests_tell(page):
    best = standing(bare_content())
    words = page.words[: page.words.index("Results")]
    assert f"{best.leader} leads with ndcg@10 of {best.best['value']:.4f} [" in words
    assert f"above the baseline {BASELINE}" in words
    assert "Against the baseline the paired test tells them apart" in words
    assert "after Holm's correction" in words
    assert re.search(r"The next is .*: the lead over it is [+−]0\.\d{4} \[", words)


def test_the_summary_has_the_date_the_sizes_and_the_protocol(page):
    assert re.search(r"\d{1,2} \w+ 20\d\d · 60 users, 24 items, 420 interactions · \d{4}-\d\d-\d\d to", page.words)
    assert "each user's last item was held out" in page.words
    assert "left out of the lists" in page.words


@pytest.mark.parametrize(("promoted", "said"), [(True, "Promoted: "), (False, "Not promoted: ")])
def test_a_decision_is_the_verdict_with_its_reasons(promoted, said):
    words = Reader(render(bare_content(), decision(promoted))).words
    assert f"{said}{LONG}, version 3 of films <b>" in words
    assert "the gain <b> is large" in words
    assert (f'promote.engine = "{BASELINE}" would pass' in words) is not promoted


def test_a_decision_says_how_many_users_were_compared_and_why_the_others_were_not():
    left_out = {"without_interactions": 0, "nothing_held_out": 30, "no_target": 0, "champion_learnt": 1200}
    compared = {"users": 2770, "of": 4000, "without_history": 12, "left_out": left_out}
    words = Reader(render(bare_content(), decision(True) | {"compared": compared})).words
    assert "compared on 2,770 of 4,000 users (12 of them without a history)" in words
    assert "left out: 30 of whom nothing is held out" in words
    assert "1,200 whose targets the champion may have learnt" in words
    assert "compared on" not in Reader(render(bare_content(), decision(True) | {"compared": None})).words


def test_names_of_engines_data_and_items_are_text_and_never_markup(page):
    assert {tag for tag, _ in page.elements} & {"i", "u"} == set()
    assert len(page.scripts) == 2
    assert not any("alert(1)</script>" in script for script in page.scripts)
    for name in (BASELINE, MATHS, LONG, "shop <i>", "Film <b>"):
        assert name in page.words


def test_the_page_loads_nothing_and_runs_no_other_script():
    text = render(bare_content())
    assert not re.findall(r"(?:src|href)=['\"](?!data:)", text)
    assert "url(" not in text
    assert "default-src 'none'" in text
    assert len(text) < 300_000


def test_a_phone_lays_the_page_out_at_its_own_width(page):
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")


def test_an_engine_has_one_number_in_every_figure(page):
    numbers = {}
    for tag, attributes in page.elements:
        if attributes.get("data-e") is not None and tag in ("tr", "g", "button"):
            numbers.setdefault(attributes["data-e"], set()).update(re.findall(r"\be\d\b", attributes["class"]))
    assert {number: found for number, found in numbers.items() if found != {f"e{number}"}} == {}
    assert sorted(numbers) == ["0", "1", "2"]


def test_a_report_without_scripts_shows_a_table_and_every_metric(page):
    assert [row["data-e"] for row in page.all("tr") if "data-e" in row][:3] != []
    for key in ("recall@1", "ndcg@20", "hit_rate@5"):
        assert key in page.words


def test_settings_and_lineage_are_folded(page):
    assert len(page.all("details")) >= 4
    assert all("open" not in attributes for attributes in page.all("details"))


def test_examples_show_what_came_and_mark_it(page):
    assert "Examples of lists" in page.words
    assert any("hit" in (attributes.get("class") or "").split() for attributes in page.all("li"))


def test_posters_are_small_pictures_of_the_page_and_damaged_ones_are_left_out(tmp_path):
    found = content(tmp_path)
    items = found["examples"]["items"]
    assert {row for row, item in items.items() if "image" not in item} <= {"0", "1"}
    page = Reader(render(found))
    assert len(page.all("img")) > 10
    assert all(image["src"].startswith("data:image/jpeg;base64,") for image in page.all("img"))
    assert max(len(image["src"]) for image in page.all("img")) < 6000


def test_a_picture_of_another_kind_is_not_shown():
    found = bare_content()
    items = {row: {**item, "image": "data:text/html,<b>"} for row, item in found["examples"]["items"].items()}
    assert not Reader(render({**found, "examples": {**found["examples"], "items": items}})).all("img")


def test_a_notebook_cell_has_the_summary_and_the_tests():
    words = Reader(fragment(bare_content())).words
    assert "leads with ndcg@10" in words
    assert f"ahead of {BASELINE} in recall@10" in words


def test_the_next_engine_is_told_apart_by_a_test_of_its_own():
    rng = np.random.default_rng(0)
    values = per_user(0.2, 0.5, 0.49)
    for each in values.values():
        each["ndcg@10"] = each["ndcg@10"] + rng.normal(0, 0.2, 50)
    found = leader_test(values)
    assert found is not None
    assert {found["engine"], found["next"]} == {"e1", "e2"}
    assert found["p"] > 0.05
    assert leader_test(per_user(0.4)) is None


def test_a_baseline_that_leads_is_said_to():
    found = bare_content()
    swapped = [{**row, "baseline": row["engine"], "engine": row["baseline"]} for row in found["comparisons"]]
    leader = found["leader"]["engine"]
    rows = [row for row in swapped if row["baseline"] == leader]
    rows += [{**row, "engine": found["leader"]["next"]} for row in rows]
    words = Reader(render({**found, "comparisons": rows})).words
    assert f"No engine is ahead of the baseline {leader}" in words
    assert "is itself the baseline" in words


def test_p_values_have_two_digits_and_axes_plain_numbers():
    assert [p_text(p) for p in (0.0009, 0.00123, 0.049)] == ["p < .001", "p = .0012", "p = .049"]
    assert [plain(tick) for tick in log_ticks(0.1, 2000)] == ["0.1", "1", "10", "100", "1,000"]
    chart = line_chart("<t>", [Line(looks(["a"])["a"], [Point(0.1, 1), Point(900, 2)])], Axis("s", log=True))
    assert "10^" not in chart
    assert ">100<" in chart
    assert "&lt;t&gt;" in chart
