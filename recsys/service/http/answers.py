"""Answers, as OpenAPI shows them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from recsys.retrieval.recipients.asked import Id


class ListedItem(BaseModel):
    """One item of a list.

    Args:
        item_id: of the item.
        rank: from 1, best first.
        score: comparable within a list.
        fallback: whether it is of the fallback, the most popular items among users of the same columns.
        reason: the rules that it owes its place to, or ``score``; null without ``recommend.rules.reasons``.
    """

    item_id: Id
    rank: int
    score: float
    fallback: bool
    reason: str | None = None


class ListAnswer(BaseModel):
    """The list of one user.

    Args:
        user_id: as it was asked; null for an anonymous user.
        items: best first.
        version: of the model that made the list.
        arm: ``champion`` or ``challenger``.
        exposure_id: to be sent back with feedback, in an experiment.
        unknown_user: whether the model's data does not have the user.
        unknown_items: ids of the request that the data does not have; they were passed over.
    """

    user_id: Id | None
    items: list[ListedItem]
    version: str
    arm: str
    exposure_id: str | None
    unknown_user: bool
    unknown_items: list[Id]

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": 42,
                    "items": [{"item_id": 318, "rank": 1, "score": 6.88, "fallback": False, "reason": "boosts,caps"}],
                    "version": "movies/3",
                    "arm": "champion",
                    "exposure_id": None,
                    "unknown_user": False,
                    "unknown_items": [],
                }
            ]
        }
    )


class Problem(BaseModel):
    """What was wrong with a request.

    Args:
        code: a word for programs: ``invalid_request``, ``too_large``, ``unknown_field`` and the like.
        message: what was found, and what to do.
        where: the field, as ``requests.0.k``; empty where it is the whole request.
    """

    code: str
    message: str
    where: str = ""


class ErrorAnswer(BaseModel):
    """Every answer of 4xx and 5xx.

    Args:
        error: the first problem that was found.
    """

    error: Problem

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"error": {"code": "invalid_request", "message": "k is 0; give a whole number from 1", "where": "k"}}
            ]
        }
    )


class BatchAnswer(BaseModel):
    """A list, or an error, for each request, in order."""

    results: list[ListAnswer | ErrorAnswer]


class SimilarItem(BaseModel):
    """An item and its cosine similarity."""

    item_id: Id
    rank: int
    similarity: float


class SimilarAnswer(BaseModel):
    """The nearest items, highest similarity first."""

    items: list[SimilarItem]
    version: str

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [{"item_id": 172, "rank": 1, "similarity": 0.92}], "version": "movies/3"}]
        }
    )


class VectorsAnswer(BaseModel):
    """Vectors in the order of the request; null where the model has none."""

    vectors: list[list[float] | None]
    version: str

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"vectors": [[0.12, -0.5], None], "version": "movies/3"}]}
    )


class FeedbackAnswer(BaseModel):
    """What was recorded.

    Args:
        recorded: new events, which are on the disk.
        repeated: events that had been sent before.
        unknown_items: ids that the model does not have; they count once a model has them.
    """

    recorded: int
    repeated: int
    unknown_items: list[Id]

    model_config = ConfigDict(json_schema_extra={"examples": [{"recorded": 1, "repeated": 0, "unknown_items": []}]})


class HealthAnswer(BaseModel):
    """Whether the process lives."""

    status: str

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})


class VersionAnswer(BaseModel):
    """What is served.

    Args:
        recsys: the version of the library.
        models: slot (champion, challenger, shadow) -> version.
        refused: slot -> the version that its alias points to and why it is not served.
        engine: the kind of the champion.
        data: the name of its dataset.
    """

    recsys: str
    models: dict[str, str]
    refused: dict[str, str]
    engine: str
    data: str

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "recsys": "0.1.0",
                    "models": {"champion": "movies/3"},
                    "refused": {},
                    "engine": "two_tower",
                    "data": "movielens-100k",
                }
            ]
        }
    )
