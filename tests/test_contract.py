"""The contract of a run, part 1: errors, structure, budget, order, values (P1, P2, P5, P6, P9, P10).

Each promise holds in every way to run a DAG (`tests.ways`) and twice on the same object; for awaited runs see
test_contract_awaited, for all of it at once test_contract_stress, for faults that must be seen mutants.py.

==== ===================================================================================================
P1   no lost exception: `test_a_failure_*`, `test_*_failures_*`; in processes: test_processes
P2   structured: `test_nothing_*`; test_executor `test_what_runs_is_finished_before_a_failure_is_raised`
P3   one Ctrl-C: test_contract_outside; test_executor `test_one_ctrl_c_is_enough`,
     `test_ctrl_c_at_any_moment_loses_no_helper`, `test_an_interrupted_run_is_recorded`
P4   time limits and retries: test_contract_limits
P5   budget: `test_never_above_*`; test_executor `test_a_node_may_run_a_dag_even_its_own_at_any_budget`
P6   order: `test_the_order_*`; across hash seeds: test_contract_outside
P7   threads, loops, forks, the end of the interpreter: test_contract_outside; test_executor
     `test_one_dag_from_eight_threads_at_once`, `test_inside_a_running_event_loop`, `test_after_a_fork`
P8   no growth: test_contract_limits
P9   context variables: `test_context_*`
P10  values: `test_values_*`; test_executor `test_constants_are_shared_not_copied`
P11  files old or new: test_contract_outside; test_files
P12  no code from files: test_contract_outside; test_plan, test_profile_file (strict and forgiving reading)
P13  large DAGs: test_contract_limits; test_executor `test_a_hundred_thousand_in_a_chain`
==== ===================================================================================================
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
import traceback
import weakref

import pytest

from makespan import DAG, Hooks
from makespan.testing import dag_of, random_edges
from tests.ways import Way, every_way, few_ways, untraced

# -- P1: no lost exception ----------------------------------------------------------------------------------


class Broken(Exception):
    pass


class Falsy(Exception):
    def __bool__(self):
        return False

    def __len__(self):
        return 0


class Base(BaseException):
    pass


class TakesNoNotes(Exception):
    __notes__ = property(lambda _: (_ for _ in ()).throw(RuntimeError("no notes")))


class RefusesNotes(Exception):
    def add_note(self, _):
        raise RuntimeError("no notes")


class Frozen(Exception):
    def __setattr__(self, *_):
        raise AttributeError("frozen")


class Hostile(Exception):
    """Whoever compares it, hashes it or shows it has looked at what is not theirs."""

    __hash__ = None

    def _refuse(self, *_):
        raise AssertionError("looked at")

    __eq__ = __bool__ = __str__ = __repr__ = __len__ = __iter__ = __reduce__ = _refuse


ERRORS = [
    lambda: Broken("no"),
    Falsy,
    Hostile,
    Base,
    lambda: SystemExit(3),
    GeneratorExit,
    KeyboardInterrupt,
    asyncio.CancelledError,
    MemoryError,
    RecursionError,
    TimeoutError,
    StopIteration,
    StopAsyncIteration,
    lambda: ExceptionGroup("mine", [ValueError(1), Falsy()]),
    lambda: BaseExceptionGroup("mine", [Base()]),
]


def failing(error, ran):
    """Return a DAG of two chains; the middle of the first one raises."""

    #  first ─▶ broken ─▶ later ─▶ last       side ─▶ side_2
    def fail(_):
        raise error

    made = DAG("fails")
    broken = made.add(fail, made.add(abs, -1, name="first"), name="broken")
    made.add(ran.append, made.add(lambda _: ran.append("later"), broken, name="later"), name="last")
    made.add(abs, made.add(abs, -2, name="side"), name="side_2")
    return made


@every_way
def test_a_failure_arrives_as_the_users_own_object(way):
    ran = []
    for make in ERRORS:
        error = make()
        fast = way.prepare(failing(error, ran))
        for _ in range(3):
            try:
                way.call(fast)
            except BaseException as caught:  # some of them are not to be shown by pytest
                same = caught is error
                frames = [frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.__traceback__)]
                plain = (caught.__cause__, caught.__context__, caught.__suppress_context__)
            else:
                pytest.fail(f"lost: {type(error).__name__}")
            assert same, type(error)
            assert frames[0] == "test_a_failure_arrives_as_the_users_own_object"
            assert frames[-1] == "fail"
            assert plain == (None, None, False), type(error)
            error.__traceback__ = None
            if isinstance(error, KeyboardInterrupt):
                continue  # it ends the run like Ctrl-C, which comes from no node
            notes = error.__notes__
            assert len(notes) == 1, type(error)  # not one more for each run
            assert notes[0].startswith("in node 'broken' ("), type(error)
            assert "test_contract.py:" in notes[0]
    assert not ran


class Told(Hooks):
    def __init__(self):
        self.errors = []

    def on_start(self, node):
        pass

    def on_end(self, node, wall_s):
        pass

    def on_error(self, node, error):
        self.errors.append(error)


@few_ways
@pytest.mark.parametrize(
    "options",
    [
        {"retries": 1, "retry_wait_s": 0.0},
        {"timeout_s": 600.0},
        {"cache": lambda x: x},
        {"when": True},
        {"mode": "caller"},
        {"setup": True},
    ],
    ids=lambda options: next(iter(options)),
)
def test_a_failure_is_the_same_whatever_is_put_round_a_node(way, options):
    ran = []
    taking = () if "setup" in options else (1,)
    for make in (Broken, Falsy, Base, KeyboardInterrupt, StopIteration, Frozen):
        error = make()

        def fail(*_, error=error):
            raise error

        made = DAG("fails")
        made.add(ran.append, made.add(fail, *taking, name="broken", **options), name="later")
        hooks = Told()
        for settings in ({}, {"hooks": hooks}, {"on_error": "continue"}):
            fast = way.prepare(made, **settings)
            for _ in range(2):
                try:
                    if way.traced:
                        fast.run().raise_for_error()
                    else:
                        fast()
                except BaseException as caught:
                    same = caught is error
                    frames = [frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.__traceback__)]
                    cause = caught.__cause__
                else:
                    pytest.fail(f"lost: {type(error).__name__}")
                assert same, (type(error), settings)
                assert cause is None
                if "setup" not in options:  # that is not called a second time
                    assert frames[-1] == "fail", type(error)
        assert [one is error for one in hooks.errors] == [True] * len(hooks.errors)
        assert hooks.errors or isinstance(error, KeyboardInterrupt)
    assert not ran


@every_way
@pytest.mark.parametrize("kind", [TakesNoNotes, RefusesNotes, Frozen])
def test_a_failure_that_takes_no_note_arrives_all_the_same(way, kind):
    error = kind("as it is")
    fast = way.prepare(failing(error, ran := []))
    for _ in range(2):
        with pytest.raises(kind) as caught:
            way.call(fast)
        assert caught.value is error
    assert not ran


@every_way
def test_a_failure_keeps_its_own_cause(way):
    def fail():
        try:
            raise KeyError("first")
        except KeyError as error:
            raise Broken("second") from error

    made = DAG("fails")
    made.add(lambda _: None, made.add(fail, name="broken"))
    fast = way.prepare(made)
    for _ in range(2):
        with pytest.raises(Broken) as caught:
            way.call(fast)
        assert isinstance(caught.value.__cause__, KeyError)
        assert caught.value.__cause__.__context__ is None


@every_way
def test_a_failure_in_a_dag_in_a_node_names_both(way):
    def fail():
        raise Broken

    inner = DAG("inner")
    inner.add(abs, inner.add(fail, name="deep"))
    outer = DAG("outer")
    outer.add(abs, outer.add(lambda: way.run(inner), name="calls"))
    with pytest.raises(Broken) as caught:
        way.run(outer)
    assert [note.partition(" (")[0] for note in caught.value.__notes__] == [
        "in node 'deep'",
        "in node 'calls'",
    ]


@pytest.mark.parametrize("engine", ["plain", "locks", "timed", "long"])
@pytest.mark.parametrize("plan", ["no plan", "ranks", "chains"])
@pytest.mark.parametrize("traced", [False, True])
def test_several_failures_are_all_kept_in_node_order(engine, plan, traced):
    shared = Falsy("raised by two nodes")
    errors = [Broken(0), Falsy(1), shared, shared]
    meet = threading.Barrier(4, timeout=20)

    def fail(i):
        def work(_):
            meet.wait()
            raise errors[i]

        return work

    made = DAG("four")
    for i in range(4):
        made.add(fail(i), made.add(abs, -1, name=f"before_{i}"), name=f"n{i}")
    for _ in range(2):
        with pytest.raises(ExceptionGroup) as caught:
            Way(4, engine, plan, traced).run(made)
        found = caught.value.exceptions
        assert [id(error) for error in found] == [id(error) for error in errors[:3]]
        assert [note.partition(" (")[0] for error in found for note in error.__notes__] == [
            "in node 'n0'",
            "in node 'n1'",
            "in node 'n2'",
            "in node 'n3'",
        ]
    errors[1] = Base()
    with pytest.raises(BaseExceptionGroup) as caught:
        Way(4, engine, plan, traced).run(made)
    assert not isinstance(caught.value, ExceptionGroup)
    errors[:] = [shared] * 4
    with pytest.raises(Falsy) as caught:  # one exception, whoever raised it: not a group of one
        Way(4, engine, plan, traced).run(made)
    assert caught.value is shared


# -- P2: structured -----------------------------------------------------------------------------------------


def started_after_a_failure(way):
    """Return what started after a node failed while others ran beside it, one in each thread."""
    log, running, lock = [], set(), threading.Lock()
    meet = threading.Barrier(way.threads, timeout=20)
    failed = threading.Event()

    def hold(i):
        def work():
            with lock:
                running.add(i)
            meet.wait()
            failed.wait(20)
            time.sleep(0.03)  # so that the failure is known before this one ends
            with lock:
                running.remove(i)
            return i

        return work

    def fail():
        meet.wait()
        failed.set()
        raise Broken

    made = DAG("fails")
    bad = made.add(fail, name="bad", hint_s=100)
    held = [made.add(hold(i), name=f"held_{i}", hint_s=100) for i in range(way.threads - 1)]
    made.add(lambda _: log.append("after the failed one"), bad, name="after")
    for i, value in enumerate(held):
        made.add(lambda _: log.append("after another one"), value, name=f"after_held_{i}")
    with pytest.raises(Broken):
        way.run(made)
    assert not running  # at once, not soon
    return log


@untraced
def test_nothing_runs_after_a_run_and_nothing_new_starts_after_a_failure(way):
    """Tried three times: a thread that is not let run for 30 ms may start a node beside the failing one."""
    for _ in range(3):
        log = started_after_a_failure(way)
        assert "after the failed one" not in log
        if not log:
            return
    pytest.fail(f"started after a failure, three times: {log}")


# -- P5: never above budget ---------------------------------------------------------------------------------


class Level:
    """How many threads are in nodes at once."""

    def __init__(self):
        self.lock = threading.Lock()
        self.inside = {}
        self.most = 0

    def __enter__(self):
        me = threading.get_ident()
        with self.lock:
            self.inside[me] = self.inside.get(me, 0) + 1
            self.most = max(self.most, len(self.inside))
        time.sleep(0.0002)

    def __exit__(self, *_):
        me = threading.get_ident()
        with self.lock:
            self.inside[me] -= 1
            if not self.inside[me]:
                del self.inside[me]


@untraced
def test_never_above_the_budget_at_any_depth(way):
    level = Level()
    preds = [[], [], [], [0], [3]]

    def work(*got):
        with level:
            return sum(got) + 1

    leaf = dag_of(preds, lambda _: work)

    def nested(threads):
        def run(*got):
            with level:
                inner = leaf.prepare(threads=threads)
            # Whoever runs a DAG in a node may wait for a helper that takes its place.
            found = sum(inner().values()) + sum(way._replace(traced=True).run(leaf).values())
            with level:
                return found

        return run

    middle = dag_of([[], [0]], lambda i: nested(i + 7))

    def outermost(*_):
        found = sum(way.run(middle).values())
        with level:
            return found

    outer = dag_of([[]] * 3, lambda _: outermost)
    assert way.run(outer) == dict.fromkeys(outer.nodes, 10)
    assert not level.inside
    assert level.most <= way.threads


@untraced
def test_as_many_as_the_budget_do_run_at_once(way):
    meet = threading.Barrier(way.threads, timeout=20)
    made = dag_of([[]] * way.threads, lambda _: lambda: meet.wait() >= 0)
    for _ in range(2):
        assert all(way.run(made).values())


@every_way
def test_a_dag_that_calls_itself(way):
    made = DAG("itself")
    depth = made.input("depth")

    def again(n):
        return 1 if n == 0 else way.run(made, n - 1)[0] + 1

    made.returns([made.add(again, depth), made.add(lambda n: n, depth)])
    assert way.run(made, 4) == [5, 4]


# -- P6: the same order -------------------------------------------------------------------------------------


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("engine", ["plain", "locks", "timed", "long"])
def test_the_order_on_one_thread_is_that_of_the_ranks(engine, traced):
    preds = random_edges(40, seed=5)
    order = []
    made = dag_of(preds, lambda i: lambda *_: order.append(i))
    expected = {}
    for plan in ("no plan", "ranks"):
        prepared = Way(1, engine, plan, traced).prepare(made)
        runs = []
        for _ in range(3):
            Way(1, engine, plan, traced).call(prepared)
            runs.append(order[:])
            order.clear()
        assert runs[0] == runs[1] == runs[2]
        expected[plan] = runs[0]
    # By the definition: always the ready node of the smallest rank, here the last declared.
    done, wanted = set(), []
    while len(done) < len(preds):
        ready = [i for i, some in enumerate(preds) if i not in done and done.issuperset(some)]
        done.add(max(ready))
        wanted.append(max(ready))
    assert expected["ranks"] == wanted
    assert expected["no plan"] != wanted


@every_way
def test_a_node_waits_for_those_whose_results_it_does_not_take(way):
    order = []

    def note(name, *_):
        if name == "slow":
            time.sleep(0.002)
        order.append(name)

    #  value ──▶ taker, taker_2       slow ╌╌▶ taker, taker_2, none       (╌: waits only)
    made = DAG("after")
    value = made.add(lambda: "value", name="value", hint_s=9)
    slow = made.add(note, "slow", name="slow")
    made.add(lambda name: note("taker", name), value, name="taker", after=[slow])
    made.add(note, "taker_2", value, name="taker_2", after=["slow"])
    made.add(lambda: note("none"), name="none", after=[slow, value])
    fast = way.prepare(made)
    for _ in range(2):
        way.call(fast)
        assert sorted(order[1:]) == ["none", "taker", "taker_2"]
        assert order[0] == "slow"
        order.clear()


# -- P9: context variables ----------------------------------------------------------------------------------


@every_way
def test_context_variables_reach_each_node_and_go_no_further(way):
    variable = contextvars.ContextVar("variable", default="unset")
    token = variable.set("outside")

    def look(*_):
        seen = variable.get()
        variable.set("leaked")
        return seen

    def nested(_):
        variable.set("of the node")
        return {*way.run(leaf).values(), variable.get()}

    #  0 ─▶ 1 ─▶ 2 ─▶ 3 (a chain)      4 ─▶ 5, 6
    preds = [[], [0], [1], [2], [], [4], [4]]
    leaf = dag_of(preds, lambda _: look)
    every = DAG("every")
    values = []
    for some in preds:
        values.append(every.add(look, *[values[p] for p in some]))
    every.returns([*values, every.add(nested, values[4])])
    fast = way.prepare(every)
    try:
        for _ in range(2):
            *seen, inside = way.call(fast)
            assert set(seen) == {"outside"}
            assert inside == {"of the node"}
            assert variable.get() == "outside"
    finally:
        variable.reset(token)


# -- P10: values --------------------------------------------------------------------------------------------


class Untouchable:
    """A value that may be passed on, and nothing else."""

    def _refuse(self, *_):
        raise AssertionError("looked at")

    __eq__ = __ne__ = __lt__ = __bool__ = __len__ = __iter__ = __getitem__ = __contains__ = _refuse
    __str__ = __repr__ = __format__ = __copy__ = __deepcopy__ = __reduce__ = __reduce_ex__ = _refuse
    __call__ = __index__ = __int__ = __float__ = __add__ = __enter__ = __await__ = __next__ = _refuse
    __hash__ = None

    def __getattr__(self, name):
        raise AssertionError(f"asked for {name}")


@every_way
def test_values_are_passed_by_identity_and_never_looked_at(way):
    value, constant = Untouchable(), Untouchable()
    made = DAG("hostile")
    x = made.input("x")
    same = lambda got: got
    chain = made.add(same, made.add(same, made.add(same, x)))
    pair = made.add(lambda got: (got, got), chain, outputs=2)
    first, second = pair
    # (A constant is searched for results when the DAG is built, so it is given as an input's default.)
    default = made.input("y", constant)
    deep = made.add(lambda some, *, key: [some, key], [{"k": first}], kwargs={"key": (second, default)})
    made.returns([chain, first, made.add(same, default), deep, x])
    fast = way.prepare(made)
    for _ in range(2):
        one, two, three, (some, key), five = way.call(fast, value)
        assert one is value
        assert two is value
        assert three is constant
        assert some[0]["k"] is value
        assert key[0] is value
        assert key[1] is constant
        assert five is value


class Big:
    pass


@pytest.fixture
def no_collector():
    """Values must go when their last user lets go of them, not when the collector comes by."""
    gc.disable()
    yield
    gc.enable()


def soon_gone(alive):
    """Wait until nothing is left: a helper may still be on its way out of the run."""
    deadline = time.monotonic() + 2
    while alive and time.monotonic() < deadline:
        time.sleep(0.001)
    return not alive


@every_way
@pytest.mark.usefixtures("no_collector")
def test_values_are_dropped_after_their_last_use(way):
    alive = weakref.WeakSet()
    most = [0]

    def make(*_):
        big = Big()
        alive.add(big)
        most[0] = max(most[0], len(alive))
        return big

    made = dag_of([[], *[[i] for i in range(49)]], lambda _: make)
    prepared = way.prepare(made)
    for _ in range(2):
        result = way.call(prepared)
        assert most[0] <= 2
        assert len(alive) == 1
        del result
        assert soon_gone(alive)


@every_way
@pytest.mark.usefixtures("no_collector")
def test_values_of_a_wide_dag_are_dropped_as_soon_as_no_node_needs_them(way):
    """An input and a result that several nodes take; only what the DAG returns stays."""
    alive = weakref.WeakSet()

    def make(*_):
        big = Big()
        alive.add(big)
        return big

    made = DAG("wide")
    x = made.input("x")
    source = made.add(make, x, name="source")
    taken = [made.add(lambda *_: len(alive), source, x, name=f"taker_{i}") for i in range(6)]
    gone = made.add(lambda *_: len(alive), *taken, name="gone")
    made.returns([made.add(make, gone, name="kept"), gone])
    fast = way.prepare(made)
    for _ in range(2):
        given = make()
        kept, left = way.call(fast, given)
        del given
        assert left <= 1  # the caller's own
        assert list(alive) == [kept]
        del kept
        assert soon_gone(alive)


@every_way
@pytest.mark.usefixtures("no_collector")
def test_values_that_nobody_takes_are_gone_when_the_next_node_runs(way):
    alive = weakref.WeakSet()

    def make():
        big = Big()
        alive.add(big)
        return big

    made = DAG("nobody")
    first = made.add(make, name="first")
    second = made.add(lambda: (soon_gone(alive), make())[0], name="second", after=[first])
    made.returns([second, made.add(lambda: soon_gone(alive), name="third", after=[second])])
    fast = way.prepare(made)
    for _ in range(2):
        assert way.call(fast) == [True, True]
        assert soon_gone(alive)


@untraced
@pytest.mark.usefixtures("no_collector")
def test_values_of_a_failed_run_are_dropped_with_its_exception(way):
    alive = weakref.WeakSet()

    def make(*_):
        big = Big()
        alive.add(big)
        return big

    def fail(_):
        raise Broken

    made = DAG("fails")
    x = made.input("x")
    big = made.add(make, x, name="big", hint_s=9)
    bad = made.add(fail, made.add(make, big, name="second"), name="bad", hint_s=8)
    made.add(lambda *_: None, big, bad, made.add(make, x, name="side"), name="never")
    prepared = way.prepare(made)
    for _ in range(2):
        given = make()
        try:
            way.call(prepared, given)
        except Broken as error:
            del given
            assert len(alive) <= 2  # arguments of frames in the traceback
            error.__traceback__ = None
        gc.collect()  # a traceback and the frames that it is in may go in a circle
        assert soon_gone(alive)
