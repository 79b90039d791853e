import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary, as_ids
from recsys.engine import Vectors
from recsys.errors import ArtifactError, ConfigError, DataError, PromotionError
from recsys.names import check_model_name
from recsys.registry.bundle import Bundle, Lineage
from recsys.registry.gate import Decision
from recsys.registry.mlflow_client import imported, local_uri
from recsys.registry.pyfunc.predictor import Predictor
from recsys.registry.store import Store
from recsys.registry.tracker import MlflowTracker
from tests.registry.conftest import Together

mlflow = imported()
pytestmark = [
    pytest.mark.filterwarnings("ignore::" + kind)
    for kind in ("DeprecationWarning", "FutureWarning", "UserWarning", "ResourceWarning")
]

YES, NO = Decision(True, "new", None, ()), Decision(False, "new", "old", ())


@pytest.fixture
def folder(tmp_path, engine, data):
    Bundle(engine, data, Lineage(data.fingerprint)).save(tmp_path / "bundles" / "mine")
    return tmp_path / "bundles" / "mine"


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return local_uri(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def store(uri, request):
    return Store(uri, request.node.name)


@pytest.fixture
def predictor(folder):
    return Predictor(Bundle.load(folder))


def test_a_user_id_alone_takes_the_history_of_the_bundle_and_gets_no_item_of_it(predictor):
    found = predictor.predict(pd.DataFrame({"user_id": ["u0", "u1", "u0"], "k": [2, 1, 1]}))
    assert found["item_ids"].tolist() == [["i2", "i4"], ["i5"], ["i2"]]
    assert found["scores"].tolist() == [[1.0, 1.0], [2.0], [1.0]]


def test_a_row_without_user_id_is_ranked_by_its_history(predictor):
    found = predictor.predict(pd.DataFrame({"history": [["i1"], ["i4", "never heard of"]], "k": [2, 2]}))
    assert found["item_ids"].tolist() == [["i3", "i5"], ["i0", "i2"]]


def test_a_given_history_replaces_that_of_the_bundle(predictor):
    found = predictor.predict(pd.DataFrame({"user_id": ["u0", "u0"], "history": [["i1"], None], "k": [1, 1]}))
    assert found["item_ids"].tolist() == [["i3"], ["i2"]]


class Recording(Together):
    """Keeps the requests that it computed vectors for."""

    def __init__(self, groups):
        super().__init__(groups)
        self.requests = []

    def user_vectors(self, request):
        self.requests.append(request)
        return super().user_vectors(request)


def test_rows_with_and_without_a_history_keep_their_order_and_their_times(engine, data):
    recording = Recording(engine.groups)
    predictor = Predictor(Bundle(recording, data, Lineage("x")))
    frame = pd.DataFrame({"user_id": ["u1", None, "u0"], "history": [None, ["i4", "i0"], None]})
    predictor.predict(frame)
    [request] = recording.requests
    assert request.histories.items.tolist() == [1, 3, 4, 0, 0]
    assert request.histories.offsets.tolist() == [0, 2, 4, 5]
    newest = data.interactions.time.max()
    assert request.histories.times.tolist()[2:4] == [newest - 1, newest]
    assert len(predictor.predict(pd.DataFrame({"user_id": []}))) == 0


def test_the_newest_time_is_computed_once_and_not_for_every_row(engine, data):
    maxima = []

    class Times(np.ndarray):
        def max(self, *args, **options):
            maxima.append(len(self))
            return np.asarray(self).max(*args, **options)

    events = replace(data.interactions, time=data.interactions.time.view(Times))
    recording = Recording(engine.groups)
    predictor = Predictor(Bundle(recording, replace(data, interactions=events), Lineage("x")))
    predictor.predict(pd.DataFrame({"history": [["i4"], ["i5", "i1"]]}))
    [request] = recording.requests
    assert request.histories.times.tolist() == [1, 0, 1]
    assert maxima == [3]


def test_integer_ids_that_pandas_made_floats_are_found(engine, data):
    users, items = (
        EntityTable(Vocabulary(np.arange(len(table)) + 5), table.columns, table.schema)
        for table in (data.users, data.items)
    )
    recording = Recording(engine.groups)
    predictor = Predictor(Bundle(recording, replace(data, users=users, items=items), Lineage("x")))
    frame = pd.DataFrame({"user_id": [5, None, 6], "history": [None, [6.0, 9.0], None]})
    assert frame["user_id"].dtype == float
    assert len(predictor.predict(frame)) == 3
    [request] = recording.requests
    assert request.histories.items.tolist() == [0, 1, 4, 1, 3]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_vectors_that_are_not_finite_are_refused_and_named(engine, data, value):
    class Diverged(Together):
        def user_vectors(self, request):
            vectors = super().user_vectors(request).dense
            vectors[-1] = value
            return Vectors(vectors)

    predictor = Predictor(Bundle(Diverged(engine.groups), data, Lineage("x")))
    with pytest.raises(ArtifactError, match=r"1 of 2 vectors of the users of Diverged .* first that of u1"):
        predictor.predict(pd.DataFrame({"user_id": ["u0", "u1"]}))
    groups = engine.groups.copy()
    groups[3] = value
    with pytest.raises(ArtifactError, match=r"1 of 6 vectors of the items of Together .* first that of i3"):
        Predictor(Bundle(Together(groups), data, Lineage("x")))


class Personal(Together):
    """Users with an id in ``known`` get the even items, all others the odd ones."""

    def __init__(self, groups, known):
        super().__init__(groups)
        self.known = known

    def user_vectors(self, request):
        own = [user in self.known for user in request.users.vocabulary.ids.tolist()]
        return Vectors(np.array([[1, 0] if known else [0, 1] for known in own], np.float32))


def test_a_user_in_several_rows_gets_the_lists_of_single_rows(engine, data):
    predictor = Predictor(Bundle(Personal(engine.groups, ["u0", "u1"]), data, Lineage("x")))
    frame = pd.DataFrame(
        {
            "user_id": ["u0", None, "u0", "u1", "u0"],
            "history": [None, ["i1"], ["i2"], None, None],
            "k": [2, 1, 2, 2, 1],
        }
    )
    found = predictor.predict(frame)
    assert found["item_ids"].tolist() == [["i2", "i4"], ["i3"], ["i0", "i4"], ["i0", "i2"], ["i2"]]
    alone = pd.concat([predictor.predict(frame.iloc[[row]]) for row in range(len(frame))])
    assert found.equals(alone)


SMALLEST, LARGEST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@pytest.mark.parametrize(
    "ids",
    [[-1, 5], [-2, -1], [SMALLEST, -1], [SMALLEST + 1, LARGEST], ["\x00anonymous 0", "\x00anonymous 1"]],
    ids=["minus one", "two below", "the smallest", "round the end", "text"],
)
def test_an_anonymous_user_is_never_taken_for_a_user_of_the_data_whatever_the_ids(engine, data, ids):
    renamed = replace(data, users=EntityTable.bare(Vocabulary(as_ids(ids))))
    predictor = Predictor(Bundle(Personal(engine.groups, ids), renamed, Lineage("x")))
    user_ids = pd.Series([None, ids[0], None, None, ids[1]], dtype=object)
    histories = [["i1"], None, ["i1"], ["i1"], None]
    found = predictor.predict(pd.DataFrame({"user_id": user_ids, "history": histories, "k": 1}))
    assert found["item_ids"].tolist() == [["i3"], ["i2"], ["i3"], ["i3"], ["i0"]]


def test_a_list_longer_than_the_catalogue_costs_no_more_than_the_catalogue(predictor):
    found = predictor.predict(pd.DataFrame({"user_id": ["u0", "u1"], "k": [10**15, 2]}))
    assert found["item_ids"].tolist() == [["i2", "i4", "i1", "i3", "i5"], ["i5", "i0"]]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"user_id": [7]}, "row 0: user_id is 7, and ids look like 'u0'"),
        ({"k": [3]}, "neither"),
        ({"user_id": ["u0"], "k": [0]}, "k must be"),
        ({"history": ["i1|i4"]}, r"row 0: history is 'i1\|i4'; give a list"),
        ({"history": [5]}, "row 0: history is 5; give a list"),
    ],
)
def test_a_row_without_what_a_prediction_needs_says_why(predictor, row, message):
    with pytest.raises(DataError, match=message):
        predictor.predict(pd.DataFrame(row))


