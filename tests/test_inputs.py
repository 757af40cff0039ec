"""Sets of inputs in turn, hooks around each run, and the scenarios that come of it."""

from __future__ import annotations

import csv
import itertools
import time
from itertools import islice

import msgspec
import pytest

from makespan import DAG, dag, node
from makespan.errors import DescribeError, OptionError
from makespan_optimizer.measure.inputs import MAX_SETS, read_inputs
from makespan_optimizer.measure.isolate import profile

seen: list[object] = []


@pytest.fixture(autouse=True)
def forget():
    seen.clear()


@node
def wait(x, y=0):
    seen.append((x, y))
    time.sleep(0.001 * x)
    return x


@dag
def both(x=1, y=0):
    return wait(wait(x, y), y)


def taken(made=both, runs=4, **options):
    return profile(made, (), {}, runs=runs, sampler="clocks", **options)


def test_counted_runs_take_the_sets_in_turn():
    found = taken(inputs=[(1,), {"x": 3, "y": 2}, ((2,), {"y": 5})], runs=4)
    assert seen[:10:2] == [(1, 0), (1, 0), (3, 2), (2, 5), (1, 0)]
    assert found.runs[0].inputs == 3
    assert [call.inputs for call in found.node("wait").calls] == [0, 1, 2, 0, 1, 2]


def test_a_scenario_is_one_run():
    found = taken(inputs=[(1,), (30,)], runs=4)
    rows = found.scenarios()
    assert len(rows) == 4
    assert [set(row) for row in rows] == [{"wait", "wait_2"}] * 4
    for short, long in ((0, 1), (2, 3)):
        for name in ("wait", "wait_2"):
            assert rows[long][name] > rows[short][name]
    for its in found.nodes:  # its figures are those of all sets
        assert its.wall_net_s.p10 < 0.015
        assert its.wall_net_s.p90 > 0.028


def test_scenarios_leave_out_runs_that_are_not_whole():
    found = taken(runs=2)
    first, second = found.nodes
    torn = msgspec.structs.replace(
        found, nodes=(first, msgspec.structs.replace(second, calls=second.calls[1:]))
    )
    assert len(torn.scenarios()) == 1
    assert torn.scenarios()[0]["wait"] == pytest.approx(first.calls[1].wall_s - first.calls[1].run_delay_s)
    missing = msgspec.structs.replace(found, nodes=(first,))
    assert len(missing.scenarios()) == 2
    assert DAG("x").profile(runs=1).scenarios() == []


def test_scenarios_after_an_update_join_calls_of_one_set():
    found = taken(inputs=[(1,), (2,)], runs=4)
    first, second = found.nodes
    others = tuple(
        msgspec.structs.replace(call, run="later", wall_s=9.0 + call.inputs) for call in second.calls
    )
    later = msgspec.structs.replace(found.runs[0], id="later")
    joined = msgspec.structs.replace(
        found,
        runs=(*found.runs, later),
        nodes=(first, msgspec.structs.replace(second, calls=others[:3])),
    ).scenarios()
    clean = [max(0.0, call.wall_s - call.run_delay_s) for call in first.calls]
    assert [row["wait"] for row in joined] == [clean[0], clean[2], clean[3]]
    assert [round(row["wait_2"] + others[0].run_delay_s) for row in joined] == [9, 9, 10]


def test_a_function_may_yield_the_sets():
    def yields():
        yield (1,)
        yield {"x": 2}

    assert len(read_inputs(both, (), {}, yields)) == 2
    assert len(read_inputs(both, (), {}, (pair for pair in [[1], [2, 3]]))) == 2


def endless():
    while True:
        yield (1,)


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ([], "there is no set"),
        (["a"], "set 1: is not a set of arguments but a str"),
        ([(1,), 2], "set 2: is not a set of arguments but a int"),
        ("text", "is a list of sets"),
        ({"x": 1}, "is a list of sets"),
        (3, "is a list of sets"),
        ([{1: 2}], "set 1: inputs are named by strings"),
        (endless, f"more than {MAX_SETS} sets"),
    ],
)
def test_what_is_no_set_of_inputs(inputs, problem):
    with pytest.raises(OptionError, match=problem):
        taken(inputs=inputs)
    assert seen == []


def test_a_set_that_the_dag_does_not_take_is_named_before_anything_runs():
    with pytest.raises(DescribeError, match=r"inputs, set 2.*has no input 'z'"):
        taken(inputs=[(1,), {"z": 1}])
    with pytest.raises(OptionError, match="once, or sets"):
        profile(both, (1,), {}, inputs=[(1,)])
    assert seen == []


