"""Set-up nodes: once for a DAG object, whoever runs it first; dropped when it changes."""

import threading
import weakref

import pytest

from makespan import DAG, DescribeError, dag, node
from tests.test_once import in_threads


class Model:
    """What a set-up node loads."""


def counted(made=Model):
    """Return (a function that counts its calls, the list of what it made)."""
    results = []

    def load(*_):
        results.append(made())
        return results[-1]

    return load, results


def judged(load, **options):
    d = DAG("judged")
    x = d.input("x")
    model = d.add(load, "path", setup=True, **options)
    d.returns(d.add(lambda model, x: (model, x), model, x))
    return d


@pytest.mark.parametrize("threads", [1, 2])
def test_once_for_all_runs_and_preparations(threads):
    load, made = counted()
    d = judged(load)
    fast = d.prepare(threads=threads)
    assert fast(1) == (made[0], 1)
    assert fast(2) == (made[0], 2)
    assert d.run(3, threads=3).result == (made[0], 3)
    assert d(4) == (made[0], 4)
    assert len(made) == 1


@pytest.mark.parametrize("value", [None, False, 0, KeyError("x")], ids=repr)
def test_any_value_is_kept(value):
    load, made = counted(lambda: value)
    d = judged(load)
    assert d(1)[0] is value
    assert d(1)[0] is value
    assert len(made) == 1


def test_each_dag_object_has_its_own():
    load, made = counted()
    loads = node(setup=True)(load)

    @dag
    def inner():
        return loads("a"), loads("b")

    @dag
    def outer():
        return loads("c"), inner()

    assert inner() is not inner()
    assert len(made) == 2
    outer()
    outer()
    assert len(made) == 5  # its own copy of the inner ones too: they are its nodes


def test_several_first_runs_set_up_once():
    load, made = counted()
    go = threading.Barrier(6)
    d = judged(load)
    got = in_threads(*[lambda: (go.wait(10) and None) or d(1)] * 6)
    assert got == [(made[0], 1)] * 6
    assert len(made) == 1


def test_a_failure_is_not_kept():
    tries = []

    def load(_):
        tries.append(1)
        if len(tries) < 3:
            raise OSError(f"try {len(tries)}")
        return "model"

    d = judged(load)
    for text in ("try 1", "try 2"):
        with pytest.raises(OSError, match=text) as caught:
            d(1)
        assert len(caught.value.__notes__) == 1
    assert d(1) == d(1) == ("model", 1)
    assert len(tries) == 3


def test_retries_are_within():
    tries = []

    def load(_):
        tries.append(1)
        if len(tries) < 3:
            raise OSError
        return "model"

    d = judged(load, retries=2, retry_wait_s=0)
    assert d(1) == d(1) == ("model", 1)
    assert len(tries) == 3


def test_dropped_when_forgotten_and_when_the_dag_changes():
    load, made = counted(lambda: 5)
    d = judged(load)
    d(1)
    d.forget_setup()
    d(1)
    assert len(made) == 2
    d.add(len, "abc")
    d(1)
    assert len(made) == 3
    d.returns(1)
    d(1)
    assert len(made) == 4


def test_nothing_else_keeps_the_result():
    refs = []

    def load(_):
        model = Model()
        refs.append(weakref.ref(model))
        return model

    d = judged(load)
    d(1)
    assert refs[0]() is not None
    d.forget_setup()
    assert refs[0]() is None


def test_setting_up_ahead():
    load, made = counted()
    path = node(setup=True)(lambda: made.append("path") or "path")
    loads = node(setup=True)(load)

    @dag
    def d(x, *, y):
        return loads(path()), x["key"], y

    d.setup()
    assert made[0] == "path"
    assert len(made) == 2
    d.setup()
    assert d({"key": 1}, y=2) == (made[1], 1, 2)
    assert len(made) == 2
    DAG("none").setup()


def test_setting_up_ahead_fails_as_a_run_does():
    def load(_):
        raise OSError("no model")

    with pytest.raises(OSError, match="no model") as caught:
        judged(load).setup()
    assert "in node 'load'" in caught.value.__notes__[0]


