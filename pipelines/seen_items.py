"""Checks that an engine whose lists hold items of the history is trained to rank them."""

from __future__ import annotations

from pipelines.config import RunConfig, engine_specs
from recsys.errors import ConfigError


def check_shown(config: RunConfig) -> None:
    """Checks that the recommending engine and its parts are trained to rank seen items where lists keep these.

    Raises:
        ConfigError: see `refuse_unranked`.
    """
    if config.recommend is None or config.recommend.filter_seen or not config.evaluate.filter_seen:
        return
    specs = {spec.name: spec for spec in engine_specs(config)}
    names = [config.recommend.engine] if config.recommend.engine else list(config.candidates)
    while names:
        name = names.pop()
        ranked = specs[name].config
        refuse_unranked(ranked.ranks_seen_items(), f"engines.{name}")
        names += specs[name].parts


def refuse_unranked(ranks_seen: bool, where: str) -> None:
    """Refuses ``recommend.filter_seen = false`` for an engine that was not trained to rank seen items.

    Raises:
        ConfigError: ``ranks_seen`` is false.
    """
    if not ranks_seen:
        raise ConfigError(
            f"recommend.filter_seen = false recommends items of the user's history again, but {where} is "
            "trained to rank unseen items: train with evaluate.filter_seen = false, or with the engine's "
            "mask_seen_negatives = false, or leave filter_seen out"
        )
