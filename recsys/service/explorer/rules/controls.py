"""Controls of the rules of lists: what a person may move on the page, as far as data and config allow it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from recsys.errors import DataError
from recsys.retrieval.rules.boosts import Boost
from recsys.retrieval.rules.items.freshness import Freshness
from recsys.retrieval.rules.options import RuleOptions
from recsys.retrieval.rules.ranking.calibration import Calibration
from recsys.retrieval.rules.ranking.caps import Cap
from recsys.retrieval.rules.ranking.diversity import Diversity
from recsys.retrieval.rules.ranking.exploration import Exploration
from recsys.service.explorer.catalogue import Catalogue, Json
from recsys.service.explorer.rules.choices import Age, Favoured, ages, category_columns, favoured

Value = float | str | bool
_TOGETHER = {"diversity": "calibration", "calibration": "diversity"}
"""Weights whose sum is at most 1."""


@dataclass(frozen=True)
class Control:
    """A slider, a choice or a switch.

    Args:
        name: what the page calls it.
        label: what a person reads.
        value: at the start, which is that of the config.
        hint: a sentence on what it does; empty for none.
        low: of a slider.
        high: of a slider.
        step: of a slider.
        options: of a choice, pairs of value and text; of a slider, the values it stops at and their texts.
        words: value -> what is shown in its place.
        needs: the control without whose value this one does nothing.
    """

    name: str
    label: str
    value: Value
    hint: str = ""
    low: float = 0.0
    high: float = 1.0
    step: float = 0.1
    options: tuple[tuple[Value, str], ...] = ()
    words: tuple[tuple[float, str], ...] = ()
    needs: str | None = None

    @property
    def kind(self) -> Literal["switch", "choice", "stops", "range"]:
        """How it is shown."""
        if isinstance(self.value, bool):
            return "switch"
        if isinstance(self.value, str):
            return "choice"
        return "stops" if self.options else "range"

    def about(self) -> Json:
        """What the page draws it from."""
        about: Json = {"name": self.name, "kind": self.kind, "label": self.label, "hint": self.hint}
        about |= {"value": self.value, "needs": self.needs}
        if self.kind == "range":
            about |= {"low": self.low, "high": self.high, "step": self.step, "words": [*map(list, self.words)]}
            about |= {"shares": _TOGETHER.get(self.name)}
        elif self.kind != "switch":
            about["options"] = [list(option) for option in self.options]
        return about

    def checked(self, value: Value) -> Value:
        """``value``, where the control can have it.

        Raises:
            DataError: it cannot.
        """
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = {
            "switch": isinstance(value, bool),
            "choice": value in [option for option, _ in self.options],
            "stops": number and value in [option for option, _ in self.options],
            "range": number and self.low <= float(value) <= self.high if number else False,
        }
        if not fits[self.kind]:
            raise DataError(f"rules.{self.name} cannot be {ascii(value)[:80]}; give a value that the page offers")
        return value


@dataclass(frozen=True)
class Chosen:
    """What a page asks for.

    Args:
        rules: of the list.
        filter_seen: whether items of the history are left out; None is as the model is served.
    """

    rules: RuleOptions
    filter_seen: bool | None = None


class Controls:
    """The controls of a catalogue, and the rules that their values make.

    Args:
        catalogue: whose columns and times decide what is offered.
        rules: of the config, the values at the start.
        diverse: whether the model tells items apart.
        seen: whether lists leave out items of the history at the start; None offers no switch, as a model may not rank
            them.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> controls = Controls(Catalogue(BlockTaste(users=30).dataset()), RuleOptions(), diverse=True)
        >>> controls.chosen({"exploration": 0.5}).rules.exploration.share
        0.5
    """

    def __init__(
        self, catalogue: Catalogue, rules: RuleOptions, diverse: bool = True, seen: bool | None = None
    ) -> None:
        self.rules, self._seen = rules.model_copy(update={"reasons": True}), seen
        freshness = rules.freshness
        self._ages: Mapping[float, Age] = {age.days: age for age in ages(catalogue, freshness)}
        self._favoured: Mapping[str, Favoured] = {each.key: each for each in favoured(catalogue)}
        self._columns = category_columns(catalogue)
        found = [*self._orders(diverse), *self._limits(), *self._weights(), *self._switches()]
        self.all: Mapping[str, Control] = {control.name: control for control in found}

    def about(self) -> list[Json]:
        """What the page draws."""
        return [control.about() for control in self.all.values()]

    def chosen(self, given: Mapping[str, Value]) -> Chosen:
        """The rules of the values ``given``; a control without one has that of the config.

        Raises:
            DataError: there is no such control, or it cannot have the value.
        """
        for name in given:
            if name not in self.all:
                raise DataError(f"rules has no {ascii(name)[:80]}; it has: {', '.join(self.all) or 'nothing'}")
        if not given:
            return Chosen(self.rules, self._seen)
        values = {name: control.checked(given.get(name, control.value)) for name, control in self.all.items()}
        if sum(float(values.get(name, 0)) for name in _TOGETHER) > 1 + 1e-9:
            raise DataError("rules.diversity and rules.calibration sum to more than 1; lower one of them")
        update = dict(self._updates(values))
        seen = bool(values["seen"]) if "seen" in values else self._seen
        return Chosen(self.rules.model_copy(update=update), seen)

    def _orders(self, diverse: bool) -> Iterator[Control]:
        diversity, calibration, exploration = self.rules.diversity, self.rules.calibration, self.rules.exploration
        if diverse or (diversity is not None and diversity.column is not None):
            weight = 0.0 if diversity is None else diversity.weight
            by = "" if diversity is None or diversity.column is None else f", by the column {diversity.column}"
            hint = f"Keeps the items of a list unlike each other{by}; 0 keeps the order of the scores."
            yield Control("diversity", "Diversity", weight, hint, high=max(0.9, weight), step=_step(weight))
        if self._columns:
            weight = 0.0 if calibration is None else calibration.weight
            hint = "Gives the values of a column the shares that they have in the history."
            yield Control("calibration", "Like the history", weight, hint, high=max(0.9, weight), step=_step(weight))
            column = None if calibration is None else calibration.column
            yield self._column("calibration", "by the column", column)
        share = 0.0 if exploration is None else exploration.share
        hint = "The share of the places that random items get."
        yield Control("exploration", "Exploration", share, hint, high=max(0.5, share), step=_step(share))

    def _limits(self) -> Iterator[Control]:
        if self._columns:
            cap = self.rules.caps[0] if self.rules.caps else None
            most, words = 0 if cap is None else cap.most, ((0.0, "any number"),)
            hint = "A list has at most so many items of one value."
            yield Control("cap", "At most of one kind", most, hint, high=max(10, most), step=1, words=words)
            yield self._column("cap", "of the column", None if cap is None else cap.column)
        for number, quota in enumerate(self.rules.at_least):
            yield Control(
                f"quota_{number}", f"At least, of {quota.where}", quota.least, high=max(10, quota.least), step=1
            )
        if len(self._ages) > 2:
            stops = tuple((age.days, age.text) for age in self._ages.values())
            days = 0.0 if self.rules.freshness is None else self.rules.freshness.days
            yield Control("newer", "New items alone", days, "Leaves out what is older.", options=stops)

    def _weights(self) -> Iterator[Control]:
        for number, boost in enumerate(self.rules.boosts):
            hint = "0 takes the boost away, 1 is that of the config."
            words = ((0.0, "off"), (1.0, "as in the config"))
            yield Control(f"boost_{number}", f"Boost of {boost.where}", 1.0, hint, high=3, step=0.25, words=words)
        if self._favoured:
            options = (("", "nothing"), *((each.key, each.text) for each in self._favoured.values()))
            yield Control("favour", "Favour", "", options=options)
            hint = "Scores of the favoured items are multiplied by it."
            yield Control("favour_factor", "so much", 1.5, hint, low=1, high=3, needs="favour")

    def _switches(self) -> Iterator[Control]:
        if self.rules.group is not None:
            yield Control("group", f"One item of each {self.rules.group}", True)
        if self.rules.available_from is not None or self.rules.available_until is not None:
            yield Control("available", "Available items alone", True)
        if self._seen is not None:
            yield Control("seen", "Leave out items of the history", self._seen)

    def _column(self, needs: str, label: str, column: str | None) -> Control:
        columns = [*dict.fromkeys([*([] if column is None else [column]), *self._columns])]
        options = tuple((each, each.replace("_", " ")) for each in columns)
        return Control(f"{needs}_column", label, columns[0], options=options, needs=needs)

    def _updates(self, values: Mapping[str, Value]) -> Iterator[tuple[str, object]]:
        """The fields of the options that the controls set."""
        rules = self.rules
        for name, field in (("diversity", rules.diversity or Diversity()), ("exploration", rules.exploration)):
            if name in values:
                key = "share" if name == "exploration" else "weight"
                whole = field or Exploration(share=0)
                yield name, whole.model_copy(update={key: float(values[name])}) if values[name] else None
        if "calibration" in values:
            weight, column = float(values["calibration"]), str(values["calibration_column"])
            calibration = rules.calibration or Calibration(column=column)
            changed = calibration.model_copy(update={"column": column, "weight": weight})
            yield "calibration", changed if weight else None
        if "cap" in values:
            most, column = int(values["cap"]), str(values["cap_column"])
            yield "caps", (*([Cap(column=column, most=most)] if most else []), *rules.caps[1:])
        if "newer" in values:
            days = float(values["newer"])
            yield "freshness", Freshness(days=days, column=self._ages[days].column) if days else None
        yield (
            "at_least",
            tuple(
                quota.model_copy(update={"least": least})
                for number, quota in enumerate(rules.at_least)
                if (least := int(values[f"quota_{number}"]))
            ),
        )
        yield "boosts", tuple(self._boosts(values))
        if values.get("group") is False:
            yield "group", None
        if values.get("available") is False:
            yield "available_from", None
            yield "available_until", None

    def _boosts(self, values: Mapping[str, Value]) -> Iterator[Boost]:
        for number, boost in enumerate(self.rules.boosts):
            if strength := float(values[f"boost_{number}"]):
                yield boost.model_copy(update={"factor": boost.factor**strength, "addend": boost.addend * strength})
        if values.get("favour"):
            chosen = self._favoured[str(values["favour"])]
            yield Boost(where=chosen.where, factor=float(values["favour_factor"]))


def _step(value: float) -> float:
    """Of a slider that can stand at ``value``."""
    return 0.05 if abs(value * 20 - round(value * 20)) < 1e-9 else 0.01
