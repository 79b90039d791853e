"""The command line: ``recsys COMMAND CONFIG``. Nothing heavy is imported before a command runs.

Exit codes: 0 done, 1 error (one message), 2 the candidate was not promoted, 130 and 143 stopped by Ctrl-C and SIGTERM.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from pipelines import cli_explore, cli_export, cli_first, cli_options, cli_recommend, cli_serve, cli_similar
from pipelines.cli_arguments import (
    Compute,
    ConfigPath,
    Exposures,
    OptionalConfig,
    Output,
    Set,
    open_run,
    run_words,
    show,
    tracker,
    with_engine,
)
from pipelines.cli_errors import describe, fail, refuse_several_processes
from recsys import __version__
from recsys.errors import ConfigError, RecsysError

app = typer.Typer(
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Learned embeddings of users and items, turned into recommendations.",
)


class Mode(StrEnum):
    """Whether the newer file of `finetune` extends the old interactions or replaces them."""

    APPEND = "append"
    REPLACE = "replace"


app.add_typer(cli_first.app)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"recsys {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Declared for the help only: `main` reads --debug at any position of the command line."""


@app.command()
def run(config: ConfigPath, output: Output = None, engine: Compute = None, set_: Set = None) -> int:
    """Every stage of CONFIG in order; what has not changed is reused."""
    from recsys.evaluation.report.report import Report, reader_note

    code = _stages(config, output, with_engine(set_, engine), "recommend")
    settings, workspace = open_run(config, output, set_)
    if settings.has_split:
        report = Report.load(workspace.directory)
        note = f"\n{reader_note(report.content)}" if reader_note(report.content) else ""
        show(f"\n{report.table()}{note}\n\nreport  {workspace.report.with_suffix('.html')}")
    return code


@app.command()
def demo(output: Output = None, set_: Set = None) -> int:
    """MovieLens 100K from raw tables to recommendations, with a summary at the end."""
    from pipelines.commands.demo import summary
    from pipelines.config_paths import DEMO

    code = _stages(DEMO, output, set_, "recommend")
    words = shlex.join(run_words(Path(DEMO.stem), output, set_))
    show(f"{summary(*open_run(DEMO, output, set_))}\n\nlook at it         recsys explore {words}")
    show(f"ask it over HTTP   recsys serve {words}")
    return code