def test_set_up_nodes_of_set_up_nodes():
    calls = []

    @node(setup=True)
    def path(name):
        calls.append("path")
        return {"of": name}

    @node(setup=True)
    def load(where, after=None):
        calls.append("load")
        return where

    @dag
    def d(x):
        first = path("a")
        return load.options(after=first)([first["of"]]), load.options(when=first)(1), x

    assert d(1) == d(1) == (["a"], 1, 1)
    assert calls == ["path", "load", "load"]


def test_what_a_set_up_node_may_not_depend_on():
    setup = node(setup=True)(lambda *_: 1)

    @node
    def plain(): ...

    ways = {
        "'plain', which is none": lambda x: setup([plain()]),
        "'plain', which": lambda x: setup.options(after=[plain()])(),
        "'plain', which is": lambda x: setup.options(when=plain()["a"])(),
        "the input 'x'": lambda x: setup({"x": x}),
        "the input 'x' \\(its result is kept": lambda x: setup.options(when=x)(),
    }
    for match, call in ways.items():
        with pytest.raises(DescribeError, match=match) as caught:
            dag(call).check()
        assert caught.value.where.startswith(__file__)


def test_a_set_up_node_that_runs_its_own_dag():
    d = DAG("own")
    d.add(lambda: d(), name="load", setup=True)
    for _ in range(2):
        with pytest.raises(DescribeError, match="the set-up node 'load' runs the DAG 'own'"):
            d()


def test_two_dags_whose_set_up_nodes_run_each_other():
    """In one thread a circle is found at once; with two first runs at the same time none waits for ever."""
    one, two = DAG("one"), DAG("two")
    go, firsts = threading.Barrier(2), [1, 2]

    def of(other):
        def load():
            if firsts:
                firsts.pop()
                go.wait(10)
            return other()

        return load

    one.add(of(two), name="load", setup=True)
    two.add(of(one), name="load", setup=True)
    got = in_threads(one, two)
    assert all(isinstance(error, DescribeError) for error in got)


def test_a_set_up_node_may_run_another_dag():
    load, made = counted()
    inner = judged(load)
    outer = judged(lambda _: inner(2))
    assert outer(1) == outer(1) == ((made[0], 2), 1)
    assert len(made) == 1


def test_skipped_set_up_nodes_are_not_kept():
    load, made = counted()
    flags = [False]
    d = DAG("d")
    flag = d.add(lambda: flags[0], name="flag", setup=True)
    d.returns(d.add(load, when=flag, setup=True))
    assert d() is None
    flags[0] = True
    d.forget_setup()
    assert d() is made[0]


def test_profiling_runs_them_once():
    load, made = counted(lambda: 5)
    profile = judged(load).profile(1, runs=3, trials=False, pickling=False)
    assert len(made) == 1
    assert any("set-up node 'load'" in note for run in profile.runs for note in run.notes)


# -- who waits for another run's set-up is not held up -----------------------------------------------------


@pytest.fixture
def stuck():
    """A DAG whose set-up node another run is in; (the DAG, what lets it go on)."""
    begun, end = threading.Event(), threading.Event()

    def load(_):
        begun.set()
        end.wait(30)
        return "model"

    d = judged(load)
    thread = threading.Thread(target=d, args=(1,))
    thread.start()
    begun.wait(10)
    yield d
    end.set()
    thread.join()
    assert d(2) == ("model", 2)


def test_a_run_that_waits_ends_when_its_time_is_up(stuck):
    for call in (stuck.prepare(timeout_s=0.02), stuck.prepare(timeout_s=0.02).run):
        with pytest.raises(TimeoutError):
            raise getattr(call(1), "error", AssertionError)


def test_ctrl_c_ends_a_run_that_waits(stuck):
    from _thread import interrupt_main

    for threads in (1, 2):
        timer = threading.Timer(0.05, interrupt_main)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            stuck.prepare(threads=threads)(1)
        timer.join()


def test_a_failure_ends_a_run_that_waits(stuck):
    inner = stuck.prepare(threads=1)

    def fails():
        while not stuck._setups.of("load")._tells:
            pass
        raise KeyError("other")

    d = DAG("d")
    d.add(lambda: inner(1), name="waits")
    d.add(fails)
    with pytest.raises(KeyError, match="other"):  # itself: who waited in vain did not fail
        d.prepare(threads=2)()
    run = d.prepare(threads=2).run()
    assert {node.name: node.status for node in run.record.nodes} == {
        "waits": "unfinished",
        "fails": "failed",
    }
