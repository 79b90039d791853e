"""The files of the page, and the page as one file with a sample of the answers in it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

INDEX = "index.html"
_FOLDER = Path(__file__).parent / "static"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@cache
def assets() -> dict[str, tuple[bytes, str]]:
    """File name -> content and media type."""
    files = sorted(path for path in _FOLDER.iterdir() if path.suffix in _KINDS)
    return {path.name: (path.read_bytes(), _KINDS[path.suffix]) for path in files}


def single_page(sample: object) -> str:
    """The page with style, scripts and ``sample`` inside; its policy allows these very scripts and no address.

    Args:
        sample: JSON values, see `recsys.service.explorer.export.sampled`.
    """
    page = _text(INDEX)
    hashes: dict[str, list[str]] = {"script": [], "style": []}

    def style(found: re.Match[str]) -> str:
        text = _text(found["name"])
        hashes["style"].append(_hash(text))
        return f"<style>{text}</style>"

    def script(found: re.Match[str]) -> str:
        text = _text(found["name"])
        hashes["script"].append(_hash(text))
        return f"<script>{text}</script>"

    page = re.sub(r'<link rel="stylesheet" href="explore/(?P<name>[\w.]+)">', style, page)
    scripts = "".join(
        script(found) for found in re.finditer(r'<script defer src="explore/(?P<name>[\w.]+)"></script>', page)
    )
    page = re.sub(r'\s*<script defer src="explore/[\w.]+"></script>', "", page)
    icon = "data:image/svg+xml," + quote(_text("icon.svg"))
    page = page.replace('"explore/icon.svg"', f'"{icon}"')
    policy = (
        f"default-src 'none'; script-src {' '.join(hashes['script'])}; style-src {' '.join(hashes['style'])}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    page = page.replace("<head>", f'<head>\n<meta http-equiv="Content-Security-Policy" content="{policy}">', 1)
    data = f'<script type="application/json" id="sample">{_json(sample)}</script>'
    return page.replace("</body>", f"{data}\n{scripts}\n</body>", 1)


def _text(name: str) -> str:
    return assets()[name][0].decode()


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _json(value: object) -> str:
    """JSON that ends no script, whatever texts it holds."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
