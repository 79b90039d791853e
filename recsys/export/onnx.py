"""Both towers as ONNX, compared with torch in onnxruntime before they are kept (needs the extra ``onnx``)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recsys.atomic import write_json
from recsys.data.dataset import Dataset
from recsys.data.histories import Histories
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Engine, Request
from recsys.engines.auto.auto import AutoRecommender
from recsys.engines.ensemble.hybrid import Hybrid
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.errors import ArtifactError, ConfigError
from recsys.export.towers import HISTORY, INTERACTIONS, LENGTHS, TIMES, ItemTower, UserTower
from recsys.retrieval.anonymous import with_anonymous
from recsys.retrieval.approximate.store import plain_ids
from recsys.retrieval.rules.eligible import ItemRules, eligible_items

TOLERANCE = 1e-5
"""Of the largest difference between onnxruntime and torch, relative to the largest entry where that is above one."""
_OPSET = 18
_CHECKED_USERS = 32


def towers_of(engine: Engine) -> dict[str, TwoTower]:
    """The engines with two towers: ``engine`` itself under the empty name, or those of its parts by their names.

    The parts of a hybrid in a hybrid are called ``OUTER/INNER``; an engine that ``auto`` chose counts as itself.

    Raises:
        ConfigError: there is none.
    """
    found = dict(_two_towers(engine, ""))
    if not found:
        raise ConfigError(
            f"ONNX needs an engine with two towers (two_tower, sequence, sasrec, gru4rec, bert4rec, hstu), and "
            f"{engine.kind!r} has none"
        )
    return found


def _two_towers(engine: Engine, name: str) -> Iterator[tuple[str, TwoTower]]:
    if isinstance(engine, TwoTower):
        yield name, engine
    elif isinstance(engine, AutoRecommender):
        yield from _two_towers(engine.engine, name)
    elif isinstance(engine, Hybrid):
        for part, own in engine.parts.items():
            yield from _two_towers(own, f"{name}/{part}" if name else part)


def require_onnx() -> None:
    """Checks that the packages are installed.

    Raises:
        ConfigError: one is not.
    """
    for name in ("onnx", "onnxruntime"):
        try:
            import_module(name)
        except ImportError as error:
            raise ConfigError(f"the export to ONNX needs {name}: pip install 'recsys-towers[onnx]'") from error


def write_towers(engine: TwoTower, data: Dataset, folder: Path) -> float:
    """Writes ``onnx/`` and ``serve_example.py`` into ``folder``; returns the largest difference from torch.

    Args:
        engine: a fitted engine.
        data: the catalogue, whose inputs are written beside the towers, and the users.
        folder: an existing folder.

    Raises:
        ConfigError: the history encoder cannot be exported.
        ArtifactError: onnxruntime computes other vectors than torch.
    """
    onnx = folder / "onnx"
    onnx.mkdir()
    items = _named(engine.inputs.item_values(data.items))
    nobody = _named(engine.inputs.missing_user())
    listed = eligible_items(data.items, ItemRules()).mask(data.n_items)
    np.savez(
        onnx / "items.npz",
        ids=plain_ids(data.items.vocabulary.ids),
        known=engine.inputs.valid(data.items),
        listed=listed,
    )
    _save(onnx / "item_inputs.npz", items)
    _save(onnx / "anonymous_user.npz", nobody)
    about = {"max_history": engine.options_.max_history, "newest": data.newest_time, "opset": _OPSET}
    write_json(onnx / "towers.json", about)
    _write(ItemTower(engine, _names(items)), items, ("vectors", "scored"), onnx / "item_tower.onnx", engine)
    users = UserTower(engine, _names(nobody))
    _write(users, _samples(users, engine, nobody), ("vectors",), onnx / "user_tower.onnx", engine)
    example = Path(__file__).with_name("serve_example.py")
    (folder / "serve_example.py").write_text(example.read_text(encoding="utf-8"), encoding="utf-8")
    return _check(engine, data, folder)


def _named(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"input.{name}": value for name, value in values.items()}


def _names(values: Mapping[str, Tensor]) -> tuple[str, ...]:
    return tuple(name.removeprefix("input.") for name in values)


def _save(path: Path, values: Mapping[str, Tensor]) -> None:
    np.savez(path, allow_pickle=False, **{name: value.numpy() for name, value in values.items()})


def _samples(tower: UserTower, engine: TwoTower, nobody: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Inputs that the tower is traced with: two users, one of them without a history."""
    own = {
        HISTORY: torch.ones(2, 3, engine.options_.model.dim),
        LENGTHS: torch.tensor([2, 0]),
        TIMES: torch.arange(6).reshape(2, 3),
        INTERACTIONS: torch.tensor([[0, 0, MISSING], [MISSING] * 3]),
    }
    features = {name: value.repeat_interleave(2, 0) for name, value in nobody.items()}
    return {name: own[name] for name in tower.inputs if name in own} | features


