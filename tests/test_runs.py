"""The runs of a profile, with a made-up meter: what is repeated, what is looked at once, what is kept."""

from __future__ import annotations

import threading
import time

import pytest

from makespan import DAG
from makespan.profile import Call, parse_profile
from makespan_optimizer.measure.clocks import Clocks
from makespan_optimizer.measure.closer import Closer
from makespan_optimizer.measure.inputs import read_inputs
from makespan_optimizer.measure.merge import merge_profiles
from makespan_optimizer.measure.pickling import Picklings
from makespan_optimizer.measure.runs import Runs
from makespan_optimizer.measure.scope import scope_of

quietly = pytest.mark.filterwarnings("ignore:other processes take:makespan.ProfileWarning")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class FakeMeter:
    """Every call takes a second; the run delays are given, one a call, then there is none."""

    def __init__(self, delays, clock) -> None:
        self.delays = iter(delays)
        self.clock = clock
        self.last = None
        self.clocks = None
        self.walls = []

    def call(self, run, fn, *args):
        value = fn(*args)
        delay = next(self.delays, 0.0)
        self.clock.now += 1.0
        self.walls.append(1.0)
        self.last = Call(run, 1.0, 1.0 - delay, run_delay_s=delay, spoiled=delay > 0.05)
        self.clocks = Clocks(1.0, 1.0 - delay, 1.0 - delay, delay, 0.0, 0, 0, 0, 0.0)
        return value


def runs_of(dag, delays=(), progress=None, only=None, **kwargs):
    clock = Clock()
    scope = scope_of(dag, None, only)
    meter = FakeMeter(delays, clock)
    return Runs("r", scope, meter, total=0, progress=progress, clock=clock), read_inputs(
        dag, (), {}, **kwargs
    )


def go(runs, given, n):
    runs.warm_up(given.sets[0])
    for k in range(n):
        runs.count(given.sets[k % len(given)], k % len(given))
    runs.repeat_spoiled(given)


def chain(called) -> DAG:
    made = DAG()
    a = made.add(lambda: called.append("a"), name="a")
    b = made.add(lambda _: called.append("b"), a, name="b")
    made.add(lambda _: called.append("c"), b, name="c")
    made.add(lambda: called.append("d"), name="d")
    return made


def delays_by(dag, by_run):
    """Delays of all calls of some runs, from those of each run by name."""
    order = [dag.check().names[i] for i in dag.check().order]
    return [its.get(name, 0.0) for its in by_run for name in order]


def test_unspoiled_runs_are_not_repeated():
    called: list[str] = []
    runs, given = runs_of(chain(called))
    go(runs, given, 3)
    assert len(called) == 4 * 4
    assert runs.notes() == ()


def test_a_spoiled_call_is_repeated_with_what_it_needs():
    called: list[str] = []
    dag = chain(called)
    runs, given = runs_of(dag, delays_by(dag, [{}, {"b": 0.3}, {}, {}]))
    go(runs, given, 3)
    assert sorted(called[16:]) == ["a", "b"]
    assert [call.run_delay_s for call in runs.calls[1]] == [0.0, 0.0, 0.0]
    assert len(runs.calls[0]) == 3  # what only led there is not counted
    assert runs.notes() == ("1 call that waited for a core repeated; 0 still waited for more than 5 %",)


def test_a_call_stays_spoiled_when_every_repeat_is():
    called: list[str] = []
    dag = DAG()
    dag.add(lambda: called.append("a"), name="a")
    runs, given = runs_of(dag, [0.2] * 100)
    go(runs, given, 10)
    assert len(called) == 1 + 10 + 3  # three passes
    assert runs.notes() == ("3 calls that waited for a core repeated; 10 still waited for more than 5 %",)


def test_repeats_take_half_of_the_counted_time_at_most():
    called: list[str] = []
    dag = chain(called)
    runs, given = runs_of(dag, [0.2] * 100)
    go(runs, given, 4)
    assert 16 + 4 < len(called) <= 16 + 4 + 8


def test_calls_of_several_sets_of_inputs_are_repeated_with_their_own():
    seen: list[int] = []
    dag = DAG()
    dag.add(seen.append, dag.input("x"), name="a")
    runs, given = runs_of(dag, [0, 0, 0.3, 0, 0.3], inputs=[(1,), (2,)])
    go(runs, given, 4)
    assert seen == [1, 1, 2, 1, 2, 2, 2]
    assert [call.inputs for call in runs.calls[0]] == [0, 1, 0, 1]
    assert not any(call.spoiled for call in runs.calls[0])


def test_ctrl_c_while_repeating_keeps_the_counted_calls():
    called: list[str] = []
    dag = DAG()

    def interrupt() -> None:
        called.append("a")
        if len(called) == 5:
            raise KeyboardInterrupt

    dag.add(interrupt, name="a")
    runs, given = runs_of(dag, [0, 0.2, 0, 0])
    with pytest.raises(KeyboardInterrupt):
        go(runs, given, 3)
    assert runs.complete == 3
    assert [call.run_delay_s for call in runs.calls[0]] == [0.2, 0.0, 0.0]


def test_progress_never_goes_back():
    seen: list[tuple[int, int, str]] = []
    dag = chain([])
    runs, given = runs_of(dag, [0.0] * 4 + [0.2], lambda *args: seen.append(args))
    go(runs, given, 2)
    done = [done for done, _, _ in seen]
    assert done == list(range(len(done)))
    assert len(done) > 12


class Counted:
    pickled = 0

    def __reduce__(self):
        Counted.pickled += 1
        return int, ()


