"""Versions: a moved alias, a damaged version, a challenger and a shadow, over a source in memory."""

import json
import os

import pytest

import recsys as rs
from recsys.errors import ArtifactError, PromotionError
from recsys.registry.bundle import Bundle
from recsys.retrieval.batch import RecommendOptions
from recsys.service.exposures import arm_of
from recsys.service.model import ServedModel
from recsys.service.questions import Question
from recsys.service.state import Experiment, ServiceState
from recsys.service.versions.source import FolderSource, Serving
from tests.service.conftest import shop


class Aliases:
    """A source whose versions are engines of different sizes, and whose aliases the test moves."""

    def __init__(self, **aliases):
        data = shop()
        bundles = [Bundle(rs.ALS(factors=factors).fit(data), data) for factors in (1, 2, 3)]
        self.models = {name: ServedModel(each, version=name) for name, each in zip("abc", bundles, strict=True)}
        self.aliases, self.beside = aliases, ""
        self.while_loaded = []  # what is beside changes to in turn, with each load

    def version(self, alias):
        return self.aliases.get(alias)

    def inputs(self):
        return self.beside

    def load(self, version):
        if version not in self.models:
            raise ArtifactError(f"{version} is damaged")
        if self.while_loaded:
            self.beside = self.while_loaded.pop(0)
        return self.models[version]


@pytest.fixture
def state(tmp_path):
    states = []

    def open_(source, **experiment):
        states.append(ServiceState(source, tmp_path / "state", Experiment(**{"poll": 60.0} | experiment)))
        return states[-1]

    yield open_
    for each in states:
        if not each.draining:
            each.close()


def ask(state, *users):
    import asyncio

    return asyncio.run(state.recommend([Question(user_id=user, k=3) for user in users]))


def looks(service, number):
    for _ in range(number):
        service.watcher.look()


def records(folder, name):
    return [json.loads(line) for line in (folder / "state" / name).read_text().splitlines()]


def test_a_moved_alias_is_served_after_the_next_look(state):
    source = Aliases(champion="a")
    service = state(source)
    assert ask(service, 1)[0].version == "a"
    source.aliases["champion"] = "b"
    service.watcher.look()
    assert ask(service, 1)[0].version == "b"


def test_a_request_ends_with_the_version_that_it_began_with(state):
    source = Aliases(champion="a")
    service = state(source)
    before = service.models
    source.aliases["champion"] = "b"
    service.watcher.look()
    assert before.champion.version == "a"
    assert service.models.champion.version == "b"


def test_a_version_is_loaded_anew_where_what_it_is_served_with_changes(state):
    source = Aliases(champion="a", next="a")
    service = state(source, shadow="next")
    before = service.models
    service.watcher.look()
    assert service.models == before
    source.models["a"], source.beside = source.models["b"], "edited"
    looks(service, 2)
    assert service.models.champion is source.models["b"] is service.models.shadow
    source.beside = "edited again"
    del source.models["a"]
    looks(service, 2)
    assert service.models.champion is source.models["b"], "what cannot be loaded leaves the old one"
    assert service.watcher.refused["champion"] == "a: a is damaged"


def test_a_file_that_is_being_written_is_not_read_before_it_stands_still(state):
    source = Aliases(champion="a")
    service = state(source)
    old, source.models["a"] = source.models["a"], source.models["b"]
    for written in ("half", "more", "whole"):
        source.beside = written
        looks(service, 1)
        assert service.models.champion is old
    looks(service, 1)
    assert service.models.champion is source.models["b"]
    source.models["a"] = source.models["c"]
    source.beside = "short"
    looks(service, 1)
    source.while_loaded = ["shorter"]
    looks(service, 1)
    assert service.models.champion is source.models["b"], "a file that changed while it was read is not served"
    source.beside = "short"
    looks(service, 2)
    assert service.models.champion is source.models["c"]


def test_files_that_never_stand_still_are_told(state):
    source = Aliases(champion="a")
    service = state(source)
    old = service.models.champion
    for number in range(10):
        assert not service.watcher.refused
        source.beside = f"edited {number}"
        looks(service, 1)
    source.aliases["champion"] = "b"
    source.beside = "edited once more"
    looks(service, 1)
    assert service.models.champion is old
    assert service.watcher.refused["champion"].startswith("b: data, lists of items or texts change before they can be")
    looks(service, 1)
    assert service.models.champion is source.models["b"]
    assert not service.watcher.refused
    for number in range(20):  # edits of which each is read are no unrest
        source.beside = f"edited later {number}"
        looks(service, 2)
        assert not service.watcher.refused