@app.command()
def validate(
    config: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[CONFIG]", help="A TOML file with a [data] section, or a table of interactions."),
    ] = None,
    interactions: Annotated[Path | None, typer.Option(help="A file, or a folder of parts, instead of CONFIG.")] = None,
    users: Annotated[Path | None, typer.Option(help="The users' table.")] = None,
    items: Annotated[Path | None, typer.Option(help="The items' table.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE=NAME", help="A column of the interactions, as user_id=customer_id; repeatable."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with pictures of the data here.")] = None,
    set_: Set = None,
) -> int:
    """Every column and whether it is used, and everything that is wrong with the tables; 1 when there is an error."""
    from pipelines.commands.data import column_overrides, column_readers, data_config, issues, placed_paths
    from pipelines.run_check import RunCheck

    changes = [*column_overrides(column or ()), *(set_ or ())]
    path, events = placed_paths(config or (), interactions, {"users": users, "items": items})
    tables = data_config(path, events, users, items, changes)
    readers, check = column_readers(path, set_ or ()), RunCheck.of(path, changes)
    text, failed = issues(tables, as_json=json, readers=readers, picture=html, check=check)
    show(text)
    return 1 if failed else 0


@app.command()
def prepare(config: ConfigPath, output: Output = None, set_: Set = None) -> int:
    """Raw tables become a checked dataset on disk and its split."""
    return _stages(config, output, set_, "prepare")


@app.command()
def pretrain(config: ConfigPath, output: Output = None, engine: Compute = None, set_: Set = None) -> int:
    """The embedding tables that engines build on."""
    return _stages(config, output, with_engine(set_, engine), "pretrain")


@app.command()
def train(config: ConfigPath, output: Output = None, engine: Compute = None, set_: Set = None) -> int:
    """A bundle for each engine; over a Ray cluster by train.workers processes."""
    return _stages(config, output, with_engine(set_, engine), "train")


@app.command()
def evaluate(
    config: OptionalConfig = None,
    exposures: Exposures = None,
    output: Output = None,
    engine: Compute = None,
    set_: Set = None,
) -> int:
    """Every engine on the test users: report.json and report.html; or the arms of an experiment of `serve`."""
    if config is not None and exposures is None:
        return _stages(config, output, with_engine(set_, engine), "evaluate")
    if config is not None or exposures is None:
        raise ConfigError("evaluate needs exactly one of CONFIG and --exposures")
    from recsys.service.arms import compare_arms

    show(str(compare_arms(exposures)))
    return 0


@app.command()
def promote(
    config: ConfigPath,
    output: Output = None,
    bundle: Annotated[Path | None, typer.Option(help="A fine-tuned child instead of the run's engine.")] = None,
    set_: Set = None,
) -> int:
    """The candidate against the champion; 2 when the gate says no."""
    if bundle is None:
        return _stages(config, output, set_, "promote")
    from pipelines.stages.promote import run as promote_run

    settings, workspace = open_run(config, output, set_)
    with workspace.lock():
        return promote_run(settings, workspace, tracker(), bundle)


@app.command()
def rollback(config: ConfigPath, output: Output = None, set_: Set = None) -> None:
    """Makes the previous champion the champion again."""
    from pipelines.stages.promote import rollback as roll_back

    settings, workspace = open_run(config, output, set_)
    with workspace.lock():
        show(roll_back(settings, workspace))


@app.command()
def finetune(
    config: ConfigPath,
    interactions: Annotated[Path, typer.Option(help="The newer interactions, columns as in CONFIG.")],
    users: Annotated[Path | None, typer.Option(help="Their users, new ones included.")] = None,
    items: Annotated[Path | None, typer.Option(help="Their items, new ones included.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="The parent; default the bundle of the promoted engine.")] = None,
    mode: Annotated[
        Mode,
        typer.Option(help="append: the file holds new interactions alone; replace: it is a newer export of all."),
    ] = Mode.APPEND,
    name: Annotated[str | None, typer.Option(help="Of the child; default NAME-finetuned-N.")] = None,
    output: Output = None,
    set_: Set = None,
) -> None:
    """A bundle and newer data become a child bundle."""
    from pipelines.stages.finetune import NewerData
    from pipelines.stages.finetune import run as finetune_run

    settings, workspace = open_run(config, output, set_)
    newer = NewerData(interactions, users, items, mode.value)
    with workspace.lock():
        words = run_words(config, output, set_)
        show(finetune_run(settings, workspace, tracker(), newer, bundle, name, words))


app.add_typer(cli_recommend.app)
app.add_typer(cli_similar.app)
app.add_typer(cli_options.app)
app.add_typer(cli_serve.app)
app.add_typer(cli_explore.app)
app.add_typer(cli_export.app)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point: turns errors into one message and an exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        refuse_several_processes()
        code = app(words or ["--help"], standalone_mode=False, prog_name="recsys") or 0
        if sys.stdout is not None:
            sys.stdout.flush()  # a full disk behind it is told here, and not while Python ends
        sys.exit(code)
    except RecsysError as error:
        fail(str(error), debug)
    except (KeyboardInterrupt, typer.Abort):
        fail("interrupted; the same command continues where it stopped", debug)
    except Exception as error:
        fail(describe(error), debug)


def _stages(config: Path, output: Path | None, set_: list[str] | None, last: str) -> int:
    from pipelines.stages import run_stages

    settings, workspace = open_run(config, output, set_)
    return run_stages(settings, workspace, tracker(), last)


if __name__ == "__main__":
    from pipelines.entry import main as entry

    entry()
