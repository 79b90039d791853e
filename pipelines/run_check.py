"""What `recsys prepare` refuses of a run besides its tables: the other sections of its config, and an empty split."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config_paths import read_raw
from recsys.errors import ConfigError, RecsysError

if TYPE_CHECKING:
    from recsys.data.ingest.validate import Validation

_OF_DATA = {"name", "seed", "data"}
_KEYS = tuple(
    re.compile(pattern)
    for pattern in (
        r"unknown key '([^']+)'",
        r"the key '([^']+)' is missing",
        r"'([^']+)': ",
        r"([a-z]+(?:\.[\w-]+)+)\b",
        r"\[([a-z]+(?:\.[\w-]+)*)\]",
    )
)
_SECTION = re.compile(r"([a-z_.]+) \[([^\]]+)\]: ")


@dataclass(frozen=True)
class RunCheck:
    """Adds what is wrong with a run to the findings of its tables.

    Args:
        config: of the run.
        overrides: of ``--set``.
    """

    config: Path
    overrides: tuple[str, ...]

    @classmethod
    def of(cls, config: Path | None, overrides: Iterable[str]) -> RunCheck | None:
        """The check; None for bare files, and for a config with [data] alone."""
        overrides = tuple(overrides)
        if config is None or not read_raw(config, overrides).keys() - _OF_DATA:
            return None
        return cls(config, overrides)

    def __call__(self, found: Validation) -> None:
        """Adds an error of the config for each key that is wrong; where there is none, what is wrong with the split.

        The typed tables are taken out of ``found``, for the split needs as much memory again.
        """
        from pipelines.config import read_run_config
        from recsys.data.ingest.issues import Location
        from recsys.data.ingest.readers import encode
        from recsys.data.splits.split import make_split

        location = Location(found.issues, self.config)
        try:
            run = read_run_config(self.config, self.overrides)
        except ConfigError as error:
            for key, what, remedy in said(str(error).removeprefix(f"{self.config}: ")):
                (location if key is None else location.at(key)).error(what, remedy)
            return
        if found.failed:
            return
        file = found.typed.interactions[0].location
        try:
            read = encode(found.take_tables(), run.data.name)
            make_split(read.data, run.split, read.given, run.evaluate.filter_seen)
        except RecsysError as error:
            place = location.at("split") if isinstance(error, ConfigError) else file
            what, _, remedy = str(error).partition("; ")
            place.error(what, remedy or "correct the config")


def said(message: str) -> Iterator[tuple[str | None, str, str]]:
    """For each line of a message of `ConfigError`: the key that it is about, what is wrong, and the remedy.

    Example:
        >>> list(said("engines [ease]: unknown key 'decy'; did you mean 'decay'?"))
        [('engines.ease.decy', "unknown key 'decy'", "did you mean 'decay'?")]
        >>> list(said("promote.engine = 'als' is no engine of this run"))
        [('promote.engine', "promote.engine = 'als' is no engine of this run", 'correct it')]
    """
    section = ""
    if found := _SECTION.match(message):
        section, message = f"{found[1]}.{found[2]}", message[found.end() :]
    for line in message.splitlines():
        names = (pattern.match(line) for pattern in _KEYS[: 3 if section else None])
        key = next((name[1] for name in names if name is not None), "")
        what, _, remedy = line.replace(". The choices are:", "; the choices are:").partition("; ")
        yield ".".join(part for part in (section, key) if part) or None, what, remedy or "correct it"