def test_values_are_pickled_in_the_run_that_warms_up_only():
    dag = DAG()
    a = dag.add(Counted, name="a")
    dag.add(lambda _: threading.Lock(), a, name="b")
    runs, given = runs_of(dag)
    Counted.pickled = 0
    runs.warm_up(given.sets[0], Picklings())
    runs.count(given.sets[0])
    assert Counted.pickled == 2  # as a result and as an argument
    assert [its.picklable for its in runs.args_pickling if its] == [True, True]
    assert [its.picklable for its in runs.result_pickling if its] == [True, False]


def test_nothing_is_pickled_unless_asked_for():
    dag = DAG()
    dag.add(Counted, name="a")
    runs, given = runs_of(dag)
    Counted.pickled = 0
    go(runs, given, 2)
    assert Counted.pickled == 0
    assert runs.result_pickling == [None]


def test_the_last_run_is_looked_at_more_closely():
    dag = DAG()
    dag.add(int, name="a")
    runs, given = runs_of(dag)
    runs.warm_up(given.sets[0])
    runs.count(given.sets[0])
    runs.count(given.sets[0], closely=Closer(runs._meter))
    assert runs.calls[0][0].threads_used is None
    assert runs.calls[0][1].threads_used in (1, None)  # None: not told by this system


class Asked:
    """Stands for `Quiet`: what it was asked to wait for."""

    def __init__(self):
        self.unmeasured = []

    def after(self, last, *, unmeasured=False):
        self.unmeasured.append(unmeasured)


def test_pools_of_what_is_not_measured_are_waited_for_as_well():
    scope = scope_of(chain([]), None, {"b", "c"})
    quiet, clock = Asked(), Clock()
    runs = Runs("r", scope, FakeMeter([], clock), total=0, clock=clock, quiet=quiet)  # type: ignore[arg-type]
    runs.warm_up({})
    assert quiet.unmeasured == [True, False]  # a ran before b, which ran before c


def test_how_long_it_takes_what_only_feeds_others_is_known():
    clock = Clock()
    dag = DAG()

    def slow():
        clock.now += 7.0

    dag.add(int, dag.add(slow, name="slow"), name="b")
    scope = scope_of(dag, None, {"b"})
    runs = Runs("r", scope, FakeMeter([], clock), total=0, clock=clock)
    with pytest.raises(TypeError):
        runs.warm_up({})
    assert runs.fed_s == {0: 7.0}


def test_what_is_not_measured_leaves_no_record():
    dag = chain([])
    runs, given = runs_of(dag, [0.2] * 50, only={"b"})
    go(runs, given, 2)
    assert [len(its) for its in runs.calls] == [0, 2, 0, 0]


def conditional(called) -> DAG:
    made = DAG()
    a = made.add(lambda: called.append("a"), name="a", when=made.input("flag"))
    b = made.add(lambda _: called.append("b"), a, name="b")
    made.add(lambda _: called.append("c"), b, name="c", on_skipped="none")
    return made


def test_skipped_calls_do_not_count():
    called: list[str] = []
    runs, given = runs_of(conditional(called), inputs=[(0,), (1,), (0,)])
    picklings = Picklings()
    runs.warm_up(given.sets[0], picklings)
    for k in range(3):
        runs.count(given.sets[k], k)
    assert called == ["c", "c", "a", "b", "c", "c"]
    assert [len(its) for its in runs.calls] == [1, 1, 3]
    assert [call.inputs for call in runs.calls[0]] == [1]
    assert runs.first[0] is None
    assert runs.args_pickling[2] is not None
    assert runs.args_pickling[2].picklable  # None in place of what was skipped
    assert [note.partition(":")[0] for note in runs.notes()] == [
        "a was skipped in 2 of 3 counted runs",
        "b was skipped in 2 of 3 counted runs",
    ]


@quietly
def test_what_never_ran_lasts_no_time_in_a_profile_and_is_named():
    made = DAG()
    a = made.add(int, name="a", when=made.input("flag"))
    made.add(abs, a, name="b", hint_s=0.5)
    made.add(int, name="c")
    first = made.profile(0, runs=2, trials=False)
    by_name = {node.name: node for node in first.nodes}
    assert [by_name[name].wall_net_s.median for name in "ab"] == [0.0, 0.5]
    assert [by_name[name].runs for name in "abc"] == [0, 0, 2]
    assert [by_name[name].origin for name in "abc"] == ["measured", "hint", "measured"]
    assert any(
        "skipped in every counted run" in note and note.endswith(": a, b") for note in first.runs[0].notes
    )
    assert parse_profile(first.to_json()) == first


@quietly
def test_what_never_ran_does_not_replace_what_was_measured():
    made = DAG()
    made.add(int, name="a", when=made.input("flag"))
    merged = merge_profiles(made.profile(1, runs=2, trials=False), made.profile(0, runs=2, trials=False))
    assert merged.nodes[0].runs == 2
    assert len(merged.nodes[0].calls) == 2


@quietly
def test_what_may_be_skipped_is_not_tried_beside_others():
    made = DAG()

    def spin():
        until = time.perf_counter() + 0.02
        while time.perf_counter() < until:
            pass

    made.add(spin, name="a", when=made.input("flag"))
    made.add(spin, name="b")
    made.add(spin, name="c")
    found = made.profile(inputs=[(0,), (1,)], runs=2, trials_limit_s=2, pickling=False)
    assert {pair.nodes for pair in found.pairs} <= {("b", "c")}
