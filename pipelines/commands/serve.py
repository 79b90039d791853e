"""serve: the promoted model of a run, or a bundle, as a service over HTTP."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.cli_arguments import open_run
from pipelines.signals import hand_over
from recsys.data.feedback.event_meanings import EventMeanings
from recsys.errors import ArtifactError, ConfigError
from recsys.service.explorer.explorer import Explorer
from recsys.service.limits import Limits
from recsys.service.logs.messages import Messages
from recsys.service.state import Experiment, ServiceState, Surroundings
from recsys.service.versions.source import FolderSource, RegistrySource, Serving, Source

if TYPE_CHECKING:
    from types import ModuleType


_DRAIN_SECONDS, _BACKLOG = 10, 2048


@dataclass(frozen=True)
class Listen:
    """Where the service listens.

    Args:
        host: an address.
        port: 0 takes a free one.
        key_file: of API keys; None asks for none.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    key_file: Path | None = None


@dataclass(frozen=True)
class ServeOptions:
    """The options of the command.

    Args:
        experiment: which versions answer.
        limits: what a request may ask for.
        listen: where the service listens.
        state: the folder of the feedback; None is ``serve/`` in the output folder, or beside the bundle.
        bundle: the folder of a bundle, instead of the registered model.
        rules: a TOML file that says of a bundle's lists and events what a config says; None says nothing.
    """

    experiment: Experiment
    limits: Limits
    listen: Listen
    state: Path | None = None
    bundle: Path | None = None
    rules: Path | None = None


Pages = Callable[[Source, ServiceState], Explorer]
"""Makes the explorer of a service, whose pages are mounted on it."""


@dataclass(frozen=True, eq=False)
class Opened:
    """What a service is made from.

    Args:
        source: of the models.
        folder: of the feedback.
        types: what feedback events mean and weigh.
    """

    source: Source
    folder: Path
    types: EventMeanings = field(default_factory=EventMeanings)


def run(
    config: Path | None, output: Path | None, set_: list[str] | None, options: ServeOptions, pages: Pages | None = None
) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Args:
        config: of the run whose registered model is served; None serves a bundle.
        output: the output folder of the run.
        set_: overrides of the config.
        options: of the service.
        pages: makes the explorer; None mounts no pages.

    Raises:
        ConfigError: neither or both of a config and a bundle are given, or fastapi or uvicorn is not installed.
        RecsysError: there is no such model, or it cannot be loaded.
    """
    serve(partial(open_source, config, output, set_, options), options, pages)


def serve(open_: Callable[[], Opened], options: ServeOptions, pages: Pages | None = None) -> None:
    """Serves what ``open_`` returns until SIGTERM or Ctrl-C.

    Args:
        open_: is called when the address is taken.
        options: of the service; what it is made from is not read from them.
        pages: see `run`.

    Raises:
        ConfigError: fastapi or uvicorn is not installed, or the address is taken.
    """
    uvicorn = _imported()
    from recsys.service.http.app import create_app
    from recsys.service.http.guard import read_keys

    keys = () if options.listen.key_file is None else read_keys(options.listen.key_file)
    if not keys and options.listen.host not in ("127.0.0.1", "localhost", "::1"):
        print("warning: everybody who reaches this address may ask; give --api-key-file", file=sys.stderr)
    with _bound(options.listen) as listener:
        found = open_()
        state = state_of(found, options)
        try:
            app = create_app(state, options.limits, keys, pages and pages(found.source, state))
            settings = uvicorn.Config(
                app, log_config=None, access_log=False, timeout_graceful_shutdown=_DRAIN_SECONDS, server_header=False
            )
            server = uvicorn.Server(settings)
            hand_over(partial(setattr, server, "should_exit", True))  # before it says that it serves
            host, port = listener.getsockname()[:2]
            state.messages.info("serving", host=host, port=port, models=state.versions)
            address = f"http://{host}:{port}{'/explore' if pages else ''}"
            listener.listen(_BACKLOG)  # who reads the line below may connect
            print(f"serving {state.versions['champion']} at {address} (Ctrl-C ends it)", flush=True)
            server.run(sockets=[listener])
        finally:
            if not state.draining:
                state.close()


def open_source(config: Path | None, output: Path | None, set_: list[str] | None, options: ServeOptions) -> Opened:
    """The source of the models of a run, or of a bundle; torch works in one thread from now on.

    Raises:
        ConfigError: neither or both of a config and a bundle are given, or a config and rules.
    """
    if (config is None) == (options.bundle is None):
        raise ConfigError("give exactly one of CONFIG, whose registered model is served, and --bundle")
    if config is not None and options.rules is not None:
        raise ConfigError(f"--rules {options.rules} is for --bundle; [recommend] of {config} has the rules")
    _one_thread()
    return _of_bundle(options) if config is None else _of_run(config, output, set_, options)


def state_of(found: Opened, options: ServeOptions) -> ServiceState:
    """The service of what was opened."""
    around = Surroundings(Messages(), types=found.types)
    return ServiceState(found.source, found.folder, options.experiment, around)


def _imported() -> ModuleType:
    """The module ``uvicorn``, after a check that all that the service needs is installed."""
    for name in ("fastapi", "prometheus_client", "uvicorn"):
        try:
            module = import_module(name)
        except ImportError as error:
            raise ConfigError(f"recsys serve needs {name}; pip install 'recsys-towers[serve]'") from error
    return module


def _one_thread() -> None:
    """One thread of torch: the product for a few users is too small to share, and sharing it costs milliseconds."""
    import torch

    torch.set_num_threads(1)


def _bound(listen: Listen) -> socket.socket:
    """The socket, before anything is loaded, so that a port that is taken is told at once."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((listen.host, listen.port))
    except OSError as error:
        found.close()
        reason = error.strerror or error
        raise ConfigError(f"cannot listen on {listen.host}:{listen.port} ({reason}); choose another --port") from error
    return found


def _of_bundle(options: ServeOptions) -> Opened:
    assert options.bundle is not None
    if options.experiment.challenger or options.experiment.shadow:
        raise ConfigError("--challenger and --shadow are aliases of a registered model; serve its CONFIG")
    if not options.bundle.is_dir():
        raise ArtifactError(f"{options.bundle.absolute()} does not exist; give a folder that holds a bundle")
    folder = options.bundle.resolve()
    serving, types = Serving(), EventMeanings()
    if options.rules is not None:
        from pipelines.served_as import lists_of

        lists, types = lists_of(options.rules)
        serving = Serving(lists)
    return Opened(FolderSource(folder, serving), options.state or folder.with_name(f"{folder.name}.serve"), types)


def _of_run(config: Path, output: Path | None, set_: list[str] | None, options: ServeOptions) -> Opened:
    from pipelines.made_bundle import require_promotion
    from pipelines.served_as import event_meanings, recommend_options
    from pipelines.served_run import RunData, RunTexts
    from pipelines.stages.promote import open_store, require_registry

    settings, workspace = open_run(config, output, set_)
    require_promotion(config, settings, workspace)
    require_registry(settings, workspace)
    options_of_lists, data, texts = recommend_options(settings), RunData(workspace), RunTexts(settings, workspace)
    serving = Serving(options_of_lists, data, texts, (*data.files, *texts.files))
    source = RegistrySource(open_store(settings, workspace), serving)
    return Opened(source, options.state or workspace.directory / "serve", event_meanings(settings.data))


os.environ.setdefault("OMP_NUM_THREADS", "1")
"""Before numpy and torch are loaded, which the command does after this module."""
