"""What each pretrained table of a run is worth by itself, for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from pipelines.commands.attribution import sampled
from pipelines.config import RunConfig
from pipelines.stages.pretrain import embedder_of, model_folder
from pipelines.workspace import Workspace
from recsys.content import HasWordVectors, Learner
from recsys.content.columns import row_tags
from recsys.content.text.texts import row_texts
from recsys.content.text.words import words
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.interactions import Interactions
from recsys.data.schema import Kind
from recsys.data.splits.split import Holdout, Split
from recsys.embedding_table import EmbeddingTable
from recsys.engines.baselines.content_knn import ContentKNN
from recsys.evaluation.embeddings.quality import embedding_quality
from recsys.evaluation.embeddings.word_quality import word_quality
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.intervals import bootstrap_interval

Tags = list[list[str]]


def table_quality(config: RunConfig, workspace: Workspace, data: Dataset, split: Split) -> dict[str, dict[str, Any]]:
    """Table -> what the README's schema says of ``embeddings``; a table without a single row is left out.

    Behaviour is that of validation, which no table has learnt from.
    """
    section = config.evaluate.embedding_quality
    column = section.attribute or attribute(data.items)
    tags = row_tags(data.items, column) if column is not None else [[] for _ in range(data.n_items)]
    asked = sampled(split.validation, section.users, config.seed)
    metric, coming = f"recall@{section.k}", continuations(split.validation)
    found = {}
    for name, table in workspace.load_tables(config.pretrain).items():
        if not len(table.vocabulary):  # such as a column of images without a single file
            continue
        engine = ContentKNN(table=table, centred=True).fit(data, split.train, seed=config.seed)
        answers = evaluate(engine, data, asked, ks=(section.k,))
        quality = embedding_quality(table, data.items.vocabulary, tags, coming, config.seed, sample=section.items)
        found[name] = {
            "items": len(table.vocabulary),
            "dim": table.dim,
            "attribute": column,
            **asdict(quality),
            "next_item": {"metric": metric, **asdict(bootstrap_interval(answers.values[metric]))},
            **_held_out(table),
            **_words(config, workspace, name, data.items, tags),
        }
    return found


def attribute(items: EntityTable) -> str | None:
    """The first column in which items have a tag in common: what neighbours are asked to agree in."""
    names = [*items.schema.names(Kind.TAGS), *items.schema.names(Kind.CATEGORICAL)]
    return next((name for name in names if _in_common(row_tags(items, name))), None)


def _in_common(tags: Tags) -> bool:
    carried = [tag for own in tags for tag in set(own)]
    return len(set(carried)) < len(carried)


def continuations(holdout: Holdout) -> Interactions:
    """The last item of each asked user's history, and then the targets."""
    history, targets = holdout.history, holdout.targets
    last = history.select(np.flatnonzero(np.diff(history.user, append=-1)))
    last = last.select(np.isin(last.user, holdout.users))
    order = np.concatenate([np.zeros(len(last), np.int64), 1 + np.arange(len(targets))])
    users, items = (np.concatenate(parts) for parts in ((last.user, targets.user), (last.item, targets.item)))
    return Interactions.of(users, items, order)


def quality_table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """For the terminal: a row a table."""
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


def _held_out(table: EmbeddingTable) -> dict[str, Any]:
    """What the embedder measured while it learnt, on pairs that it kept from itself."""
    measured = table.provenance.get("held_out")
    return {} if measured is None else {"text_to_image": measured}


def _words(config: RunConfig, workspace: Workspace, name: str, items: EntityTable, tags: Tags) -> dict[str, Any]:
    if config.pretrain[name].embedder is None:
        return {}
    embedder = embedder_of(config, name)
    if not (isinstance(embedder, HasWordVectors) and isinstance(embedder, Learner)):
        return {}
    embedder.restore(model_folder(workspace, name))
    texts = [words(text or "") for text in row_texts(items, embedder.config.columns)]
    return {"words": asdict(word_quality(embedder.word_vectors(), texts, tags, config.seed))}
