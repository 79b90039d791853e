"""A tracking server: whether it answers, asked once and briefly before anything waits for it."""

from __future__ import annotations

from functools import cache
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from recsys.errors import PromotionError

SECONDS = 10.0


@cache
def check_server(uri: str) -> None:
    """Checks that the tracking server at an ``http`` or ``https`` URI answers; other URIs pass.

    Raises:
        PromotionError: it refuses, or is silent for ten seconds.
    """
    if not uri.startswith(("http://", "https://")):
        return
    try:
        with urlopen(Request(f"{uri.rstrip('/')}/health"), timeout=SECONDS):
            return
    except HTTPError:
        return  # it answers, though it has no such page
    except (OSError, HTTPException, ValueError) as error:
        raise PromotionError(
            f"the tracking server {uri} does not answer within {SECONDS:.0f} s ({error}); start it, or correct "
            "promote.tracking_uri"
        ) from error
