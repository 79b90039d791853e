"""The explorer: what the page asks for, of the served model and of one that it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recsys import __version__
from recsys.errors import DataError
from recsys.retrieval.rules.options import RuleOptions
from recsys.service.explorer.catalogue import Json
from recsys.service.explorer.documents import Documents
from recsys.service.explorer.flat_map import colour_columns, groups
from recsys.service.explorer.pair import Asked, Pair, Shown, popularity
from recsys.service.explorer.posters import poster
from recsys.service.live_histories import LiveHistories
from recsys.service.model import ServedModel

_HISTORY = 60
"""Items of a history that the page shows."""


@dataclass(frozen=True)
class Around:
    """What an explorer has beside its models.

    Args:
        images: the folder that image columns are relative to; None shows no images.
        documents: of the run that the page links, such as its report.
        most_k: the longest list.
        rules: of the config, which lists keep until a person moves a control; None has no config.
        tables: pretrained table -> what made it, such as ``texts by sentence``.
    """

    images: Path | None = None
    documents: Documents = field(default_factory=Documents)
    most_k: int = 50
    rules: RuleOptions | None = None
    tables: Mapping[str, str] = field(default_factory=dict)


class Explorer:
    """Answers the page with plain JSON values; every id in them is a text.

    Args:
        served: returns the model that is served now.
        live: events that extend histories.
        compared: returns the other model; None is popularity, counted from the data of the served one.
        around: images and documents.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> from recsys.engines.baselines.ease import EASE
        >>> from recsys.registry.bundle import Bundle
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
        compared: Callable[[], ServedModel] | None = None,
        around: Around | None = None,
    ) -> None:
        self.around = around or Around()
        self._served, self._live = served, live
        self._compared = compared
        self._made: tuple[tuple[ServedModel, ServedModel | None], Pair] | None = None

    def pair(self) -> Pair:
        """The served model and the one beside it; what belongs to a model is made anew where it is another one."""
        model, other = models = self._served(), None if self._compared is None else self._compared()
        made = self._made
        if made is None or made[0] != models:
            known = {} if made is None else {each.model: each for each in made[1].shown}
            served = known.get(model) or Shown(model, self.around.tables)
            beside = popularity(model) if other is None else known.get(other) or Shown(other, self.around.tables)
            made = self._made = models, Pair(served, beside, self.around.rules or RuleOptions())
        return made[1]

    def warm(self) -> None:
        """Computes what a first question would wait for: the neighbours of both models, and the map."""
        pair = self.pair()
        for each in pair.shown:
            _ = each.vectors, each.rule_lists
        _ = pair.controls, pair.embeddings
        self.map(None)

    def about(self) -> Json:
        """Models, data and columns."""
        pair = self.pair()
        data, catalogue = pair.served.model.data, pair.served.catalogue
        columns = {"columns": catalogue.columns, "colours": colour_columns(catalogue)}
        models = [{**each.about(), "embeddings": each.embeddings.about()} for each in pair.shown]
        sizes = {"users": data.n_users, "items": data.n_items, "interactions": len(data.interactions)}
        images = self.around.images is not None and catalogue.image_column is not None
        about: Json = {"data": data.name, "models": models, "recsys": __version__, "images": images}
        start: Json = {"controls": pair.controls.about(), "configured": self.around.rules is not None}
        run: Json = {"documents": list(self.around.documents.found()), "most_k": self.around.most_k}
        return about | columns | sizes | start | run | {"side_by_side": pair.side_by_side}

    def find_users(self, text: str, most: int) -> Json:
        """Users by a part of the id."""
        catalogue = self.pair().served.catalogue
        return {"users": [catalogue.user_card(row) for row in catalogue.find_users(text, most)]}

    def find_items(self, text: str, most: int) -> Json:
        """Items by words of the title, or the id."""
        catalogue = self.pair().served.catalogue
        return {"items": [catalogue.card(row) for row in catalogue.find_items(text, most)]}

    def lists(self, asked: Asked) -> Json:
        """The history, and the list of each model.

        Raises:
            DataError: an id of a user is no integer, and those of the data are; or a control cannot have the value.
        """
        pair = self.pair()
        served, chosen = pair.served, pair.controls.chosen(asked.rules)
        question, catalogue = served.question(asked), served.catalogue
        request = served.model.request(question, self._live)
        row = -1 if asked.user is None else catalogue.data.users.vocabulary.row(catalogue.user_id(asked.user))
        history = catalogue.history(request.histories, _HISTORY)
        lists = [each.listed(asked, chosen, self._live) for each in pair.shown]
        user = None if row < 0 else catalogue.user_card(row)
        return {"user": user, "history": history, "history_size": len(request.histories.items), "lists": lists}

    def similar(self, item: str, k: int, by: Sequence[str] = ()) -> Json:
        """An item and its neighbours by some embeddings of the models.

        Args:
            item: an id as text.
            k: neighbours by each.
            by: of `Pair.embeddings`; none takes `Pair.side_by_side`.

        Raises:
            DataError: there is no such item, or no such embedding.
        """
        pair = self.pair()
        card = pair.served.catalogue.card(pair.served.catalogue.item_row(item))
        for key in by:
            if key not in pair.embeddings:
                known = ", ".join(pair.embeddings) or "none"
                raise DataError(f"the models have no embedding {ascii(key)[:80]}; they have: {known}")
        lists = []
        for key in by or pair.side_by_side:
            shown, embedding = pair.embeddings[key]
            lists.append({"by": key, **shown.similar(item, embedding, k)})
        return {"item": card, "lists": lists}

    def map(self, column: str | None) -> Json:
        """The map of the served model, and the groups of a column; None is the first that can colour it."""
        served = self.pair().served
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
        catalogue = self.pair().served.catalogue
        column, row = catalogue.image_column, catalogue.item_row(item)
        if self.around.images is None or column is None:
            return None
        cell = catalogue.data.items.columns[column].iat[row]
        return poster(self.around.images / cell, width) if isinstance(cell, str) and cell else None
