"""graphlib's and networkx's graphs as DAGs: every edge, every result, and what is refused."""

from __future__ import annotations

import graphlib
import random
import subprocess
import sys
import threading

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import from_graphlib, from_networkx, node
from makespan.adapters import adapt
from makespan.adapters.graphs import check_edges
from makespan.errors import DescribeError
from makespan.graph import DAG


def told(name):
    """Return a function that says what it was called with."""

    def call(*args, **kwargs):
        return (name, args, tuple(sorted(kwargs.items())))

    return call


@st.composite
def graphs(draw):
    """Draw predecessors in an order, over keys of several kinds; declared in any order."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    keys = rng.sample(
        ["a", "b", "a b", 1, 2.5, ("t", 1), "<b>&", "é\n", "x_2", "\u202ertl", None, b"y"], rng.randint(1, 12)
    )
    density = rng.choice([0.1, 0.4, 0.9])
    preds = {
        key: rng.sample(keys[:i], sum(rng.random() < density for _ in range(i))) for i, key in enumerate(keys)
    }
    items = list(preds.items())
    rng.shuffle(items)
    return dict(items)


def by_hand(preds):
    """Return each node's result, by calling one after the other."""
    found = {}
    for key in graphlib.TopologicalSorter(preds).static_order():
        found[key] = told(key)(*(found[p] for p in preds.get(key, ())))
    return found


def names(structure, i):
    return {structure.names[p] for p in structure.preds[i]}


@settings(deadline=None, max_examples=80)
@given(graphs())
def test_graphlib_every_edge_and_every_result(preds):
    dag = from_graphlib(preds, {key: told(key) for key in preds})
    structure = dag.check()
    assert {name: names(structure, i) for i, name in enumerate(structure.names)} == {
        str(key): {str(p) for p in before} for key, before in preds.items()
    }
    run = dag.run(threads=3)
    expected = by_hand(preds)
    last = set(preds) - {p for before in preds.values() for p in before}
    assert run.result == {str(key): expected[key] for key in last}


@settings(deadline=None, max_examples=80)
@given(graphs(), st.integers(0, 2**32))
def test_networkx_every_edge_and_every_result(preds, seed):
    rng = random.Random(seed)
    graph = networkx.DiGraph()
    graph.add_nodes_from((key, {"fn": told(key)}) for key in preds if key is not None)  # it has no None
    for key, before in preds.items():
        before = [p for p in before if p is not None]
        named = rng.randint(0, len(before))
        args = [*range(named), *(f"p{i}" for i in range(named, len(before)))]
        for p, arg in rng.sample(list(zip(before, args, strict=True)), len(before)):
            if key is not None:
                graph.add_edge(p, key, **({"arg": arg} if len(before) > 1 else {}))
    if rng.random() < 0.5:
        graph = graph.subgraph(list(graph)).copy()  # the edges come in another order
    dag = from_networkx(graph)
    structure = dag.check()
    assert {name: names(structure, i) for i, name in enumerate(structure.names)} == {
        str(key): {str(p) for p in graph.predecessors(key)} for key in graph
    }
    found = {}
    for key in networkx.topological_sort(graph):
        edges = {graph.edges[p, key].get("arg", 0): found[p] for p in graph.predecessors(key)}
        args = [edges.pop(i) for i in range(len(edges)) if i in edges]
        found[key] = told(key)(*args, **edges)
    assert dag() == {str(key): found[key] for key in graph if not graph.out_degree(key)}


def test_networkx_by_the_names_of_the_predecessors():
    graph = networkx.DiGraph()
    graph.add_nodes_from((name, {"fn": told(name)}) for name in "abc")
    graph.add_edges_from(["bc", "ac"])
    assert from_networkx(graph, takes="names")() == {
        "c": ("c", (), (("a", ("a", (), ())), ("b", ("b", (), ()))))
    }


def test_what_only_stands_among_the_predecessors_is_a_node():
    assert from_graphlib({"b": ["a"]}, {"a": lambda: 20, "b": lambda a: a + 1})() == {"b": 21}


def test_results_by_name_or_not_at_all():
    calls = {"a": told("a"), "b": told("b"), "c": told("c")}
    graph = {"c": {"a", "b"}, "b": {"a"}}
    a = ("a", (), ())
    b = ("b", (), (("a", a),))
    assert from_graphlib(graph, calls, takes="names")() == {"c": ("c", (), (("a", a), ("b", b)))}
    order, lock = [], threading.Lock()

    def note(name):
        def call():
            with lock:
                order.append(name)

        return call

    assert from_graphlib(graph, {n: note(n) for n in "abc"}, takes="nothing")() == {"c": None}
    assert order == ["a", "b", "c"]


