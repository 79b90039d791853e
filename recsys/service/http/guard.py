"""The door: key, size and time of a request, its line in the log and its place in the metrics."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recsys.errors import ConfigError
from recsys.files.input_file import read_bytes
from recsys.service.http.problems import ProblemError, answer, problem
from recsys.service.limits import Limits
from recsys.service.logs.messages import Messages
from recsys.service.metrics import Metrics

Told = tuple[Metrics, Messages]
_OPEN = frozenset(("/health", "/ready"))
_SHORTEST = 16


def read_keys(path: Path) -> tuple[bytes, ...]:
    """The digests of the keys in a file, one key a line; lines that are blank or begin with # do not count.

    Raises:
        ConfigError: the file cannot be read, or has no key of at least 16 characters.
    """
    try:
        lines = read_bytes(path, 2**16).decode("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"--api-key-file {path} cannot be read ({error}); give a text file with a key a line"
        ) from error
    keys = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    if not keys or min(map(len, keys)) < _SHORTEST:
        raise ConfigError(f"--api-key-file {path} needs keys of at least {_SHORTEST} characters, one a line")
    return tuple(sha256(key.encode()).digest() for key in keys)


class Guard:
    """Checks every request before a route sees it.

    Args:
        app: what answers.
        limits: of body and time.
        keys: digests of the keys, one of which a request must bring as ``X-API-Key`` or ``Authorization: Bearer``;
            empty asks for none.
        known: the routes, which logs and metrics name; other paths are counted as ``other``, because they may hold
            anything.
        told: metrics and messages.
        open_: paths that need no key, besides those of health; they hold nothing of the data.
    """

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        keys: tuple[bytes, ...],
        known: Collection[str],
        told: tuple[Metrics, Messages],
        open_: Collection[str] = (),
    ) -> None:
        self._app, self._limits, self._keys, self._known = app, limits, keys, known
        self._metrics, self._messages = told
        self._open = _OPEN | frozenset(open_)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status, request_id = time.perf_counter(), 500, token_hex(8)

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._checked(scope, receive, watched)
        finally:
            took, path = time.perf_counter() - started, str(scope["path"])
            route = path if path in self._known else "other"
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.seconds.labels(route).observe(took)
            about = {"request_id": request_id, "method": str(scope["method"])[:10], "route": route, "status": status}
            self._messages.info("request", **about, milliseconds=round(1000 * took, 2))

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            if self._keys and scope["path"] not in self._open:
                self._check_key(scope)
            body = await self._body(scope, receive)
            async with asyncio.timeout(self._limits.seconds):
                await self._app(scope, _replayed(body, receive), noted)
        except ProblemError as error:
            await answer(error.status, problem(error.code, error.message, error.where))(scope, receive, send)
        except TimeoutError:
            message = f"the answer took longer than {self._limits.seconds:g} s; ask for less, or again in a second"
            if not begun:
                await answer(503, problem("timeout", message), {"Retry-After": "1"})(scope, receive, send)
        except Exception as error:
            self._messages.error("unexpected", error)
            if not begun:
                message = "the service met an error of its own; it is in its log under the x-request-id of this answer"
                await answer(500, problem("internal", message))(scope, receive, send)

    def _check_key(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        bearer = headers.get(b"authorization", b"")
        given = headers.get(b"x-api-key") or (bearer[7:] if bearer[:7].lower() == b"bearer " else b"")
        digest = sha256(given.strip()).digest()
        matches = [hmac.compare_digest(digest, key) for key in self._keys]  # every key, in the same time
        if not any(matches):
            found = "is not one of the service's" if given else "is missing"
            raise ProblemError(401, "no_key", f"the API key {found}; send it as the header X-API-Key")

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body, which is read within the limits before anything is done with it."""
        most = self._limits.body
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > most:
            raise _too_large(f"{int(length[:20]):,} bytes", most)
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._limits.seconds):
                while True:
                    message = await receive()
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise _too_large(f"more than {most:,} bytes", most)
                    if message["type"] != "http.request" or not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError as error:
            message_ = f"the body did not come within {self._limits.seconds:g} s; send it at once"
            raise ProblemError(408, "slow_body", message_) from error


def _too_large(found: str, most: int) -> ProblemError:
    return ProblemError(413, "too_large", f"the body has {found}, and at most {most:,} are taken; send less at a time")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Receives a body that was read already, and then whatever comes."""
    given = False

    async def once() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once
