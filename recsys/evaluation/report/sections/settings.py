"""Where the figures come from: the options of the engines, the config, bundles and fingerprints."""

from __future__ import annotations

import json
from html import escape

from recsys.evaluation.report.page.html import folded, section
from recsys.evaluation.report.page.tables import table
from recsys.json_values import JsonMapping

_SECTIONS = ("engines", "bundles", "config")


def settings(content: JsonMapping, decision: JsonMapping | None = None) -> str:
    """HTML of the section, folded.

    Args:
        content: ``report.json``.
        decision: ``decision.json``; None without one.
    """
    found = content["settings"]
    parts = []
    if found.get("engines"):
        parts.append(folded("Options of the engines", *(_options(name, o) for name, o in found["engines"].items())))
    if found.get("config"):
        parts.append(folded("Config", *(_options(name, values) for name, values in found["config"].items())))
    parts.append(folded("Split, in full", _terms({k: _value(v) for k, v in content["split"].items()})))
    parts.append(folded("Lineage", _terms(_lineage(content, decision))))
    return section("Settings and lineage", *parts)


def _lineage(content: JsonMapping, decision: JsonMapping | None) -> dict[str, str]:
    found = content["settings"]
    terms = {key: _value(value) for key, value in found.items() if key not in _SECTIONS}
    terms |= {"data": content["data"]["fingerprint"], "split": content["split"]["fingerprint"]}
    terms |= {f"bundle of {name}": _value(version) for name, version in found.get("bundles", {}).items()}
    if decision is not None:
        keys = ("model", "version", "bundle", "measured", "champion", "alias")
        terms |= {f"decision: {key}": _value(decision[key]) for key in keys if decision.get(key) is not None}
    return terms


def _options(name: str, values: object) -> str:
    lines = values.items() if isinstance(values, dict) else [("", values)]
    text = "\n".join(f"{key} = {_value(value)}" for key, value in lines) or "as by default"
    return f"<h3>{escape(str(name))}</h3><pre>{escape(text)}</pre>"


def _terms(terms: dict[str, str]) -> str:
    return table(["what", "value"], [[escape(k), f"<code>{escape(v)}</code>"] for k, v in terms.items()], text=2)


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
