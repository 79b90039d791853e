"""The measured blocks of an evaluation on disk, so that one that was killed goes on with what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from recsys.atomic import atomic_path, claim
from recsys.digest import short_digest
from recsys.evaluation.evaluate import Result, joined
from recsys.evaluation.metrics import ListMetrics

_DIGEST = "digest"
S = TypeVar("S", bound=np.generic)


@dataclass(frozen=True)
class KeptBlocks:
    """The blocks of `recsys.evaluation.evaluate.BlockRanker` as files in a folder; a damaged one counts as missing.

    Args:
        folder: of the blocks of one engine on one holdout; created if missing.
        count: how many blocks there are.
    """

    folder: Path
    count: int

    def __post_init__(self) -> None:
        claim(self.folder)

    def missing(self) -> list[int]:
        """The numbers of the blocks that are not there."""
        return [number for number in range(self.count) if self._load(number) is None]

    def keep(self, number: int, block: Result) -> None:
        """Writes block ``number``, atomically."""
        arrays = _arrays(block)
        with atomic_path(self._path(number)) as beside:
            save_file(arrays, beside, {_DIGEST: _digest(arrays)})

    def result(self, n_users: int) -> Result:
        """The result of all ``n_users`` users; none of the blocks is `missing`."""
        return joined(self._blocks(), n_users)

    def _blocks(self) -> Iterable[Result]:
        for number in range(self.count):
            block = self._load(number)
            assert block is not None, "it was made or found before"
            yield block

    def _path(self, number: int) -> Path:
        return self.folder / f"block-{number:05d}.safetensors"

    def _load(self, number: int) -> Result | None:
        try:
            with safe_open(self._path(number), "np") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
                digest = (file.metadata() or {}).get(_DIGEST)
        except (OSError, SafetensorError):
            return None
        return _block(arrays) if digest == _digest(arrays) else None


def _arrays(block: Result) -> dict[str, NDArray[np.generic]]:
    plain = {name: value for name, value in vars(block).items() if name != "values"}
    lists = {"hits": block.values.hits, "ks": block.values.ks, "depth": block.values.depth}
    return {name: np.ascontiguousarray(value) for name, value in {**plain, **lists}.items()}


def _block(arrays: dict[str, NDArray[np.generic]]) -> Result:
    def of(name: str, kind: type[S]) -> NDArray[S]:
        return arrays[name].astype(kind, copy=False)

    ks = tuple(of("ks", np.int64).tolist())
    target_counts = of("target_counts", np.int64)
    return Result(
        users=of("users", np.int32),
        values=ListMetrics(of("hits", np.uint8), target_counts, ks, of("depth", np.int64).item()),
        items=of("items", np.int32),
        history_lengths=of("history_lengths", np.int64),
        targets=of("targets", np.int32),
        target_counts=target_counts,
        found=of("found", np.bool_),
        users_without_vector=of("users_without_vector", np.int64).item(),
        items_without_vector=of("items_without_vector", np.int64).item(),
    )


def _digest(arrays: dict[str, NDArray[np.generic]]) -> str:
    return short_digest(part for name in sorted(arrays) for part in (name, arrays[name].tobytes()))
