"""Targets of the command line that are graphs of other libraries."""

from __future__ import annotations

import json

import pytest

from makespan.adapters import ADAPTERS, load_adapter
from makespan.cli.target import load_target
from makespan.errors import DescribeError, MakespanError
from tests.cli_tools import run_process

PIPELINES = {
    "dask": """
from dask import delayed

def inc(x): return x + 1
total = delayed(sum)([delayed(inc)(i) for i in range(3)])
""",
    "hamilton": """
import sys
from hamilton import driver

def a() -> int: return 2
def b(a: int, k: int = 2) -> int: return a * k + 2
total = driver.Builder().with_modules(sys.modules[__name__]).build()
""",
    "pipefunc": """
from pipefunc import Pipeline, PipeFunc
total = Pipeline([PipeFunc(lambda: 5, "a"), PipeFunc(lambda a: a + 1, "b")])
""",
    "networkx": """
import networkx
total = networkx.DiGraph()
total.add_node("a", fn=lambda: 5)
total.add_node("b", fn=lambda a: a + 1)
total.add_edge("a", "b")
""",
}


@pytest.mark.parametrize("library", PIPELINES)
def test_a_graph_of_another_library_is_a_target(library, tmp_path, monkeypatch):
    monkeypatch.setenv("HAMILTON_AUTOLOAD_EXTENSIONS", "0")  # it would import whatever is installed
    pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    (tmp_path / f"mine_{library}.py").write_text(PIPELINES[library])
    result = load_target(f"mine_{library}.py:total")()
    assert result in (6, {"b": 6})


def test_from_a_dask_value_to_a_run_with_a_plan(tmp_path):
    pytest.importorskip("dask")
    (tmp_path / "mine.py").write_text(PIPELINES["dask"])
    for words in (
        ("profile", "mine:total", "--runs", "1", "--no-pairs", "-o", "profile.json"),
        ("optimize", "profile.json", "--threads", "2", "-o", "plan.json"),
        ("run", "mine:total", "--plan", "plan.json", "-o", "run.json"),
    ):
        done = run_process(*words, folder=tmp_path)
        assert done.code == 0, done.err
    nodes = json.loads((tmp_path / "run.json").read_text())["nodes"]
    assert sorted(node["name"] for node in nodes) == ["inc", "inc_2", "inc_3", "sum"]


def test_every_adapter_says_what_it_is_for_and_was_tested_with():
    for module in ADAPTERS.values():
        adapter = load_adapter(module)
        if adapter is not None:
            oldest, newest = adapter.TESTED
            assert oldest <= newest
            assert adapter.LIBRARY
            assert adapter.knows(object()) is False


def test_a_graph_that_cannot_be_taken_over_is_refused_with_its_node(tmp_path, monkeypatch):
    pytest.importorskip("networkx")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_wrong.py").write_text(PIPELINES["networkx"] + "total.add_edge('b', 'c')\n")
    with pytest.raises(MakespanError, match="'c' has no function") as told:
        load_target("mine_wrong.py:total")
    assert isinstance(told.value, DescribeError)
    assert told.value.where == "mine_wrong.py:total"
