"""Nodes that run as one: the same calls with the same arguments, and no circle that was not there."""

from __future__ import annotations

import weakref
from contextvars import ContextVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, PlanError
from makespan.dispatch import Dispatch, Rules
from makespan.engine.executor import Trace
from makespan.engine.failure import InMember
from makespan.preparing.chains import chain_call, chains_of
from makespan.preparing.contraction import contract
from makespan.preparing.fit import fit
from makespan.preparing.parts import Constant, Given, Made, Part, Result, Values
from makespan.preparing.program import compile_program
from makespan.preparing.settings import PLAIN


def loop(code):
    """Make a part's call the plainest way: what every maker has to equal."""

    def call(values):
        results = []
        for member in code.members:
            arguments = [
                argument.value
                if type(argument) is Constant
                else values[argument.slot]
                if type(argument) is Given
                else results[argument.member]
                for argument in member.arguments
            ]
            results.append(member.call(*arguments))
        return tuple(results[at] for at in code.outside)

    return Made(call, lambda _: call)


def drive(program, fitted, inputs):
    """Run one node after the other and deal out what parts return; (result, the order of starts)."""
    core = Dispatch(Rules(fitted.structure, fitted.ranks, 1, fitted.groups, vacant=fitted.vacant))
    slots, kept, order = program.slots(inputs), {}, []
    chosen = core.next()
    while chosen is not None:
        order.append(chosen)
        value = program.calls[chosen](*slots[chosen])
        slots[chosen] = None
        dealt = [(chosen, program.pushes[chosen], program.keeps[chosen])]
        values = [value]
        if chosen in program.scatter:
            dealt, values = program.scatter[chosen], value
        for (i, pushes, keeps), each in zip(dealt, values, strict=True):
            for consumer, slot in pushes:
                slots[consumer][slot] = each
            if keeps:
                kept[i] = each
        chosen = core.advance(chosen)
    assert core.done
    assert not core.left
    return program.output(kept, inputs), order


def fitted_of(dag, threads=2):
    return compile_program(dag), fit(dag, None, threads, "here", PLAIN)


def chain_dag():
    """``x → a → b → c → d``, and e, which takes a and the input."""
    made = DAG()
    x = made.input("x")
    last = x
    found = []
    for name in "abcd":
        last = made.add(lambda *got, name=name: (name, *got), last, 7, name=name)
        found.append(last)
    e = made.add(lambda *got: ("e", *got), found[0], x, name="e")
    made.returns([found[3], e])
    return made


def test_what_a_part_is_made_of():
    made = chain_dag()
    seen = []

    def make(code):
        seen.append(code)
        return loop(code)

    program, fitted = fitted_of(made)
    plain = drive(program, fitted, {"x": 1})[0]
    program, fitted = contract(program, fitted, [Part((0, 1, 2), make)])
    (code,) = seen
    assert [(m.node, m.name, m.arguments) for m in code.members] == [
        (0, "a", (Given(0), Constant(7))),
        (1, "b", (Result(0), Constant(7))),
        (2, "c", (Result(1), Constant(7))),
    ]
    assert (code.outside, code.slots) == ((0, 2), 1)
    assert program.scatter == {0: ((0, ((4, 0),), False), (2, ((3, 0),), False))}
    assert program.pushes == [(), (), (), (), ()]
    assert program.keeps == [True, False, False, True, True]
    assert program.inputs == {"x": [(0, 0), (4, 1)]}
    assert fitted.vacant == {1, 2}
    assert fitted.structure.preds == ((), (), (), (0,), (0,))
    assert fitted.structure.succs == ((3, 4), (), (), (), ())
    result, order = drive(program, fitted, {"x": 1})
    assert result == plain
    assert order[0] == 0
    assert len(order) == 3


def test_a_value_that_several_members_take_comes_once():
    made = DAG()
    x = made.input("x")
    s = made.add(lambda v: [v], x, name="s")
    a = made.add(lambda *got: got, s, s, x, name="a")
    b = made.add(lambda *got: got, s, a, x, name="b")
    made.returns(b)
    program, fitted = contract(*fitted_of(made), [Part((1, 2), loop)])
    assert program.templates[1] == [None, None]
    assert program.pushes[0] == ((1, 0),)
    assert program.inputs == {"x": [(0, 0), (1, 1)]}
    (first, second, _), _ = drive(program, fitted, {"x": object()})[0], None
    assert first is second[0] is second[1]


