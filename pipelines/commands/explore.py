"""explore: the service with its pages, or one page with a sample that needs no service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.cli_arguments import open_run
from pipelines.commands.serve import ServeOptions, open_source, run
from pipelines.config import PretrainSection
from recsys.atomic import atomic_path
from recsys.content import EMBEDDERS
from recsys.engines import ENGINES
from recsys.errors import ConfigError, DataError
from recsys.service.explorer.documents import Documents
from recsys.service.explorer.explorer import Around, Explorer
from recsys.service.explorer.export import Sample, sampled
from recsys.service.explorer.page import single_page
from recsys.service.explorer.pair import beside
from recsys.service.live_histories import LiveHistories
from recsys.service.model import ServedModel
from recsys.service.state import ServiceState
from recsys.service.versions.source import FolderSource, Serving, Source, require_version
from recsys.service.versions.watcher import COMPARED


@dataclass(frozen=True)
class ExploreOptions:
    """The options of the command.

    Args:
        serving: as for `pipelines.commands.serve.run`.
        compare: the folder of a bundle, or an alias of the registered model; None is popularity.
        images: the folder of the items' images; None is that of the run's items table.
        users: of the sample of an export.
    """

    serving: ServeOptions
    compare: str | None = None
    images: Path | None = None
    users: int = 24


def serve_pages(config: Path | None, output: Path | None, set_: list[str] | None, options: ExploreOptions) -> None:
    """Serves the page and all routes of the service until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: neither or both of a config and a bundle are given, or fastapi or uvicorn is not installed.
        RecsysError: a model is missing or damaged.
    """
    around = around_of(config, output, set_, options)

    def pages(source: Source, state: ServiceState) -> Explorer:
        if options.compare is not None:
            state.watcher.follow(COMPARED, *_compared(source, options.compare, state.models.champion))
        compared = None if options.compare is None else lambda: state.models.by_slot()[COMPARED]
        explorer = Explorer(lambda: state.models.champion, state.feedback.live, compared, around)
        explorer.warm()
        return explorer

    run(config, output, set_, options.serving, pages)


def export_page(
    config: Path | None, output: Path | None, set_: list[str] | None, options: ExploreOptions, page: Path
) -> str:
    """Writes the page with a sample of users and items, and says so.

    Raises:
        ConfigError: neither or both of a config and a bundle are given, or the page cannot be written.
        RecsysError: a model is missing or damaged.
    """
    if page.is_dir():
        raise ConfigError(f"--export {page} is a folder; give the name of a file, such as {page / 'page.html'}")
    source = open_source(config, output, set_, options.serving).source
    model = source.load(require_version(source, options.serving.experiment.alias))
    around = around_of(config, output, set_, options)
    compared = None
    if options.compare is not None:
        from_, alias = _compared(source, options.compare, model)
        other = from_.load(require_version(from_, alias))
        compared = lambda: other  # noqa: E731
    explorer = Explorer(lambda: model, LiveHistories(), compared, around)
    text = single_page(sampled(explorer, Sample(users=options.users)))
    try:
        with atomic_path(page) as beside:
            beside.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--export {page} cannot be written ({error.strerror or error})") from error
    return f"{page}: {len(text.encode()) / 2**20:.1f} MB, needs no service"


def _compared(source: Source, name: str, model: ServedModel) -> tuple[Source, str]:
    """Where the other model is from: a folder, whose lists have the items of ``model``, or else an alias."""
    if Path(name).is_dir():
        return FolderSource(Path(name).resolve(), Serving(beside(model.options))), name
    if isinstance(source, FolderSource):
        raise DataError(f"--compare {name} is no folder of a bundle; an alias needs the CONFIG of a registered model")
    return source, name


def around_of(config: Path | None, output: Path | None, set_: list[str] | None, options: ExploreOptions) -> Around:
    """The images, the documents of the run, the rules of its lists and what made its tables."""
    if options.images is not None and not options.images.is_dir():
        raise ConfigError(f"--images {options.images} is no folder; give the one that image columns are relative to")
    from pipelines.served_as import lists_of, recommend_options

    if config is None:
        given = options.serving.rules
        return Around(options.images, rules=None if given is None else lists_of(given)[0].rules)
    from pipelines.stages.prepare import PAGE
    from pipelines.stages.pretrain import image_root

    settings, workspace = open_run(config, output, set_)
    files = {"report": workspace.report.with_suffix(".html"), "data": workspace.directory / PAGE}
    files |= {name: workspace.directory / f"{name}.json" for name in ("columns", "attribution")}
    documents = Documents(workspace.directory, files, workspace.decisions)
    tables = {name: _made(section) for name, section in settings.pretrain.items()}
    rules = recommend_options(settings).rules
    return Around(options.images or image_root(settings), documents, rules=rules, tables=tables)


def _made(section: PretrainSection) -> str:
    """What made a table, such as ``text by sentence`` or ``graph by node2vec``."""
    if section.embedder is not None:
        room = EMBEDDERS[section.embedder].__module__.removeprefix("recsys.content.").partition(".")[0]
        return f"{room if room in ('text', 'image') else 'content'} by {section.embedder}"
    kind = str(section.engine)
    return f"{'graph' if ENGINES[kind].__module__.startswith('recsys.engines.graph.') else 'interactions'} by {kind}"
