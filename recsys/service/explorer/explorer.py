"""The explorer: what the page asks for, of the served model and of one that it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from recsys import __version__
from recsys.engines.baselines.popularity import Popularity
from recsys.errors import RecsysError
from recsys.registry.bundle import Bundle
from recsys.service.explorer.catalogue import Catalogue, Json
from recsys.service.explorer.flat_map import FlatMap, colour_columns, groups
from recsys.service.explorer.item_vectors import UnitVectors
from recsys.service.explorer.lists import Explained
from recsys.service.explorer.posters import poster
from recsys.service.live_histories import LiveHistories
from recsys.service.model import ServedModel
from recsys.service.questions import Question

_HISTORY = 60
"""Items of a history that the page shows."""


@dataclass(frozen=True)
class Around:
    """What an explorer has beside its models.

    Args:
        images: the folder that image columns are relative to; None shows no images.
        documents: name -> file of the run that the page links, such as its report.
        most_k: the longest list.
    """

    images: Path | None = None
    documents: Mapping[str, Path] = field(default_factory=dict)
    most_k: int = 50


@dataclass(frozen=True)
class Asked:
    """What the page asks for: the lists of a user, or of a history that was clicked together.

    Args:
        user: an id as text; None for a history.
        history: ids as texts, oldest first.
        k: the length of a list.
        diversity: see `recsys.service.explorer.lists.Explained.listed`.
    """

    user: str | None = None
    history: tuple[str, ...] = ()
    k: int = 10
    diversity: float = 0.0


class Shown:
    """One of the models that are shown, with all that does not depend on a question computed once."""

    def __init__(self, model: ServedModel) -> None:
        self.model, self.catalogue = model, Catalogue(model.data)

    @cached_property
    def vectors(self) -> UnitVectors:
        return UnitVectors(self.model.neighbours)

    @cached_property
    def flat_map(self) -> FlatMap:
        return FlatMap.of(self.vectors, self.catalogue)

    def about(self) -> Json:
        """Engine and version."""
        return {"engine": self.model.bundle.kind, "version": self.model.version}

    def question(self, asked: Asked) -> Question:
        """``asked`` with ids as the data has them.

        Raises:
            DataError: an id is no integer, and those of the data are.
        """
        if asked.user is not None:
            return Question(self.catalogue.user_id(asked.user), k=asked.k)
        return Question(history=[self.catalogue.item_id(key) for key in asked.history], k=asked.k)

    def listed(self, asked: Asked, live: LiveHistories) -> Json:
        """The list with its reasons, or the error."""
        try:
            items = Explained(self.model, self.catalogue, self.vectors).listed(
                self.question(asked), asked.diversity, live
            )
        except RecsysError as error:
            return {**self.about(), "items": [], "error": str(error)}
        return {**self.about(), "items": items, "error": None, "diversity": self.vectors.compares}

    def similar(self, item: str, k: int) -> Json:
        """The neighbours of an item, or the error."""
        try:
            if not self.vectors.compares:
                return {**self.about(), "items": [], "error": f"{self.model.bundle.kind} does not compare items"}
            row = self.catalogue.item_row(item)
            ids, similarity = self.model.similar(self.catalogue.item_id(item), k)
            self.catalogue.card(row)
        except RecsysError as error:
            return {**self.about(), "items": [], "error": str(error)}
        rows = [self.model.data.items.vocabulary.row(key) for key in ids]
        near = zip(rows, similarity, strict=True)
        return {**self.about(), "items": [{**self.catalogue.card(r), "similarity": s} for r, s in near], "error": None}


class Explorer:
    """Answers the page with plain JSON values; every id in them is a text.

    Args:
        served: returns the model that is served now.
        live: events that extend histories.
        compared: the other model; None is popularity, counted from the data of the served one.
        around: images and documents.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> data = BlockTaste(users=30).dataset()
        >>> model = ServedModel(Bundle(EASE().fit(data), data), version="ease/1")
        >>> found = Explorer(lambda: model, LiveHistories()).lists(Asked("u003", k=3))
        >>> [(each["engine"], len(each["items"])) for each in found["lists"]]
        [('ease', 3), ('popularity', 3)]
    """

    def __init__(
        self,
        served: Callable[[], ServedModel],
        live: LiveHistories,
        compared: ServedModel | None = None,
        around: Around | None = None,
    ) -> None:
        self.around = around or Around()
        self._served, self._live = served, live
        self._fixed = None if compared is None else Shown(compared)
        self._pair: tuple[Shown, Shown | None] | None = None

    def pair(self) -> tuple[Shown, Shown | None]:
        """The served model and the one beside it; made anew where another version is served."""
        model = self._served()
        if self._pair is None or self._pair[0].model is not model:
            self._pair = (Shown(model), self._fixed or _popularity(model))
        return self._pair

    def warm(self) -> None:
        """Computes what a first question would wait for: the neighbours of both models, and the map."""
        for each in self.pair():
            if each is not None:
                _ = each.vectors
        self.map(None)

    def about(self) -> Json:
        """Models, data and columns."""
        served, other = self.pair()
        data, catalogue = served.model.data, served.catalogue
        columns = {"columns": catalogue.columns, "colours": colour_columns(catalogue)}
        models = [each.about() for each in (served, other) if each is not None]
        sizes = {"users": data.n_users, "items": data.n_items, "interactions": len(data.interactions)}
        images = self.around.images is not None and catalogue.image_column is not None
        about: Json = {"data": data.name, "models": models, "recsys": __version__, "images": images}
        return about | columns | sizes | {"documents": sorted(self.around.documents), "most_k": self.around.most_k}

    def find_users(self, text: str, most: int) -> Json:
        """Users by a part of the id."""
        catalogue = self.pair()[0].catalogue
        return {"users": [catalogue.user_card(row) for row in catalogue.find_users(text, most)]}

    def find_items(self, text: str, most: int) -> Json:
        """Items by words of the title, or the id."""
        catalogue = self.pair()[0].catalogue
        return {"items": [catalogue.card(row) for row in catalogue.find_items(text, most)]}

    def lists(self, asked: Asked) -> Json:
        """The history, and the list of each model.

        Raises:
            DataError: an id of a user is no integer, and those of the data are.
        """
        served, other = self.pair()
        question, catalogue = served.question(asked), served.catalogue
        request = served.model.request(question, self._live)
        row = -1 if asked.user is None else catalogue.data.users.vocabulary.row(catalogue.user_id(asked.user))
        history = catalogue.history(request.histories, _HISTORY)
        lists = [each.listed(asked, self._live) for each in (served, other) if each is not None]
        user = None if row < 0 else catalogue.user_card(row)
        return {"user": user, "history": history, "history_size": len(request.histories.items), "lists": lists}

    def similar(self, item: str, k: int) -> Json:
        """An item and its neighbours by each model.

        Raises:
            DataError: there is no such item.
        """
        served, other = self.pair()
        card = served.catalogue.card(served.catalogue.item_row(item))
        return {"item": card, "lists": [each.similar(item, k) for each in (served, other) if each is not None]}

    def map(self, column: str | None) -> Json:
        """The map of the served model, and the groups of a column; None is the first that can colour it."""
        served, _ = self.pair()
        catalogue, found = served.catalogue, served.flat_map
        colours = colour_columns(catalogue)
        chosen = column if column in colours else next(iter(colours), None)
        names, group = groups(catalogue, found.rows, chosen) if chosen else ([], [0] * len(found.rows))
        points = np.round(found.points, 4).tolist()
        ids = [str(key) for key in catalogue.data.items.vocabulary.ids[found.rows]]
        titles = [catalogue.titles[row] for row in found.rows]
        about: Json = {"points": points, "ids": ids, "titles": titles, "column": chosen}
        return about | {"names": names, "groups": group, "items": catalogue.data.n_items}

    def poster(self, item: str, width: int = 240) -> bytes | None:
        """The image of an item as a JPEG of at most ``width`` pixels; None without one.

        Raises:
            DataError: there is no such item.
        """
        catalogue = self.pair()[0].catalogue
        column, row = catalogue.image_column, catalogue.item_row(item)
        if self.around.images is None or column is None:
            return None
        cell = catalogue.data.items.columns[column].iat[row]
        return poster(self.around.images / cell, width) if isinstance(cell, str) and cell else None


def _popularity(model: ServedModel) -> Shown | None:
    if not len(model.data.interactions):
        return None
    bundle = Bundle(Popularity().fit(model.data), model.data)
    return Shown(ServedModel(bundle, version="popularity", rules=model.rules, filter_seen=model.filter_seen))