@pytest.fixture
def described(engine, data):
    """Beside u0 and u1, ten users of the team north chose items 0 and 2, and ten of the team south 1 and 3."""
    teams = [None, None, *["north"] * 10, *["south"] * 10]
    ids = Vocabulary.of([f"u{n}" for n in range(10)] + [f"v{n:02d}" for n in range(12)])
    columns = pd.DataFrame({"team": pd.Series(teams, dtype="str"), "k": 0.0})
    users = EntityTable(ids, columns, Schema.of({"team": "categorical", "k": "numeric"}))
    first = np.arange(2, 22)
    items = np.where(first < 12, 0, 1)
    events = Interactions.of(np.concatenate([[0, 1, 1], first, first]), np.concatenate([[0, 1, 3], items, items + 2]))
    return replace(data, users=users, interactions=events, has_timestamps=False)


def test_users_of_whom_nothing_is_known_get_the_fallback_and_are_marked(engine, described):
    predictor = Predictor(Bundle(engine, described))
    frame = pd.DataFrame(
        {
            "user_id": ["who", None, "who", None, "u0"],
            "history": [None, [], None, None, None],
            "team": [None, None, "north", "south", None],
            "k": [3, 3, 2, 2, 2],
        }
    )
    found = predictor.predict(frame)
    assert found["item_ids"].map(len).tolist() == [3, 3, 2, 2, 2]
    assert found["item_ids"].tolist()[2:4] == [["i0", "i2"], ["i1", "i3"]]
    assert found["fallback"].map(all).tolist() == [True, True, True, True, False]
    alone = pd.concat([predictor.predict(frame.iloc[[row]]) for row in range(len(frame))])
    assert found.equals(alone)


