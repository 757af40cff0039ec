"""The integer structure of a DAG, against an oracle; its faults, each with its place."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.errors import DescribeError
from makespan.structure import build


def test_numbers_edges_and_order():
    #   c ◀── a      declared in the order b, c, a
    #   └▶ b ◀┘
    s = build(["b", "c", "a"], [["a", "c"], ["a"], []])
    assert s.preds == ((1, 2), (2,), ())
    assert s.succs == ((), (0,), (0, 1))
    assert s.order == (2, 1, 0)
    assert (len(s), s.edges) == (3, 3)


def test_an_empty_dag_and_repeated_dependencies():
    assert build([], []).order == ()
    s = build(["a", "b"], [[], ["a", "a", "a"]])
    assert s.preds == ((), (0,))
    assert s.succs == ((1,), ())


def test_locks_are_sorted_and_once():
    s = build(["a"], [[]], locks=[["z", "b", "z"]], exclusive=[True])
    assert s.locks == (("b", "z"),)
    assert s.exclusive == (True,)


def test_a_cycle_is_named_in_order_and_placed():
    places = {"a": "x.py:1", "b": "x.py:2", "c": "x.py:3", "d": "x.py:4"}
    with pytest.raises(DescribeError, match="a → b → c → a") as caught:
        build(["d", "a", "b", "c", "e"], [["c"], ["c"], ["a"], ["b"], []], places=places)
    assert caught.value.where == "x.py:1"


def test_a_node_that_waits_for_itself():
    with pytest.raises(DescribeError, match="a → a"):
        build(["a"], [["a"]])


def test_an_unknown_dependency_is_guessed_at_and_placed():
    with pytest.raises(DescribeError, match=r"'report' depends on 'fetsh'.*did you mean 'fetch'") as caught:
        build(["fetch", "report"], [[], ["fetsh"]], places={"report": "x.py:9"})
    assert caught.value.where == "x.py:9"


def test_two_nodes_of_one_name():
    with pytest.raises(DescribeError, match="two nodes are named 'b'"):
        build(["a", "b", "b"], [[], [], []])


def test_a_chain_of_100_000_is_no_recursion():
    n = 100_000
    names = [str(i) for i in range(n)]
    s = build(names[::-1], [[names[i - 1]] if i else [] for i in reversed(range(n))])
    assert s.order == tuple(reversed(range(n)))
    with pytest.raises(DescribeError, match="in a circle"):
        build(names, [[names[i - 1]] for i in range(n)])


@st.composite
def graphs(draw, cyclic=False):
    n = draw(st.integers(1, 9))
    names = draw(st.permutations([f"n{i}" for i in range(n)]))
    after = [
        draw(st.lists(st.sampled_from(names if cyclic else names[:i]), max_size=4)) if (cyclic or i) else []
        for i in range(n)
    ]
    shuffled = draw(st.permutations(range(n)))
    return [names[i] for i in shuffled], [after[i] for i in shuffled]


@given(graphs())
@settings(deadline=None, max_examples=150)
def test_the_order_is_the_smallest_topological_one(graph):
    names, after = graph
    s = build(names, after)
    assert sorted(s.order) == list(range(len(names)))
    done = []
    while len(done) < len(names):  # the definition, slowly
        done.append(min(i for i in range(len(names)) if i not in done and set(s.preds[i]) <= set(done)))
    assert list(s.order) == done
    for i, wanted in enumerate(after):
        assert [names[p] for p in s.preds[i]] == sorted(set(wanted), key=names.index)
        assert all(i in s.succs[p] for p in s.preds[i])
    assert s.edges == sum(map(len, s.succs))


@given(graphs(cyclic=True))
@settings(deadline=None, max_examples=150)
def test_a_named_cycle_is_one(graph):
    names, after = graph
    try:
        s = build(names, after)
    except DescribeError as error:
        circle = error.problem.partition(": ")[2].split(" → ")
        assert circle[0] == circle[-1]
        assert len(set(circle)) == len(circle) - 1
        for before, then in pairwise(circle):
            assert before in after[names.index(then)]
    else:
        position = {i: at for at, i in enumerate(s.order)}
        assert all(position[p] < position[i] for i in range(len(names)) for p in s.preds[i])
