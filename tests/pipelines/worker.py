"""A process of its own that says when it begins one stage: `python -m tests.pipelines.worker CONFIG OUTPUT STAGE`."""

import sys
from pathlib import Path

from pipelines.config import read_run_config
from pipelines.stages import STAGES
from pipelines.workspace import Workspace
from recsys.tracking import SilentTracker


def main() -> None:
    path, output, name = sys.argv[1:]
    config, stage = read_run_config(Path(path)), STAGES[name]
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    stage(config, Workspace(Path(output)), SilentTracker())


if __name__ == "__main__":
    main()
