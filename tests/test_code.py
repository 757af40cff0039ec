"""The fingerprint of a node's code: what changes it, what does not, and that it is the same everywhere."""

from __future__ import annotations

import functools
import importlib
import os
import subprocess
import sys
import textwrap

import pytest

from makespan import dag, node
from makespan.fingerprints.code import MOST, Memory, code_fingerprint
from makespan.fingerprints.codewords import read_code

HELPERS = """
    LIMIT = 10
    small = 3
    _state = {"a": 1}

    def low(x):
        return x + LIMIT

    def untouched(x):
        return x

    class Tool:
        size = 4

        def use(self, x):
            return low(x) * self.size

        @staticmethod
        def fixed(x):
            return x

        @property
        def half(self):
            return self.size / 2
"""
LATE = """
    def late(x):
        return x - 1
"""
NODES = '''
    """The module's words."""
    import json
    from functools import partial, lru_cache
    from pkg import helpers
    from pkg.helpers import Tool, low

    def fn(x, n=2):
        """Say something."""
        # a comment
        seen = {"a", "b", "c"}
        return low(x) + n if x in {"u", "v", "w"} else json.dumps(x) + len(seen)

    def by_module(x):
        return helpers.low(x)

    def by_class(x):
        return Tool().use(x)

    def imports_late(x):
        from pkg.late import late
        return late(x)

    def imports_near(x):
        from . import late
        return late.late(x)

    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    def outer(k):
        def inner(x):
            return low(x) + k
        return inner

    closed = outer(3)
    part = partial(fn, n=5)
    method = Tool().use
    cached = lru_cache(fn)

    class Callable:
        def __call__(self, x):
            return helpers.untouched(x)

    instance = Callable()
    listed = [lambda x: low(y) for y in (1,)][0]
'''
NAMES = (
    *("fn", "by_module", "by_class", "imports_late", "imports_near", "even", "odd"),
    *("closed", "part", "method", "cached", "instance", "listed"),
)


class Package:
    """A package of the user's, written and imported anew."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "pkg").mkdir()
        self.files = {"__init__": "", "helpers": HELPERS, "late": LATE, "nodes": NODES}
        self.write()

    def write(self, **replaced):
        for name, text in (self.files | replaced).items():
            (self.folder / "pkg" / f"{name}.py").write_text(textwrap.dedent(text))

    def prints(self, **replaced):
        self.write(**replaced)
        for name in [name for name in sys.modules if name.partition(".")[0] == "pkg"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        module = importlib.import_module("pkg.nodes")
        return {name: code_fingerprint(getattr(module, name)) for name in NAMES}


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Package(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "pkg"]:
        del sys.modules[name]


def changed(before, after):
    return {name for name in NAMES if before[name] != after[name]}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("nodes", '"""Say something."""', '"""Say something else."""'),
        ("nodes", '        """Say something."""\n', ""),
        ("nodes", "# a comment", "# another\n\n\n        # comment"),
        ("nodes", "seen", "known"),
        ("nodes", '"""The module\'s words."""', "\n\n\n"),
        ("helpers", "def untouched(x):", "def never_used(x):\n        return 1\n\n    def untouched(x):"),
        ("helpers", "small = 3", "small = 4"),
        ("helpers", '{"a": 1}', '{"a": 2}'),
        ("late", "    def late", "\n\n\n    # a comment\n    def late"),
        ("late", "    def late", '    """Words."""\n    def late'),
    ],
)
def test_what_does_not_count(package, file, old, new):
    text = package.files[file]
    assert old in text
    before = package.prints()
    assert changed(before, package.prints(**{file: text.replace(old, new)})) == set()


FN = {"fn", "part", "cached"}
LOW = FN | {"by_module", "by_class", "closed", "method", "listed"}


