"""The report as one HTML file that opens without a network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from recsys.evaluation.metrics import shown
from recsys.evaluation.report import html_attribution, html_columns, html_embeddings, plots
from recsys.evaluation.report.html_table import interval, table
from recsys.evaluation.report.report import reader_note
from recsys.json_values import JsonMapping

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem;color:#1d2433}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin-top:2rem}h3{font-size:1rem;margin:1.6rem 0 .2rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .6rem;text-align:right;border-bottom:1px solid #e3e7ef}
th:first-child,td:first-child{text-align:left}small{color:#67718a}
.best{font-weight:600}svg{max-width:100%;height:auto}
"""


def render(content: JsonMapping) -> str:
    """The page."""
    parts = [
        _protocol(content),
        "<h2>Results</h2>",
        _results(content),
        "<h2>Comparisons</h2>",
        _comparisons(content),
        "<h2>By length of the list</h2>",
        plots.metric_by_k(content),
    ]
    if content["slices"]:
        parts += ["<h2>For whom, and for what</h2>", plots.slices(content)]
    if content["catalogue"]:
        parts += ["<h2>Catalogue</h2>", _catalogue(content)]
    drawn = plots.curves(content)
    parts += ["<h2>Training</h2>", drawn] if drawn else []
    if "attribution" in content:
        parts += [
            "<h2>Contribution of each modality</h2>",
            html_attribution.section(content["attribution"]),
            plots.attribution(content),
        ]
    parts += ["<h2>Columns</h2>", html_columns.section(content["columns"])] if "columns" in content else []
    tables = content.get("embeddings", {})
    parts += ["<h2>The tables by themselves</h2>", *html_embeddings.sections(tables)] if tables else []
    return page(f"Evaluation on {content['data']['name']}", parts)


def page(title: str, parts: Sequence[str]) -> str:
    """A page of HTML ``parts`` below its title, in the style of the report."""
    head = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(title)}</title><style>{_STYLE}</style>"
    return "\n".join([head, f"<h1>{escape(title)}</h1>", *parts, "</html>\n"])


def fragment(content: JsonMapping) -> str:
    """The protocol, the results and the comparisons, for a notebook cell."""
    return "\n".join([_protocol(content), _results(content), _comparisons(content)])


def _protocol(content: JsonMapping) -> str:
    split, data = content["split"], content["data"]
    seen = "left out" if split["filter_seen"] else "kept in"
    lost = split.get("unreachable_targets", 0)
    seen += f", and with them {lost:,} targets that no list can hold" if lost else ""
    note = f"<b>{escape(reader_note(content))}</b><br>" if reader_note(content) else ""
    feedback = "".join(f"{escape(sentence)}.<br>" for sentence in data.get("feedback", ()))
    return (
        f"<p>Protocol <b>{escape(split['protocol'])}</b>: {split['users']:,} evaluation users, "
        f"{split['dropped_users']:,} dropped; {split['candidates']:,} candidates, {escape(split['ranking'])}; "
        f"seen items {seen}.<br>"
        f"{note}{feedback}"
        f"Recall: {escape(split['recall'])}. Intervals are 95 % bootstraps over users.<br>"
        f"<small>data {escape(data['fingerprint'])}, split {escape(split['fingerprint'])}</small></p>"
    )


def _results(content: JsonMapping) -> str:
    engines = content["engines"]
    wanted = ("recall@10", "recall@20", "ndcg@10", "map@10", "mrr@10", "hit_rate@10", "precision@10")
    metrics = shown(engines, wanted)
    best = {m: max(engine[m]["value"] for engine in engines.values()) for m in metrics}
    rows = []
    for name, engine in engines.items():
        cells = [interval(engine[m], engine[m]["value"] == best[m]) for m in metrics]
        seconds = f"{engine['fit_seconds']:.1f}" if "fit_seconds" in engine else ""
        memory = f"{engine['peak_memory_mb']:.0f}" if "peak_memory_mb" in engine else ""
        rows.append([escape(name), *cells, seconds, memory, str(engine["users_without_vector"])])
    return table(["engine", *metrics, "fit, s", "memory, MB", "users without vector"], rows)


def _comparisons(content: JsonMapping) -> str:
    if not content["comparisons"]:
        return "<p>Only one engine was evaluated.</p>"
    lines = []
    for row in content["comparisons"]:
        sure = row["p_holm"] < 0.05 and not row["low"] <= 0 <= row["high"]
        word = ("ahead of" if row["difference"] > 0 else "behind") if sure else "not significantly different from"
        lines.append(
            f"<li><b>{escape(row['engine'])}</b> is {word} {escape(row['baseline'])} in {escape(row['metric'])}: "
            f"{row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}], p = {row['p_holm']:.4f} after Holm</li>"
        )
    return f"<ul>{''.join(lines)}</ul>"


def _catalogue(content: JsonMapping) -> str:
    names = ["coverage", "novelty", "diversity", "gini", "popularity_share"]
    rows = [
        [escape(engine), *(f"{values[name]:.3f}" for name in names)] for engine, values in content["catalogue"].items()
    ]
    return table(["engine, first 10", *(name.replace("_", " ") for name in names)], rows)
