"""The routes of the explorer: its files, and the JSON that they ask for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import FastAPI, Response
from fastapi.responses import RedirectResponse
from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from recsys.files.input_file import read_bytes
from recsys.service.explorer.documents import Documents
from recsys.service.explorer.explorer import Explorer
from recsys.service.explorer.page import INDEX, assets
from recsys.service.explorer.pair import Asked
from recsys.service.http.bodies import Body
from recsys.service.http.problems import ProblemError, answer
from recsys.service.http.tickets import Tickets

Beside = Callable[[Callable[[], object]], Awaitable[object]]
"""Calls a function in another thread."""

ADDRESS = "/explore"
_TICKETED = f"{ADDRESS}/document"
_ID = Annotated[StrictStr, Field(min_length=1, max_length=512)]
_NUMBER = Annotated[StrictFloat, Field(allow_inf_nan=False)]
_VALUE = StrictBool | StrictInt | _NUMBER | Annotated[StrictStr, Field(max_length=512)]
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_REPORT_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox allow-scripts allow-popups"
)
"""A report is one file with its style and scripts in it; it may not ask this service for anything."""
_PLAIN = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cache-control": "no-store"}
_HEADERS = {**_PLAIN, "content-security-policy": _POLICY}
_LARGEST = 64 * 2**20
_KINDS = {".html": "text/html; charset=utf-8", ".json": "application/json"}


class FindBody(Body):
    """A text to look for."""

    text: Annotated[StrictStr, Field(max_length=200)] = ""
    most: Annotated[StrictInt, Field(ge=1, le=50)] = 12


class ListsBody(Body):
    """A user, or a history of item ids, oldest first, and controls that were moved; all ids are texts."""

    user: _ID | None = None
    history: Annotated[list[_ID], Field(max_length=500)] = Field(default_factory=list)
    k: Annotated[StrictInt, Field(ge=1, le=1000)] = 10
    rules: Annotated[dict[_ID, _VALUE], Field(max_length=100)] = Field(default_factory=dict)


class ItemBody(Body):
    """An item."""

    item: _ID


class SimilarBody(ItemBody):
    """An item, and the embeddings by which its neighbours are shown side by side."""

    k: Annotated[StrictInt, Field(ge=1, le=50)] = 8
    by: Annotated[list[_ID], Field(max_length=4)] = Field(default_factory=list)


class DocumentBody(Body):
    """A document of the run."""

    name: _ID


class MapBody(Body):
    """The column by which the map is coloured."""

    column: Annotated[StrictStr, Field(max_length=512)] | None = None


@dataclass(frozen=True)
class Pages:
    """The paths of the explorer.

    Args:
        paths: all of them.
        open: those that need no key: of the page itself, which hold nothing of the data, and of a document by ticket.
    """

    paths: frozenset[str] = frozenset()
    open: frozenset[str] = frozenset()


def add_explorer(app: FastAPI, explorer: Explorer, beside: Beside) -> Pages:
    """Puts the page at `ADDRESS` and its questions below it.

    Args:
        app: gets the routes.
        explorer: answers the questions.
        beside: calls a function in another thread.
    """
    before = {getattr(route, "path", "") for route in app.routes}
    open_ = _add_files(app)
    _add_questions(app, explorer, beside)
    _add_documents(app, explorer.around.documents)
    paths = {getattr(route, "path", "") for route in app.routes} - before
    return Pages(frozenset(paths), open_ | {_TICKETED})


def _add_files(app: FastAPI) -> frozenset[str]:
    files = {f"{ADDRESS}/{name}": asset for name, asset in assets().items() if name != INDEX}
    files[ADDRESS] = assets()[INDEX]

    def route(content: bytes, kind: str) -> Callable[[], Awaitable[Response]]:
        async def file() -> Response:
            return Response(content, headers=_HEADERS, media_type=kind)

        return file

    for path, (content, kind) in files.items():
        app.add_api_route(path, route(content, kind), methods=["GET"], include_in_schema=False)

    @app.get("/", include_in_schema=False)
    async def start() -> Response:
        return RedirectResponse(ADDRESS, headers=_HEADERS)

    return frozenset(files) | {"/"}


def _add_questions(app: FastAPI, explorer: Explorer, beside: Beside) -> None:
    async def told(work: Callable[[], object]) -> Response:
        return answer(200, await beside(work), _HEADERS)

    @app.post(f"{ADDRESS}/about", include_in_schema=False)
    async def about() -> Response:
        return await told(explorer.about)

    @app.post(f"{ADDRESS}/users", include_in_schema=False)
    async def users(body: FindBody) -> Response:
        return await told(lambda: explorer.find_users(body.text, body.most))

    @app.post(f"{ADDRESS}/items", include_in_schema=False)
    async def items(body: FindBody) -> Response:
        return await told(lambda: explorer.find_items(body.text, body.most))

    @app.post(f"{ADDRESS}/lists", include_in_schema=False)
    async def lists(body: ListsBody) -> Response:
        if body.k > explorer.around.most_k:
            raise ProblemError(422, "too_many", f"k is {body.k}; at most {explorer.around.most_k} are shown", "k")
        asked = Asked(body.user, tuple(body.history), body.k, body.rules)
        return await told(lambda: explorer.lists(asked))

    @app.post(f"{ADDRESS}/similar", include_in_schema=False)
    async def similar(body: SimilarBody) -> Response:
        return await told(lambda: explorer.similar(body.item, body.k, body.by))

    @app.post(f"{ADDRESS}/map", include_in_schema=False)
    async def flat_map(body: MapBody) -> Response:
        return await told(lambda: explorer.map(body.column))

    @app.post(f"{ADDRESS}/poster", include_in_schema=False)
    def poster(body: ItemBody) -> Response:  # in a thread of its own: a page asks for dozens at once
        image = explorer.poster(body.item)
        if image is None:
            return Response(status_code=204, headers=_HEADERS)
        return Response(image, headers={**_HEADERS, "cache-control": "private, max-age=3600"}, media_type="image/jpeg")


def _add_documents(app: FastAPI, documents: Documents) -> None:
    """A document by its name, and where a key is asked for, which a link cannot bring, by a ticket."""
    tickets = Tickets()

    @app.get(f"{ADDRESS}/documents/{{name}}", include_in_schema=False)
    async def document(name: str) -> Response:
        path = documents.found().get(name)
        if path is None:
            raise ProblemError(404, "no_such_document", "the run has no such document")
        try:
            content = read_bytes(path, _LARGEST)
        except OSError as error:
            raise ProblemError(
                404, "no_such_document", "the document is gone; run evaluate or promote again"
            ) from error
        headers = {**_PLAIN, "content-security-policy": _REPORT_POLICY}
        return Response(content, headers=headers, media_type=_KINDS.get(path.suffix, "text/plain"))

    @app.post(f"{ADDRESS}/ticket", include_in_schema=False)
    async def ticket(body: DocumentBody) -> Response:
        return answer(200, {"ticket": tickets.give(body.name)}, _HEADERS)

    @app.get(_TICKETED, include_in_schema=False)
    async def ticketed(ticket: str = "") -> Response:
        name = tickets.take(ticket)
        if name is None:
            raise ProblemError(404, "no_such_document", "the link was used or is too old; open it on the page again")
        return await document(name)