def test_a_value_that_no_user_has_is_rare_and_a_cell_of_the_wrong_kind_is_refused(engine, described):
    columns = described.users.columns.rename(columns={"k": "size"})
    schema = Schema.of({"team": "categorical", "size": "numeric"})
    users = EntityTable(described.users.vocabulary, columns, schema)
    predictor = Predictor(Bundle(engine, replace(described, users=users)))
    strange = predictor.predict(pd.DataFrame({"team": ["west"], "size": [3]}))
    assert len(strange["item_ids"][0]) == 6
    with pytest.raises(DataError, match=r"rows, column 'size', row.* 1.*'large'"):
        predictor.predict(pd.DataFrame({"size": ["large"]}))


def test_a_registered_model_takes_attributes_and_marks_the_fallback(store, tmp_path, engine, described):
    folder = tmp_path / "described"
    Bundle(engine, described).save(folder)
    store.promote(store.register(folder), YES)
    model = mlflow.pyfunc.load_model(f"models:/{store.name}@champion")
    found = model.predict(pd.DataFrame({"user_id": ["who", "u0"], "team": ["south", None], "k": [2, 2]}))
    assert found["item_ids"].tolist()[0] == ["i1", "i3"]
    assert found["fallback"].tolist() == [[True, True], [False, False]]


def test_a_registered_model_is_loaded_by_its_alias_and_predicts(store, folder):
    store.promote(store.register(folder), YES)
    model = mlflow.pyfunc.load_model(f"models:/{store.name}@champion")
    assert model.predict(pd.DataFrame({"user_id": ["u1"]}))["item_ids"].tolist() == [["i5", "i0", "i2", "i4"]]
    assert model.predict(pd.DataFrame({"history": [["i0"]], "k": [1]}))["item_ids"].tolist() == [["i2"]]
    assert Bundle.load(store.download("champion")).version == Bundle.load(folder).version


def test_a_version_that_a_stop_left_is_taken_up_until_it_is_settled(store, folder):
    assert store.register(folder, resume=True) == "1"
    assert store.register(folder, resume=True) == "1"
    store.settle("1")
    assert store.register(folder, resume=True) == "2"
    assert store.register(folder) == "3"


def test_promotion_records_the_previous_champion_and_rollback_restores_it(store, folder):
    first, second, third = (store.register(folder) for _ in range(3))
    for version in (first, second, third):
        store.promote(version, Decision(True, version, store.version_at("champion"), ()))
    assert (store.version_at("champion"), store.version_at("previous")) == (third, second)
    for undone, version, earlier in ((third, second, first), (second, first, None)):
        assert store.rollback_target() == version
        for _ in range(2):  # the second time nothing changes
            store.rollback(version, undone)
            assert (store.version_at("champion"), store.version_at("previous")) == (version, earlier)
    with pytest.raises(PromotionError, match="no earlier champion"):
        store.rollback_target()


