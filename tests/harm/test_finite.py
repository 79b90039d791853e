"""A model with NaN or infinite weights is neither stored nor loaded; options that are not finite are refused."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import recsys as rs
from recsys.atomic import read_json
from recsys.data.synthetic.worlds import BlockTaste
from recsys.digest import file_sha256
from recsys.engine import Vectors
from recsys.engines import ENGINES
from recsys.engines.baselines.als import ALS
from recsys.engines.baselines.ease import EASE
from recsys.errors import ArtifactError, ConfigError
from recsys.ranking import top_k
from recsys.registry.bundle import Bundle

DATA = BlockTaste(users=30, items=14).dataset()


def certify(folder):
    """Writes the manifest of the bundle in ``folder`` anew, so that its digests match whatever it holds."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: file_sha256(folder / name) for name in manifest["files"]}
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_engine_with_weights_that_are_not_finite_is_not_saved(tmp_path, bad):
    engine = EASE().fit(DATA)
    engine.weights[3, 4] = bad
    with pytest.raises(ArtifactError, match=r"engine ease holds NaN or infinity in 'weights' of arrays.safetensors"):
        Bundle(engine, DATA).save(tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_bundle_with_weights_that_are_not_finite_is_not_loaded_though_its_digests_match(tmp_path):
    folder = tmp_path / "bundle"
    Bundle(EASE().fit(DATA), DATA).save(folder)
    arrays = load_file(folder / "engine" / "arrays.safetensors")
    arrays["weights"][0, 0] = np.nan
    save_file(arrays, folder / "engine" / "arrays.safetensors")
    certify(folder)
    with pytest.raises(ArtifactError, match="engine ease holds NaN"):
        Bundle.load(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e300])
@pytest.mark.parametrize(
    ("kind", "option"), [("ease", "regularization"), ("als", "alpha"), ("sasrec", "learning_rate")]
)
def test_an_option_that_is_not_finite_is_a_config_error(kind, option, value):
    with pytest.raises(ConfigError, match=option):
        ENGINES[kind](**{option: value})


def test_als_names_the_options_that_it_cannot_solve_with():
    with pytest.raises(ConfigError, match=r"als cannot solve with alpha = 1e\+25"):
        ALS(factors=2, alpha=1e25).fit(DATA).user_vectors(_request())


def test_bpr_that_diverges_names_the_learning_rate():
    with pytest.raises(ConfigError, match=r"bpr diverged.*learning_rate"):
        ENGINES["bpr"](learning_rate=1e29, iterations=2).fit(DATA)


def test_bpr_that_diverges_names_the_regularization_too():
    with pytest.raises(ConfigError, match=r"bpr diverged.*regularization \(1e\+10\)"):
        ENGINES["bpr"](factors=2, regularization=1e10, iterations=2).fit(DATA)


@pytest.mark.parametrize(
    "options",
    [
        {"low_pass": {"users": 10, "items": 10}},
        {"low_pass": {"users": -10, "items": -10}},
        {"low_pass": {"popularity_exponent": 1e6}},
    ],
)
def test_spectral_with_exponents_that_no_number_holds_names_them(options):
    with pytest.raises(ConfigError, match=r"exponents low_pass\.users|popularity_exponent"):
        ENGINES["spectral"](**options).fit(DATA)


def test_json_with_nan_is_refused_when_it_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"std": NaN}')
    with pytest.raises(ArtifactError, match="NaN"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("row", range(4))
def test_a_vector_with_nan_takes_no_place_in_any_list(row):
    items = np.eye(4, dtype=np.float32)
    items[row] = np.nan
    with pytest.raises(ArtifactError, match="score"):
        top_k(Vectors(np.ones((2, 4), np.float32)), Vectors(items), k=2)


@pytest.mark.parametrize(
    ("boosts", "told"),
    [([{"factor": 1e15}] * 2, r"factor 1e\+30"), ([{"factor": 1e-15}] * 2, "factor 1e-30"), ([{"addend": 9e29}], "9e")],
)
def test_boosts_that_no_score_survives_are_refused_with_their_size(boosts, told):
    engine = ALS(factors=2, iterations=1).fit(DATA)
    rules = {"boosts": [{"where": "size > -9", **boost} for boost in boosts]}
    with pytest.raises(ConfigError, match=rf"recommend\.rules\.boosts: .*{told}"):
        rs.recommend(engine, DATA, k=3, rules=rules)


def _request():
    from recsys.engine import Request

    return Request.from_dataset(DATA, np.arange(3))
