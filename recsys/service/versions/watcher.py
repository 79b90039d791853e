"""Reloading: a thread looks where the aliases point, loads what is new beside the old models and exchanges them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Event, Lock, Thread

from recsys.service.exposures import CHALLENGER, CHAMPION
from recsys.service.logs.messages import Messages
from recsys.service.model import ServedModel
from recsys.service.versions.source import Source, require_version

SHADOW, COMPARED = "shadow", "compared"
_RENEW_SECONDS = 1.0
"""Between two looks whether rules by time have changed what may be listed."""
_AGAIN_SECONDS = 30.0
"""A version that could not be loaded is tried again after so long."""
_ATTEMPTS = 5
"""Of reading what a model is served with at the start, where it changes meanwhile."""
_RESTLESS = 10
"""Looks at which what a model is to be served with has changed again, from which on it is told."""


@dataclass(frozen=True)
class Models:
    """The models at one moment. A request keeps the one it began with.

    Args:
        champion: answers.
        challenger: answers a share of the users; None where there is no experiment.
        shadow: is asked what the champion is asked, and its answers are logged and not shown; None without.
        compared: is shown beside the champion in the explorer; None without.
    """

    champion: ServedModel
    challenger: ServedModel | None = None
    shadow: ServedModel | None = None
    compared: ServedModel | None = None

    def by_slot(self) -> dict[str, ServedModel]:
        """Slot -> its model, of those that there are."""
        names = (CHAMPION, CHALLENGER, SHADOW, COMPARED)
        return {name: model for name in names if (model := getattr(self, name)) is not None}


@dataclass(frozen=True)
class _Wanted:
    """What a slot is to have.

    Args:
        version: of the model.
        inputs: see `Source.inputs`.
    """

    version: str
    inputs: str


@dataclass
class _Refused:
    """What could not be loaded."""

    wanted: _Wanted
    reason: str
    since: float


@dataclass
class _Slot:
    """An alias of a source, what its model was loaded as, and what could not be loaded in its place.

    Args:
        seen: the inputs at the last look: a file that is being written is not read before it stands still.
        changes: of the inputs, one after the other, none of which could be read.
    """

    source: Source
    alias: str
    seen: str = ""
    changes: int = 0
    loaded: _Wanted | None = None
    refused: _Refused | None = None

    @property
    def served_with(self) -> str:
        """The inputs that the model was loaded with."""
        return "" if self.loaded is None else self.loaded.inputs

    def waits(self, wanted: _Wanted) -> bool:
        """Whether it was tried a short time ago."""
        found = self.refused
        return found is not None and found.wanted == wanted and time.monotonic() - found.since < _AGAIN_SECONDS


class Watcher:
    """Keeps `models` at the versions that the aliases point to, with the data, rules and texts that there are now.

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
        self._poll, self._messages, self._count = poll, messages or Messages(), count
        self._slots: dict[str, _Slot] = {}
        self._found: dict[str, ServedModel] = {}
        self._lock = Lock()
        for name in sorted(aliases, key=lambda name: name != CHAMPION):
            self.follow(name, source, aliases[name])
        self._stop, self._thread = Event(), Thread(target=self._watch, name="watcher", daemon=True)

    def follow(self, name: str, source: Source, alias: str) -> None:
        """Loads the model of an alias into the slot ``name``, and keeps it there.

        Raises:
            RecsysError: it cannot be loaded.
        """
        slot = _Slot(source, alias)
        with self._lock:
            for _ in range(_ATTEMPTS):
                wanted = _Wanted(require_version(source, alias), source.inputs())
                model = self._model(slot, wanted)
                if source.inputs() == wanted.inputs:
                    break
            self._set(name, model)
            slot.loaded, self._slots[name] = wanted, slot

    @property
    def models(self) -> Models:
        """Those that serve at the moment."""
        return Models(**self._found)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def refused(self) -> dict[str, str]:
        """Slot -> why what it is to have is not served."""
        return {
            name: f"{slot.refused.wanted.version}: {slot.refused.reason}"
            for name, slot in dict(self._slots).items()
            if slot.refused is not None
        }

    def look(self) -> None:
        """Brings every slot to what it is to have; what cannot be loaded leaves the old model in place.

        Inputs that changed are read once they are as they were at the look before: a list of items that is rewritten
        in place is short for a while.
        """
        with self._lock:
            for name, slot in self._slots.items():
                try:
                    version, inputs = slot.source.version(slot.alias), slot.source.inputs()
                except Exception as error:  # the registry does not answer at the moment
                    self._refuse(name, slot, _Wanted("", ""), error)
                    continue
                still, slot.seen = inputs == slot.seen, inputs
                if version is None:  # it may be on its way to another version
                    reason = f"no version has the alias {slot.alias!r}"
                    self._note(name, slot, _Refused(_Wanted("", ""), reason, time.monotonic()))
                elif (wanted := _Wanted(version, inputs)) == slot.loaded:
                    slot.refused, slot.changes = None, 0
                elif not still and inputs != slot.served_with:
                    self._moved(name, slot, wanted)
                elif not slot.waits(wanted):
                    self._change(name, slot, wanted)

    def _change(self, name: str, slot: _Slot, wanted: _Wanted) -> None:
        started, before = time.monotonic(), slot.loaded
        found: ServedModel | Exception
        try:
            found = self._model(slot, wanted)
        except Exception as error:  # a damaged version must not end the service
            found = error
        if slot.source.inputs() != wanted.inputs:  # it may have read half of a file; read again at a later look
            self._moved(name, slot, wanted)
            return
        slot.changes = 0
        if isinstance(found, Exception):
            self._refuse(name, slot, wanted, found)
            return
        self._set(name, found)
        slot.loaded, slot.refused = wanted, None
        self._count(name, "loaded")
        told = {"slot": name, "before": before and before.version, "version": wanted.version}
        changed = before is None or before.inputs != wanted.inputs
        seconds = round(time.monotonic() - started, 2)
        self._messages.info("model_changed", **told, inputs_changed=changed, seconds=seconds)

    def _moved(self, name: str, slot: _Slot, wanted: _Wanted) -> None:
        """Tells of files that change again and again, so that they, and versions meanwhile, are not served."""
        slot.changes += 1
        if slot.changes >= _RESTLESS:
            reason = (
                "data, lists of items or texts change before they can be read, again and again; write them less often, "
                "or look at them more often (--poll)"
            )
            self._note(name, slot, _Refused(_Wanted(wanted.version, ""), reason, time.monotonic()))

    def _model(self, slot: _Slot, wanted: _Wanted) -> ServedModel:
        """The model; one that another slot has is not loaded twice."""
        for name, other in self._slots.items():
            if other.source is slot.source and other.loaded == wanted:
                return self._found[name]
        return slot.source.load(wanted.version)

    def _set(self, name: str, model: ServedModel) -> None:
        self._found = {**self._found, name: model}  # another one, so that who reads has all or nothing of a change

    def _refuse(self, name: str, slot: _Slot, wanted: _Wanted, error: Exception) -> None:
        self._count(name, "refused")
        self._note(name, slot, _Refused(wanted, str(error), time.monotonic()))

    def _note(self, name: str, slot: _Slot, refused: _Refused) -> None:
        """Logs a new reason; the same one is logged once."""
        known = slot.refused
        if known is None or (known.wanted, known.reason) != (refused.wanted, refused.reason):
            serves = slot.loaded and slot.loaded.version
            about = {"slot": name, "version": refused.wanted.version, "serves": serves}
            self._messages.warning("model_refused", **about, reason=refused.reason)
        slot.refused = refused

    def _watch(self) -> None:
        look = time.monotonic() + self._poll
        while not self._stop.wait(min(self._poll, _RENEW_SECONDS)):
            if time.monotonic() >= look:
                self.look()
                look = time.monotonic() + self._poll
            for model in self.models.by_slot().values():
                model.renew()