def test_an_error_of_the_function_itself_is_not_hidden():
    def yields():
        yield (1,)
        raise TypeError("mine")

    with pytest.raises(TypeError, match="mine"):
        taken(inputs=yields)


@pytest.mark.parametrize(("runs", "counted"), [(1, 2), (2, 2), (5, 6)])
def test_each_set_is_run_equally_often(runs, counted):
    found = taken(inputs=[(1,), (2,)], runs=runs)
    assert [call.inputs for call in found.node("wait").calls] == [0, 1] * (counted // 2)
    assert found.runs[0].repeats == counted
    said = f"{counted} counted runs instead of {runs}: each of 2 sets of inputs equally often"
    assert (said in found.runs[0].notes) == (counted != runs)


def test_a_list_as_first_part_is_an_input_itself():
    given = read_inputs(both, (), {}, [([1, 2], {"k": 3}), ((1,), {"y": 3})])
    assert [dict(its) for its in given.sets] == [{"x": [1, 2], "y": {"k": 3}}, {"x": 1, "y": 3}]


@pytest.mark.parametrize(
    "value", [iter([1]), map(int, []), (i for i in range(3)), csv.reader([]), islice([], 1)]
)
def test_what_the_first_run_would_use_up_is_refused(value):
    with pytest.raises(OptionError, match=r"inputs: input 'y' is a \w+, which the first of several runs"):
        profile(both, (1,), {"y": value})
    with pytest.raises(OptionError, match=r"inputs, set 2: input 'x' is a"):
        profile(both, (), {}, inputs=[(1,), (value,)])
    assert seen == []


def test_what_lasts_is_taken(tmp_path):
    with (tmp_path / "file").open("w+") as file:
        for value in (file, range(3), itertools.count(), [1]):
            assert read_inputs(both, (value,), {}).sets[0]["x"] is value


def test_hooks_stand_around_each_run():
    taken(runs=2, setup=lambda: seen.append("up"), teardown=lambda: seen.append("down"))
    assert seen[:12] == ["up", (1, 0), (1, 0), "down"] * 3
    assert seen.count("up") == seen.count("down")  # more when calls were spoiled


def test_hooks_are_not_measured():
    found = taken(runs=1, setup=lambda: time.sleep(0.2), teardown=lambda: time.sleep(0.2))
    assert all(its.calls[0].cpu_s + its.calls[0].blocked_s.get("other", 0) < 0.2 for its in found.nodes)


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_teardown_follows_whatever_came(error):
    made = DAG()

    def fails():
        seen.append("ran")
        if len([one for one in seen if one == "ran"]) == 3:
            raise error

    made.add(fails)
    with pytest.raises(type(error)) as caught:
        taken(made, setup=lambda: seen.append("up"), teardown=lambda: seen.append("down"))
    assert seen == ["up", "ran", "down"] * 3
    assert caught.value.partial.runs[0].repeats == 1


def test_what_a_hook_raises_says_so():
    def broken():
        raise OSError("full")

    with pytest.raises(OSError, match="full") as caught:
        taken(setup=broken, teardown=lambda: seen.append("down"))
    assert caught.value.__notes__ == ["in setup 'broken'"]
    assert seen == []
    with pytest.raises(OSError, match="full") as caught:
        taken(teardown=broken)
    assert caught.value.__notes__ == ["in teardown 'broken'"]


def test_the_nodes_own_exception_arrives_when_teardown_raises_too():
    made = DAG()
    made.add(lambda: 1 // 0, name="a")

    def broken():
        raise OSError("full")

    with pytest.raises(ZeroDivisionError) as caught:
        taken(made, teardown=broken)
    assert "teardown raised as well: OSError: full" in caught.value.__notes__


@pytest.mark.parametrize("hook", ["setup", "teardown"])
def test_a_hook_is_a_function(hook):
    with pytest.raises(OptionError, match="is a function without arguments"):
        taken(**{hook: 3})
    assert seen == []


def test_the_method_hands_all_of_it_over():
    found = both.profile(
        inputs=[(1,)], hints={"wait_2": "1s:io"}, setup=lambda: seen.append("up"), runs=1, sampler="clocks"
    )
    assert found.node("wait_2").origin == "hint"
    assert seen[:4] == ["up", (1, 0)] * 2