@pytest.mark.parametrize(
    ("file", "old", "new", "names"),
    [
        ("nodes", "low(x) + n if", "low(x) - n if", FN),
        ("nodes", "n=2", "n=3", FN),
        ("nodes", "def fn(x, n=2)", "def fn(x, *, n=2)", FN),
        ("nodes", '{"u", "v", "w"}', '{"u", "v", "z"}', FN),
        ("nodes", "json.dumps", "json.loads", FN),
        ("nodes", "partial(fn, n=5)", "partial(fn, n=6)", {"part"}),
        ("nodes", "outer(3)", "outer(4)", {"closed"}),
        ("nodes", "n != 0 and", "n != 1 and", {"even", "odd"}),
        ("nodes", "helpers.untouched(x)", "helpers.low(x)", {"instance"}),
        ("helpers", "return x + LIMIT", "return x - LIMIT", LOW),
        ("helpers", "LIMIT = 10", "LIMIT = 11", LOW),
        ("helpers", "size = 4", "size = 5", {"by_class", "method"} & {"by_class"}),
        ("helpers", "self.size / 2", "self.size / 3", {"by_class"}),
        (
            "helpers",
            "def untouched(x):\n        return x",
            "def untouched(x):\n        return -x",
            {"instance"},
        ),
        ("late", "x - 1", "x - 2", {"imports_late", "imports_near"}),
    ],
)
def test_what_counts(package, file, old, new, names):
    text = package.files[file]
    assert old in text
    before = package.prints()
    found = changed(before, package.prints(**{file: text.replace(old, new)}))
    assert found - {"method"} == names - {"method"}


