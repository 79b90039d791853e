"""The entry point of ``recsys``: signals are handled before anything else is imported."""

from __future__ import annotations

from typing import NoReturn

from pipelines import signals, standard_output


def main() -> NoReturn:
    """Runs the command line; see `pipelines.cli.main`."""
    signals.hold_closed_streams()
    standard_output.name_errors()
    try:
        signals.install()
        from pipelines.cli import main as command_line

        try:
            command_line()
        except SystemExit as ended:
            signals.finish(int(ended.code or 0))
            raise
    except signals.StoppedError as stopped:
        signals.stop(stopped.number)


if __name__ == "__main__":
    main()
