"""What a config says of the lists of its model, for the batch, the service, the explorer and the registered model."""

from __future__ import annotations

from pipelines.config import RunConfig
from recsys.data.feedback.event_meanings import EventMeanings
from recsys.registry.serving import ServedAs
from recsys.retrieval.batch import RecommendOptions


def recommend_options(config: RunConfig) -> RecommendOptions:
    """Those of ``[recommend]``; without the section, lists leave out seen items as the evaluation does."""
    given = config.recommend
    return given.options if given else RecommendOptions(filter_seen=config.evaluate.filter_seen)


def served_as(config: RunConfig) -> ServedAs:
    """Whether lists keep seen items, and what events mean as the tables are read.

    A threshold of ratings is no threshold of events.
    """
    data, columns = config.data, config.data.columns
    least = data.positive_from if columns.event else None
    events = EventMeanings(columns.event_weights, columns.event_meaning, least, data.non_likes)
    return ServedAs(recommend_options(config).filter_seen, events)
