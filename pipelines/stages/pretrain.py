"""pretrain: tables of item embeddings, learnt by engines or made from content by embedders.

What is learnt from behaviour comes from an earlier slice than the towers learn from.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.config import RunConfig
from pipelines.specs import pretrain_spec
from pipelines.workspace import ENGINE_CODE, Workspace, code_version, digest
from recsys.atomic import claim, write_json
from recsys.content import EMBEDDERS, Embedder, EmbedderConfig, EmbedderContext, Learner
from recsys.data.dataset import Dataset
from recsys.data.entities import EntityTable
from recsys.data.ingest.files import file_fingerprint
from recsys.data.interactions import Interactions
from recsys.data.schema import Kind
from recsys.data.sources import resolve
from recsys.data.splits.earliest import earliest
from recsys.distributed.embed import embedding_blocks
from recsys.embedding_table import EmbeddingTable
from recsys.engine import FitContext
from recsys.engines import ENGINES
from recsys.errors import ConfigError
from recsys.experiment.pretrain import pretrain_table
from recsys.tracking import Tracker
from recsys.training.cost import Cost, measured
from recsys.training.deterministic import deterministic

_CODE = (*ENGINE_CODE, "recsys/training/deterministic.py", "pipelines/stages/pretrain.py")


def run(config: RunConfig, workspace: Workspace, tracker: Tracker) -> None:
    """Writes ``tables/NAME/`` for each ``[pretrain.NAME]``."""
    if not config.pretrain:
        return
    data, split = workspace.load_dataset(), workspace.load_split()
    for name in config.pretrain:
        make_table(config, name, workspace, data, split.train, tracker)


def make_table(
    config: RunConfig, name: str, workspace: Workspace, data: Dataset, train: Interactions, tracker: Tracker
) -> None:
    """Writes ``tables/NAME/`` of ``[pretrain.NAME]``, learnt from the earliest share of ``train``."""
    section = config.pretrain[name]
    if section.embedder is None:
        _learn(config, name, workspace, data, train, tracker)
    else:
        _embed(config, name, workspace, data, earliest(train, section.share, data), tracker)


def embedder_of(config: RunConfig, name: str) -> Embedder[EmbedderConfig]:
    """The embedder of ``[pretrain.NAME]``, with nothing learnt yet."""
    spec = pretrain_spec(name, config.pretrain[name])
    assert isinstance(spec.config, EmbedderConfig)
    return EMBEDDERS[spec.kind](spec.config)


def embedder_context(config: RunConfig, train: Interactions | None, tracker: Tracker) -> EmbedderContext:
    """What the embedders of a run use beside the items, with ``train`` to learn from."""
    blocks = embedding_blocks(config.compute, tracker)
    return EmbedderContext(images=image_root(config), seed=config.seed, train=train, tracker=tracker, blocks=blocks)


def image_root(config: RunConfig) -> Path:
    """Where the paths of image columns start: the folder of the items' table."""
    items = resolve(config.data).items
    return Path() if items is None else items.parent


def model_folder(workspace: Workspace, name: str) -> Path:
    """Where what the embedder of the table ``name`` learnt is kept."""
    return workspace.embedder(name)


def table_cost(workspace: Workspace, name: str) -> Path:
    """What making the table ``name`` cost: seconds and the highest resident memory, a JSON file beside it."""
    return workspace.directory / "tables" / f"{name}.cost.json"


def _learn(
    config: RunConfig, name: str, workspace: Workspace, data: Dataset, train: Interactions, tracker: Tracker
) -> None:
    section = config.pretrain[name]
    cache_key = {
        "section": section.model_dump(mode="json"),
        "data": data.fingerprint,
        "train": train.fingerprint,
        "seed": config.seed,
        "filter_seen": config.evaluate.filter_seen,
        "code": code_version(*_CODE),
    }
    step = f"pretrain/{name}"
    if workspace.is_current(step, cache_key, [workspace.table(name)], tracker):
        return
    spec = pretrain_spec(name, section)
    context = FitContext(config.seed, filter_seen=config.evaluate.filter_seen, tracker=tracker)
    try:
        with measured() as cost:
            table = pretrain_table(ENGINES[spec.kind](spec.config), data, train, section.share, context)
    except ConfigError as error:
        raise ConfigError(f"[pretrain.{name}] {error}") from error
    _save(table, cost, name, workspace, tracker)
    workspace.record(step, cache_key, [workspace.table(name)])


def _embed(
    config: RunConfig, name: str, workspace: Workspace, data: Dataset, train: Interactions, tracker: Tracker
) -> None:
    embedder, context = embedder_of(config, name), embedder_context(config, train, tracker)
    section = config.pretrain[name]
    cache_key = {
        "section": section.model_dump(mode="json", exclude={"share"} if not embedder.learns else None),
        "embedder": embedder.fingerprint,
        "data": data.items.fingerprint,
        "images": _image_files(data.items, image_root(config)),
        "train": train.fingerprint if embedder.learns else None,
        "seed": config.seed,
        "code": code_version(*_CODE),
    }
    step = f"pretrain/{name}"
    outputs = [workspace.table(name), *([model_folder(workspace, name)] if embedder.learns else [])]
    if workspace.is_current(step, cache_key, outputs, tracker):
        return
    with measured() as cost:
        if isinstance(embedder, Learner):
            with deterministic():
                embedder.fit(data.items, context)
            workspace.invalidate(step)
            claim(model_folder(workspace, name))
            embedder.save(model_folder(workspace, name))
        table = embedder.embed(data.items, context)
    _save(table, cost, name, workspace, tracker)
    workspace.record(step, cache_key, outputs)


def _save(table: EmbeddingTable, cost: Cost, name: str, workspace: Workspace, tracker: Tracker) -> None:
    workspace.invalidate(f"pretrain/{name}")
    table.save(workspace.table(name))
    write_json(table_cost(workspace, name), {"seconds": cost.seconds, "peak_memory_mb": cost.peak_memory_mb})
    tracker.info(
        f"pretrain/{name}: {len(table.vocabulary)} items in {table.dim} dimensions, "
        f"{cost.seconds:.1f} s, {cost.peak_memory_mb:.0f} MiB at the highest"
    )


def _image_files(items: EntityTable, root: Path) -> str:
    """A digest of the content of every image file that may be read; an inner embedder has columns of its own."""
    names = items.schema.names(Kind.IMAGE)
    cache_key = []
    for path in (root / str(cell) for name in names for cell in items.columns[name].dropna()):
        content = file_fingerprint(path)
        if content is not None:
            cache_key.append([str(path), content])
    return digest(cache_key)
