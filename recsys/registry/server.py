"""A tracking server: whether it answers, asked once and briefly before anything waits for it."""

from __future__ import annotations

from functools import cache
from http.client import HTTPException
from threading import Thread
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from recsys.errors import PromotionError
from recsys.files.addresses import without_password

SECONDS = 10.0
_ANSWERS = "answers"


def is_server(uri: str) -> bool:
    """Whether it is the address of a tracking server."""
    return uri.startswith(("http://", "https://"))


@cache
def check_server(uri: str) -> None:
    """Checks that the tracking server at an ``http`` or ``https`` URI answers; name and password are not sent.

    Raises:
        PromotionError: it refuses, or is silent for ten seconds.
    """
    told: list[str] = []
    asked = Thread(target=_ask, args=(uri, told), daemon=True)  # a server may drip: every byte renews the time-out
    asked.start()
    asked.join(SECONDS)
    if told and told[0] == _ANSWERS:
        return
    raise PromotionError(
        f"the tracking server {without_password(uri)} does not answer within {SECONDS:.0f} s "
        f"({told[0] if told else 'timed out'}); start it, or correct promote.tracking_uri"
    )


def _ask(uri: str, told: list[str]) -> None:
    """Asks the server once and adds to ``told`` that it answers, or why not."""
    try:
        scheme, _, rest = uri.partition("://")
        address = f"{scheme}://{rest.rpartition('@')[2].rstrip('/')}"
        with urlopen(Request(f"{address}/health"), timeout=SECONDS):
            told.append(_ANSWERS)
    except HTTPError:
        told.append(_ANSWERS)  # though it has no such page
    except (OSError, HTTPException, ValueError) as error:
        told.append(str(error))
