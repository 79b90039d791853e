"""Saving and loading of the weights of a module and of its word vocabulary."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from recsys.atomic import atomic_path
from recsys.data.vocabulary import Vocabulary
from recsys.errors import ArtifactError

M = TypeVar("M", bound=nn.Module)


def save_module(module: nn.Module, path: Path) -> None:
    """Writes the parameters and buffers of ``module``, atomically."""
    with atomic_path(path) as beside:
        save_file({name: value.contiguous() for name, value in module.state_dict().items()}, beside)


def load_module(path: Path) -> dict[str, Tensor]:
    """Reads the file that `save_module` wrote, for ``load_state_dict``.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    try:
        weights: dict[str, Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{path} does not hold weights ({error}); pretrain again") from error
    return weights


def save_with_words(module: nn.Module, words: Vocabulary, directory: Path) -> None:
    """Writes ``module`` and the vocabulary of its words to ``directory``."""
    directory.mkdir(parents=True, exist_ok=True)
    words.save(directory / "words.parquet")
    save_module(module, directory / "network.safetensors")


def load_with_words(build: Callable[[int], M], directory: Path) -> tuple[M, Vocabulary]:
    """Reads the module and the words that `save_with_words` wrote.

    Args:
        build: from a number of words to the module without its weights.
        directory: where they are.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    words = Vocabulary.load(directory / "words.parquet")
    module = build(len(words))
    module.load_state_dict(load_module(directory / "network.safetensors"))
    return module.eval(), words
