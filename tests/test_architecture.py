"""The rules of the house: imports go downward, heavy packages have one home, and the command line answers at once."""

import ast
import resource
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOMES = {
    "faiss": "recsys/retrieval/faiss.py",
    "implicit": "recsys/engines",
    "matplotlib": "recsys/evaluation/report",
    "mlflow": "recsys/registry",
    "pandera": "recsys/data/ingest/checks.py",
    "pyarrow": "recsys/retrieval/parts.py",
    "ray": "recsys/distributed",
    "sentence_transformers": "recsys/content/text",
    "sklearn": "recsys/evaluation/embeddings/maps.py",
    "threadpoolctl": "recsys/engines",
    "torch_geometric": "recsys/models/geometric.py",
    "transformers": "recsys/content",
}
LATE = [
    "faiss",
    "implicit",
    "matplotlib",
    "mlflow",
    "pandera",
    "PIL",
    "ray",
    "sentence_transformers",
    "sklearn",
    "torch_geometric",
    "transformers",
]


@cache
def imports(path: Path) -> set[str]:
    """The packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def sources() -> list[Path]:
    return sorted([*ROOT.glob("recsys/**/*.py"), *ROOT.glob("pipelines/**/*.py")])


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout.strip()


def test_imports_go_downward_only(tmp_path):
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    options = ["--config", str(ROOT / "pyproject.toml"), "--cache-dir", str(tmp_path)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("package", list(HOMES))
def test_a_heavy_package_is_imported_in_one_place_only(package):
    users = [path.relative_to(ROOT).as_posix() for path in sources() if package in imports(path)]
    assert all(user.startswith(HOMES[package]) for user in users), f"{package} belongs in {HOMES[package]}: {users}"


def test_a_heavy_package_is_imported_only_when_used():
    code = (
        "import sys, pipelines.cli, pipelines.config, recsys.data.ingest.readers\n"
        "import recsys.data.ingest.validate, recsys.retrieval\n"
        "import recsys.evaluation.evaluate, recsys.registry.gate, recsys.engines, recsys.engine\n"
        f"print(sorted(set(sys.modules) & set({LATE})))"
    )
    assert python(code) == "[]"


def test_the_library_does_not_import_the_pipelines():
    for path in ROOT.glob("recsys/**/*.py"):
        assert "pipelines" not in imports(path), path


def test_help_answers_in_under_half_a_second():
    def seconds() -> float:
        """Of the processor: the clock on the wall also counts what else the machine does."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "pipelines.cli", "--help"], capture_output=True, check=True, cwd=ROOT)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(4)) < 0.5


def test_help_imports_neither_torch_nor_pandas_nor_mlflow():
    code = (
        "import sys, contextlib, io\nfrom pipelines.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n    main(['--help'])\n"
        "print(sorted(set(sys.modules) & {'torch', 'pandas', 'mlflow', 'numpy', 'pydantic'}))"
    )
    assert python(code) == "[]"
