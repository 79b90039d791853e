"""Quality of pretrained item tables: neighbourhoods, isotropy, next-item recall and word vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TypeAlias

import numpy as np

from recsys.content.columns import row_tags
from recsys.content.text.texts import row_texts
from recsys.content.text.words import words
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.schema import Kind
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.partition import Split
from recsys.embedding_table import EmbeddingTable
from recsys.engines.baselines.content_knn import ContentKNN
from recsys.evaluation.embeddings.quality import embedding_quality
from recsys.evaluation.embeddings.word_quality import word_quality
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.intervals import bootstrap_interval
from recsys.experiment.attribution import sampled
from recsys.json_values import JsonMapping

Tags: TypeAlias = list[list[str]]
Quality: TypeAlias = dict[str, object]
"""The metrics of one table as JSON values; in a report, the values of ``embeddings``."""


@dataclass(frozen=True)
class WordTable:
    """The word vectors of an embedder and the item columns that it reads.

    Args:
        vectors: the vector of each word.
        columns: item columns; empty means all text columns.
    """

    vectors: EmbeddingTable
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class QualityOptions:
    """Options of `table_quality`.

    Args:
        attribute: the tags or categorical item column whose agreement between neighbours is computed; None is the
            first such column in which two items have a value in common.
        items: the number of random items whose neighbours are computed, at most.
        users: the number of random validation users that are evaluated, at most.
        k: length of the lists of next-item recall.
        seed: of the samples of items and users and the bootstrap samples.
    """

    attribute: str | None = None
    items: int = 2000
    users: int = 2000
    k: int = 20
    seed: int = 0


def table_quality(
    tables: Mapping[str, EmbeddingTable],
    data: Dataset,
    split: Split,
    options: QualityOptions,
    word_tables: Mapping[str, WordTable],
) -> dict[str, Quality]:
    """The quality of each table; next-item recall is that of the validation users.

    Args:
        tables: name -> table; tables without items are left out of the result.
        data: the dataset.
        split: its train part gives the histories, and its validation part the targets.
        options: sample sizes and list length.
        word_tables: name -> word vectors, of those tables whose embedder has some.

    Returns:
        Name -> metrics.
    """
    tables = {name: table for name, table in tables.items() if len(table.vocabulary)}
    if not tables:  # none, or such as were made from an image column whose files are all missing
        return {}
    column = options.attribute or shared_attribute(data.items)
    tags = row_tags(data.items, column) if column is not None else [[] for _ in range(data.n_items)]
    holdout = sampled(split.validation, options.users, options.seed)
    metric, next_items = f"recall@{options.k}", continuations(split.validation)
    found: dict[str, Quality] = {}
    for name, table in tables.items():
        engine = ContentKNN(table=table, centred=True).fit(data, split.train, seed=options.seed)
        result = evaluate(engine, data, holdout, ks=(options.k,))
        quality = embedding_quality(table, data.items.vocabulary, tags, next_items, options.seed, sample=options.items)
        found[name] = {
            "items": len(table.vocabulary),
            "dim": table.dim,
            "attribute": column,
            **asdict(quality),
            "next_item": {"metric": metric, **asdict(bootstrap_interval(result.values[metric]))},
            **_text_to_image(table),
            **_words(word_tables.get(name), data.items, tags, options.seed),
        }
    return found


def shared_attribute(items: EntityTable) -> str | None:
    """The first tags column, or else categorical column, in which two items have a value in common; None if none."""
    names = [*items.schema.names(Kind.TAGS), *items.schema.names(Kind.CATEGORICAL)]
    return next((name for name in names if _in_common(row_tags(items, name))), None)


def _in_common(tags: Tags) -> bool:
    carried = [tag for own in tags for tag in set(own)]
    return len(set(carried)) < len(carried)


def continuations(holdout: Holdout) -> Interactions:
    """For each user of ``holdout``, a sequence of the last item of the history and then the targets, in order."""
    history, targets = holdout.history, holdout.targets
    ends = np.searchsorted(history.user, np.asarray(holdout.users, np.int32), "right")
    begun = ends > np.searchsorted(history.user, np.asarray(holdout.users, np.int32))
    last = history.select(ends[begun] - 1)
    order = np.concatenate([np.zeros(len(last), np.int64), 1 + np.arange(len(targets))])
    users, items = (np.concatenate(parts) for parts in ((last.user, targets.user), (last.item, targets.item)))
    return Interactions.of(users, items, order)


def _text_to_image(table: EmbeddingTable) -> Quality:
    """The text-to-image retrieval metrics that an aligned embedder computed in training, on held-out pairs."""
    metrics = table.provenance.get("held_out")
    return {} if metrics is None else {"text_to_image": metrics}


def _words(table: WordTable | None, items: EntityTable, tags: Tags, seed: int) -> Quality:
    if table is None:
        return {}
    texts = [words(text or "") for text in row_texts(items, table.columns)]
    return {"words": asdict(word_quality(table.vectors, texts, tags, seed))}


def quality_table(found: Mapping[str, JsonMapping]) -> str:
    """The result of `table_quality` as a text table with one row for each item table."""
    metric = next(iter(found.values()))["next_item"]["metric"]
    head = ["items", "dim", "agree", "recall@1", "R-prec", "align", "uniform", metric]
    width = max(len("table"), *map(len, found))
    lines = [f"{'table':<{width}}" + "".join(f"{name:>10}" for name in head)]
    for name, row in found.items():
        keys = ("agreement", "recall_at_1", "r_precision", "alignment", "uniformity")
        cells = [str(row["items"]), str(row["dim"]), *(_cell(row[key]) for key in keys)]
        lines.append(f"{name:<{width}}" + "".join(f"{cell:>10}" for cell in [*cells, _cell(row["next_item"]["value"])]))
    return "\n".join(lines)


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
