"""Reloading: a thread looks where the aliases point, loads a new version beside the old one and exchanges them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Event, Thread

from recsys.service.exposures import CHALLENGER, CHAMPION
from recsys.service.logs.messages import Messages
from recsys.service.model import ServedModel
from recsys.service.source import Source, require_version

SHADOW = "shadow"
_RENEW_SECONDS = 1.0
"""Between two looks whether rules by time have changed what may be listed."""
_AGAIN_SECONDS = 30.0
"""A version that could not be loaded is tried again after so long."""


@dataclass(frozen=True)
class Models:
    """The models at one moment. A request keeps the one it began with.

    Args:
        champion: answers.
        challenger: answers a share of the users; None where there is no experiment.
        shadow: is asked what the champion is asked, and its answers are logged and not shown; None without.
    """

    champion: ServedModel
    challenger: ServedModel | None = None
    shadow: ServedModel | None = None

    def by_slot(self) -> dict[str, ServedModel | None]:
        return {CHAMPION: self.champion, CHALLENGER: self.challenger, SHADOW: self.shadow}


@dataclass
class _Refused:
    """A version that could not be loaded."""

    version: str
    reason: str
    since: float


class Watcher:
    """Keeps `models` at the versions that the aliases point to.

    Args:
        source: where versions come from.
        aliases: the alias of each slot: champion, challenger, shadow.
        poll: seconds between two looks.
        messages: are told of every change and of versions that cannot be loaded.
        count: is called with slot and outcome (``loaded``, ``refused``) of each change.

    Raises:
        RecsysError: a model cannot be loaded now, at the start.
    """

    def __init__(
        self,
        source: Source,
        aliases: Mapping[str, str],
        poll: float = 1.0,
        messages: Messages | None = None,
        count: Callable[[str, str], None] = lambda slot, outcome: None,
    ) -> None:
        self._source, self._aliases, self._poll = source, dict(aliases), poll
        self._messages, self._count = messages or Messages(), count
        self._refused: dict[str, _Refused] = {}
        self.models = Models(source.load(require_version(source, aliases[CHAMPION])))
        for slot in (CHALLENGER, SHADOW):
            if slot in aliases:
                self._set(slot, self._loaded(require_version(source, aliases[slot])))
        self._stop, self._thread = Event(), Thread(target=self._watch, name="watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def refused(self) -> dict[str, str]:
        """Slot -> why the version that its alias points to is not served."""
        return {slot: f"{each.version}: {each.reason}" for slot, each in self._refused.items()}

    def look(self) -> None:
        """Brings every slot to the version of its alias; one that cannot be loaded leaves the old version in place."""
        for slot, alias in self._aliases.items():
            try:
                wanted = self._source.version(alias)
            except Exception as error:  # the registry does not answer at the moment
                self._refuse(slot, "", error)
                continue
            current = self.models.by_slot()[slot]
            if wanted is None or (current is not None and wanted == current.version):
                self._gone(slot, alias) if wanted is None else self._refused.pop(slot, None)
            elif not self._waits(slot, wanted):
                self._change(slot, wanted)

    def _change(self, slot: str, wanted: str) -> None:
        started, before = time.monotonic(), self.models.by_slot()[slot]
        try:
            model = self._loaded(wanted)
        except Exception as error:  # a damaged version must not end the service
            self._refuse(slot, wanted, error)
            return
        self._set(slot, model)
        self._refused.pop(slot, None)
        self._count(slot, "loaded")
        about = {"slot": slot, "before": before and before.version, "version": wanted}
        self._messages.info("model_changed", **about, seconds=round(time.monotonic() - started, 2))

    def _loaded(self, version: str) -> ServedModel:
        """A version that another slot has is not loaded twice."""
        have = {model.version: model for model in self.models.by_slot().values() if model is not None}
        return have.get(version) or self._source.load(version)

    def _set(self, slot: str, model: ServedModel) -> None:
        self.models = replace(self.models, **{slot: model})

    def _gone(self, slot: str, alias: str) -> None:
        """An alias that was taken away leaves the version in place; it may be on its way to another."""
        self._note(slot, _Refused("", f"no version has the alias {alias!r}", time.monotonic()))

    def _refuse(self, slot: str, version: str, error: Exception) -> None:
        self._count(slot, "refused")
        self._note(slot, _Refused(version, str(error), time.monotonic()))

    def _note(self, slot: str, refused: _Refused) -> None:
        """Logs a new reason; the same one is logged once."""
        known = self._refused.get(slot)
        if known is None or (known.version, known.reason) != (refused.version, refused.reason):
            current = self.models.by_slot()[slot]
            about = {"slot": slot, "version": refused.version, "serves": current and current.version}
            self._messages.warning("model_refused", **about, reason=refused.reason)
        self._refused[slot] = refused

    def _waits(self, slot: str, version: str) -> bool:
        known = self._refused.get(slot)
        return known is not None and known.version == version and time.monotonic() - known.since < _AGAIN_SECONDS

    def _watch(self) -> None:
        look = time.monotonic() + self._poll
        while not self._stop.wait(min(self._poll, _RENEW_SECONDS)):
            if time.monotonic() >= look:
                self.look()
                look = time.monotonic() + self._poll
            for model in self.models.by_slot().values():
                if model is not None:
                    model.renew()