def test_a_candidate_that_was_compared_with_another_champion_is_not_promoted(store, folder):
    first, second = (store.register(folder) for _ in range(2))
    store.promote(first, YES)
    with pytest.raises(PromotionError, match="compared with no champion, and meanwhile version 1 became champion"):
        store.promote(second, YES)
    assert store.version_at("champion") == first


def test_a_rollback_to_a_damaged_version_changes_nothing(store, folder):
    first, second, third = (store.register(folder) for _ in range(3))
    for version in (first, second, third):
        store.promote(version, Decision(True, version, store.version_at("champion"), ()))
    (store.download(second) / "users.parquet").write_bytes(b"")
    with pytest.raises(
        ArtifactError, match=r"no alias was changed: .*changed: users\.parquet.* promote another candidate"
    ):
        store.rollback_target()
    assert (store.version_at("champion"), store.version_at("previous")) == (third, second)


def test_a_version_that_failed_the_gate_or_does_not_exist_is_not_promoted(store, folder):
    with pytest.raises(PromotionError, match="no version or alias 'champion'"):
        store.download()
    with pytest.raises(PromotionError, match="did not pass the gate"):
        store.promote(store.register(folder), NO)
    with pytest.raises(PromotionError, match="no version or alias '99'"):
        store.promote("99", YES)
    assert store.version_at("champion") is None


def test_another_undamaged_bundle_in_the_place_of_the_registered_one_is_refused(store, folder, engine, data):
    version = store.register(folder)
    other = replace(data, name="other")
    Bundle(engine, other, Lineage(other.fingerprint)).save(store.download(version))
    with pytest.raises(ArtifactError, match=r"another bundle in .* than was registered"):
        store.download(version)
    with pytest.raises(ArtifactError, match="is another bundle than the one that this model was registered with"):
        mlflow.pyfunc.load_model(f"models:/{store.name}/{version}")


def test_a_stored_bundle_that_was_damaged_is_refused(store, folder):
    version = store.register(folder)
    (store.download(version) / "users.parquet").write_bytes(b"")
    with pytest.raises(ArtifactError, match=r"changed: users\.parquet"):
        store.download(version)


@pytest.mark.parametrize("name", ["shop/de", "Köln: shop", "shop@home", "shop?", "a\nb", "", " ", ".", "..", "..a"])
def test_a_name_that_no_model_can_have_is_refused(name):
    with pytest.raises(ConfigError, match=re.escape(f"name = {name!r} ")):
        check_model_name("name", name)


@pytest.mark.parametrize("name", ["Köln #1", "100%20 'off'", "a.b..", "-x&z"])
def test_a_valid_name_can_be_registered_and_downloaded(uri, folder, name):
    check_model_name("name", name)
    store = Store(uri, name)
    assert store.download(store.register(folder)).is_dir()


def test_a_run_keeps_parameters_metrics_data_and_files(tmp_path, uri):
    (tmp_path / "report.json").write_text("{}")
    with MlflowTracker(uri, "demo", "train") as tracker:
        tracker.log_params({"engine": {"dim": 64}, "seed": 7})
        tracker.log_metrics({"recall@10": 0.25}, step=2)
        tracker.log_data("pairs", "abc123", "data/pairs")
        tracker.log_artifact(tmp_path / "report.json")
    client = mlflow.MlflowClient(uri)
    run = client.get_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"engine.dim": "64", "seed": "7"}
    assert run.data.metrics == {"recall_at_10": 0.25}
    assert run.inputs.dataset_inputs[0].dataset.digest == "abc123"
    assert [file.path for file in client.list_artifacts(tracker.run_id)] == ["report.json"]


def test_a_run_that_ends_with_an_error_is_marked_failed(uri):
    tracker = MlflowTracker(uri, "demo", "train")
    with pytest.raises(ZeroDivisionError), tracker:
        1 / 0  # noqa: B018
    assert mlflow.MlflowClient(uri).get_run(tracker.run_id).info.status == "FAILED"


def test_a_store_that_cannot_be_reached_is_an_error_and_not_an_empty_store(store, monkeypatch):
    def refuse(client, name):
        raise mlflow.MlflowException("no route", error_code=mlflow.protos.databricks_pb2.TEMPORARILY_UNAVAILABLE)

    monkeypatch.setattr(mlflow.MlflowClient, "get_registered_model", refuse)
    with pytest.raises(PromotionError, match="cannot be reached"):
        store.version_at("champion")
