"""The shell of a page: title, style, theme and script in one file that loads nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files


def page(title: str, parts: Sequence[str], lead: str = "", foot: str = "") -> str:
    """One HTML file that opens without a network and loads nothing.

    Of scripts the browser runs only that of the package, by its digest: markup that came in through a name would be
    inert even if it had not been escaped.

    Args:
        title: plain text.
        parts: HTML below the title.
        lead: HTML under the title.
        foot: HTML at the end.
    """
    style, script = asset("style.css"), asset("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return "\n".join(
        [
            "<!doctype html>",
            "<html lang='en'><head><meta charset='utf-8'>",
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            "<meta name='viewport' content='width=device-width, initial-scale=1'>",
            "<meta name='color-scheme' content='light dark'>",
            f"<link rel='icon' href='data:,'><title>{escape(title)}</title>",
            f"<style>{_squeezed(style)}</style></head><body>",
            f"<header class='top'><div><h1>{escape(title)}</h1>{f'<p class=lead>{lead}</p>' if lead else ''}</div>",
            "<button type='button' id='theme' class='needs-js' aria-label='Light or dark colours'>Dark</button>",
            "</header>",
            "<main>",
            *parts,
            "</main>",
            f"<footer>{foot}</footer>",
            f"<script>{script}</script>",
            "</body></html>\n",
        ]
    )


@cache
def asset(name: str) -> str:
    """The text of a file of this package."""
    return files("recsys.evaluation.report.page").joinpath(name).read_text(encoding="utf-8")


def section(title: str, *parts: str, note: str = "") -> str:
    """A part of a page under its heading.

    Args:
        title: plain text.
        parts: HTML.
        note: HTML of a sentence that says how to read the part.
    """
    about = f"<p class='note'>{note}</p>" if note else ""
    return f"<section><h2>{escape(title)}</h2>{about}{''.join(parts)}</section>"


def folded(title: str, *parts: str) -> str:
    """HTML ``parts`` behind a title that opens them."""
    return f"<details><summary>{escape(title)}</summary>{''.join(parts)}</details>"


def card(*parts: str) -> str:
    """HTML ``parts`` in a box."""
    return f"<div class='card'>{''.join(parts)}</div>"


def grid(*parts: str) -> str:
    """Boxes side by side where the screen is wide enough."""
    return f"<div class='grid'>{''.join(card(part) for part in parts if part)}</div>"


def _squeezed(style: str) -> str:
    """A style sheet without comments and line breaks."""
    return re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL).replace("\n", "")
