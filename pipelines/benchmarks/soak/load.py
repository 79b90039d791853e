"""An open-loop client: it sends at a fixed rate whether or not it is answered, and checks what it is answered."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TypedDict

from pipelines.benchmarks.soak.world import POOL, Expected, Items, K, World
from recsys.retrieval.recipients.asked import Id
from recsys.service.live_histories import FeedbackEvent

Body = dict[str, object]


class Listed(TypedDict):
    """An item of a list."""

    item_id: Id


class Found(TypedDict, total=False):
    """What is read of the answers of all routes."""

    version: str
    items: list[Listed]
    results: list[Found]
    recorded: int
    repeated: int


_IDLE_SECONDS, _PATIENCE = 3.0, 30.0
_KINDS = {"known": 45, "history": 15, "batch": 5, "similar": 15, "own": 10, "feedback": 10}
"""What is asked, in per cent; *own* is the list of a user who sends feedback."""


@dataclass(frozen=True)
class Failed:
    """A request without an answer of 200.

    Args:
        sent: when.
        ended: when it was known.
        what: happened.
    """

    sent: float
    ended: float
    what: str


@dataclass(frozen=True)
class Answered:
    """An answer that names a version: when it was sent and came."""

    version: str
    sent: float
    came: float


@dataclass(eq=False)
class Person:
    """A user who sends feedback, one request at a time.

    Args:
        user: the id.
        dislikes: whether some of the events are dislikes.
        events: that were acknowledged, in this order.
        lists: version, number of events before it and items of each list.
        busy: a request is on its way.
    """

    user: Id
    dislikes: bool
    events: list[FeedbackEvent] = field(default_factory=list)
    lists: list[tuple[str, int, Items]] = field(default_factory=list)
    busy: bool = False


class Client:
    """Sends and checks.

    Args:
        world: what is served.
        port: where.
        rng: of what is asked.
    """

    def __init__(self, world: World, port: int, rng: random.Random) -> None:
        self.world, self._port, self._rng = world, port, rng
        users = world.data.users.vocabulary.ids.tolist()
        n = min(100, len(users) // 4)
        self.people = [Person(user, number % 5 == 0) for number, user in enumerate(users[:n])]
        self._others, self._items = users[n:], world.data.items.vocabulary.ids.tolist()
        self._free: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._events, self._began = 0, int(time.time())
        self.seconds: list[tuple[float, float]] = []
        self.asked, self.repeats = Counter[str](), 0
        self.failed: list[Failed] = []
        self.answered: list[Answered] = []
        self.faults: list[str] = []

    async def run(self, rate: float, seconds: float) -> None:
        """Sends ``rate`` requests a second."""
        begin, tasks = time.monotonic(), set[asyncio.Task[None]]()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, begin + number / rate - time.monotonic()))
            task = asyncio.create_task(self._one())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def finish(self) -> None:
        """The lists of all people, one after the other."""
        for person in self.people:
            await self._own(person)

    async def _one(self) -> None:
        kind = self._rng.choices(list(_KINDS), list(_KINDS.values()))[0]
        idle = [person for person in self.people if not person.busy]
        if kind in ("own", "feedback") and not idle:
            kind = "known"
        self.asked[kind] += 1
        try:
            if kind in ("own", "feedback"):
                person = self._rng.choice(idle)
                person.busy = True
                await (self._own(person) if kind == "own" else self._feedback(person))
                person.busy = False
            else:
                await getattr(self, f"_{kind}")()
        except Exception as error:  # an answer that cannot be read is a fault of the service, and the run goes on
            self.faults.append(f"{kind}: {type(error).__name__} {error}")

    async def _known(self) -> None:
        user = self._rng.choice(self._others)
        if found := await self._post("/recommend", {"user_id": user, "k": K}):
            self._check(f"user {user}", found, self._expected(found).known[user])

    async def _history(self) -> None:
        number = self._rng.randrange(POOL)
        if found := await self._post("/recommend", {"history": self.world.histories[number], "k": K}):
            self._check(f"history {number}", found, self._expected(found).histories[number])

    async def _batch(self) -> None:
        users = self._rng.sample(self._others, 8)
        found = await self._post("/recommend/batch", {"requests": [{"user_id": user, "k": K} for user in users]})
        for user, each in zip(users, found["results"] if found else (), strict=bool(found)):
            self._check(f"user {user} of a batch", each, self._expected(each).known[user])

    async def _similar(self) -> None:
        item = self._rng.choice(self._items[:POOL])
        if found := await self._post("/similar", {"item_id": item, "k": K}):
            self._check(f"similar to {item}", found, self._expected(found).similar[item])

    async def _own(self, person: Person) -> None:
        """The list of somebody who sent feedback: without what was consumed; it is compared with the model's later."""
        if found := await self._post("/recommend", {"user_id": person.user, "k": K}):
            items = _items(found)
            person.lists.append((found["version"], len(person.events), items))
            if again := {event.item_id for event in person.events} & set(items):
                self.faults.append(f"user {person.user} is given {again} again after feedback on it")

    async def _feedback(self, person: Person) -> None:
        """An event about an item that was listed, or about any; it is sent until it is acknowledged."""
        had = {event.item_id for event in person.events}
        listed = [item for item in (person.lists[-1][2] if person.lists else ()) if item not in had]
        item = self._rng.choice(listed or self._items)
        self._events += 1
        kind = "dislike" if person.dislikes and self._rng.random() < 0.3 else "click"
        event = FeedbackEvent(f"e{self._events}", person.user, item, kind, self._began + self._events)
        names = ("event_id", "user_id", "item_id", "event", "time")
        body: Body = {"events": [{name: getattr(event, name) for name in names}]}
        while (found := await self._post("/feedback", body)) is None:
            self.repeats += 1
            await asyncio.sleep(0.25)
        if found["recorded"] + found["repeated"] != 1:
            self.faults.append(f"event {event.event_id} was answered with {found}")
        person.events.append(event)
        if self._rng.random() < 0.1:  # once more, although it was acknowledged
            found = await self._post("/feedback", body)
            if found and (found["recorded"], found["repeated"]) != (0, 1):
                self.faults.append(f"event {event.event_id} was forgotten or doubled: {found}")

    def _expected(self, found: Found) -> Expected:
        return self.world.expected[found["version"]]

    def _check(self, what: str, found: Found, expected: Items) -> None:
        if _items(found) != expected:
            self.faults.append(f"{what} by {found['version']}: {_items(found)}, and it gives {expected}")

    async def _post(self, route: str, body: Body) -> Found | None:
        """The answer; None where there was none, which is noted."""
        sent = time.monotonic()
        try:
            status, answer = await asyncio.wait_for(self._exchange(route, json.dumps(body).encode()), _PATIENCE)
        except (OSError, EOFError, TimeoutError) as error:
            self.failed.append(Failed(sent, time.monotonic(), type(error).__name__))
            while self._free:  # they are of a process that is gone
                self._free.pop()[2].close()
            return None
        came = time.monotonic()
        if status != 200:
            self.failed.append(Failed(sent, came, f"{status} {answer[:200]!r}"))
            return None
        found: Found = json.loads(answer)
        self.seconds.append((came, came - sent))
        versions = {each["version"] for each in found.get("results", [found]) if "version" in each}
        self.answered += [Answered(version, sent, came) for version in versions]
        return found

    async def _exchange(self, route: str, body: bytes) -> tuple[int, bytes]:
        reader, writer = await self._connection()
        try:
            writer.write(_HEAD % (route.encode(), len(body)) + body)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head)
            assert length is not None, head
            answer = await reader.readexactly(int(length[1]))
        except BaseException:
            writer.close()
            raise
        self._free.append((time.monotonic(), reader, writer))
        return int(head.split(b" ", 2)[1]), answer

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One that was used just now, for the service closes those that idle for 5 s; or a new one."""
        while self._free:
            used, reader, writer = self._free.pop()
            if time.monotonic() - used < _IDLE_SECONDS:
                return reader, writer
            writer.close()
        return await asyncio.open_connection("127.0.0.1", self._port)


_HEAD = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def _items(found: Found) -> Items:
    return tuple(each["item_id"] for each in found["items"])
