"""Hooks: told of what happens, of nothing else, and never in the way."""

import logging
import threading

import pytest

from makespan import DAG, dag, node
from makespan.around.hooks import Hooks, LogHooks


class Recorder(Hooks):
    """Writes down what it is told."""

    def __init__(self):
        self.told = []

    def on_start(self, node):
        self.told.append(("start", node))

    def on_end(self, node, wall_s):
        assert wall_s >= 0
        self.told.append(("end", node))

    def on_error(self, node, error):
        self.told.append(("error", node, type(error).__name__))


@node
def one(x=1):
    return x


@node
def two(x):
    return x / (x - 1)


@dag
def d(x):
    return two(one(x))


DONE = [("start", "one"), ("end", "one"), ("start", "two"), ("end", "two")]
FAILED = [("start", "one"), ("end", "one"), ("start", "two"), ("error", "two", "ZeroDivisionError")]


@pytest.mark.parametrize("threads", [1, 2])
def test_told_in_order_by_every_verb(threads):
    hooks = Recorder()
    fast = d.prepare(threads=threads, hooks=hooks)
    for call in (fast, fast, fast.run, lambda x: d.run(x, threads=threads, hooks=hooks)):
        hooks.told.clear()
        call(3)
        assert hooks.told == DONE
        hooks.told.clear()
        with pytest.raises(ZeroDivisionError):
            raise getattr(call(1), "error", AssertionError)
        assert hooks.told == FAILED
    hooks.told.clear()
    d(3)
    assert hooks.told == []


def test_several_hooks_are_told_in_their_order():
    told = []

    class First(Hooks):
        def on_start(self, node):
            told.append("first")

    class Second(Hooks):
        def on_start(self, node):
            told.append("second")

        def on_end(self, node, wall_s):
            told.append("end")

    one_node = DAG("one")
    one_node.add(len, "abc")
    one_node.run(hooks=[First(), Second(), First()])
    assert told == ["first", "second", "first", "end"]


def test_what_is_not_overridden_is_not_put_round_the_calls():
    class Own(Hooks):
        pass

    class OnlyErrors(Hooks):
        def on_error(self, node, error): ...

    plain = d.prepare(threads=1).program.calls
    assert d.prepare(threads=1, hooks=Own()).program.calls == plain
    assert d.prepare(threads=1, hooks=[]).program.calls == plain
    errors = d.prepare(threads=1, hooks=OnlyErrors()).program.calls
    assert [call.__name__ for call in errors] == ["failing", "failing"]


def test_a_method_that_an_object_has_of_its_own():
    hooks, told = Hooks(), []
    hooks.on_start = told.append
    d.run(3, hooks=hooks)
    assert told == ["one", "two"]


@pytest.mark.parametrize("method", ["on_start", "on_end", "on_error"])
def test_a_hook_that_raises_is_logged_once(method, caplog):
    class Broken(Recorder):
        pass

    def broken(self, *_):
        raise RuntimeError("in the hook")

    setattr(Broken, method, broken)
    fast = d.prepare(hooks=Broken())
    assert fast(3) == 1.5
    for _ in range(2):
        with pytest.raises(ZeroDivisionError) as caught:
            fast(1)
        assert caught.value.__context__ is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert f"Broken.{method}" in caplog.text or "broken" in caplog.text
    assert "in the hook" in caplog.text
    assert caplog.records[0].name == "makespan"


def test_they_run_in_the_thread_and_context_of_the_node():
    seen = {}

    class Where(Hooks):
        def on_start(self, node):
            seen[node] = threading.get_ident()

    @dag
    def where():
        return [node(threading.get_ident).options(name=f"n{i}")() for i in range(4)]

    run = where.run(hooks=Where(), threads=2)
    assert [seen[f"n{i}"] for i in range(4)] == run.result


def test_skipped_nodes_are_not_told_of():
    @dag
    def conditional(flag):
        first = one.options(name="first", when=flag)(1)
        second = one.options(name="second")(first)
        third = two.options(name="third", on_skipped="none")([first] and 3)
        return first, second, third, one.options(name="last", when=third)(flag["none"])

    hooks = Recorder()
    fast = conditional.prepare(threads=1, hooks=hooks)

    class Falsy(dict):
        def __bool__(self):
            return self["truth"]

    assert fast(Falsy(truth=False, none=1)) == (None, None, 1.5, 1)
    assert {told[1] for told in hooks.told} == {"third", "last"}
    hooks.told.clear()
    assert fast(Falsy(truth=True, none=1)) == (1, 1, 1.5, 1)
    for name in ("first", "second", "third", "last"):
        assert [told[0] for told in hooks.told if told[1] == name] == ["start", "end"]
    hooks.told.clear()
    with pytest.raises(KeyError):
        fast(Falsy(truth=True))
    assert hooks.told[-2:] == [("start", "last"), ("error", "last", "KeyError")]
    hooks.told.clear()
    with pytest.raises(KeyError):
        fast(Falsy())
    assert hooks.told[:2] == [("start", "first"), ("error", "first", "KeyError")]  # its condition raised


def test_retries_caches_and_set_up_are_within():
    tries = []

    @node(retries=2, retry_wait_s=0, setup=True)
    def load():
        tries.append(1)
        if len(tries) < 3:
            raise OSError
        return 5

    @node(cache=lambda x: x)
    def square(x):
        return x * x

    @dag
    def both():
        return square(load())

    hooks = Recorder()
    fast = both.prepare(threads=1, hooks=hooks)
    for _ in range(2):
        hooks.told.clear()
        assert fast() == 25
        assert hooks.told == [(what, name) for name in ("load", "square") for what in ("start", "end")]


def test_values_die_as_without_hooks():
    import weakref

    class Value: ...

    refs = []

    def make():
        value = Value()
        refs.append(weakref.ref(value))
        return value

    chain = DAG("chain")
    made = chain.add(make)
    taken = chain.add(lambda value: None, made, name="taken")
    chain.returns(chain.add(lambda _: refs[0]() is None, taken, name="gone"))
    assert chain.prepare(threads=1, hooks=Recorder())() is True


def test_log_hooks(caplog):
    logger = logging.getLogger("tests.own")
    with caplog.at_level(logging.DEBUG):
        d.run(3, hooks=LogHooks(), threads=1)
        with pytest.raises(ZeroDivisionError):
            d.run(1, hooks=LogHooks(logger, logging.DEBUG), threads=1)
    lines = [
        (record.name, record.levelname, record.getMessage().split(" took")[0])
        for record in caplog.records
        if record.getMessage().startswith("node")
    ]
    info, debug = ("makespan", "INFO"), ("tests.own", "DEBUG")
    assert lines == [
        (*info, "node 'one' starts"),
        (*info, "node 'one'"),
        (*info, "node 'two' starts"),
        (*info, "node 'two'"),
        (*debug, "node 'one' starts"),
        (*debug, "node 'one'"),
        (*debug, "node 'two' starts"),
        ("tests.own", "ERROR", "node 'two' raised ZeroDivisionError"),
    ]


def test_ctrl_c_in_a_hook_ends_the_run():
    class Stops(Hooks):
        def on_end(self, node, wall_s):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        d.prepare(threads=1, hooks=Stops())(3)
