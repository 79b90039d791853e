import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.vocabulary import MISSING, Vocabulary, as_ids
from recsys.errors import ArtifactError, DataError

INTEGERS = st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=20)
TEXTS = st.lists(st.text(max_size=6), unique=True, max_size=20)


@given(ids=st.one_of(INTEGERS, TEXTS))
def test_rows_lead_back_to_the_ids(ids):
    vocabulary = Vocabulary.of(ids)
    rows = vocabulary.rows(ids)
    assert vocabulary.ids[rows].tolist() == ids
    assert sorted(rows.tolist()) == list(range(len(ids)))


@given(ids=st.one_of(INTEGERS, TEXTS))
@settings(max_examples=25, deadline=None)
def test_ids_survive_the_disk_unchanged(ids, tmp_path_factory):
    path = tmp_path_factory.mktemp("v") / "ids.parquet"
    vocabulary = Vocabulary.of(ids)
    vocabulary.save(path)
    loaded = Vocabulary.load(path)
    assert loaded.ids.tolist() == vocabulary.ids.tolist()
    assert loaded.fingerprint == vocabulary.fingerprint


@given(old=TEXTS, new=TEXTS)
def test_growing_moves_no_old_row(old, new):
    vocabulary = Vocabulary.of(old)
    grown = vocabulary.extended(new)
    assert grown.ids[: len(old)].tolist() == vocabulary.ids.tolist()
    assert set(grown.ids) == set(old) | set(new)


def test_an_unknown_id_and_an_id_of_the_other_type_are_missing():
    vocabulary = Vocabulary.of([3, 5])
    assert vocabulary.rows([5, 4, 3]).tolist() == [1, MISSING, 0]
    assert vocabulary.rows(["3", "5"]).tolist() == [MISSING, MISSING]


@pytest.mark.parametrize("ids", [[1, "a"], [1, None], [1.5], [True, 2], [2**64]])
def test_ids_are_all_integers_or_all_text(ids):
    with pytest.raises(DataError):
        as_ids(ids)


def test_integers_and_texts_do_not_join():
    with pytest.raises(DataError, match="integer and string"):
        Vocabulary.of([1]).extended(["1"])


@pytest.mark.parametrize(("a", "b"), [(["a", "b"], ["b", "a"]), (["a\x00b"], ["a", "b"]), ([1], ["1"]), ([], ["a"])])
def test_other_ids_have_another_fingerprint(a, b):
    assert Vocabulary(as_ids(a)).fingerprint != Vocabulary(as_ids(b)).fingerprint


def test_a_damaged_file_is_refused(tmp_path):
    (tmp_path / "v.parquet").write_bytes(b"PAR1 no more")
    for name in ("v.parquet", "none.parquet"):
        with pytest.raises(ArtifactError, match=name):
            Vocabulary.load(tmp_path / name)


def test_numpy_integers_of_any_width_become_int64():
    assert as_ids(np.array([1, 2], np.uint8)).dtype == np.int64
