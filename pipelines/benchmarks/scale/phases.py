"""Where the CPU time of a stage goes: its phases by a sampling profiler.

    python -m pipelines.benchmarks.scale.phases                        # at 10^6 interactions
    python -m pipelines.benchmarks.scale.phases --events 10000000 --stages prepare

Each stage is a command in a process of its own, and looked at every 5 ms of CPU time: the time since the last look is
that of the innermost function on the stack that `PHASES` names.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from pipelines.benchmarks.scale.stages import ENGINES, commands
from pipelines.benchmarks.scale.world import Size, write, write_items
from recsys.errors import RecsysError

START, OTHER = "start of Python, imports", "other"
_LOOK = 0.005
_IMPORTS = {"importlib*:*": START}
_STORED = {
    "pipelines.workspace:tree_digest": "digests of files",
    "recsys.data.ingest.files:file_fingerprint": "digests of files",
    "recsys.registry.bundle:_digests": "digests of files",
    "recsys.data.*:*.fingerprint*": "digests of data",
    "*:Interactions.check*": "checks of what is loaded",
    "recsys.data.*:*.load": "load",
    "recsys.registry.bundle:Bundle.load": "load",
    "recsys.data.*:*.save": "write",
    "recsys.registry.bundle:Bundle.save": "write",
    "recsys.retrieval.fallback:Fallback.fit": "fallback",
}
PHASES: Mapping[str, Mapping[str, str]] = {
    "prepare": {
        "recsys.data.ingest.files:read_table": "read",
        "recsys.data.ingest.tables:coerce_tables": "parse and check types",
        "recsys.data.ingest.cross_checks:check_tables": "check across rows and tables",
        "recsys.data.interactions:Interactions.of": "sort",
        "recsys.data.ingest.readers:encode": "encode",
        "recsys.data.splits.split:make_split": "split",
    },
    "train two_tower": {
        "*:NextItemTask.batches": "make batches",
        "*:NextItemTask.prepare": "make batches",
        "*:*.backward": "backward",
        "torch.autograd*:backward": "backward",
        "recsys.losses.*:*": "loss",
        "*:NextItemTask.prepared_loss": "forward",
        "recsys.training.row_adam:*": "optimizer",
        "torch.optim.*:*step*": "optimizer",
        "recsys.engines.learning:validation_metric*": "validation",
        "recsys.training.checkpoint:*.save": "checkpoint",
        "*:TowerInputs.fit": "fit inputs",
        "*:FirstInteractions.of": "fit inputs",
        "*:spectral_start": "fit inputs",
    },
    "recommend two_tower": {
        "recsys.ranking.*:*.scores": "product",
        "recsys.ranking.*:*._product": "product",
        "recsys.ranking.*:*._mask": "mask seen items",
        "recsys.ranking.*:*._pairs": "mask seen items",
        "recsys.ranking.*:*": "top-k",
        "*:Request.from_dataset": "histories",
        "*:*.user_vectors": "user vectors",
        "*:*.item_vectors": "item vectors",
        "recsys.retrieval.output.*:*": "write",
        "recsys.retrieval.top_up:*": "fallback",
    },
}
"""Stage -> ``module:function`` patterns, of which the first that fits a function names its phase."""


class Profiler:
    """Adds up the CPU seconds of a process by phase.

    Args:
        rules: ``module:function`` pattern -> phase.
    """

    def __init__(self, rules: Mapping[str, str]) -> None:
        self.seconds = defaultdict[str, float](float)
        self._rules, self._last = rules, time.process_time()
        self._named = cache(self._phase)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Looks at the main thread, which is this one, every 5 ms of CPU time."""
        before = signal.signal(signal.SIGPROF, lambda _, frame: self._look(frame))
        signal.siginterrupt(signal.SIGPROF, False)
        signal.setitimer(signal.ITIMER_PROF, _LOOK, _LOOK)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
            self._add(OTHER)

    def _look(self, frame: FrameType | None) -> None:
        while frame is not None:
            phase = self._named(str(frame.f_globals.get("__name__")), frame.f_code.co_qualname)
            if phase is not None:
                break
            frame = frame.f_back
        self._add(OTHER if frame is None else str(phase))

    def _add(self, phase: str) -> None:
        now = time.process_time()
        self.seconds[phase] += now - self._last
        self._last = now

    def _phase(self, module: str, function: str) -> str | None:
        name = f"{module}:{function.replace('.<locals>', '')}"
        return next((phase for pattern, phase in self._rules.items() if fnmatchcase(name, pattern)), None)


def profiled(stage: str, command: list[str]) -> dict[str, float]:
    """Runs ``recsys COMMAND`` in this process, which has run nothing else: phase -> CPU seconds.

    Raises:
        RecsysError: it failed.
    """
    profiler = Profiler({**_IMPORTS, **PHASES[stage], **_STORED})
    profiler.seconds[START] = time.process_time()
    with profiler.running():
        from pipelines.cli import main as command_line

        try:
            command_line(command)
        except SystemExit as ended:
            if ended.code:
                raise RecsysError(f"{' '.join(command)} ended with {ended.code}") from ended
    return dict(profiler.seconds)


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    """Markdown: a row a stage and phase, the largest first; what takes less than 1 % is added to the others.

    Example:
        >>> print(table({"prepare": {"read": 3.0, "write": 0.97, "look": 0.03}}))
        | stage | phase | CPU s | share |
        |---|---|--:|--:|
        | prepare, 4.0 CPU s | read | 3.0 | 75 % |
        | | write | 1.0 | 24 % |
        | | other | 0.0 | 1 % |
    """
    lines = ["| stage | phase | CPU s | share |", "|---|---|--:|--:|"]
    for stage, phases in found.items():
        whole, head = sum(phases.values()), f"| {stage}, {sum(phases.values()):.1f} CPU s"
        large = {phase: s for phase, s in phases.items() if s >= whole / 100 and phase != OTHER}
        for phase in [*sorted(large, key=lambda phase: -large[phase]), OTHER]:
            seconds = large.get(phase, whole - sum(large.values()))
            lines.append(f"{head} | {phase} | {seconds:.1f} | {100 * seconds / whole:.0f} % |")
            head = "|"
    return "\n".join(lines)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10**6, help="number of interactions")
    parser.add_argument("--stages", nargs="+", choices=list(PHASES), default=list(PHASES))
    parser.add_argument("--output", type=Path, default=Path("runs/phases"))
    given = parser.parse_args()
    size, found = Size(given.events), dict[str, dict[str, float]]()
    given.output.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=given.output) as folder:
        rows = write(size, Path(folder) / "interactions")
        write_items(size, Path(folder) / "items.parquet")
        stages = dict(commands(Path(folder), {"two_tower": ENGINES["two_tower"]}))
        last = max(list(PHASES).index(stage) for stage in given.stages)
        try:
            for stage in list(PHASES)[: last + 1]:  # those before it make what a stage reads
                with ProcessPoolExecutor(1, get_context("spawn")) as apart:
                    found[stage] = apart.submit(profiled, stage, stages[stage]).result()
        except RecsysError as error:
            print(error, file=sys.stderr)
            return 1
    shown = {stage: found[stage] for stage in PHASES if stage in given.stages}
    print(f"{rows:,} interactions, {size.users:,} users, {size.items:,} items\n\n{table(shown)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
