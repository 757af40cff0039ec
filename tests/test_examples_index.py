"""All examples: each is told in the index, and the small ones give what they should."""

from __future__ import annotations

import re
from graphlib import TopologicalSorter

import pytest

from benchmarks.pipeline_modules import examples, pipeline_of
from makespan import DAG
from tests.example_modules import EXAMPLES, example

INDEX = (EXAMPLES / "README.md").read_text()


def test_the_index_has_all():
    assert set(examples()) == set(re.findall(r"\]\((\w+)/README\.md\)", INDEX))
    for name, file in examples().items():
        text = (file.parent / "README.md").read_text()
        assert text.startswith("# "), name
        assert "hat a plan gives" in text, name
        assert "python pipeline.py" in text, name
    for file in EXAMPLES.glob("*.py"):
        assert f"`{file.name}`" in INDEX


@pytest.mark.parametrize("name", ["blog_gil", "blog_order", "letters"])
def test_the_small_ones_give_what_they_should(name, monkeypatch):
    pytest.importorskip("tawazi")
    monkeypatch.setenv("UNIT_S", "0.01")
    monkeypatch.setenv("WORK", "0.02")
    with example(name) as module:
        module.setup()
        its = pipeline_of(name, module, EXAMPLES / name / "pipeline.py")
        results: dict = {}
        for node in TopologicalSorter({key: deps for key, (_, deps) in its.nodes.items()}).static_order():
            fn, deps = its.nodes[node]
            results[node] = fn(*(results[dep] for dep in deps))
        module.check(results)
        assert set(module.process_ok) <= set(its.nodes)
        if isinstance(its.dag, DAG):
            assert len(its.dag.check()) == len(its.nodes)


def test_the_letters_are_those_of_tawazi(monkeypatch):
    tawazi = pytest.importorskip("tawazi")
    monkeypatch.setenv("WORK", "0.02")
    with example("letters") as module:
        assert isinstance(module.of.letters, tawazi.DAG)
        known = {
            re.sub(r"<<(\d+)>>$", r"_\1", its.id)
            for its in module.of.letters.exec_nodes.values()
            if not its.id.startswith("letters>")
        }
        table = {re.sub(r"_\d+$", "", name) for name in module.nodes}
        assert {re.sub(r"_\d+$", "", name) for name in known} >= table
