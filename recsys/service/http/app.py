"""The application: routes over a `recsys.service.state.ServiceState`; pages can be mounted on it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

from fastapi import FastAPI, Response

from recsys import __version__
from recsys.data.feedback.given_history import EVENTS, TIMES
from recsys.data.vocabulary import MISSING
from recsys.errors import DataError, FieldError, RecsysError
from recsys.retrieval.recipients.asked import Id
from recsys.service.explorer.explorer import Explorer
from recsys.service.http import answers, bodies
from recsys.service.http.explorer_routes import Pages, add_explorer
from recsys.service.http.guard import Guard
from recsys.service.http.problems import ProblemError, add_handlers, answer, problem, refused
from recsys.service.limits import Limits
from recsys.service.live_histories import FeedbackEvent
from recsys.service.questions import Question, id_row
from recsys.service.state import ServiceState, Shown
from recsys.service.text_search import NO_TEXT

_PROBLEMS: dict[int | str, dict[str, object]] = {
    400: {"model": answers.ErrorAnswer, "description": "The body is no JSON."},
    401: {"model": answers.ErrorAnswer, "description": "The API key is missing or wrong."},
    413: {"model": answers.ErrorAnswer, "description": "The body is too large."},
    422: {"model": answers.ErrorAnswer, "description": "A field is wrong; the message says which and why."},
    503: {"model": answers.ErrorAnswer, "description": "Too much to do at the moment."},
}


def create_app(
    state: ServiceState, limits: Limits | None = None, keys: tuple[bytes, ...] = (), explorer: Explorer | None = None
) -> FastAPI:
    """The service as an ASGI application.

    Args:
        state: the models and logs; it is closed when the application ends.
        limits: what a request may ask for.
        keys: digests of API keys, see `recsys.service.http.guard.read_keys`; empty asks for none.
        explorer: what the pages at ``/explore`` show; None mounts none.
    """
    limits = limits or Limits()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        state.close()

    about = (
        "Recommendations, similar items, vectors, text search and feedback. Ids are integers or texts, as in the data."
    )
    app = FastAPI(
        title="recsys", version=__version__, description=about, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    add_handlers(app, state.messages)
    _add_lists(app, state, limits)
    _add_vectors(app, state, limits)
    _add_feedback(app, state, limits)
    _add_status(app, state)
    pages = Pages() if explorer is None else add_explorer(app, explorer, state.beside)
    known = frozenset(app.openapi()["paths"]) | {"/openapi.json"} | pages.paths
    told = (state.metrics, state.messages)
    app.add_middleware(Guard, limits=limits, keys=keys, known=known, told=told, open_=pages.open)
    return app


def _add_lists(app: FastAPI, state: ServiceState, limits: Limits) -> None:
    @app.post("/recommend", response_model=answers.ListAnswer, responses=_PROBLEMS, tags=["lists"])
    async def recommend(body: bodies.RecommendBody) -> Response:
        """The items with the highest scores for one user."""
        question = _question(body, limits)
        shown = (await state.recommend([question]))[0]
        if isinstance(shown, RecsysError):
            raise shown
        return answer(200, _list(question, shown))

    @app.post("/recommend/batch", response_model=answers.BatchAnswer, responses=_PROBLEMS, tags=["lists"])
    async def batch(body: bodies.BatchBody) -> Response:
        """A list for each of several users; a request that is wrong has its error in place of a list."""
        _at_most("requests", body.requests, limits.batch)
        questions = [_question(each, limits, f"requests.{n}.") for n, each in enumerate(body.requests)]
        results: list[object] = []
        for start in range(0, len(questions), 64):  # others get their turn in between
            part = questions[start : start + 64]
            for question, shown in zip(part, await state.recommend(part), strict=True):
                results.append(refused(shown) if isinstance(shown, RecsysError) else _list(question, shown))
        return answer(200, {"results": results})

    @app.post("/similar", response_model=answers.SimilarAnswer, responses=_PROBLEMS, tags=["items"])
    async def similar(body: bodies.SimilarBody) -> Response:
        """The items nearest to an item, by the cosine of the model's vectors, of those that the rules let through."""
        _k(body.k, limits)
        _at_most("candidates", body.candidates or (), limits.ids)
        _at_most("exclude", body.exclude, limits.ids)
        model, limited = state.models.champion, (body.candidates, body.exclude)
        ids, similarity = await state.beside(lambda: model.similar(body.item_id, body.k, *limited))
        return answer(200, _neighbours(list(zip(ids, similarity, strict=True)), model.version))

    @app.post(
        "/search",
        response_model=answers.SimilarAnswer,
        responses={**_PROBLEMS, 409: {"model": answers.ErrorAnswer, "description": "The model has no text."}},
        tags=["items"],
    )
    async def search(body: bodies.SearchBody) -> Response:
        """The items nearest to a text, where the run has an embedder of texts."""
        _k(body.k, limits)
        model = state.models.champion
        if model.text is None:
            raise ProblemError(409, "no_text", NO_TEXT)
        ids, similarity = await state.beside(lambda: model.search(body.text, body.k))
        return answer(200, _neighbours(list(zip(ids, similarity, strict=True)), model.version))


