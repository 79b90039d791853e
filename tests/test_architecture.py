"""The rules of the house: imports go downward, heavy packages have one home, and the command line answers at once."""

import ast
import re
import resource
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HOMES: dict[str, str | tuple[str, ...]] = {
    "faiss": "recsys/retrieval/approximate/kinds.py",
    "fastapi": "recsys/service/http",
    "implicit": ("recsys/engines", "pipelines/benchmarks/scale/peers", "pipelines/benchmarks/peers"),
    "matplotlib": ("recsys/evaluation/report", "pipelines/benchmarks/soak/page.py"),
    "mlflow": "recsys/registry",
    "onnxruntime": "recsys/export/serve_example.py",
    "optuna": "recsys/experiment/study.py",
    "pandera": "recsys/data/ingest/checks.py",
    "prometheus_client": "recsys/service/metrics.py",
    "psycopg": "recsys/retrieval/databases/",
    "pyarrow": (
        "recsys/retrieval/output/",
        "recsys/retrieval/recipients/users.py",
        "recsys/retrieval/incremental/previous.py",
        "recsys/retrieval/manifest.py",
        "recsys/data/ingest/reading/columnar.py",
        "recsys/data/ingest/chunks",
        "recsys/evaluation/report/per_user.py",
        "pipelines/benchmarks/scale/world.py",
        "recsys/export/vectors.py",
    ),
    "ray": "recsys/distributed",
    "sentence_transformers": "recsys/content/text",
    "sklearn": "recsys/evaluation/embeddings/maps.py",
    "threadpoolctl": ("recsys/engines", "recsys/distributed", "pipelines/benchmarks/peers"),
    "torch_geometric": "recsys/models/geometric.py",
    "starlette": "recsys/service/http",
    "transformers": "recsys/content",
    "uvicorn": "pipelines/commands/serve.py",
}
LATE = [
    "faiss",
    "fastapi",
    "implicit",
    "matplotlib",
    "mlflow",
    "onnxruntime",
    "optuna",
    "pandera",
    "PIL",
    "prometheus_client",
    "ray",
    "sentence_transformers",
    "sklearn",
    "torch_geometric",
    "transformers",
    "uvicorn",
]
LONGEST_FILE = 300
MOST_FILES = 14
"""In one folder of the library, beside its ``__init__``."""
MOST_PARAMETERS = 8
FRONT_DOOR = ("recsys/retrieval/frames.py", "recommend")
"""`rs.recommend`, whose arguments are typed by hand in a notebook, may take one more."""
MOST_ANY, MOST_IGNORES = 165, 6
"""Of ``Any`` and ``type: ignore``: a type that can be written is written."""
FORMER_WORDS = [
    "Resources",
    "seen_filtered",
    "seen_negatives",
    "can_place_new_items",
    "can_place_new_users",
    "unplaced_items",
    "unanswered_users",
    "KnowsWords",
    "Materials",
    "regularisation",
    "Findings",
    "FirstEvents",
    "HistoryTask",
    "take_over",
    "feature_rate",
    "feature_start",
    "Ledger",
    "ledger",
    "at_end",
    "is_placed",
    "_barred",
    "_stands",
    "_standing",
    "_silence",
    "_laid_over",
    "_tell",
    "parted",
    "Described",
    "Worth",
]
"""Names that a practitioner would not know."""
RANDOM_STREAM = ("recsys/experiment/attribution.py", 'stream(seed, "ledger")')
"""The published attributions were drawn from the stream of this name."""


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


def n_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many a function has, ``self``, ``*args`` and ``**options`` included."""
    parameters = function.args
    named = parameters.posonlyargs + parameters.args + parameters.kwonlyargs
    return len(named) + (parameters.vararg is not None) + (parameters.kwarg is not None)


def is_command(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it is decorated with ``@app.command()``: its parameters are the options of a command line."""
    return any(ast.unparse(decorator) == "app.command()" for decorator in function.decorator_list)


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


def test_no_file_is_longer_than_300_lines():
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines()) for path in sources()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_folder_of_the_library_has_more_than_14_files():
    folders = {path.parent for path in sources() if path.is_relative_to(ROOT / "recsys")}
    sizes = {folder: len({path.name for path in folder.glob("*.py")} - {"__init__.py"}) for folder in folders}
    assert {folder.name: size for folder, size in sizes.items() if size > MOST_FILES} == {}


def test_no_function_takes_more_than_8_parameters():
    long = [
        f"{path.relative_to(ROOT).as_posix()}:{node.lineno} {node.name}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if n_parameters(node) > MOST_PARAMETERS and not is_command(node)
        if (path.relative_to(ROOT).as_posix(), node.name) != FRONT_DOOR
    ]
    assert long == [], "put what belongs together into a frozen dataclass"


@pytest.mark.parametrize(("pattern", "most"), [(r"\bAny\b", MOST_ANY), (r"type: ignore", MOST_IGNORES)])
def test_what_can_have_a_type_has_one(pattern, most):
    lines = [line for path in sources() for line in path.read_text("utf-8").splitlines() if re.search(pattern, line)]
    assert len(lines) <= most


def test_code_and_configs_use_the_words_of_the_field():
    former = re.compile(rf"\b({'|'.join(FORMER_WORDS)})\b")
    found = []
    for path in [*sources(), *ROOT.glob("pipelines/**/*.toml")]:
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text("utf-8")
        if name == RANDOM_STREAM[0]:
            text = text.replace(RANDOM_STREAM[1], "", 1)
        found += [f"{name}: {word}" for word in former.findall(text)]
    assert found == []