def test_a_set_of_predecessors_has_no_order_that_lasts():
    with pytest.raises(DescribeError, match="'c' takes 2 results, and a set"):
        from_graphlib({"c": {"a", "b"}}, dict.fromkeys("abc", told("x")))
    with pytest.raises(DescribeError, match="'c' takes 2 results"):
        from_graphlib({"c": {"a": 1, "b": 2}.keys()}, dict.fromkeys("abc", told("x")))
    assert from_graphlib({"c": {"a"}}, {"a": lambda: 1, "c": lambda a: a})() == {"c": 1}


SCRIPT = """
from makespan import from_graphlib
names = [f"n{i}" for i in range(40)]
graph = {"end": set(names), "mid": {"n3", "n7", "extra", "more"}}
calls = dict.fromkeys([*names, "end", "mid", "extra", "more"], print)
dag = from_graphlib(graph, calls, takes="nothing")
print(list(dag.nodes), dag.fingerprint)
"""


def test_sets_are_declared_in_one_order_in_every_process():
    said = set()
    for seed in ("0", "1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        said.add(done.stdout)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("graph", "calls", "said"),
    [
        ({"b": ["a"]}, {"b": len}, "'a' has no function"),
        ({"b": ["a"]}, {"a": len, "b": len, "bb": len}, "function for 'bb'.*did you mean 'b'"),
        ({"a": ["b"], "b": ["a"]}, {"a": len, "b": len}, "circle"),
        ({"a": ["a"]}, {"a": len}, "circle"),
        ({"b": "a"}, {"a": len, "b": len}, "a list of nodes is needed"),
        ({"b": ["a", "a"]}, {"a": len, "b": len}, "'b' lists a predecessor twice"),
        ({"b": 7}, {"b": len}, "a list of nodes is needed"),
        ({1: [], "1": [1]}, {1: len, "1": len}, "two nodes would be named '1'"),
        ({"a": []}, {"a": 7}, "'a' cannot be taken over: 7 is not callable"),
        ({"a\x00": []}, {"a\x00": len}, "null character"),
        ({"\ud800": []}, {"\ud800": len}, "UTF-8"),
        ({"": []}, {"": len}, "named by a string"),
        ([("a", [])], {"a": len}, "mapping"),
        ({"a": []}, [len], "functions are a mapping"),
    ],
)
def test_graphlib_refuses_by_name(graph, calls, said):
    with pytest.raises(DescribeError, match=said):
        from_graphlib(graph, calls)


def test_options_that_are_no_mapping_are_refused():
    with pytest.raises(DescribeError, match="options are a mapping, not of type list"):
        from_graphlib({"a": []}, {"a": len}, options=["a"])


def test_objects_without_a_lasting_name_are_refused():
    with pytest.raises(DescribeError, match="no name that lasts"):
        from_graphlib({object(): []}, {})


def test_generators_as_functions_and_as_predecessors():
    def lines():
        yield 1

    with pytest.raises(DescribeError, match=r"'a' cannot be taken over.*generator"):
        from_graphlib({"a": []}, {"a": lines})
    dag = from_graphlib({"b": (p for p in ["a"])}, {"a": lambda: 1, "b": lambda a: a + 1})
    assert dag() == dag() == {"b": 2}


def test_names_that_cannot_be_keywords_are_refused():
    with pytest.raises(DescribeError, match="'b' cannot take the result of 'a b' by name"):
        from_graphlib({"b": ["a b"]}, {"a b": len, "b": len}, takes="names")
    with pytest.raises(DescribeError, match="takes is"):
        from_graphlib({"a": []}, {"a": len}, takes="all")


def test_options_of_nodes():
    dag = from_graphlib({"a": [], "b": []}, {"a": dict, "b": dict}, options={"a": {"lock": "x", "hint_s": 2}})
    assert dag.nodes["a"].options.locks == ("x",)
    assert not dag.nodes["b"].options.locks
    with pytest.raises(DescribeError, match="the options of node 'a' are of type list"):
        from_graphlib({"a": []}, {"a": dict}, options={"a": ["lock"]})
    with pytest.raises(DescribeError, match="options for 'c'"):
        from_graphlib({"a": []}, {"a": dict}, options={"c": {}})
    with pytest.raises(DescribeError, match="no option 'lok'"):
        from_graphlib({"a": []}, {"a": dict}, options={"a": {"lok": "x"}})