def test_the_same_in_every_process_and_for_every_hash_seed(package):
    code = (
        "import pkg.nodes as m; from makespan.fingerprints.code import code_fingerprint as f; "
        f"print(*[f(getattr(m, n)) for n in {NAMES!r}])"
    )
    seen = set()
    for seed in ("0", "1", "77"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=package.folder,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(done.stdout)
    assert len(seen) == 1
    assert seen == {" ".join(package.prints().values()) + "\n"}


def test_running_the_code_changes_nothing(package):
    before = package.prints()
    module = sys.modules["pkg.nodes"]
    for _ in range(200):  # specialized bytecode
        module.imports_late(1)
        module.by_class(2)
        module.even(3)
    assert {name: code_fingerprint(getattr(module, name)) for name in NAMES} == before


def test_nothing_is_imported(package):
    package.prints()
    assert "pkg.late" not in sys.modules


def test_installed_code_counts_by_name(tmp_path, monkeypatch):
    site = tmp_path / "site-packages"
    (site / "lib").mkdir(parents=True)
    (site / "lib" / "__init__.py").write_text("def helper(x):\n    return x\n")
    (tmp_path / "mine.py").write_text("from lib import helper\ndef fn(x):\n    return helper(x)\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    prints = []
    for body in ("x", "-x"):
        (site / "lib" / "__init__.py").write_text(f"def helper(x):\n    return {body}\n")
        importlib.invalidate_caches()
        for name in ("lib", "mine"):
            sys.modules.pop(name, None)
        prints.append(
            (
                code_fingerprint(importlib.import_module("mine").fn),
                code_fingerprint(importlib.import_module("lib").helper),
            )
        )
    for name in ("lib", "mine"):
        sys.modules.pop(name, None)
    assert prints[0][0] == prints[1][0]
    assert prints[0][1] != prints[1][1]  # its own package is its own


class Hostile:
    """An object that must not be asked anything."""

    def __getattribute__(self, name):
        raise RuntimeError("asked")

    def __call__(self, x):
        return x

    def __repr__(self):
        raise RuntimeError("shown")


def made_of_hostility():
    hostile = Hostile()
    scope = {"HOSTILE": hostile, "__name__": __name__}
    exec(compile("def fn(x, y=HOSTILE): return HOSTILE(x) or HOSTILE.y", __file__, "exec"), scope)
    return [hostile, scope["fn"], functools.partial(scope["fn"], hostile)]


@pytest.mark.parametrize("number", range(3))
def test_objects_are_asked_nothing(number):
    fn = made_of_hostility()[number]
    assert code_fingerprint(fn) == code_fingerprint(fn)


@pytest.mark.parametrize(
    "fn",
    [
        len,
        "".join,
        dict,
        int,
        functools.partial(max, 1),
        functools.partial(functools.partial(max, 1), 2),
        lambda x, y=float("nan"): (x, y),
        functools.cmp_to_key,
        sorted,
        print,
        type("T", (), {"__call__": lambda self: 1})(),
        [].append,
        object(),
    ],
)
def test_any_callable_has_one(fn):
    assert code_fingerprint(fn) == code_fingerprint(fn)
    assert code_fingerprint(fn).startswith("code1:")


def test_a_wrapper_that_wraps_itself():
    def fn(x):
        return x

    fn.__wrapped__ = fn
    assert code_fingerprint(fn)


class Wrapper:
    """A callable object around another."""

    def __init__(self, inner=None):
        self.__wrapped__ = inner

    def __call__(self, x):
        return x


def test_an_object_that_wraps_itself_or_very_many():
    ring = Wrapper()
    ring.__wrapped__ = functools.partial(ring)
    assert code_fingerprint(ring) == code_fingerprint(ring)
    deep = Wrapper(len)
    for _ in range(3000):
        deep = Wrapper(deep)
    assert code_fingerprint(deep).startswith("code1:")
    assert code_fingerprint(Wrapper(Wrapper(len))) != code_fingerprint(Wrapper(Wrapper(max)))


def test_a_file_too_deep_for_the_compiler_is_passed_over(tmp_path):
    deep = tmp_path / "deep.py"
    deep.write_text("x = " + "(" * 5000 + ")" * 5000)
    nested = tmp_path / "nested.py"
    nested.write_text("x = " + "-" * 100_000 + "1")
    from makespan.fingerprints.ownfiles import Own

    own = Own(code_fingerprint, {})
    assert own._compiled(str(deep)) is None
    assert own._compiled(str(nested)) is None


def test_the_work_is_bounded():
    names: dict[str, object] = {"__name__": __name__}
    lines = [f"def f{i}(x): return f{i + 1}(x)" for i in range(2 * MOST)]
    exec(compile("\n".join(lines), __file__, "exec"), names)
    assert code_fingerprint(names["f0"]) == code_fingerprint(names["f0"])


def test_memory_is_shared_among_nodes(monkeypatch):
    import makespan.fingerprints.code as module

    read = []
    monkeypatch.setattr(module, "read_code", lambda code: read.append(code) or read_code(code))
    memory = Memory()
    first, second = (
        code_fingerprint(fn, memory) for fn in (test_any_callable_has_one, test_any_callable_has_one)
    )
    assert first == second
    assert len(read) == len(set(read))


@node
def base(x):
    return x


@functools.lru_cache
def cached(x):
    return base(x)


@dag
def described(x):
    return base(x)


def uses_all(x):
    return cached(x), described(x)


def test_nodes_caches_and_dags_are_looked_into():
    def other(x):
        return -x

    before = code_fingerprint(uses_all)
    fn = base.__makespan_node__[0]
    old, fn.__code__ = fn.__code__, other.__code__
    try:
        assert code_fingerprint(uses_all) != before
    finally:
        fn.__code__ = old
    assert code_fingerprint(uses_all) == before


def test_what_is_typed_at_a_prompt_is_its_own():
    prints = []
    for body in ("x", "-x"):
        scope: dict[str, object] = {"__name__": "__main__"}
        exec(compile(f"def helper(x): return {body}\ndef fn(x): return helper(x)", "<stdin>", "exec"), scope)
        prints.append(code_fingerprint(scope["fn"]))
    assert prints[0] != prints[1]