def _add_vectors(app: FastAPI, state: ServiceState, limits: Limits) -> None:
    responses = {**_PROBLEMS, 409: {"model": answers.ErrorAnswer, "description": "The model's vectors are sparse."}}

    @app.post("/vectors/items", response_model=answers.VectorsAnswer, responses=responses, tags=["vectors"])
    async def items(body: bodies.ItemsBody) -> Response:
        """The vectors of items, whose inner product with a user's is the score."""
        _at_most("item_ids", body.item_ids, limits.ids)
        model = state.models.champion
        _refuse_sparse(state)
        vectors = await state.beside(lambda: model.item_vectors(body.item_ids))
        return answer(200, {"vectors": vectors, "version": model.version})

    @app.post("/vectors/users", response_model=answers.VectorsAnswer, responses=responses, tags=["vectors"])
    async def users(body: bodies.UsersBody) -> Response:
        """The vectors of users, by id, history or columns."""
        _at_most("users", body.users, limits.batch)
        _refuse_sparse(state)
        questions = [_question(each, limits, f"users.{n}.") for n, each in enumerate(body.users)]
        version, vectors = await state.user_vectors(questions)
        for number, each in enumerate(vectors):
            if isinstance(each, FieldError):
                raise FieldError(str(each), f"users.{number}.{each.where}")
            if isinstance(each, BaseException):
                raise each
        return answer(200, {"vectors": vectors, "version": version})


def _add_feedback(app: FastAPI, state: ServiceState, limits: Limits) -> None:
    @app.post("/feedback", response_model=answers.FeedbackAnswer, responses=_PROBLEMS, tags=["feedback"])
    async def feedback(body: bodies.FeedbackBody) -> Response:
        """Events that extend histories; they are on the disk, and count from now on, when the answer comes."""
        _at_most("events", body.events, limits.batch)
        data, now = state.models.champion.data, int(time.time())
        unknown: list[Id] = []
        for number, each in enumerate(body.events):
            _known_type(state, each.event, f"events.{number}.event")
            id_row(data.users.vocabulary, each.user_id, f"events.{number}.user_id")
            if id_row(data.items.vocabulary, each.item_id, f"events.{number}.item_id") == MISSING:
                unknown.append(each.item_id)
        events = [_event(each, now) for each in body.events]
        try:
            fresh = await state.record(events)
        except OSError as error:
            raise ProblemError(503, "not_recorded", f"the disk refuses ({error.strerror}); send it again") from error
        counts = {"recorded": sum(fresh), "repeated": len(fresh) - sum(fresh)}
        return answer(200, {**counts, "unknown_items": unknown})


