"""similar: the items whose vectors point the way an item's does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from pipelines.config import RunConfig, check_engine
from pipelines.stages.pretrain import embedder_context, embedder_of, model_folder
from pipelines.workspace import Workspace
from recsys.choices import did_you_mean
from recsys.content import Embedder, EmbedderConfig, EmbedderContext, Learner
from recsys.content.transforms.contrastive_alignment import ContrastiveAlignment
from recsys.data.entities import EntityTable
from recsys.data.schema import Kind
from recsys.data.vocabulary import Vocabulary
from recsys.embedding_table import EmbeddingTable
from recsys.errors import ConfigError, DataError
from recsys.registry.bundle import Bundle
from recsys.retrieval.similar import cosine_to, find_item
from recsys.tracking import SilentTracker


def similar_items(config: RunConfig, workspace: Workspace, title: str, k: int, engine: str | None) -> str:
    """The item that ``title`` names and the ``k`` nearest to it by cosine, one a line.

    Raises:
        ConfigError: the run has no such engine.
        DataError: no item is called like that, or the engine does not place it.
        ArtifactError: the engine has no bundle yet.
    """
    name = engine or config.candidate
    check_engine(config, "--engine", name)
    bundle = Bundle.load(workspace.bundle(name))
    items = workspace.load_dataset().items
    row, shown = find_item(items, title), items.titles()
    vectors = bundle.engine.item_vectors(items)
    valid = np.ones(len(items), bool) if vectors.valid is None else vectors.valid
    if not valid[row]:
        raise DataError(
            f"{name} does not place {shown[row]!r}: training held no interaction of it; ask an engine that "
            "reads content with --engine"
        )
    similarity = cosine_to(vectors, row)
    similarity[~valid] = -np.inf
    similarity[row] = -np.inf
    best = np.argsort(-similarity, kind="stable")[: min(k, int(valid.sum()) - 1)]
    lines = [f"nearest to {shown[row]} by {name}:"]
    return "\n".join(lines + [f"{similarity[other]:8.3f}  {shown[other]}" for other in best])


def similar_to_text(
    config: RunConfig, workspace: Workspace, text: str, k: int, table: str | None, images: bool = False
) -> str:
    """The ``k`` items nearest to a free text in a table made from content, one a line.

    The text goes through the same embedder as the items; in a ``contrastive_alignment`` table it finds items by their
    images too.

    Args:
        config: the run.
        workspace: where its tables are.
        text: anything.
        k: how many.
        table: which one is asked; None takes the aligned one, else one of sentences, else the first made from content.
        images: compares with the items' images alone, so that what is written about them does not count.

    Raises:
        ConfigError: no table of the run is made from texts, or with ``images``, it is not aligned.
        DataError: the embedder finds nothing in the text, such as words it knows.
    """
    name = table or _text_table(config)
    if name not in config.pretrain or config.pretrain[name].embedder is None:
        made = [key for key, section in config.pretrain.items() if section.embedder is not None]
        raise ConfigError(
            f"{name!r} is no table made from content{did_you_mean(name, made) or ';'} [pretrain] has {made}"
        )
    items = workspace.load_dataset().items
    found = EmbeddingTable.load(workspace.table(name))
    embedder, context = embedder_of(config, name), embedder_context(config, None, SilentTracker())
    if isinstance(embedder, Learner):
        embedder.restore(model_folder(workspace, name))
    asked = (embedder.embed(row, context).vectors for row in _asked(items, embedder.config.columns, text))
    query = next((vectors[0] for vectors in asked if len(vectors)), None)
    if query is None:
        raise DataError(f"the embedder of {name!r} finds nothing in the text {text!r}")
    if images:
        found = _image_side(embedder, context, name, items)
    length = np.linalg.norm(found.vectors, axis=1) * np.linalg.norm(query)
    similarity = found.vectors @ query / np.maximum(length, 1e-12)
    best = np.argsort(-similarity, kind="stable")[:k]
    shown = items.titles()
    rows = items.vocabulary.rows(found.vocabulary.ids)
    lines = [f"nearest to the text by {'the images of ' * images}{name}:"]
    return "\n".join(lines + [f"{similarity[place]:8.3f}  {shown[rows[place]]}" for place in best])


def _image_side(
    embedder: Embedder[EmbedderConfig], context: EmbedderContext, name: str, items: EntityTable
) -> EmbeddingTable:
    if not isinstance(embedder, ContrastiveAlignment):
        raise ConfigError(
            f"--images needs a table in which texts and images are aligned; {name!r} is {embedder.kind!r}"
        )
    return embedder.one_side(items, Kind.IMAGE, context)


def _text_table(config: RunConfig) -> str:
    """The run's aligned table, else its first sentence table, else the first table made from content."""
    made = {name: section.embedder for name, section in config.pretrain.items() if section.embedder is not None}
    for kind in ("contrastive_alignment", "sentence", *made.values()):
        for name, embedder in made.items():
            if embedder == kind:
                return name
    raise ConfigError("the run has no table made from content; add [pretrain.NAME] with an embedder")


def _asked(items: EntityTable, columns: tuple[str, ...], text: str) -> Iterator[EntityTable]:
    """One row with the columns of ``items``, all missing but one that can hold ``text``: one table for each such."""
    kinds = items.schema.columns
    for name in columns or items.schema.names(Kind.TEXT):
        if kinds[name].kind in (Kind.TEXT, Kind.CATEGORICAL):
            blank = {key: pd.Series([None]).astype(items.columns[key].dtype) for key in kinds}
            frame = pd.DataFrame(blank | {name: pd.Series([text], dtype="str")})
            yield EntityTable(Vocabulary(np.array(["the text"], object)), frame, items.schema)
