"""Poisson deviance of forecasts of the next period's demand, of the trend engine and of simple baselines.

``python -m pipelines.benchmarks.trend`` holds out the last periods of MovieLens 100K one after the other, forecasts the
events of each item from all that came before, and compares by Poisson deviance. Where some periods make a week, the
same period a week ago is a forecast too. Every forecast is smoothed with 1 % of
a uniform one, so that no event has probability 0. Items that are new in the period are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from pipelines.config_paths import DEMO

Floats = NDArray[np.float64]


def main(
    config: Annotated[Path, typer.Argument(help="A run with a clock.")] = DEMO.with_name("movielens-100k-trend.toml"),
    period: Annotated[float, typer.Option(help="Days.")] = 7.0,
    held_out: Annotated[int, typer.Option(min=1, help="How many of the last periods are forecast.")] = 4,
    against: Annotated[str, typer.Option(help="The forecast that the networks are tested against.")] = "gamma-Poisson",
) -> None:
    """Prints a row per forecast: mean deviance per item and period, with the period's volume given and not given."""
    from pipelines.config import engine_specs, read_run_config
    from recsys.data.demand.periods import DAY, Periods
    from recsys.data.ingest.readers import ingest
    from recsys.data.sources import resolve
    from recsys.engines.baselines.trend import Trend
    from recsys.evaluation.intervals import paired_test
    from recsys.training.deterministic import deterministic

    run = read_run_config(config)
    data = ingest(resolve(run.data)).data
    x = data.interactions
    periods = Periods.up_to(x.time, round(period * DAY))
    counts = periods.counts(x.item, x.time, data.n_items).toarray().astype(np.float64)
    trends = {s.name: s.config.model_copy(update={"period": period}) for s in engine_specs(run) if s.kind == "trend"}
    season = round(7 / period) if period < 7 and (7 / period).is_integer() else 0
    found: dict[str, list[Floats]] = {}
    for ahead in range(periods.n - held_out, periods.n):
        train = x.before(periods.start + ahead * periods.seconds)
        forecasts = simple(counts[:, :ahead], season)
        for name, options in trends.items():
            with deterministic():
                engine = Trend(options).fit(data, train, seed=run.seed)
            forecasts[name] = engine.demand.astype(np.float64)
        for name, values in deviances(counts[:, ahead], counts[:, :ahead].sum(1) > 0, forecasts).items():
            found.setdefault(name, []).append(values)
    print(f"{data.name}: {held_out} periods of {period:g} days, deviance with the volume given, and with its own")
    items = {name: _by_item(values) for name, values in found.items()}
    for name, (given, own) in sorted(items.items(), key=lambda entry: float(entry[1][0].mean())):
        print(f"{name:<24}{given.mean():.4f}  {own.mean():.4f}")
    for name in trends:
        test = paired_test(items[name][0], items[against][0])
        print(f"{name} - {against}: {test.difference:+.4f} [{test.low:+.4f}, {test.high:+.4f}], p {test.p:.3f}")


def simple(counts: Floats, season: int) -> dict[str, Floats]:
    """Forecasts [I] of the period after ``counts`` [I, T]; a season has ``season`` periods, 0 for none."""
    from recsys.data.demand.forecast import fit, forecast, volume_ahead

    seen = counts.sum(1) > 0
    volume = counts.sum(0)
    found = {
        "all periods": counts.mean(1),
        "last period": counts[:, -1],
        "moving average of 4": counts[:, -4:].mean(1),
        "moving average of 12": counts[:, -12:].mean(1),
    }
    if season:
        found["a season ago"] = counts[:, -season]
    share = forecast(counts[seen], volume, fit(counts[seen], volume)).share[:, -1]
    found["gamma-Poisson"] = np.zeros(len(counts))
    found["gamma-Poisson"][seen] = volume_ahead(volume) * share / share.sum()
    return found


def deviances(counts: Floats, seen: NDArray[np.bool_], forecasts: Mapping[str, Floats]) -> dict[str, Floats]:
    """Forecast -> Poisson deviance [2, I] of ``counts`` [I], volume given and not; NaN for items not ``seen``."""
    found = {}
    for name, forecast in forecasts.items():
        mixed = 0.99 * forecast + 0.01 * forecast.sum() / seen.sum()
        parts = []
        for mean in (mixed * counts[seen].sum() / mixed[seen].sum(), mixed):
            logs = np.log(np.where(counts > 0, counts, 1) / np.where(seen, mean, 1))
            parts.append(np.where(seen, 2 * (counts * logs - counts + mean), np.nan))
        found[name] = np.stack(parts)
    return found


def _by_item(parts: list[Floats]) -> Floats:
    """[2, n]: the mean over the periods of each item that was seen before any of them."""
    stacked = np.stack(parts)
    means: Floats = np.nanmean(stacked[:, :, ~np.isnan(stacked).all(axis=(0, 1))], axis=0)
    return means


if __name__ == "__main__":
    typer.run(main)
