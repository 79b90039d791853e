"""The report in sentences: who leads by how much, whether the tests tell it, what was decided, how it was measured."""

from __future__ import annotations

from datetime import datetime
from html import escape

from recsys.evaluation.compared_users import ComparedUsers
from recsys.evaluation.report.page.numbers import p_text, signed
from recsys.evaluation.report.report import reader_note
from recsys.evaluation.report.verdict import Standing, standing
from recsys.json_values import JsonMapping

_PROTOCOLS = {
    "leave_one_out": "each user's last item was held out",
    "leave_last_n": "each user's last items were held out",
    "temporal": "what came after a moment was held out",
    "user_holdout": "users whom training never saw",
    "cold_items": "items that training never saw",
    "random": "a random part of each user's interactions was held out",
    "given": "the test interactions were given",
    "holdout": "users and targets were given",
}


def lead(content: JsonMapping) -> str:
    """HTML of one line: the date, and how large the data is."""
    data, written = content["data"], content.get("written")
    parts = [] if written is None else [f"{datetime.fromisoformat(written):%-d %B %Y}"]
    sizes = [f"{data[key]:,} {key}" for key in ("users", "items", "interactions") if data.get(key) is not None]
    parts += [", ".join(sizes)] if sizes else []
    parts += [f"{data['first']} to {data['last']}"] if data.get("first") else []
    return escape(" · ".join(parts))


def summary(content: JsonMapping, decision: JsonMapping | None = None) -> str:
    """HTML of the summary.

    Args:
        content: ``report.json``.
        decision: ``decision.json`` of the run; None without one.
    """
    found = standing(content)
    verdict = _decided(decision) if decision is not None else _badge(*found.verdict)
    return (
        f"<section class='card summary' aria-label='Summary'>{verdict}<p class='headline'>{_headline(found)}</p>"
        f"{''.join(f'<p>{line}</p>' for line in _tests(found))}"
        f"{'' if decision is None else _rules(decision)}{_notes(content)}{facts(content)}</section>"
    )


def facts(content: JsonMapping) -> str:
    """HTML of the protocol: a list of terms."""
    split = content["split"]
    lost = split.get("unreachable_targets", 0)
    seen = ("left out of the lists" if split["filter_seen"] else "kept in the lists") + (
        f"; {lost:,} targets no list can hold" if lost else ""
    )
    terms = {
        "Protocol": f"<code>{escape(split['protocol'])}</code>{_in_words(split['protocol'])}",
        "Evaluated": f"{split['users']:,} users, {split['dropped_users']:,} dropped",
        "Ranked": f"all {split['candidates']:,} candidates",
        "Seen items": seen,
    }
    cells = "".join(f"<div><dt>{term}</dt><dd>{text}</dd></div>" for term, text in terms.items())
    return f"<dl class='facts'>{cells}</dl>"


def _headline(found: Standing) -> str:
    best = found.best
    text = (
        f"<b>{escape(found.leader)}</b> {'leads' if found.others else 'has'} {'with ' if found.others else ''}"
        f"{escape(found.metric)} of {best['value']:.4f} [{best['low']:.4f}, {best['high']:.4f}]"
    )
    if found.against_baseline is not None:
        row = found.against_baseline
        text += (
            f", {row['difference']:.4f}{_percent(row['difference'], found.baseline_value)} above the baseline "
            f"<b>{escape(row['baseline'])}</b>"
        )
    elif found.others and found.leader == found.baseline:
        text += ", and is itself the baseline"
    return text + "."


def _tests(found: Standing) -> list[str]:
    """What the paired tests say of the leader, the baseline and the next."""
    lines = []
    if (row := found.against_baseline) is not None:
        word = "tells them apart" if found.beats_baseline else "does not tell them apart"
        lines.append(
            f"Against the baseline the paired test {word}: {signed(row['difference'])} [{signed(row['low'])}, "
            f"{signed(row['high'])}], {_html_p(row['p_holm'])} after Holm's correction."
        )
    if (next_best := found.next_best) is not None and next_best["next"] != (row or {}).get("baseline"):
        word = "tells the two apart" if found.beats_next else "does not tell the two apart"
        lines.append(
            f"The next is <b>{escape(next_best['next'])}</b>: the lead over it is {signed(next_best['difference'])} "
            f"[{signed(next_best['low'])}, {signed(next_best['high'])}], and the test {word} "
            f"({_html_p(next_best['p'])})."
        )
    if found.others:
        lines.append(
            "<span class='note'>The best of several engines was picked on the users it is measured on, so its figure "
            "is a little optimistic. Brackets are 95 % bootstrap intervals over users.</span>"
        )
    return lines


def _decided(decision: JsonMapping) -> str:
    model, engine = decision.get("model", ""), decision.get("engine", decision["candidate"])
    what = f"{escape(str(engine))}, version {escape(str(decision.get('version', '')))} of {escape(str(model))}"
    return _badge(f"Promoted: {what}", "good") if decision["promoted"] else _badge(f"Not promoted: {what}", "bad")


def _rules(decision: JsonMapping) -> str:
    """The conditions of the gate, each with its reason."""
    lines = "".join(
        f"<li>{'Yes' if rule['passed'] else '<b>No</b>'}: {escape(rule['reason'])}</li>" for rule in decision["rules"]
    )
    instead = decision.get("instead")
    advice = f'<p><code>promote.engine = "{escape(instead)}"</code> would pass.</p>' if instead else ""
    told = decision.get("compared")
    users = "" if told is None else f"<p>The two models are {escape(str(ComparedUsers(**told)))}.</p>"
    return f"<p class='note'>Conditions of the gate:</p><ul class='rules'>{lines}</ul>{users}{advice}"


def _notes(content: JsonMapping) -> str:
    sentences = [reader_note(content), *(f"{text}." for text in content["data"].get("feedback", ()))]
    return "".join(f"<p><b>{escape(text)}</b></p>" for text in sentences if text)


def _badge(text: str, kind: str) -> str:
    """``text`` is HTML."""
    return f"<span class='badge {kind}'>{text}</span>"


def _in_words(protocol: str) -> str:
    name, _, refit = protocol.partition("/")
    words = _PROTOCOLS.get(name, "")
    words += "; trained once more on all but the test" if refit == "refit" else ""
    return f" <small>{words.strip('; ')}</small>" if words else ""


def _percent(difference: float, value: float) -> str:
    return f" ({difference / value:.0%})" if value > 0 else ""


def _html_p(p: float) -> str:
    return escape(p_text(p))
