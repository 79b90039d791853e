"""The two-tower engine of a run whose columns the report and `recsys columns` describe."""

from __future__ import annotations

from pipelines.config import RunConfig, engine_specs
from pipelines.config_checks import check_engine
from pipelines.specs import EngineSpec
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig
from recsys.errors import ConfigError


def column_engine(config: RunConfig, name: str | None = None) -> tuple[EngineSpec, TwoTowerConfig] | None:
    """The engine ``name``, or the promoted one if it is a two-tower engine that reads columns, or the first such one.

    Returns:
        The engine and its options; None where the run has no such engine.

    Raises:
        ConfigError: ``name`` is no engine of the run, or none that reads columns.
    """
    found = {spec.name: (spec, spec.config) for spec in engine_specs(config) if isinstance(spec.config, TwoTowerConfig)}
    found = {key: pair for key, pair in found.items() if _reads_columns(pair[1])}
    if name is not None:
        check_engine(config, "--engine", name)
        if name not in found:
            known = ", ".join(found) or "none"
            raise ConfigError(f"--engine {name}: it reads no columns; two-tower engines of this run that do: {known}")
        return found[name]
    preferred = [found[name] for name in config.candidates if name in found]
    return next(iter([*preferred, *found.values()]), None)


def _reads_columns(config: TwoTowerConfig) -> bool:
    return config.item_columns != [] or config.user_columns != []