def _write(
    tower: nn.Module, values: Mapping[str, Tensor], outputs: tuple[str, ...], path: Path, engine: TwoTower
) -> None:
    axes = {name: {place: f"{name}.{place}" for place in range(1, value.ndim)} for name, value in values.items()}
    for name, value in values.items():
        fixed = name == HISTORY or value.dtype.is_floating_point
        axes[name] = {0: "batch"} | ({1: "length"} if name == HISTORY else {} if fixed else axes[name])
    if TIMES in axes:
        axes[TIMES] = axes[HISTORY]
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes that the trace takes as constant: the check tries others
            torch.onnx.export(
                tower.eval(),
                tuple(values.values()),
                str(path),
                dynamo=False,  # the other exporter takes a minute and fixes the lengths of some encoders
                opset_version=_OPSET,
                input_names=list(values),
                output_names=list(outputs),
                dynamic_axes=axes | {name: {0: "batch"} for name in outputs},
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise ConfigError(
            f"the towers of {engine.kind!r} with the history encoder {engine.options_.model.pooling!r} cannot be "
            f"exported to ONNX ({str(error).splitlines()[0]})"
        ) from error


def _check(engine: TwoTower, data: Dataset, folder: Path) -> float:
    """The largest difference between the exported towers and the engine, over the catalogue and many histories."""
    from recsys.export.serve_example import ExportedModel

    model, known = ExportedModel(folder), engine.inputs.valid(data.items)
    worst = _difference(model.vectors[known], engine.similarity_vectors(data.items).dense, known, "item")
    worst = max(worst, _difference(model.scored[known], engine.item_vectors(data.items).dense, known, "item"))
    rows = np.append(np.arange(min(data.n_users, _CHECKED_USERS)), np.full(_CHECKED_USERS, MISSING))
    histories = _histories(data.n_items, engine.options_.max_history, len(rows))
    timed = Histories.of([part.tolist() for part in histories]).ending_at(data.newest_time)
    request = Request(with_anonymous(data.users, rows), data.items, timed)
    values = {name: value.numpy() for name, value in _named(engine.inputs.user_values(request.users)).items()}
    everyone = np.ones(len(rows), bool)
    want = engine.user_vectors(request).dense
    return max(worst, _difference(model.user_vectors(histories, values), want, everyone, "user"))


def _histories(n_items: int, longest: int, users: int) -> list[Rows]:
    """Random histories of no item up to a few more than the encoder reads, of half of the catalogue.

    The graph part of a user who had every item is zero over zero, so rounding decides it.
    """
    rng = np.random.default_rng(0)
    pool = rng.permutation(n_items)[: max(n_items // 2, 1)]
    lengths = [0, 1, 2, longest - 1, longest, longest + 3, *rng.integers(0, longest + 3, users)][:users]
    return [rng.choice(pool, max(length, 0)) for length in lengths]


def _difference(
    found: NDArray[np.float32], want: NDArray[np.float32] | None, rows: NDArray[np.bool_], side: str
) -> float:
    assert want is not None, "vectors of towers are dense"
    largest = float(np.abs(want[rows]).max(initial=1.0))
    worst = float(np.abs(found - want[rows]).max(initial=0.0)) / largest
    if not worst <= TOLERANCE:
        raise ArtifactError(
            f"the exported {side} tower differs from torch by {worst:.2g} of the largest entry, more than {TOLERANCE}; "
            "it is not kept, export vectors and the index"
        )
    return worst
