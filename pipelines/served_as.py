"""What a config says of the lists of its model, for the batch, the service, the explorer and the registered model."""

from __future__ import annotations

from pathlib import Path

from pipelines.config import RecommendSection, RunConfig
from pipelines.config_paths import read_raw
from recsys.config import parse
from recsys.data.feedback.event_meanings import EventMeanings
from recsys.data.ingest.config import DataConfig
from recsys.registry.pyfunc.served_as import ServedAs
from recsys.retrieval.batch import RecommendOptions
from recsys.retrieval.rules.eligible import ItemRules
from recsys.retrieval.rules.id_lists import read_id_file
from recsys.retrieval.rules.options import RuleOptions

_ID_LISTS, _PAIR_LISTS = ("allow", "deny"), ("candidates", "exclusions")


def recommend_options(config: RunConfig) -> RecommendOptions:
    """Those of ``[recommend]``; without the section, lists leave out seen items as the evaluation does."""
    given = config.recommend
    return given.options if given else RecommendOptions(filter_seen=config.evaluate.filter_seen)


def lists_of(path: Path) -> tuple[RecommendOptions, EventMeanings]:
    """What ``[recommend]`` and the types of events of ``[data]`` say in a TOML file, such as the config of a run.

    Other sections are passed over.

    Raises:
        ConfigError: the file cannot be read, or one of the two sections is wrong.
    """
    raw = read_raw(path)
    recommend = parse(RecommendSection, raw.get("recommend", {}), f"{path} [recommend]")
    return recommend.options, event_meanings(parse(DataConfig, raw.get("data", {}), f"{path} [data]"))


def event_meanings(data: DataConfig) -> EventMeanings:
    """What events mean as the tables are read; a threshold of ratings is no threshold of events."""
    columns = data.columns
    least = data.positive_from if columns.event else None
    return EventMeanings(columns.event_weights, columns.event_meaning, least, data.non_likes)


def served_as(config: RunConfig) -> ServedAs:
    """What the registered model keeps: the options of lists, with the ids of their files.

    Files of pairs of users and items change from night to night and are as long as there are users; the model does not
    follow them, nor a fixed time or an approximate index.

    Raises:
        DataError: a file of ids cannot be read.
    """
    options = recommend_options(config)
    of_items = {name: getattr(options, name) for name in ItemRules.model_fields}
    files = {name: of_items[name] for name in _ID_LISTS if isinstance(of_items[name], Path)}
    pairs = [name for name in _PAIR_LISTS if isinstance(getattr(options.rules, name), Path)]
    others = {"at": options.at is not None, "index": options.index != "exact"}
    return ServedAs(
        options.filter_seen,
        event_meanings(config.data),
        ItemRules.model_validate({name: ids for name, ids in of_items.items() if name not in files}),
        {name: tuple(read_id_file(ids, "item_id", f"recommend.{name}")) for name, ids in files.items()},
        options.rules.model_copy(update={name: RuleOptions.model_fields[name].default for name in pairs}),
        (*(name for name, given in others.items() if given), *(f"rules.{name}" for name in pairs)),
    )
