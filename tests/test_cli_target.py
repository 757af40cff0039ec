"""Targets: which DAG a word leads to, and what is said when it leads to none."""

from __future__ import annotations

import importlib
import os
import sys

import pytest

from makespan.cli.target import ImportFailedError, _make_importable, load_target, parse_target
from makespan.errors import DescribeError, TargetError
from tests.cli_tools import PIPELINE


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Work in an empty folder; forget what was imported from it."""
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    importlib.invalidate_caches()


def write(folder, name, text=PIPELINE):
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "module", "attribute"),
    [
        ("pipeline:news", "pipeline", "news"),
        ("pipeline", "pipeline", ""),
        ("pkg.sub.pipeline:box.news", "pkg.sub.pipeline", "box.news"),
        ("pipeline.py", "pipeline.py", ""),
        ("./a b/pipe-line.py:news", "./a b/pipe-line.py", "news"),
        ("C:/x/pipeline.py", "C:/x/pipeline.py", ""),
        ("C:/x/pipeline.py:news", "C:/x/pipeline.py", "news"),
    ],
)
def test_parts(text, module, attribute):
    assert parse_target(text)[1:] == (module, attribute)


@pytest.mark.parametrize(
    "text", [None, "", ":", ":news", "pipeline:2x", "pipe-line:news", "a b", "pipeline:a..b", "..x:y"]
)
def test_what_is_no_target(text):
    with pytest.raises(TargetError):
        parse_target(text)


@pytest.mark.parametrize(
    "text", ["pipeline:news", "pipeline", "pipeline.py:news", "./pipeline.py", "deep/pipeline2.py:news"]
)
def test_a_target_leads_to_its_dag(text, here):
    write(here, "pipeline.py")
    write(here, "deep/pipeline2.py")
    dag = load_target(text)
    assert dag.name == "news"
    assert dag.target == text
    assert len(dag) == 5
    assert dag() == (2, [3, 6])


def test_module_and_file_lead_to_the_same_fingerprint(here):
    write(here, "pipeline.py")
    assert load_target("pipeline:news").fingerprint == load_target("pipeline.py:news").fingerprint


def test_a_file_in_a_package_is_imported_as_its_member(here):
    write(here, "pkg/__init__.py", "")
    write(here, "pkg/words.py", "SIZE = 3\n")
    write(here, "pkg/pipe.py", PIPELINE + "\nfrom .words import SIZE\nassert __name__ == 'pkg.pipe'\n")
    assert load_target("pkg/pipe.py:news").nodes["fetch"].fn.__module__ == "pkg.pipe"
    assert load_target("pkg.pipe:news") is load_target("pkg/pipe.py")


def test_a_module_imports_its_neighbours(here):
    write(here, "deep/neighbour.py", "X = 1\n")
    write(here, "deep/pipe3.py", "import neighbour\n" + PIPELINE)
    assert load_target("deep/pipe3.py:news").name == "news"


def test_names_of_the_standard_library_hide_nothing(here):
    for name in ("profile", "queue", "statistics"):
        write(here, f"{name}.py", PIPELINE)
    before = {name: importlib.import_module(name) for name in ("profile", "queue", "statistics")}
    for text in ("profile:news", "queue.py", "./statistics.py:news"):
        assert load_target(text).name == "news"
    for name, module in before.items():
        assert importlib.import_module(name) is module
        assert not str(module.__file__).startswith(str(here))


def test_a_file_called_as_an_installed_package(here):
    write(here, "msgspec.py")
    write(here, "makespan.py")
    assert load_target("msgspec.py:news").name == "news"
    assert load_target("makespan.py:news").name == "news"
    assert hasattr(sys.modules["msgspec"], "Struct")


def test_the_folder_stands_behind_the_standard_library(here):
    _make_importable(here)
    library = os.path.dirname(os.__file__)
    assert sys.path.index(library) < sys.path.index(str(here))
    packages = [i for i, path in enumerate(sys.path) if path.endswith("site-packages")]
    assert all(sys.path.index(str(here)) < i for i in packages)
    _make_importable(here)
    assert sys.path.count(str(here)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pipelin:news", "there is no module 'pipelin' (did you mean 'pipeline'?)"),
        ("zzz:news", "there is no module 'zzz' (it is looked for in the current folder"),
        ("pipeline.zzz:news", "there is no module 'pipeline.zzz'"),
        ("pipelin.py:news", "there is no file 'pipelin.py' (did you mean 'pipeline.py'?)"),
        ("no/where.py", "there is no file 'no/where.py'"),
        ("pipeline:new", "did you mean 'news'?"),
        ("pipeline:zzzz", "DAGs there: news"),
        ("pipeline:news.zzz", "there is no 'news.zzz'"),
        ("pipeline:fetch", "'fetch' is a node, not a DAG (DAGs there: news)"),
        ("pipeline:dag", "is of type function, not a DAG"),
        ("empty", "the module holds no DAG"),
        ("empty:x", "there is no 'x' in 'empty'"),
        ("two", "holds 2 DAGs (name one: two:a, two:b)"),
    ],
)
def test_what_leads_nowhere_is_said(text, said, here):
    write(here, "pipeline.py")
    write(here, "empty.py", "X = 1\n")
    write(here, "two.py", PIPELINE + "\na = news\n\n@dag\ndef b():\n    return fetch('x')\n\ndel news\n")
    with pytest.raises(TargetError) as caught:
        load_target(text)
    assert said in str(caught.value)
    assert caught.value.where == text


@pytest.mark.parametrize("text", ["broken:news", "broken.py:news", "queue.py:news"])
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def f():\n    return 1 / 0\n\nf()\n", "ZeroDivisionError while it was imported: division by zero"),
        ("import zzz_missing\n", "is 'zzz_missing' installed beside makespan"),
        ("x = (\n", "SyntaxError"),
        ("raise SystemExit(3)\n", "if __name__ == '__main__':"),
        ("raise BaseException('odd')\n", "BaseException while it was imported: odd"),
    ],
)
def test_an_import_that_fails_is_shown_with_its_own_traceback(text, code, said, here):
    file = write(here, f"{text.partition(':')[0].removesuffix('.py')}.py", code)
    with pytest.raises(ImportFailedError) as caught:
        load_target(text)
    if not (file.stem == "queue" and "zzz_missing" in code):  # there the hint is another one
        assert said in str(caught.value)
    tail = caught.value.traceback_tail
    assert str(file) in tail
    assert "makespan/cli" not in tail
    assert "importlib" not in tail


def test_a_missing_module_beside_a_hidden_file_is_explained(here):
    write(here, "queue.py", "MINE = 1\n")
    write(here, "user.py", "from queue import MINE\n")
    with pytest.raises(ImportFailedError, match="hide the files of the same name here: queue"):
        load_target("user:x")


def test_ctrl_c_during_an_import_is_ctrl_c(here):
    write(here, "slow.py", "raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_target("slow:x")
    with pytest.raises(KeyboardInterrupt):
        load_target("slow.py:x")


def test_a_cycle_is_named_in_order(here):
    write(
        here,
        "circle.py",
        "from makespan import DAG\nd = DAG('circle')\n"
        "d.add(abs, d.ref('b'), name='a')\nd.add(abs, d.ref('a'), name='b')\n",
    )
    with pytest.raises(DescribeError, match="a → b → a"):
        load_target("circle:d")


def test_a_description_that_raises_is_the_users_own_fault(here):
    write(here, "bad.py", "from makespan import dag, node\n\n@dag\ndef news():\n    return {}['key']\n")
    with pytest.raises(ImportFailedError, match="the described function raised KeyError: 'key'") as caught:
        load_target("bad:news")
    assert "in news" in caught.value.traceback_tail


def test_a_description_that_is_wrong_keeps_its_place(here):
    write(here, "bad.py", "from makespan import dag, node\n\n@dag\ndef news(*args):\n    return args\n")
    with pytest.raises(DescribeError, match=r"bad\.py:3"):
        load_target("bad:news")
