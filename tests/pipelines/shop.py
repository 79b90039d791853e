"""A run in a folder of its own, and its command line."""

from __future__ import annotations

import pytest

from pipelines.cli import main
from pipelines.config import read_run_config
from pipelines.stages import run_stages
from pipelines.workspace import Workspace
from recsys.atomic import read_json
from recsys.tracking import SilentTracker
from tests.pipelines.world import write_world


class Shop:
    """A run and its command line."""

    def __init__(self, directory, capsys, changes=()):
        self.path, self.out, self.capsys = write_world(directory), directory / "out", capsys
        self.changes, self.workspace, self.exported = list(changes), Workspace(self.out), directory / "exported"

    def config(self, *changes):
        return read_run_config(self.path, [*self.changes, *changes])

    def run(self, *changes):
        return run_stages(self.config(*changes), self.workspace, SilentTracker())

    def command(self, name, *words, code=0):
        changes = [word for change in self.changes for word in ("--set", change)]
        place = [] if "--bundle" in words else ["--run" if name == "export" else "--output", str(self.out)]
        with pytest.raises(SystemExit) as done:
            main([name, str(self.path), *map(str, words), *place, *changes])
        told = self.capsys.readouterr()
        assert (done.value.code or 0) == code, told.err
        return told.out if code == 0 else told.err

    def export(self, *words, **how):
        return self.command("export", "--output", self.exported, "--what", "vectors", *words, **how)

    @property
    def exported_bundle(self):
        return read_json(self.exported / "export.json")["bundle"]
