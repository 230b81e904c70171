"""The shape of the package: imports point one way, and starting costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mss_bench

PACKAGE = Path(mss_bench.__file__).parent

# What each part may import beside itself.
CORE = {"errors", "registry", "core"}
TABLES = {
    "errors",
    "core.arrays",
    "core.calls",
    "core.schema",
    "core.text",
    "core.config",
    "core.parameters",
    "core.files",
}  # no audio, no run
ALLOWED = {
    "errors": set(),
    "registry": {"errors"},
    "core": {"errors", "registry"},
    "dsp": CORE,
    "datasets": CORE | {"dsp", "perturbations"},
    "separators": CORE | {"dsp"},
    "metrics": CORE | {"dsp"},
    "perturbations": CORE | {"dsp"},
    "compat": CORE | {"metrics"},
    "running": CORE | {"dsp", "datasets", "separators", "metrics", "perturbations", "protocols"},
    # Tables only: the schema is all that statistics and reports know of a run.
    "stats": TABLES,
    "protocols": TABLES | {"stats.choices"},
    "report": TABLES | {"stats", "protocols", "core.stages"},
    "leaderboards": TABLES | {"core.names", "stats", "report", "protocols"},
    "listening": CORE | {"api", "evaluation", "running", "dsp", "datasets", "metrics", "stats", "report"},
    "explanation": CORE | {"running", "dsp", "metrics", "report"},
    "evaluation": CORE | {"metrics"},
    "exports": CORE | {"datasets", "stats", "report", "leaderboards"},
    "reproduction": CORE | {"api", "running", "datasets", "separators", "metrics", "leaderboards"},
    "api": CORE | {"stats", "report", "running", "datasets", "metrics", "separators"},
}


def _imports(file):
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names = [node.module or ""]
            if node.module == "mss_bench":
                names = [f"mss_bench.{a.name}" for a in node.names]
        inside = (n.removeprefix("mss_bench.") for n in names if n.startswith("mss_bench."))
        yield from (n for n in inside if n != "__version__")


def test_imports_point_one_way():
    wrong = []
    for file in PACKAGE.rglob("*.py"):
        part = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part in ("__init__", "__main__", "cli"):
            continue
        for name in _imports(file):
            own = name.split(".")[0] == part
            if not own and not any(name == a or name.startswith(a + ".") for a in ALLOWED[part]):
                wrong.append(f"{file.relative_to(PACKAGE)} imports {name}")
    assert not wrong


def test_nothing_imports_the_command_line():
    for file in PACKAGE.rglob("*.py"):
        if "cli" not in file.relative_to(PACKAGE).parts and file.name != "__main__.py":
            assert not any(name.startswith("cli") for name in _imports(file)), file


HEAVY = (
    "numpy", "scipy", "pandas", "pyarrow", "matplotlib", "librosa", "torch", "sklearn", "musdb", "museval", "soundfile",
    "jinja2", "joblib", "yaml",
)  # fmt: skip


@pytest.mark.parametrize("code", ["import mss_bench", "from mss_bench.cli.main import main; main(['--help'])"])
def test_starting_imports_nothing_heavy(code):
    catching = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\n"
    check = catching + f"print(sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_worker_imports_neither_data_sets_nor_methods():
    """A run starts two to four of them."""
    code = "import sys, mss_bench.running.worker; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    parts = ("scipy", "yaml", "mss_bench.datasets", "mss_bench.dsp", "mss_bench.separators.")
    assert [name for name in imported if name.startswith(parts)] == ["mss_bench.separators.base"]


def test_every_public_name_can_be_imported():
    for name in mss_bench.__all__:
        assert getattr(mss_bench, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        mss_bench.nonsense  # noqa: B018


def test_no_module_hides_a_public_function():
    """Importing ``mss_bench.run`` as a module would put it in the place of the function of that name."""
    import mss_bench

    modules = {
        p.name.removesuffix(".py") for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()
    }
    assert not modules & set(mss_bench.__all__)