def test_a_part_holds_what_its_members_hold():
    made = DAG()
    a = made.add(abs, 1, name="a", lock="x", mode="caller")
    b = made.add(abs, a, name="b", lock="y", exclusive=True, mode="caller")
    made.add(abs, b, name="c", lock="x")
    program, fitted = fitted_of(made)
    fitted = fitted._replace(
        groups=[([1, 2], 1)], durations_s=[1.0, 2.0, None], ranks=[2, 0, 1], modes={0: "caller", 1: "caller"}
    )
    _, joined = contract(program, fitted, [Part((0, 1), loop)])
    assert joined.structure.locks == (("x", "y"), (), ("x",))
    assert joined.structure.exclusive == (True, False, False)
    assert joined.groups == [([0, 2], 1)]
    assert joined.durations_s == [3.0, 2.0, None]
    assert joined.ranks == [0, 2, 1]
    assert joined.modes == {0: "caller"}
    assert contract(program, fitted._replace(modes={0: "caller"}), [Part((0, 1), loop)])[1].modes == {}
    assert fitted.ranks == [2, 0, 1]  # what was given is as before


def test_a_circle_through_a_part_is_refused_by_name():
    made = chain_dag()
    with pytest.raises(PlanError, match="'a', 'c' cannot run as one"):
        contract(*fitted_of(made), [Part((0, 2), loop)])
    with pytest.raises(PlanError, match="'b' waits for 'a', which is to run after it"):
        contract(*fitted_of(made), [Part((1, 0), loop)])


def test_a_source_that_runs_again_is_not_waited_for():
    made = DAG()
    x = made.input("x")
    runs = []
    s = made.add(lambda v: runs.append("s") or (v,), x, name="s")
    a = made.add(lambda v: ("a", v), s, name="a")
    b = made.add(lambda v, w: ("b", v, w), a, s, name="b")
    c = made.add(lambda v: ("c", v), s, name="c")
    made.returns([b, c])
    program, fitted = fitted_of(made)
    plain = drive(program, fitted, {"x": 1})[0]
    assert runs == ["s"]
    program, fitted = contract(program, fitted, [Part((1, 2), loop, again=(0,))])
    assert fitted.structure.preds == ((), (), (), (0,))
    assert program.pushes[0] == ((3, 0),)
    assert program.inputs == {"x": [(0, 0), (1, 0)]}
    assert drive(program, fitted, {"x": 1})[0] == plain
    assert runs == ["s"] * 3


@st.composite
def contractions(draw):
    """Draw a DAG, parts of it in a topological order, and what is returned."""
    n = draw(st.integers(1, 9))
    preds = [sorted(draw(st.sets(st.integers(0, i - 1), max_size=3))) if i else [] for i in range(n)]
    uses_input = [draw(st.booleans()) for _ in range(n)]
    waits = [bool(draw(st.integers(0, 3)) == 0) for _ in range(n)]  # for its predecessors only
    part_of = [draw(st.sampled_from([None, 0, 1, 2])) for _ in range(n)]
    returned = draw(st.sets(st.integers(0, n - 1), min_size=1))
    return preds, uses_input, waits, part_of, sorted(returned)


def has_circle(preds, part_of):
    """Say whether the parts' graph has a circle, by trying all paths."""
    label = [f"part {p}" if p is not None else i for i, p in enumerate(part_of)]
    edges = {(label[p], label[i]) for i, some in enumerate(preds) for p in some if label[p] != label[i]}
    reach = set(edges)
    while more := {(a, d) for a, b in reach for c, d in edges if b == c} - reach:
        reach |= more
    return any(a == b for a, b in reach)


def described(preds, uses_input, waits, returned):
    made = DAG()
    x = made.input("x")
    found = []
    for i, some in enumerate(preds):
        taken = [found[p] for p in some]
        kept = [] if waits[i] else taken
        found.append(
            made.add(
                lambda *got, i=i: (i, *got),
                *kept,
                "k",
                *([x] if uses_input[i] else []),
                after=taken,
                name=f"n{i}",
            )
        )
    made.returns([found[i] for i in returned])
    return made


