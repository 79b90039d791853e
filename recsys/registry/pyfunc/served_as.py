"""What a config says of the lists of its model, as the registered model keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from recsys.atomic import write_json
from recsys.data.dataset import Dataset
from recsys.data.feedback.event_meanings import EventMeanings
from recsys.data.vocabulary import Vocabulary
from recsys.digest import short_digest
from recsys.files.stored_json import as_written, read_object
from recsys.json_values import JsonObject
from recsys.retrieval.rules.eligible import ItemRules
from recsys.retrieval.rules.id_lists import ids_in_type
from recsys.retrieval.rules.options import RuleOptions
from recsys.retrieval.rules.plan import RulePlan

SERVED_AS = "served_as"
"""The artifact of a model with `ServedAs`, and the tag with its digest; earlier ones have none."""


@dataclass(frozen=True)
class ServedAs:
    """What a config says of the lists of its model, wherever they are made.

    Args:
        filter_seen: whether lists leave out items of the history.
        events: what events mean and weigh.
        items: the rules of the catalogue, without files.
        listed: the ids that the files of ``allow`` and ``deny`` held, as texts, by these names.
        rules: the other rules, without files.
        not_followed: the keys of ``[recommend]`` that change the lists of a batch and not those of the model.

    Example:
        >>> served_as = ServedAs(items=ItemRules(where="year > 1990"), listed={"deny": ("7", "x")})
        >>> served_as.item_rules(Vocabulary.of([7, 8])).deny
        (7,)
    """

    filter_seen: bool = True
    events: EventMeanings = field(default_factory=EventMeanings)
    items: ItemRules = field(default_factory=ItemRules)
    listed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rules: RuleOptions = field(default_factory=RuleOptions)
    not_followed: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Of all that it says."""
        return short_digest([json.dumps(self.to_dict(), sort_keys=True)])

    def to_dict(self) -> JsonObject:
        """JSON values."""
        parsed = {"items": self.items.model_dump(mode="json"), "rules": self.rules.model_dump(mode="json")}
        others = {"listed": {name: list(ids) for name, ids in self.listed.items()}}
        about = {"filter_seen": self.filter_seen, "events": asdict(self.events)}
        return {**about, **parsed, **others, "not_followed": list(self.not_followed)}

    def save(self, path: Path) -> None:
        """Writes it as JSON."""
        write_json(path, self.to_dict())

    @classmethod
    def load(cls, path: Path) -> ServedAs:
        """What `save` wrote.

        Raises:
            ArtifactError: the file is missing or damaged.
        """
        found = read_object(path)
        with as_written(path):
            return cls(
                found["filter_seen"],
                EventMeanings(**found["events"]),
                ItemRules.model_validate(found["items"]),
                {name: tuple(ids) for name, ids in found["listed"].items()},
                RuleOptions.model_validate(found["rules"]),
                tuple(found["not_followed"]),
            )

    def item_rules(self, items: Vocabulary) -> ItemRules:
        """The rules of the catalogue, with the ids of files in the type of ``items``; others are not in the data."""
        found = {}
        for name, ids in self.listed.items():
            typed = ids_in_type(items, ids, True, f"recommend.{name}")
            found[name] = tuple(key for key in typed if isinstance(key, int) == items.holds_integers)
        return self.items.model_copy(update=found)

    def plan(self, data: Dataset, now: float | None = None) -> RulePlan:
        """The rules on ``data``, the users and items of the bundle, at ``now``, see `RulePlan.of`.

        Raises:
            DataError: a rule is wrong, or they leave no item.
        """
        return RulePlan.of(data, self.item_rules(data.items.vocabulary), self.rules, now=now)
