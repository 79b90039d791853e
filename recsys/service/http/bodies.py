"""Bodies of requests: strict types, limits, and an example of each; unknown fields are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr

from recsys.data.moment import Moment
from recsys.service.questions import Question

_INTEGER = Annotated[StrictInt, Field(ge=-(2**63), le=2**63 - 1)]
_TEXT = Annotated[StrictStr, Field(min_length=1, max_length=512)]
BodyId = _INTEGER | _TEXT
"""An id as the data has it: an integer, or a text."""

_Number = Annotated[StrictFloat, Field(allow_inf_nan=False)]
_Cell = _INTEGER | _Number | StrictBool | Annotated[StrictStr, Field(max_length=4096)]
_Cells = Annotated[dict[_TEXT, _Cell | list[_Cell] | None], Field(max_length=200)]
_Length = Annotated[StrictInt, Field(ge=1)]
_Ids = list[BodyId]
_EVENT = Annotated[StrictStr, Field(min_length=1, max_length=64)]
_TIME = Annotated[Moment, Field(ge=-(2**62), le=2**62)]
_EVENT_ID = Annotated[StrictStr, Field(min_length=1, max_length=64)]


class Body(BaseModel):
    """A body that refuses fields it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class UserBody(Body):
    """A user: of the data by id, or anybody by history or by user columns.

    Args:
        user_id: of a user; one whom the data does not have is answered by the fallback, or by history and columns.
        history: ids of items, oldest first, in place of the history that is known.
        history_events: the type of each event of ``history``, which means and weighs what the config that is served
            says; without them all are likes.
        history_times: the time of each event of ``history``, which says their order; those from ``at`` on do not count.
            Without them the events are a second apart, and the last is as new as the data.
        columns: cells of user columns, in place of those that are known.
        at: the time of the recommendation: seconds since 1970 or ISO text; later parts of a known history do not count,
            and a given one ends before it.
    """

    user_id: BodyId | None = None
    history: _Ids | None = None
    history_events: list[_EVENT] | None = None
    history_times: list[_TIME] | None = None
    columns: _Cells = Field(default_factory=dict)
    at: _TIME | None = None

    model_config = ConfigDict(json_schema_extra={"examples": [{"user_id": 42}, {"history": [50, 181]}]})

    def question(self) -> Question:
        """The question to a model."""
        return Question(
            self.user_id,
            self.history,
            self.columns,
            at=self.at,
            history_events=self.history_events,
            history_times=self.history_times,
        )


class RecommendBody(UserBody):
    """A user, and what the list may hold.

    Args:
        k: the length of the list.
        filter_seen: whether items of the history are left out; by default as the config that is served says.
        candidates: the only items that may be listed; under rules the reason ``candidates``.
        exclude: items that are not listed; under rules the reason ``exclusions`` of those that take their places.
    """

    k: _Length = 10
    filter_seen: StrictBool | None = None
    candidates: _Ids | None = None
    exclude: _Ids = []

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"user_id": 42, "k": 10},
                {"history": [50, 181, 174], "k": 5, "exclude": [172]},
                {"history": [50, 181], "history_events": ["click", "unlike"], "history_times": [100, 200], "k": 5},
                {"columns": {"age": 31}, "candidates": [50, 181, 258], "k": 3},
            ]
        }
    )

    def question(self) -> Question:
        """The question to a model."""
        asked = super().question()
        return replace(asked, k=self.k, filter_seen=self.filter_seen, candidates=self.candidates, exclude=self.exclude)


class BatchBody(Body):
    """Several users at once.

    Args:
        requests: each as a request of its own.
    """

    requests: Annotated[list[RecommendBody], Field(min_length=1)]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"requests": [{"user_id": 42, "k": 5}, {"history": [50, 181], "k": 5}]}]}
    )


class SimilarBody(Body):
    """An item whose neighbours are asked for.

    Args:
        item_id: of the item.
        k: how many.
        candidates: the only items that may be listed.
        exclude: items that are not listed.
    """

    item_id: BodyId
    k: _Length = 10
    candidates: _Ids | None = None
    exclude: _Ids = []

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"item_id": 50, "k": 5}, {"item_id": 50, "exclude": [172]}]}
    )


class SearchBody(Body):
    """A text to which items are compared.

    Args:
        text: any text.
        k: how many.
    """

    text: Annotated[StrictStr, Field(min_length=1, max_length=2000)]
    k: _Length = 10

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "a robot learns to love", "k": 5}]})


class ItemsBody(Body):
    """Items whose vectors are asked for.

    Args:
        item_ids: of the items.
    """

    item_ids: Annotated[_Ids, Field(min_length=1)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"item_ids": [50, 181]}]})


class UsersBody(Body):
    """Users whose vectors are asked for.

    Args:
        users: each by id, history or columns.
    """

    users: Annotated[list[UserBody], Field(min_length=1)]

    model_config = ConfigDict(json_schema_extra={"examples": [{"users": [{"user_id": 42}, {"history": [50, 181]}]}]})


class EventBody(Body):
    """A user did something with an item.

    Args:
        user_id: of the user, who may be new.
        item_id: of the item, which may be new.
        event: its type, as the config that is served names it; a dislike or a removal takes the item out of the user's
            lists. Where the config names none, the name of the type says whether it is one.
        event_id: an id of your own: an event that is sent twice counts once. Without it each is a new event.
        time: seconds since 1970 or ISO text; now where it is left out.
        weight: above 0.
        exposure_id: that of the list in which the item stood.
    """

    user_id: BodyId
    item_id: BodyId
    event: _EVENT = "click"
    event_id: _EVENT_ID | None = None
    time: Annotated[Moment, Field(ge=0, le=10**11)] | None = None
    weight: Annotated[float, Field(gt=0, le=1e6, strict=True, allow_inf_nan=False)] = 1.0
    exposure_id: _EVENT_ID | None = None


class FeedbackBody(Body):
    """Events; they are on the disk when the answer comes, and count in the next list of the user.

    Args:
        events: in any order.
    """

    events: Annotated[list[EventBody], Field(min_length=1)]

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"events": [{"user_id": 42, "item_id": 50, "event_id": "c-1"}]}]}
    )