@given(contractions(), st.sampled_from([loop, chain_call]))
@settings(deadline=None, max_examples=200)
def test_any_contraction_gives_what_the_nodes_give(drawn, make):
    preds, uses_input, waits, part_of, returned = drawn
    made = described(preds, uses_input, waits, returned)
    parts = [
        Part(nodes, make)
        for which in range(3)
        if (nodes := tuple(i for i, part in enumerate(part_of) if part == which))
    ]
    program, fitted = fitted_of(made)
    expected, plain_order = drive(program, fitted, {"x": "in"})
    assert sorted(plain_order) == list(range(len(preds)))
    if has_circle(preds, part_of):
        with pytest.raises(PlanError, match="cannot run as one"):
            contract(program, fitted, parts)
        return
    joined, joined_fit = contract(program, fitted, parts)
    for _ in range(2):
        result, order = drive(joined, joined_fit, {"x": "in"})
        assert result == expected
        assert sorted(order) == [i for i in range(len(preds)) if i not in joined_fit.vacant]
    assert sorted(joined_fit.ranks) == list(range(len(preds)))
    assert drive(program, fitted, {"x": "in"})[0] == expected  # what was given is as before


# -- chains ------------------------------------------------------------------------------------------------


class Thing:
    """Something whose end can be seen."""


def chained(functions, trace=None):
    """Return the call of a chain of these functions, each taking what the one before returned."""
    made = DAG()
    last = made.input("x")
    for i, fn in enumerate(functions):
        last = made.add(fn, last, name=f"n{i}")
    made.returns(last)
    part = Part(tuple(range(len(functions))), chain_call)
    program, _ = contract(*fitted_of(made), [part])
    return program.calls[0] if trace is None else program.inner[0](trace)


def test_a_value_dies_with_its_last_use_in_the_chain():
    alive = weakref.WeakSet()
    most = []

    def make(_):
        most.append(len(alive))
        thing = Thing()
        alive.add(thing)
        return thing

    call = chained([make] * 30 + [lambda _: None])
    first = Thing()
    alive.add(first)
    values = Values([first])
    del first
    assert call(values) == (None,)
    assert max(most) == 1
    assert not alive


def test_each_member_has_its_own_context():
    variable = ContextVar("v", default=0)
    seen = []

    def note(_):
        seen.append(variable.get())
        variable.set(variable.get() + 1)

    variable.set(5)
    chained([note] * 3)(Values([None]))
    assert seen == [5, 5, 5]
    assert variable.get() == 5


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("traced", [False, True])
def test_a_member_that_raises_is_named_and_holds_nothing(long, traced, monkeypatch):
    if long:
        monkeypatch.setattr("makespan.preparing.straight_code.CHUNK", 2)
    error = KeyError("no")
    thing = Thing()
    watch = weakref.ref(thing)
    started = []

    def keep(value):
        started.append(1)
        return value

    def fail(_):
        raise error

    trace = Trace(6) if traced else None
    call = chained([keep, keep, keep, keep, fail, keep], trace)
    values = Values([thing])
    del thing
    with pytest.raises(InMember) as caught:
        call(values)
    assert (caught.value.node, caught.value.error) == (4, error)
    assert len(started) == 4
    assert values[:] == []
    frames = []
    found = error.__traceback__
    while found is not None:
        frames.append(found.tb_frame.f_code.co_name)
        found = found.tb_next
    assert frames[-2:] == ["chain", "fail"]
    if traced:
        assert [bool(at) for at in trace.start] == [True] * 5 + [False]
        assert all(trace.end[i] >= trace.start[i] > 0 for i in range(5))
        assert trace.end[5] == 0
        assert all(trace.end[i] <= trace.start[i + 1] for i in range(4))
    del caught, call
    error.__traceback__ = None
    assert watch() is None


def test_what_is_joined():
    made = DAG()
    last = made.input("x")
    for name, options in [
        ("a", {}), ("b", {}), ("c", {"lock": "l"}), ("d", {"lock": "l"}), ("e", {"exclusive": True}),
        ("f", {}), ("g", {}), ("h", {}), ("i", {}), ("j", {}),
    ]:  # fmt: skip
        last = made.add(abs, last, name=name, **options)
    _, fitted = fitted_of(made)
    fitted = fitted._replace(chains=[tuple(range(10))], groups=[([8, 9], 1)], modes={6: "process"})
    assert [part.nodes for part in chains_of(fitted, ())] == [(0, 1), (2, 3), (8, 9)]
    assert [part.nodes for part in chains_of(fitted, {1})] == [(2, 3), (8, 9)]
    assert [part.nodes for part in chains_of(fitted._replace(vacant=frozenset({3})), ())] == [(0, 1), (8, 9)]
    assert [part.nodes for part in chains_of(fitted._replace(modes={}), ())] == [
        (0, 1), (2, 3), (5, 6, 7), (8, 9)
    ]  # fmt: skip
