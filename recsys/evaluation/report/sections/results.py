"""Every engine's metrics: a table with a chooser, the metric by the length of the list, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape

from recsys.evaluation.metrics import METRICS, parse_metric, shown
from recsys.evaluation.report.page.charts import Axis, Line, Point, line_chart
from recsys.evaluation.report.page.html import card, folded, grid, section
from recsys.evaluation.report.page.intervals import Estimate, Scale, track
from recsys.evaluation.report.page.marks import Look, legend
from recsys.evaluation.report.page.numbers import plain, seconds
from recsys.evaluation.report.page.tables import Cell, interval, table
from recsys.evaluation.report.verdict import Standing
from recsys.json_values import JsonMapping

_FEW_LENGTHS = 2
_FRAGMENT = ("recall@10", "recall@20", "ndcg@10", "map@10", "mrr@10", "hit_rate@10", "precision@10")


def shown_metrics(engines: JsonMapping) -> list[str]:
    """The metrics of a short table."""
    return shown(engines, _FRAGMENT)


def results(content: JsonMapping, known: Mapping[str, Look], found: Standing) -> str:
    """HTML of the section.

    Args:
        content: ``report.json``.
        known: engine -> its look.
        found: the leader; its metric is the one that is shown first.
    """
    engines = content["engines"]
    return section(
        "Results",
        legend(known.values()),
        card(_chooser(engines, found.metric), results_table(content, known, found)),
        grid(*by_length(engines, known, found.metric), _costs(engines, known, found.metric)),
        folded("All metrics as a table", _all(engines, known)),
        f"<script type='application/json' id='metrics'>{_data(engines)}</script>",
        note=f"Values with 95 % bootstrap intervals over users. Recall: {escape(content['split']['recall'])}.",
    )


def results_table(content: JsonMapping, known: Mapping[str, Look], found: Standing) -> str:
    """The engines by the leader's metric, best first; on a phone each is a block of lines."""
    engines, metric = content["engines"], found.metric
    order = sorted(engines, key=lambda name: -engines[name][metric]["value"])
    bounds = [engines[name][metric][key] for name in engines for key in ("low", "high")]
    scale = Scale(min(bounds), max(bounds))
    head = (
        "<th scope='col' class='text'>engine</th>"
        "<th scope='col' class='value' aria-sort='descending'>"
        f"<span data-shows-metric>{escape(metric)}</span></th>"
        "<th scope='col' class='bar' aria-label='interval'></th><th scope='col'>fit</th>"
        "<th scope='col'>memory</th><th scope='col'>users without vector</th>"
    )
    rows = "".join(_row(name, engines[name], known[name], found, scale) for name in order)
    return (
        f"<div class='scroll'><table class='results sortable'><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row(name: str, engine: JsonMapping, look: Look, found: Standing, scale: Scale) -> str:
    cell, metric = engine[found.metric], found.metric
    tip = f"{name}, {_described(metric, cell)}"
    best = " best" if name == found.leader else ""
    tag = " <span class='tag'>baseline</span>" if name == found.baseline else ""
    cost = "".join(
        f"<td class='cost' data-label='{label}' data-v='{'' if value is None else value}'>{text}</td>"
        for label, value, text in _cost_cells(engine)
    )
    bar = track(Estimate(look, cell["value"], cell["low"], cell["high"], tip), scale)
    return (
        f"<tr {look.attributes}><td class='text' data-v='{escape(name, quote=True)}'>"
        f"<span class='engine'>{look.key}<span>{escape(name)}{tag}</span></span></td>"
        f"<td class='value' data-label='{escape(metric)}' data-v='{cell['value']}'><span class='number{best}'>"
        f"{cell['value']:.4f}</span><small>{cell['low']:.4f} to {cell['high']:.4f}</small></td>"
        f"<td class='bar'>{bar}</td>{cost}</tr>"
    )


def _cost_cells(engine: JsonMapping) -> list[tuple[str, float | None, str]]:
    fit, memory, without = (engine.get(k) for k in ("fit_seconds", "peak_memory_mb", "users_without_vector"))
    return [
        ("fit", fit, "–" if fit is None else seconds(fit)),
        ("memory", memory, "–" if memory is None else f"{memory:,.0f} MB"),
        ("without vector", without, "–" if without is None else f"{without:,}"),
    ]


def by_length(engines: JsonMapping, known: Mapping[str, Look], first: str) -> list[str]:
    """A panel for each metric by the length of the list; all but that of ``first`` wait for the chooser."""
    panels = []
    for metric, lengths in _families(engines).items():
        lines = [
            Line(known[name], [_point(name, f"{metric}@{k}", k, engine[f"{metric}@{k}"]) for k in lengths])
            for name, engine in engines.items()
        ]
        places = [(float(k), plain(k)) for k in lengths]
        axis = Axis("length of the list, k", places, log=lengths[-1] / lengths[0] > 5)
        hidden = "" if metric == parse_metric(first)[0] else " hidden"
        chart = line_chart(f"{metric} by length of the list", lines, axis)
        panels.append((hidden, f"<div data-metric='{metric}'{hidden}>{chart}</div>"))
    if all(len(lengths) < _FEW_LENGTHS for lengths in _families(engines).values()):
        return []
    return ["".join(panel for _, panel in sorted(panels))]


def _costs(engines: JsonMapping, known: Mapping[str, Look], metric: str) -> str:
    """The metric against the seconds of the fit, on a logarithmic axis."""
    timed = {name: e for name, e in engines.items() if e.get("fit_seconds", 0) > 0}
    if len(timed) < 2:
        return ""
    lines = []
    for name, e in timed.items():
        named = f"{name}, fitted in {seconds(e['fit_seconds'])}"
        lines.append(Line(known[name], [_point(named, metric, e["fit_seconds"], e[metric])]))
    axis = Axis("seconds of the fit", log=True)
    return line_chart(f"{metric} against the time of the fit", lines, axis, joined=False)


def _point(name: str, metric: str, x: float, cell: JsonMapping) -> Point:
    return Point(x, cell["value"], cell["low"], cell["high"], f"{name}, {_described(metric, cell)}")


def _described(metric: str, cell: JsonMapping) -> str:
    return f"{metric}: {cell['value']:.4f} [{cell['low']:.4f}, {cell['high']:.4f}]"


def _families(engines: JsonMapping) -> dict[str, list[int]]:
    """Metric -> the lengths of its lists, ascending; in the order of `METRICS`."""
    keys = [parse_metric(key) for key in next(iter(engines.values())) if "@" in key]
    found = {name: sorted(k for metric, k in keys if metric == name) for name in METRICS}
    return {name: lengths for name, lengths in found.items() if lengths}


def _chooser(engines: JsonMapping, first: str) -> str:
    families, (metric, k) = _families(engines), parse_metric(first)
    names = _options([(name, name) for name in families], metric)
    lengths = _options([(str(length), str(length)) for length in families[metric]], str(k))
    return (
        "<div class='controls needs-js'><label for='metric'>Metric</label>"
        f"<select id='metric'>{names}</select><label for='length'>at length</label>"
        f"<select id='length'>{lengths}</select></div>"
    )


def _options(pairs: list[tuple[str, str]], chosen: str) -> str:
    return "".join(f"<option value='{v}'{' selected' if v == chosen else ''}>{text}</option>" for v, text in pairs)


def _all(engines: JsonMapping, known: Mapping[str, Look]) -> str:
    keys = [f"{metric}@{k}" for metric, lengths in _families(engines).items() for k in lengths]
    best = {key: max(engine[key]["value"] for engine in engines.values()) for key in keys}
    rows: list[list[str | Cell]] = [
        [key, *(interval(e[key], e[key]["value"] == best[key]) for e in engines.values())] for key in keys
    ]
    return table(["metric", *(escape(name) for name in known)], rows)


def _data(engines: JsonMapping) -> str:
    """What the chooser reads: metric -> k -> value, low, high of each engine. ``<`` cannot end the element."""
    values = {
        metric: {
            str(k): [[round(e[f"{metric}@{k}"][key], 6) for key in ("value", "low", "high")] for e in engines.values()]
            for k in lengths
        }
        for metric, lengths in _families(engines).items()
    }
    return json.dumps({"names": list(engines), "values": values}, separators=(",", ":")).replace("<", "\\u003c")