def test_a_pipe_in_the_place_of_a_list_is_told_and_not_waited_for(tmp_path, state):
    data, deny = shop(), tmp_path / "deny.csv"
    Bundle(rs.EASE().fit(data), data).save(tmp_path / "bundle")
    deny.touch()
    service = state(FolderSource(tmp_path / "bundle", Serving(RecommendOptions(deny=deny))))
    deny.unlink()
    os.mkfifo(deny)
    looks(service, 2)
    assert "it is a pipe, not a regular file" in service.watcher.refused["champion"]


def test_a_service_starts_with_what_stood_still_while_it_was_read(state):
    source = Aliases(champion="a")
    source.while_loaded = ["half", "whole"]
    loaded = []
    source.load = lambda version: (loaded.append(source.beside), Aliases.load(source, version))[1]
    service = state(source)
    assert loaded == ["", "half", "whole"]
    source.models.clear()
    looks(service, 2)
    assert not service.watcher.refused, "it is not loaded again"


def test_a_slot_that_is_followed_later_moves_with_its_own_source(state):
    service, other = state(Aliases(champion="a")), Aliases(best="b")
    service.watcher.follow("compared", other, "best")
    assert service.versions == {"champion": "a", "compared": "b"}
    other.aliases["best"] = "c"
    service.watcher.look()
    assert service.versions == {"champion": "a", "compared": "c"}


def test_a_damaged_version_is_told_and_the_old_one_serves_on(state):
    source = Aliases(champion="a")
    service = state(source)
    source.aliases["champion"] = "z"
    service.watcher.look()
    assert ask(service, 1)[0].version == "a"
    assert service.watcher.refused == {"champion": "z: z is damaged"}
    source.aliases["champion"] = "b"
    service.watcher.look()
    assert (service.versions, service.watcher.refused) == ({"champion": "b"}, {})


def test_an_alias_that_is_taken_away_changes_nothing(state):
    source = Aliases(champion="a")
    service = state(source)
    del source.aliases["champion"]
    service.watcher.look()
    assert service.versions == {"champion": "a"}
    assert "no version has the alias" in service.watcher.refused["champion"]


def test_a_service_does_not_start_without_its_version(state):
    with pytest.raises(PromotionError, match="no version of the model has the alias 'champion'"):
        state(Aliases())
    with pytest.raises(ArtifactError):
        state(Aliases(champion="z"))


def test_the_challenger_answers_its_share_and_exposures_and_feedback_are_logged(state, tmp_path):
    from recsys.service.live_histories import FeedbackEvent

    service = state(Aliases(champion="a", next="b"), challenger="next", share=0.5)
    shown = ask(service, *range(30))
    for user, each in enumerate(shown):
        arm = arm_of(user, 0.5, "experiment")
        assert (each.arm, each.version) == (arm, {"champion": "a", "challenger": "b"}[arm])
    assert {each.arm for each in shown} == {"champion", "challenger"}
    service.feedback.record([FeedbackEvent("e", 4, 2, "click", 7, 1.0, shown[4].exposure_id)]).result()
    service.close()
    logged = records(tmp_path, "exposures.jsonl")
    assert [each["kind"] for each in logged] == ["exposure"] * 30 + ["feedback"]
    assert logged[4]["exposure_id"] == logged[30]["exposure_id"] == shown[4].exposure_id
    assert tuple(logged[4]["item_ids"]) == shown[4].listed.item_ids
    assert logged[30]["meaning"] == "like"


def test_an_anonymous_user_is_no_part_of_an_experiment(state):
    service = state(Aliases(champion="a", next="b"), challenger="next", share=0.99)
    (shown,) = ask(service, None)
    assert (shown.arm, shown.exposure_id) == ("champion", None)


def test_a_shadow_is_asked_and_logged_and_not_shown(state, tmp_path):
    service = state(Aliases(champion="a", next="c"), shadow="next")
    assert {each.version for each in ask(service, *range(20))} == {"a"}
    service.close()
    logged = records(tmp_path, "shadow.jsonl")
    assert len(logged) == 20
    assert {(each["shown"], each["shadow"], each["k"]) for each in logged} == {("a", "c", 3)}
    assert 0 < sum(each["overlap"] for each in logged) / 20 < 1
    assert not any("user" in key for each in logged for key in each)


def test_a_bundle_that_is_saved_anew_is_a_new_version(tmp_path, state):
    data = shop()
    Bundle(rs.ALS(factors=2).fit(data), data).save(tmp_path / "bundle")
    service = state(FolderSource(tmp_path / "bundle"))
    before = service.versions
    made = Bundle(rs.ALS(factors=3).fit(data), data).save(tmp_path / "bundle")
    service.watcher.look()
    assert service.versions == {"champion": f"bundle@{made.version}"} != before
    (tmp_path / "bundle" / "bundle.json").write_text("{}")
    service.watcher.look()
    assert service.versions == {"champion": f"bundle@{made.version}"}
