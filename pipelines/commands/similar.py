"""similar: the items whose vectors have the highest cosine similarity with those of an item or a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.config import RunConfig
from pipelines.served_as import recommend_options
from pipelines.stages.pretrain import embedder_context, embedder_of, model_folder
from pipelines.stages.served_data import served_data
from pipelines.stages.which_model import asked_model
from pipelines.workspace import Workspace
from recsys.choices import did_you_mean
from recsys.content import Embedder, EmbedderConfig, EmbedderContext, Learner
from recsys.content.transforms.contrastive_alignment import ContrastiveAlignment
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.schema import Kind
from recsys.data.vocabulary import Rows, Vocabulary
from recsys.embedding_table import EmbeddingTable
from recsys.engine import Vectors
from recsys.errors import ConfigError, DataError
from recsys.ranking import check_finite
from recsys.registry.bundle import Bundle
from recsys.retrieval.retriever import similarity_vectors
from recsys.retrieval.rules.plan import RulePlan
from recsys.retrieval.similar import Neighbours, find_items, most_similar_to
from recsys.retrieval.similar_lists import options_for_items
from recsys.tracking import SilentTracker, one_line

_NAMED = 3
"""So many other items that match are named."""


def similar_items(
    config: RunConfig, workspace: Workspace, title: str, k: int, engine: str | None = None, alias: str | None = None
) -> str:
    """The ``k`` items that are most similar to an item, by the cosine of the model's vectors, one a line.

    They are of the items that the rules of ``[recommend]`` let through now; rules of single users are left out, which
    the first line says.

    Args:
        config: the run.
        workspace: the folder of the run.
        title: an id, a title or a part of a title, of any item.
        k: the number of items.
        engine: a name in ``[engines]``.
        alias: an alias or a version of the registered model; see `pipelines.stages.which_model.asked_model`.

    Raises:
        ConfigError: the run has no such engine, or ``recommend.where`` names columns of users.
        DataError: no item has that id or title, the model has no vector for it, or the rules leave no item.
        PromotionError: there is no such alias or version.
        ArtifactError: the engine has no bundle yet, or an item vector is NaN or infinite.
    """
    folder, version = asked_model(config, workspace, engine, alias)
    bundle, name = Bundle.load(folder), version.partition("@")[0]
    data = served_data(folder, version, workspace, SilentTracker()).data
    items = data.items
    met, told = _eligible(config, data)
    found, titles = find_items(items, title), items.titles()
    row = found[0]
    neighbours = Neighbours(similarity_vectors(bundle.engine, items))
    if not neighbours.has(row):
        raise DataError(
            f"{name} has no vector for {titles[row]!r}, which has no interaction in its training data; choose an "
            "engine that reads content with --engine"
        )
    rows, similarity = neighbours.of(row, k, met)
    key = one_line(str(items.vocabulary.ids[row]))
    heading = f"nearest to {one_line(titles[row])} (id {key}) by {name}:"
    return "\n".join([*told, *_others(items, found[1:]), _listing(heading, similarity, items, rows)])


def _eligible(config: RunConfig, data: Dataset) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Bool [I], the items that the rules of the run let through now, and a line about rules that are left out."""
    options, told = options_for_items(recommend_options(config))
    return RulePlan.of(data, options, options.rules, options.at).mask, told


def _others(items: EntityTable, rows: Sequence[int]) -> Iterator[str]:
    """A line about the other items that match, of which the first few are named; nothing where there are none."""
    if rows:
        keys, titles = items.vocabulary.ids, items.titles()
        named = ", ".join(f"{one_line(titles[row])} (id {one_line(str(keys[row]))})" for row in rows[:_NAMED])
        more = f", {len(rows) - _NAMED:,} more" if len(rows) > _NAMED else ""
        which = "1 other matches" if len(rows) == 1 else f"{len(rows):,} others match"
        yield f"the first of {len(rows) + 1:,} items that match is taken; {which}: {named}{more}; ask by the id"


def _listing(heading: str, similarity: NDArray[np.floating], items: EntityTable, rows: Rows) -> str:
    """The heading, and a line of similarity, id and title for each of ``rows``."""
    titles, keys = items.titles(), [one_line(str(key)) for key in items.vocabulary.ids[rows]]
    width = max(map(len, keys), default=0)
    lines = (
        f"{value:8.3f}  {key:{width}}" + (f"  {one_line(titles[row])}" if titles[row] != key else "")
        for value, key, row in zip(similarity, keys, rows, strict=True)
    )
    return "\n".join([heading, *(line.rstrip() for line in lines)])