def test_functions_under_node_bring_their_options():
    @node(lock="x")
    def one():
        return 1

    dag = from_graphlib({"a": []}, {"a": one}, options={"a": {"lock": "y"}})
    assert dag.nodes["a"].options.locks == ("x", "y")
    assert dag() == {"a": 1}


def test_coroutine_functions_are_awaited():
    async def one():
        return 1

    assert from_graphlib({"b": ["a"]}, {"a": one, "b": lambda a: a + 1})() == {"b": 2}


# -- networkx ----------------------------------------------------------------------------------------------


def a_graph(**edge):
    graph = networkx.DiGraph(name="mine")
    graph.add_node("a", fn=lambda: 1, options={"lock": "x"})
    graph.add_node("b", fn=lambda a: a + 1)
    graph.add_edge("a", "b", **edge)
    return graph


def test_the_hook_knows_networkx_graphs():
    dag = adapt(a_graph())
    assert dag.name == "mine"
    assert dag() == {"b": 2}
    assert dag.nodes["a"].options.locks == ("x",)


def test_a_node_function_may_have_another_attributes_name():
    graph = networkx.DiGraph()
    graph.add_node("a", run=lambda: 5)
    assert from_networkx(graph, fn="run")() == {"a": 5}
    assert from_networkx(networkx.DiGraph())() == {}


def test_networkx_without_results():
    seen = []
    graph = networkx.DiGraph()
    for name in "cba":
        graph.add_node(name, fn=lambda name=name: seen.append(name))
    networkx.add_path(graph, "abc")
    from_networkx(graph, takes="nothing")()
    assert seen == ["a", "b", "c"]


def without_function():
    graph = a_graph()
    graph.add_edge("b", "lonely")
    return graph


def two_claims():
    graph = a_graph(arg="x")
    graph.add_node("c", fn=lambda: 2)
    graph.add_edge("c", "b", arg="x")
    return graph


def unsaid():
    graph = a_graph()
    graph.add_node("c", fn=lambda: 2)
    graph.add_edge("c", "b", arg="x")
    return graph


def gap():
    graph = a_graph(arg=0)
    graph.add_node("c", fn=lambda: 2)
    graph.add_edge("c", "b", arg=2)
    return graph


def cyclic():
    graph = a_graph()
    graph.add_edge("b", "a")
    return graph


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (without_function, "'lonely' has no function"),
        (two_claims, "'c' to 'b'.*that from 'a' has it"),
        (unsaid, "'b' takes 2 results, and the edge from 'a' does not say"),
        (gap, "'b' has edges at the positions"),
        (cyclic, "circle"),
        (lambda: a_graph(arg=7), "count from 0"),
        (lambda: a_graph(arg=True), "no parameter's name"),
        (lambda: networkx.Graph([(1, 2)]), "undirected"),
        (lambda: networkx.MultiDiGraph([(1, 2), (1, 2)]), "parallel"),
        (lambda: {"a": []}, "networkx.DiGraph is needed"),
    ],
)
def test_networkx_refuses_by_name(make, said):
    with pytest.raises(DescribeError, match=said):
        from_networkx(make())


def test_a_view_of_a_graph_loses_nothing():
    graph = a_graph()
    graph.add_node("c", fn=lambda: 3)
    assert from_networkx(graph.subgraph(["a", "b"]))() == {"b": 2}
    graph.nodes["a"]["fn"], graph.nodes["b"]["fn"] = graph.nodes["b"]["fn"], graph.nodes["a"]["fn"]
    assert from_networkx(graph.reverse(copy=False))() == {"a": 2, "c": 3}


def test_edges_that_were_lost_would_be_found():
    dag = DAG("d")
    a = dag.add(int, name="a")
    dag.add(int, a, name="b")
    check_edges(dag, {"a": set(), "b": {"a"}})
    for wrong in ({"a": set(), "b": set()}, {"a": {"b"}, "b": {"a"}}, {"a": set(), "b": {"a"}, "c": set()}):
        with pytest.raises(DescribeError, match="taken over"):
            check_edges(dag, wrong)
