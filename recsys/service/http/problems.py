"""Errors as JSON: what was found, where, and the remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from recsys.choices import did_you_mean
from recsys.errors import FieldError, RecsysError
from recsys.service.batcher import OverloadError
from recsys.service.logs.messages import Messages

_SHOWN = 80
"""Characters of what was found that a message repeats."""


class ProblemError(Exception):
    """A request that is answered with an error.

    Args:
        status: of HTTP.
        code: a word for programs.
        message: what was found, and what to do.
        where: the field.
    """

    def __init__(self, status: int, code: str, message: str, where: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.where = status, code, message, where


def problem(code: str, message: str, where: str = "") -> dict[str, dict[str, str]]:
    """The JSON of an error."""
    return {"error": {"code": code, "message": message, "where": where}}


def answer(status: int, content: object, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of JSON."""
    body = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    return Response(body, status, headers, "application/json")


def refused(error: RecsysError) -> dict[str, dict[str, str]]:
    """The JSON of an error that a model has with a question."""
    return problem("invalid_request", str(error), error.where if isinstance(error, FieldError) else "")


def add_handlers(app: FastAPI, messages: Messages) -> None:
    """Answers every error of ``app`` as JSON."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return answer(422, problem(*_first(error.errors())))

    @app.exception_handler(ProblemError)
    async def told(request: Request, error: ProblemError) -> Response:
        return answer(error.status, problem(error.code, error.message, error.where))

    @app.exception_handler(RecsysError)
    async def question(request: Request, error: RecsysError) -> Response:
        return answer(422, refused(error))

    @app.exception_handler(OverloadError)
    async def overloaded(request: Request, error: OverloadError) -> Response:
        message = "too many requests wait for an answer; send this one again in a second"
        return answer(503, problem("overloaded", message), {"Retry-After": "1"})

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return answer(error.status_code, problem(*_of_status(error, app)), error.headers)


def _of_status(error: HTTPException, app: FastAPI) -> tuple[str, str]:
    routes = ", ".join(sorted(app.openapi()["paths"]))
    if error.status_code == 404:
        return "no_such_route", f"there is no such route; there are {routes}"
    if error.status_code == 405:
        return "wrong_method", "the route takes another method; see /openapi.json"
    return "bad_request", f"{error.detail}; send one JSON object, encoded as UTF-8"


def _first(errors: Sequence[Mapping[str, object]]) -> tuple[str, str, str]:
    """Code, message and field of the first of several errors; the branches of an id are one error."""
    error = errors[0]
    places = [str(part) for part in _places(error) if part not in ("body",)]
    where = ".".join(part for part in places if not part.startswith(("constrained-", "list[", "dict[", "function-")))
    kind, found = str(error["type"]), ascii(error.get("input"))
    shown = found if len(found) <= _SHOWN else f"{found[:_SHOWN]}..."
    if kind == "json_invalid":
        return "invalid_json", f"the body is no JSON ({_said(error)}); send one JSON object", ""
    if kind == "extra_forbidden":
        name = places[-1]
        return "unknown_field", f"there is no field {ascii(name)[:_SHOWN]}{_hint(name)}", where
    if kind == "missing":
        return "missing_field", f"the field {where or 'body'} is missing; see /openapi.json for an example", where
    if places and places[-1] in _BRANCHES:
        where = ".".join(part for part in where.split(".") if part not in _BRANCHES)
    return "invalid_request", f"{where or 'the body'} is {shown}: {_said(error)}", where


_BRANCHES = {"int", "str", "float", "bool"}
"""What pydantic appends to the place of an error in a field of several types."""
_FIELDS = (
    *("user_id", "history", "columns", "at", "k", "filter_seen", "candidates", "exclude", "requests", "users", "text"),
    *("item_id", "item_ids", "events", "event", "event_id", "time", "weight", "exposure_id"),
)


_MEANT = {"user": "user_id", "item": "item_id"}
"""Fields of other interfaces, whose nearest name here is another field."""


def _places(error: Mapping[str, object]) -> Sequence[object]:
    places = error["loc"]
    assert isinstance(places, tuple)
    return places


def _said(error: Mapping[str, object]) -> str:
    """Pydantic's words, which name the limit."""
    context = error.get("ctx")
    detail = context.get("error") if isinstance(context, dict) else None
    return ascii(str(detail or error["msg"]))[1:-1]


def _hint(name: str) -> str:
    if meant := _MEANT.get(name.lower()):
        return f"; did you mean {meant!r}?"
    return did_you_mean(name, _FIELDS) or "; take it out, see /openapi.json for the fields of the route"
