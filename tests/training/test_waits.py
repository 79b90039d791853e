"""On a device that computes ahead no step waits for it: no value is read, nor a size that depends on values.

The CPU stands in for the device, and the operations of the steps are watched.
"""

import threading

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from recsys import devices
from recsys.data.read import read_dataset
from recsys.encoders.tags import TagsEncoder
from recsys.engines.graph.sage import GraphSAGE
from recsys.engines.skip_gram.item2vec import Item2Vec
from recsys.engines.two_tower.sequence import HSTU, GRU4Rec, SASRec
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.models.two_tower import IdEncoder
from recsys.training import loop
from recsys.training.row_adam import RowAdam

READS = {
    *("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero"),
    *("_coalesce", "_unique2", "unique_dim", "unique_consecutive"),
}
TRAINING = {"epochs": 2, "warmup": 1, "batches_ahead": 2}
FULL = {"user_id": True, "item_bias": True, "id_dropout": 0.3, "leave_out": [], "modality_dropout": 0.3}
ENGINES = [
    TwoTower(dim=8, training=TRAINING, **FULL),
    TwoTower(dim=8, training=TRAINING, loss="sampled_softmax", label_smoothing=0.1),
    TwoTower(dim=8, training=TRAINING, loss="full_softmax"),
    TwoTower(dim=8, training=TRAINING, loss="gbce"),
    TwoTower(dim=8, training=TRAINING, loss="bpr"),
    SASRec(dim=8, training=TRAINING),
    GRU4Rec(dim=8, training=TRAINING),
    HSTU(dim=8, training=TRAINING),
    GraphSAGE(dim=8, training=TRAINING),
    Item2Vec(dim=8, training=TRAINING),
]


@pytest.fixture
def ahead(monkeypatch):
    monkeypatch.setattr(devices, "runs_ahead", lambda tensor: True)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 30, 600), rng.integers(0, 20, 600)
    events = pd.DataFrame({"user_id": users, "item_id": items, "timestamp": np.arange(600) * 10**6})
    tags = ["|".join("uvw"[: n % 4]) for n in range(20)]
    columns = pd.DataFrame({"item_id": range(20), "year": range(1990, 2010), "genre": list("ab") * 10, "tags": tags})
    return read_dataset(events, items=columns, schema={"tags": "tags:|"})


class Waits(TorchDispatchMode):
    """Collects the operations whose result, or its size, a device would be waited for.

    Args:
        on_host: addresses of values that lie on the host anyhow.
    """

    def __init__(self, on_host):
        super().__init__()
        self.on_host, self.found = on_host, []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation.name().removeprefix("aten::").split(".")[0]
        indices = args[1] if name in ("index", "index_put", "index_put_", "_index_put_impl_") else []
        waits = any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in indices)
        waits |= (
            name in READS and args[0].data_ptr() not in self.on_host if name == "_local_scalar_dense" else name in READS
        )
        waits |= name == "repeat_interleave" and (kwargs or {}).get("output_size") is None
        if waits:
            self.found.append(name)
        return operation(*args, **(kwargs or {}))


@pytest.fixture
def waits(monkeypatch):
    """What the steps of a training wait for, and how many steps there were."""
    found, plain, watched = [], loop._step, []

    def step(compute, size, trained, *others):
        states = [state for optimizer in trained.optimizers for state in optimizer.state.values()]
        mode = Waits({state["step"].data_ptr() for state in states})
        if not states:  # the first step makes them
            return plain(compute, size, trained, *others)
        watched.append(threading.get_ident())
        with mode:
            result = plain(compute, size, trained, *others)
        found.extend(mode.found)
        watched[-1] = None
        return result

    def read(name):
        method = getattr(torch.Tensor, name)

        def reads(tensor, *args, **kwargs):
            if watched and watched[-1] == threading.get_ident():
                found.append(name)
            return method(tensor, *args, **kwargs)

        return reads

    for name in ("tolist", "numpy", "cpu"):
        monkeypatch.setattr(torch.Tensor, name, read(name))
    monkeypatch.setattr(loop, "_step", step)
    return found, watched


@pytest.mark.parametrize(
    "engine", ENGINES, ids=lambda engine: f"{engine.kind} {engine.config.model_dump().get('loss')}"
)
def test_no_step_waits(ahead, waits, data, engine):
    engine.fit(data)
    found, watched = waits
    assert watched
    assert found == []


def test_the_watch_sees_waits(data, waits):
    """Those of a step on the CPU, where they cost nothing."""
    ENGINES[0].fit(data)
    assert {"index", "index_put", "_local_scalar_dense", "_coalesce"} <= set(waits[0])


@pytest.mark.parametrize("rows", [[3, -1, 0, 3, 7, -1], [-1, -1], [2, 2, 5]])
def test_ids_have_the_vectors_and_gradients_of_a_look_up_of_those_that_are_shown(monkeypatch, rows):
    found = []
    for ahead in (False, True):
        monkeypatch.setattr(devices, "runs_ahead", lambda tensor, ahead=ahead: ahead)
        torch.manual_seed(0)
        encoder = IdEncoder(8, 4, drop=0.4)
        nn.init.normal_(encoder.absent)
        vectors = encoder(torch.tensor(rows))
        (vectors * torch.linspace(-1, 1, vectors.numel()).view_as(vectors)).square().sum().backward()
        gradients = encoder.table.weight.grad.to_dense(), encoder.absent.grad
        found.append([part.tolist() for part in (vectors, *gradients)])
    assert found[0] == found[1]


def test_rows_of_a_step_get_the_weights_of_sums_whose_number_is_read(monkeypatch):
    generator, found = torch.Generator().manual_seed(1), []
    steps = [(torch.randint(9, (30,), generator=generator), torch.randn(30, 4, generator=generator)) for _ in range(20)]
    steps.append((torch.zeros(0, dtype=torch.long), torch.zeros(0, 4)))
    for ahead in (False, True):
        monkeypatch.setattr(devices, "runs_ahead", lambda tensor, ahead=ahead: ahead)
        table = nn.Parameter(torch.linspace(-1, 1, 48).view(12, 4))
        optimizer = RowAdam([table], 0.1, weight_decay=0.01)
        for rows, values in steps:
            table.grad = torch.sparse_coo_tensor(rows[None], values, table.shape, check_invariants=False)
            optimizer.step()
        found.append((table.detach(), optimizer.state[table]["last"], optimizer.state[table]["second"]))
    torch.testing.assert_close(found[0], found[1])  # but for the order of sums


def test_tags_have_the_means_of_those_that_are_there(monkeypatch):
    torch.manual_seed(0)
    encoder, found = TagsEncoder(size=6, width=3, dim=4), []
    for ahead in (False, True):
        monkeypatch.setattr(devices, "runs_ahead", lambda tensor, ahead=ahead: ahead)
        encoder.zero_grad()
        vectors = encoder(torch.tensor([[2, 3, -1], [0, -1, -1], [-1, -1, -1], [5, 4, 0]]))
        vectors.square().sum().backward()
        found.append((vectors, encoder.table.weight.grad.clone()))
    torch.testing.assert_close(found[0], found[1])
