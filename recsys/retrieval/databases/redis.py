"""A finished batch as Redis commands: one key a user, for ``redis-cli --pipe``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from recsys.atomic import atomic_path
from recsys.errors import ConfigError, check_kind, checked_path, described
from recsys.retrieval.manifest import Manifest
from recsys.retrieval.output import Place


def write_redis(directory: Place, path: str | Path, prefix: str = "rec:", ttl: int | None = None) -> int:
    """Writes a file that ``redis-cli --pipe < FILE`` loads: ``SET PREFIX<id> <JSON>`` for each user who has a list.

    The value is ``{"items": [...], "scores": [...]}``, best first, with ``fallback`` and ``reason`` where the batch has
    them. The file is in the protocol of Redis (RESP), so that ids and texts of any characters arrive as they are.

    Loading it removes no key. With a ``ttl`` of a few runs each load renews the keys of users who still have a list,
    and those of users who left expire; without one they stay.

    Args:
        directory: the folder, or the address, of a complete batch.
        path: of the file; replaced whole.
        prefix: of the keys.
        ttl: seconds after which a key expires; None keeps it.

    Returns:
        The number of keys.

    Raises:
        ArtifactError: the batch is not complete, or a part has changed.
        ConfigError: ``ttl`` is below one second, or no whole number.
        DataError: another argument is of another kind.

    Example:
        >>> import tempfile
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> from recsys.retrieval.write import write_recommendations
        >>> data = BlockTaste(users=30).dataset()
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = write_recommendations(EASE().fit(data), data, f"{folder}/lists", k=5)
        ...     write_redis(f"{folder}/lists", Path(folder) / "lists.resp", ttl=172_800)
        30
    """
    if ttl is not None and (isinstance(ttl, bool) or not isinstance(ttl, int | np.integer)):
        raise ConfigError(f"ttl is {described(ttl)}; give whole seconds")
    if ttl is not None and ttl < 1:
        raise ConfigError(f"ttl = {ttl}: a key lives at least one second")
    check_kind("prefix", prefix, str, "give the text that keys begin with")
    target = checked_path("path", path)
    manifest = Manifest.load(directory)
    manifest.verify(directory)
    keys = 0
    with atomic_path(target) as beside, beside.open("wb") as stream:
        for part in manifest.parts:
            frame = manifest.read_part(directory, part)
            owner, item, *_ = frame.columns
            names = {item: "items", "score": "scores"}
            for user, rows in frame.groupby(owner, sort=False):
                value = {
                    names.get(str(name), str(name)): cells.tolist()
                    for name, cells in rows.items()
                    if name not in (owner, "rank")
                }
                expiry = [] if ttl is None else ["EX", str(ttl)]
                stream.write(command("SET", f"{prefix}{user}", json.dumps(value, ensure_ascii=False), *expiry))
                keys += 1
    return keys


def command(*words: str) -> bytes:
    r"""One command in the Redis serialization protocol.

    Example:
        >>> command("SET", "a", "1")
        b'*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n'
    """
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