def _add_status(app: FastAPI, state: ServiceState) -> None:
    @app.get("/health", response_model=answers.HealthAnswer, tags=["status"])
    async def health() -> Response:
        """200 while the process lives."""
        return answer(200, {"status": "ok"})

    @app.get("/ready", response_model=answers.HealthAnswer, responses={503: _PROBLEMS[503]}, tags=["status"])
    async def ready() -> Response:
        """200 while lists can be made and feedback recorded."""
        if state.draining:
            return answer(503, problem("draining", "the service is about to end; ask another one"))
        if not state.feedback.writable:
            return answer(503, problem("not_recorded", "the disk refuses feedback; make room"))
        return answer(200, {"status": "ready"})

    @app.get("/version", response_model=answers.VersionAnswer, responses={401: _PROBLEMS[401]}, tags=["status"])
    async def version() -> Response:
        """The versions that serve, and those that were refused."""
        champion, refused_ = state.models.champion, state.watcher.refused
        about = {"engine": champion.bundle.kind, "data": champion.data.name}
        return answer(200, {"recsys": __version__, "models": state.versions, "refused": refused_, **about})

    @app.get("/metrics", response_class=Response, responses={401: _PROBLEMS[401], 200: _METRICS}, tags=["status"])
    async def metrics() -> Response:
        """Counters and histograms in the format of Prometheus."""
        page, kind = state.metrics.page(state.versions)
        return Response(page, media_type=kind)


_METRICS: dict[str, object] = {
    "description": "The text format of Prometheus.",
    "content": {"text/plain": {"example": 'recsys_requests_total{route="/recommend",status="200"} 7.0\n'}},
}


def _question(body: bodies.UserBody, limits: Limits, where: str = "") -> Question:
    """The question of a body, within the limits."""
    _at_most(f"{where}history", body.history or (), limits.history)
    if body.user_id is None and body.history is None and not body.columns:
        message = "the user has neither user_id nor history nor columns; an empty history is somebody unknown"
        raise ProblemError(422, "missing_field", message, where.rstrip("."))
    for name in (EVENTS, TIMES):
        if getattr(body, name) is not None and body.history is None:
            message = f"there are {name} and no history; give the items beside them"
            raise ProblemError(422, "missing_field", message, f"{where}{name}")
    if isinstance(body, bodies.RecommendBody):
        _k(body.k, limits, where)
        _at_most(f"{where}candidates", body.candidates or (), limits.ids)
        _at_most(f"{where}exclude", body.exclude, limits.ids)
    return body.question()


def _k(k: int, limits: Limits, where: str = "") -> None:
    if k > limits.k:
        raise ProblemError(422, "too_many", f"k is {ascii(k)[:40]}, and at most {limits.k:,} are given", f"{where}k")


def _at_most(name: str, values: Sequence[object], most: int) -> None:
    if len(values) > most:
        message = f"{name} has {len(values):,} entries, and at most {most:,} are taken; send fewer at a time"
        raise ProblemError(422, "too_many", message, name)


def _refuse_sparse(state: ServiceState) -> None:
    try:
        state.models.champion.check_dense()
    except DataError as error:
        raise ProblemError(409, "no_vectors", str(error)) from error


def _known_type(state: ServiceState, event: str, where: str) -> None:
    try:
        state.around.types.check(event)
    except DataError as error:
        raise ProblemError(422, "unknown_event", str(error), where) from error


def _event(body: bodies.EventBody, now: int) -> FeedbackEvent:
    about = (body.user_id, body.item_id, body.event, now if body.time is None else body.time)
    return FeedbackEvent(body.event_id or uuid4().hex, *about, float(body.weight), body.exposure_id)


def _list(question: Question, shown: Shown) -> dict[str, object]:
    listed = shown.listed
    reasons = listed.reasons or [None] * len(listed.item_ids)
    columns = zip(listed.item_ids, listed.scores, listed.fallback, reasons, strict=True)
    items = [
        {"item_id": key, "rank": rank, "score": score, "fallback": fallback, "reason": reason}
        for rank, (key, score, fallback, reason) in enumerate(columns, 1)
    ]
    about = {"version": shown.version, "arm": shown.arm, "exposure_id": shown.exposure_id}
    unknown = {"unknown_user": listed.unknown_user, "unknown_items": listed.unknown_items}
    return {"user_id": question.user_id, "items": items, **about, **unknown}


def _neighbours(found: Sequence[tuple[Id, float]], version: str) -> dict[str, object]:
    items = [{"item_id": key, "rank": rank, "similarity": value} for rank, (key, value) in enumerate(found, 1)]
    return {"items": items, "version": version}