def similar_to_text(
    config: RunConfig, workspace: Workspace, text: str, k: int, table: str | None, images: bool = False
) -> str:
    """The ``k`` items that are most similar to a free text in a table of content embeddings, one a line.

    They are of the items that the rules of ``[recommend]`` let through now, as those of `similar_items`.

    The text is embedded as the items are. A ``contrastive_alignment`` table has texts and images in one space, so there
    the text is compared with the images of the items too.

    Args:
        config: the run.
        workspace: the folder of the run.
        text: any text.
        k: the number of items.
        table: a name in ``[pretrain]``; None is the first of kind ``contrastive_alignment``, else of kind ``sentence``,
            else the first with an embedder.
        images: whether the text is compared with the images alone, and not with the texts of the items.

    Raises:
        ConfigError: the run has no such table made from content; or with ``images``, the table is not of kind
            ``contrastive_alignment``.
        DataError: the embedder has no vector for the text, such as one without any word of its vocabulary.
        ArtifactError: a vector of the table is NaN or infinite.
    """
    search = TextTable.load(config, workspace, table, images)
    items = search.items
    best, similarity = search.nearest(text, len(search.table.vocabulary))
    rows = items.vocabulary.rows(search.table.vocabulary.ids)[best]
    met, told = _eligible(config, workspace.load_dataset())
    kept = np.flatnonzero(met[rows])[:k]
    heading = f"nearest to the text by {'the images of ' * images}{search.name}:"
    return "\n".join([*told, _listing(heading, similarity[kept], items, rows[kept])])


@dataclass(frozen=True, eq=False)
class TextTable:
    """A table of content embeddings with its embedder, which items are compared with a text in.

    Args:
        name: in ``[pretrain]``.
        items: the catalogue.
        table: the vectors of items.
        embedder: the embedder that made it.
        context: what it uses beside the text.
    """

    name: str
    items: EntityTable
    table: EmbeddingTable
    embedder: Embedder[EmbedderConfig]
    context: EmbedderContext

    @classmethod
    def load(cls, config: RunConfig, workspace: Workspace, table: str | None = None, images: bool = False) -> TextTable:
        """The table ``table`` of a run; errors are those of `similar_to_text`."""
        name = table or text_table(config)
        if name not in config.pretrain or config.pretrain[name].embedder is None:
            made = [key for key, section in config.pretrain.items() if section.embedder is not None]
            raise ConfigError(
                f"{name!r} is not a table made from content{did_you_mean(name, made) or ';'} [pretrain] has {made}"
            )
        items = workspace.load_dataset().items
        found = EmbeddingTable.load(workspace.table(name))
        embedder, context = embedder_of(config, name), embedder_context(config, None, SilentTracker())
        if isinstance(embedder, Learner):
            embedder.restore(model_folder(workspace, name))
        if images:
            found = _image_side(embedder, context, name, items)
        check_finite(Vectors(found.vectors), found.vocabulary.ids, f"table {name}")
        return cls(name, items, found, embedder, context)

    def nearest(self, text: str, k: int) -> tuple[Rows, NDArray[np.float32]]:
        """The rows of the table that are nearest to ``text``, and their cosine similarities.

        Raises:
            DataError: the embedder has no vector for the text.
        """
        rows = _rows_with(self.items, self.embedder.config.columns, text)
        embedded = (self.embedder.embed(row, self.context).vectors for row in rows)
        query = next((vectors[0] for vectors in embedded if len(vectors)), None)
        if query is None:
            raise DataError(
                f"the embedder of {self.name!r} has no vector for the text {text!r}: it contains none of its words"
            )
        return most_similar_to(query, self.table.vectors, k)


def _image_side(
    embedder: Embedder[EmbedderConfig], context: EmbedderContext, name: str, items: EntityTable
) -> EmbeddingTable:
    if not isinstance(embedder, ContrastiveAlignment):
        raise ConfigError(
            f"--images needs a table in which texts and images are aligned; {name!r} is {embedder.kind!r}"
        )
    return embedder.one_side(items, Kind.IMAGE, context)


def text_table(config: RunConfig) -> str:
    """The run's aligned table, else its first sentence table, else the first table made from content."""
    made = {name: section.embedder for name, section in config.pretrain.items() if section.embedder is not None}
    for kind in ("contrastive_alignment", "sentence", *made.values()):
        for name, embedder in made.items():
            if embedder == kind:
                return name
    raise ConfigError("the run has no table made from content; add [pretrain.NAME] with an embedder")


def _rows_with(items: EntityTable, columns: tuple[str, ...], text: str) -> Iterator[EntityTable]:
    """For each text or categorical column, a table of one item that has ``text`` there and is missing elsewhere."""
    kinds = items.schema.columns
    for name in columns or items.schema.names(Kind.TEXT):
        if kinds[name].kind in (Kind.TEXT, Kind.CATEGORICAL):
            blank = {key: pd.Series([None]).astype(items.columns[key].dtype) for key in kinds}
            frame = pd.DataFrame(blank | {name: pd.Series([text], dtype="str")})
            yield EntityTable(Vocabulary(np.array(["the text"], object)), frame, items.schema)
