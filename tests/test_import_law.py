"""What an import loads, and which room may know which: the light root stays light."""

from __future__ import annotations

import ast
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

import makespan
from makespan.measurement import PairTrial
from makespan_optimizer.optimize import optimize
from tests.builders import make_profile

ROOT = Path(__file__).parent.parent
HEAVY = {
    "numpy",
    "networkx",
    "pandas",
    "matplotlib",
    "ortools",
    "cloudpickle",
    "loky",
    "rich",
    "dask",
    "tawazi",
    "makespan_optimizer",
}
# Of the standard library, what costs milliseconds and is not needed before a file is read.
DEAR = {
    "inspect",
    "dataclasses",
    "asyncio",
    "concurrent.futures",
    "multiprocessing",
    "tempfile",
    "subprocess",
    "argparse",
    "logging",
    "difflib",
    "json",
    "pathlib",
    "hashlib",
    "random",
    "socket",
    "importlib.metadata",
}


def loaded_by(statement):
    code = f"import sys; before = set(sys.modules)\n{statement}\nprint(*sorted(set(sys.modules) - before))"
    done = subprocess.run(clean_python(code), capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def clean_python(code):
    """Return the command that runs code with both our packages, and all that is installed but one.

    msgspec imports typing_extensions when it is there, which is dear; nothing that we need brings it.
    """
    installed = [path for path in sys.path if path.endswith("site-packages")]
    paths = [str(ROOT / "runtime"), *installed, str(ROOT / "optimizer")]
    before = f"import sys; sys.path[:0] = {paths!r}; sys.modules['typing_extensions'] = None\n"
    return [sys.executable, "-I", "-S", "-c", before + code]


USE = """
from makespan import dag, node
@node
def one(x): return x
@dag
def d(x): return [one(one(x))]
assert d(1) == [1]
d.check()
"""


def test_importing_loads_neither_heavy_nor_dear_modules():
    loaded = loaded_by("import makespan")
    assert loaded & (HEAVY | DEAR) == set()
    tops = {name.partition(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert tops == {"makespan", "msgspec"}


def test_describing_and_running_loads_nothing_dear():
    loaded = loaded_by(USE)
    assert loaded & (HEAVY | DEAR) == set()


@pytest.mark.parametrize("name", makespan.__all__)
def test_every_public_name_loads_nothing_heavy(name):
    loaded = loaded_by(f"from makespan import {name}")
    assert loaded & HEAVY == set()


def test_running_and_reading_every_file_loads_nothing_heavy(tmp_path):
    after = {"a": [], "b": [], "c": ["a", "b"]}
    pair = PairTrial(nodes=("a", "b"), alone_s=(1.0, 1.0), together_s=(1.5, 1.5), repeats=3)
    profile = msgspec.structs.replace(make_profile(after), pairs=(pair,))
    profile.save(tmp_path / "profile.json")
    optimize(profile, 2).save(tmp_path / "plan.json")
    loaded = loaded_by(
        f"{USE}\n"
        "import makespan\n"
        "run = d.run(1)\n"
        "assert run.result == [1]\n"
        f"path = {str(tmp_path)!r}\n"
        "run.record.save(path + '/run.json')\n"
        "assert len(makespan.load_record(path + '/run.json').nodes) == 2\n"
        "assert len(makespan.load_plan(path + '/plan.json').nodes) == 3\n"
        "assert len(makespan.load_profile(path + '/profile.json').pairs) == 1\n"
    )
    assert loaded & HEAVY == set()


def test_the_public_names():
    assert set(makespan.__all__) <= set(dir(makespan))
    for name in makespan.__all__:
        assert getattr(makespan, name) is not None
    starred: dict = {}
    exec("from makespan import *", starred)
    assert set(makespan.__all__) <= set(starred)
    with pytest.raises(AttributeError, match="module 'makespan' has no attribute 'nothing'"):
        makespan.nothing  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        exec("from makespan import nothing")


def test_a_fresh_dir_shows_every_public_name():
    code = "import makespan; print(not set(makespan.__all__) - set(dir(makespan)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_importing_costs_at_most_three_times_msgspec():
    """Medians of interleaved processes, over bare Python; see the module for what is loaded."""
    statements = ("pass", "import msgspec", "import makespan")
    seconds: dict[str, list[float]] = {statement: [] for statement in statements}
    for _ in range(9):
        for statement in statements:
            begun = time.perf_counter()
            subprocess.run(clean_python(statement), check=True)
            seconds[statement].append(time.perf_counter() - begun)
    # The smallest of repeats is the least disturbed by what else the machine does.
    bare, theirs, ours = (min(seconds[statement]) for statement in statements)
    assert ours - bare <= 3 * (theirs - bare), {s: statistics.median(v) for s, v in seconds.items()}


def test_the_law_between_the_rooms():
    lint = shutil.which("lint-imports", path=Path(sys.executable).parent)
    assert lint is not None, "import-linter is not installed: pip install -e '.[dev]'"
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


def imports_at_load(tree):
    """Yield the modules that a file imports when it is loaded: not in functions, not for type checkers."""
    for node in tree:
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module):
                yield module or ""
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=orelse):
                yield from imports_at_load(orelse)
            case ast.If() | ast.Try() | ast.With() | ast.ClassDef() | ast.For() | ast.While():
                for part in ("body", "orelse", "handlers", "finalbody"):
                    yield from imports_at_load(getattr(node, part, []))
            case ast.ExceptHandler(body=body):
                yield from imports_at_load(body)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "runtime").rglob("*.py")), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_no_file_of_the_runtime_loads_a_heavy_module(path):
    found = set(imports_at_load(ast.parse(path.read_text(encoding="utf-8")).body))
    may = {"cloudpickle"} if path.name == "by_code.py" else set()  # loaded where a value needs it
    assert {name.partition(".")[0] for name in found} & HEAVY == may
