"""The quality of pretrained item tables by themselves: neighbourhoods, isotropy, next-item recall and word vectors."""

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
"""JSON values; the README's schema has them as ``embeddings``."""


@dataclass(frozen=True)
class WordTable:
    """The word vectors of an embedder and the item columns that it reads.

    Args:
        vectors: a vector a word.
        columns: item columns; none takes all text columns.
    """

    vectors: EmbeddingTable
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class QualityOptions:
    """How tables are measured.

    Args:
        attribute: a tags or categorical item column that neighbours should agree in; None takes the first that can.
        items: at most so many random items are looked up.
        users: at most so many random validation users are evaluated.
        k: length of their lists.
        seed: draws items, users and bootstrap samples.
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
    """The quality of each table, measured on the validation users, which no table has learnt from.

    Args:
        tables: by name; an empty one is left out of the result.
        data: the dataset.
        split: its validation part is evaluated.
        options: samples and lengths.
        word_tables: the word vectors behind some of ``tables``, by the same names.
    """
    column = options.attribute or shared_attribute(data.items)
    tags = row_tags(data.items, column) if column is not None else [[] for _ in range(data.n_items)]
    holdout = sampled(split.validation, options.users, options.seed)
    metric, next_items = f"recall@{options.k}", continuations(split.validation)
    found: dict[str, Quality] = {}
    for name, table in tables.items():
        if not len(table.vocabulary):  # such as a column of images without a single file
            continue
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
    """The first tags column, or else categorical column, in which two items have a tag in common."""
    names = [*items.schema.names(Kind.TAGS), *items.schema.names(Kind.CATEGORICAL)]
    return next((name for name in names if _in_common(row_tags(items, name))), None)


def _in_common(tags: Tags) -> bool:
    carried = [tag for own in tags for tag in set(own)]
    return len(set(carried)) < len(carried)


def continuations(holdout: Holdout) -> Interactions:
    """The last item of each evaluation user's history, followed by the targets."""
    history, targets = holdout.history, holdout.targets
    last = history.select(np.flatnonzero(np.diff(history.user, append=-1)))
    last = last.select(np.isin(last.user, holdout.users))
    order = np.concatenate([np.zeros(len(last), np.int64), 1 + np.arange(len(targets))])
    users, items = (np.concatenate(parts) for parts in ((last.user, targets.user), (last.item, targets.item)))
    return Interactions.of(users, items, order)


def _text_to_image(table: EmbeddingTable) -> Quality:
    """What the embedder measured in training, on pairs held out from it."""
    measured = table.provenance.get("held_out")
    return {} if measured is None else {"text_to_image": measured}


def _words(table: WordTable | None, items: EntityTable, tags: Tags, seed: int) -> Quality:
    if table is None:
        return {}
    texts = [words(text or "") for text in row_texts(items, table.columns)]
    return {"words": asdict(word_quality(table.vectors, texts, tags, seed))}


def quality_table(found: Mapping[str, JsonMapping]) -> str:
    """What `table_quality` found, as text: a row a table."""
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
