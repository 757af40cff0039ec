"""A compiled DAG: what each node is called with, where results go, and how long values live."""

from __future__ import annotations

import weakref
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG
from makespan.preparing.program import compile_program


def give(*args, **kwargs):
    return args, kwargs


def run_in_order(program, inputs):
    """Run one node after the other, as the executor does with one thread."""
    slots, kept = program.slots(inputs), {}
    for i in program.structure.order:
        value = program.calls[i](*slots[i])
        slots[i] = None
        for consumer, slot in program.pushes[i]:
            slots[consumer][slot] = value
        if program.keeps[i]:
            kept[i] = value
    return program.output(kept, inputs)


def test_plain_arguments_are_called_without_anything_between():
    d = DAG()
    x = d.input("x")
    d.returns(d.add(give, d.add(give, x, 5), x, "c"))
    program = compile_program(d)
    assert program.calls == [give, give]
    assert program.templates == [[None, 5], [None, None, "c"]]
    assert program.inputs == {"x": [(0, 0), (1, 1)]}
    assert program.pushes == [((1, 0),), ()]
    assert program.keeps == [False, True]
    assert run_in_order(program, {"x": 1}) == ((((1, 5), {}), 1, "c"), {})


def test_constants_alone_are_shared_by_all_runs_and_not_copied():
    constant = [1]
    d = DAG()
    d.add(give, constant)
    program = compile_program(d)
    assert program.templates == [(constant,)]
    assert program.slots({})[0] is program.templates[0]
    assert program.slots({})[0][0] is constant


def test_slots_of_two_runs_are_apart():
    d = DAG()
    d.returns(d.add(give, d.input("x"), 5))
    program = compile_program(d)
    one, two = program.slots({"x": 1}), program.slots({"x": 2})
    assert (one, two) == ([[1, 5]], [[2, 5]])
    assert program.templates == [[None, 5]]


def test_the_same_result_many_times():
    d = DAG()
    x = d.add(give, 1, name="x")
    d.returns([d.add(give, x, x, [x, {"k": x}], kwargs={"y": x}), x, x])
    one = ((1,), {})
    assert run_in_order(compile_program(d), {}) == [((one, one, [one, {"k": one}]), {"y": one}), one, one]


def test_keywords_and_paths_with_and_without_results():
    d = DAG()
    x = d.input("x")
    d.add(give, kwargs={"a": 1}, name="constant keyword")
    d.add(give, kwargs={"a": x["k"]}, name="keyword")
    d.add(give, x["k"], x, 7, name="path")
    d.returns({name: d.ref(name)[0:] for name in d.nodes} | {"in": x["k"]})
    assert run_in_order(compile_program(d), {"x": {"k": 3}}) == {
        "constant keyword": ((), {"a": 1}),
        "keyword": ((), {"a": 3}),
        "path": ((3, {"k": 3}, 7), {}),
        "in": 3,
    }


def test_a_call_with_containers_can_be_repeated():
    d = DAG()
    x = d.input("x")
    d.returns(d.add(give, [x]))
    program = compile_program(d)
    first, second = run_in_order(program, {"x": 1}), run_in_order(program, {"x": 1})
    assert first == second
    assert first[0][0] is not second[0][0]  # a node may change the list that it was given


class Value:
    """Something whose end can be seen."""


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_value_dies_with_its_last_consumer(wrapped):
    alive = weakref.WeakSet()
    most = []

    def make(*_):
        most.append(len(alive))
        value = Value()
        alive.add(value)
        return value

    d = DAG()
    last = d.add(make)
    for _ in range(20):
        last = d.add(make, [last] if wrapped else last)
    d.returns(d.add(len, "abc", after=[last]))
    assert d.prepare(threads=1)() == 3
    assert max(most) == 1
    assert not alive


def test_only_what_is_returned_is_kept():
    d = DAG()
    a, b, c = (d.add(give, i, name=str(i)) for i in range(3))
    d.returns([a, {"k": c[0]}])
    del b
    assert compile_program(d).keeps == [True, False, True]


@st.composite
def descriptions(draw):
    """Draw for each node what it is called with: constants, or earlier results, wrapped or not."""
    n = draw(st.integers(1, 8))
    nodes = []
    for i in range(n):
        reference = st.integers(-1, i - 1) if i else st.just(-1)
        argument = st.tuples(st.sampled_from(["constant", "plain", "list", "dict", "path"]), reference)
        nodes.append(
            (draw(st.lists(argument, max_size=3)), draw(st.dictionaries(st.sampled_from("ab"), argument)))
        )
    return nodes


def wrap(kind, value):
    match kind:
        case "list":
            return [value, (value,)]
        case "dict":
            return {"k": [1, value]}
        case "path":
            return value[0]
    return value


@given(descriptions(), st.integers(1, 3))
@settings(deadline=None, max_examples=150)
def test_any_dag_gives_what_plain_calls_give(nodes, threads):
    d = DAG()
    x = d.input("x")
    made, plain = [], []
    for number, (args, kwargs) in enumerate(nodes):

        def argument(of, source, number=number):
            def one(kind, i):
                return number if kind == "constant" else wrap(kind, source if i < 0 else of[i])

            return one

        lazy, eager = argument(made, x), argument(plain, ("x", 0))
        made.append(d.add(give, *(lazy(*a) for a in args), kwargs={k: lazy(*a) for k, a in kwargs.items()}))
        plain.append(give(*(eager(*a) for a in args), **{k: eager(*a) for k, a in kwargs.items()}))
    d.returns(made)
    assert run_in_order(compile_program(d), {"x": ("x", 0)}) == plain
    assert d.prepare(threads=threads)(("x", 0)) == plain


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        ((1, 2, 3), ValueError, "'three' returned 3 values, 2 were unpacked"),
        ([1], ValueError, "'three' returned 1 value, 2 were unpacked"),
        ({1, 2, 3}, ValueError, "'three' returned more than 2 values, 2 were unpacked"),
        (count(), ValueError, "'three' returned more than 2 values"),
        (5, TypeError, "'three' returned a non-iterable int"),
    ],
    ids=repr,
)
def test_a_wrong_number_of_values(value, error, match):
    d = DAG()
    a, b = d.add(lambda: value, name="three", outputs=2)
    d.returns(d.add(max, a, b, name="taker"))
    with pytest.raises(error, match=match) as caught:
        d()
    assert any("'taker'" in note for note in caught.value.__notes__)
    d.returns([a])
    with pytest.raises(error, match=match):
        d()


@pytest.mark.parametrize(
    "make",
    [
        lambda: {"x": 1, "y": 2},
        lambda: "xy",
        lambda: iter("xy"),
        lambda: map(str, "xy"),
        {"x": 1, "y": 2}.keys,
    ],
)
def test_what_can_be_unpacked_is_unpacked_as_in_python(make):
    d = DAG()
    a, b = d.add(make, name="made", outputs=2)
    d.returns([d.add(str.upper, a), d.add(str.upper, b), b])
    assert d() == ["X", "Y", "y"]
    assert d() == ["X", "Y", "y"]
