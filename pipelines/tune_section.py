"""``[tune]`` of a run: the budget of a search for options, and the search spaces that differ from the default ones."""

from __future__ import annotations

from pydantic import Field

from pipelines.specs import engine_spec
from recsys.choices import did_you_mean
from recsys.config import Config, seconds_of
from recsys.configurable import EngineConfig
from recsys.engines import ENGINES
from recsys.errors import ConfigError
from recsys.experiment.search_spaces import Range, Space, Values, default_space
from recsys.json_values import JsonMapping, JsonObject

DEFAULT_TRIALS = 20


class TuneSection(Config):
    """How `recsys tune` searches the options of each engine: on validation alone, with the same budget for each.

    Args:
        engines: the engines whose options are searched; none takes all of ``[engines]``.
        trials: of each engine, its options as given included; none takes 20, or with a ``budget`` as many as fit.
        budget: time of the whole command, such as ``"10m"``: what is left after the preparation is shared evenly among
            the engines.
        patience: the search of an engine ends after so many trials without a better one; none does not end it.
        metric: what the trials are ordered by, on the validation users.
        prune_after: epochs before a trial below the median of the others is stopped.
        space: engine -> option (dots reach into sections) -> a list of values, or a range such as
            ``{low = 1, high = 100, log = true}``; an engine that is not named here has the space of its kind.
    """

    engines: tuple[str, ...] = ()
    trials: int | None = Field(None, ge=1)
    budget: str | None = None
    patience: int | None = Field(None, ge=1)
    metric: str = "ndcg@10"
    prune_after: int = Field(3, ge=0)
    space: dict[str, dict[str, Values]] = Field(default_factory=dict)


def space_of(name: str, raw: JsonMapping, section: TuneSection) -> Space:
    """The search space of ``[engines.NAME]``, with options under their full names (``training.epochs``).

    Raises:
        ConfigError: ``[tune.space.NAME]`` has an option or a value that the engine does not take.
    """
    kind = str(raw.get("kind", name))
    if name not in section.space:
        return default_space(kind)
    config = ENGINES[kind].Config
    space: dict[str, Values] = {}
    for option, values in section.space[name].items():
        full = _full_name(option, config)
        if full in space:
            raise ConfigError(f"tune.space.{name} has {full} twice, as {option} as well")
        space[full] = values
        for value in [values.low, values.high] if isinstance(values, Range) else values:
            engine_spec(name, with_options(raw, {full: value}, config), "tune.space")
    return space


def with_options(raw: JsonMapping, options: JsonMapping, config: type[EngineConfig]) -> JsonObject:
    """``raw`` of ``[engines.NAME]`` with each of ``options``, whose names are full, in place of its own value.

    Example:
        >>> from recsys.engines.two_tower.two_tower_config import TwoTowerConfig
        >>> with_options({"dim": 8, "epochs": 5}, {"model.dim": 32}, TwoTowerConfig)
        {'epochs': 5, 'model': {'dim': 32}}
    """
    result: JsonObject = {key: dict(value) if isinstance(value, dict) else value for key, value in raw.items()}
    for option, value in options.items():
        *sections, key = option.split(".")
        inner = result
        for section in sections:
            inner[section] = dict(inner.get(section, {}))
            inner = inner[section]
        inner[key] = value
        if sections and config.flat_keys().get(key) == tuple(sections):
            result.pop(key, None)
    return result


def check_tune(section: TuneSection, engines: JsonMapping) -> None:
    """Checks everything of ``[tune]`` that needs no data.

    Raises:
        ConfigError: an engine, an option or a value does not exist, or the budget is no length of time.
    """
    for key, names in (("tune.engines", section.engines), ("tune.space", section.space)):
        for name in names:
            if name not in engines:
                hint = did_you_mean(name, engines) or "."
                raise ConfigError(
                    f"{key} names {name!r}, no engine of this run{hint} [engines] has: {', '.join(engines)}"
                )
    if section.budget is not None:
        seconds_of(section.budget, "tune.budget")
    for name in section.space:
        space_of(name, engines[name], section)


def _full_name(option: str, config: type[EngineConfig]) -> str:
    owners = config.flat_keys().get(option, ())
    return f"{owners[0]}.{option}" if len(owners) == 1 else option
