"""Nodes that are tried again: how often, after what, with which notes; and when not."""

import threading

import pytest

from makespan import DAG, dag, node
from makespan.around import retry as module
from makespan.engine.cancelling import inside


class Failing:
    """A function that fails so many times, then returns its argument."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0
        self.__name__ = "failing"

    def __call__(self, value=1):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return value


@pytest.fixture
def waits(monkeypatch):
    """The seconds that are waited, not really waited."""
    taken = []

    def acquired(lock, timeout_s=None):
        taken.append(timeout_s)
        return False

    monkeypatch.setattr(module, "acquired", acquired)
    return taken


def one(fn, **options):
    d = DAG("one")
    d.returns(d.add(fn, 5, **options))
    return d


@pytest.mark.parametrize("threads", [1, 2])
def test_tried_again_until_it_works(threads, waits):
    fn = Failing(ValueError("a"), OSError("b"))
    run = one(fn, retries=3).run(threads=threads)
    assert run.result == 5
    assert fn.calls == 3
    assert [its.attempts for its in run.record.nodes] == [3]
    assert waits == [0.1, 0.2]


def test_attempts_that_all_fail_leave_notes(waits):
    fn = Failing(ValueError("first\n time"), OSError(), ValueError("x" * 1000))
    with pytest.raises(ValueError, match="xxx") as caught:
        one(fn, retries=2, retry_wait_s=0.5)()
    first, second, third, where = caught.value.__notes__
    assert first.startswith("attempt 1 of 3 failed after ")
    assert "e-0" not in first
    assert first.endswith("s: ValueError: first time")
    assert second.endswith("s: OSError")
    assert third.endswith("xxx…")
    assert len(third) < 300
    assert where.startswith("in node 'failing'")
    assert waits == [0.5, 1.0]
    assert caught.value.__context__ is None


def test_a_run_twice_tries_anew(waits):
    fn = Failing(*[ValueError(str(i)) for i in range(6)])
    d = one(fn, retries=2)
    for last in "25":
        with pytest.raises(ValueError, match=last) as caught:
            d()
        assert len(caught.value.__notes__) == 4
    assert d() == 5


def test_waits_are_doubled_up_to_a_minute(waits):
    fn = Failing(*[ValueError()] * 9)
    assert one(fn, retries=9, retry_wait_s=1)() == 5
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_no_wait(waits):
    assert one(Failing(ValueError()), retries=1, retry_wait_s=0)() == 5
    assert waits == []


def test_only_what_is_worth_it(waits):
    fn = Failing(OSError(), ValueError(), OSError())
    with pytest.raises(ValueError) as caught:
        one(fn, retries=5, retry_on=[OSError, KeyError])()
    assert fn.calls == 2
    assert len(caught.value.__notes__) == 3  # both attempts, and the node
    with pytest.raises(OSError) as other:
        one(fn, retries=5, retry_on=ValueError)()
    assert len(other.value.__notes__) == 1  # tried once, nothing to tell


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, BaseException])
def test_what_ends_programs_is_never_retried(kind, waits):
    fn = Failing(kind())
    with pytest.raises(kind):
        one(fn, retries=5)()
    assert (fn.calls, waits) == (1, [])


def test_exceptions_that_refuse_notes_and_texts(waits):
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

        def add_note(self, note):
            raise RuntimeError

    error = Mute()
    with pytest.raises(Mute) as caught:
        one(Failing(error, error), retries=1)()
    assert caught.value is error


def test_a_falsy_exception_is_an_exception(waits):
    class Falsy(Exception):
        def __bool__(self):
            return False

    fn = Failing(Falsy(), Falsy())
    with pytest.raises(Falsy):
        one(fn, retries=1)()
    assert fn.calls == 2


def test_in_sub_dags_with_unpacking_and_keywords(waits):
    fn = Failing(ValueError())

    @node(retries=1)
    def pair(value, *, scale) -> tuple[int, int]:
        return fn(value), scale

    @dag
    def inner(x):
        first, second = pair(x, scale=10)
        return [second, first]

    @dag
    def outer(x):
        return inner(x)

    assert outer(3) == [10, 3]
    assert fn.calls == 2


def test_the_wait_ends_with_the_run():
    """Another node fails while one waits for its next try: the run does not wait a minute for it."""
    waiting = threading.Event()
    fn = Failing(ValueError("again"), ValueError("never"))

    def fails():
        waiting.wait(10)
        raise KeyError("other")

    def slow():
        waiting.set()
        return fn()

    d = DAG("two")
    d.add(slow, retries=5, retry_wait_s=60)
    d.add(fails)
    with pytest.raises(ExceptionGroup) as caught:
        d.run(threads=2)
    assert fn.calls == 1
    assert {type(error) for error in caught.value.exceptions} == {ValueError, KeyError}


def test_coroutines_whose_time_was_up_are_tried_again():
    """Each attempt has the whole time; the one that was cancelled is a failed one."""
    import asyncio

    tries = []

    @node(timeout_s=0.05, retries=2, retry_wait_s=0)
    async def ask():
        tries.append(1)
        if len(tries) < 3:
            await asyncio.sleep(30)
        return "answer"

    @dag
    def d():
        return ask()

    run = d.run()
    assert run.result == "answer"
    assert run.record.nodes[0].attempts == 3
    tries.clear()
    late = DAG("late")
    late.add(ask, retries=1)
    with pytest.raises(TimeoutError) as caught:
        late()
    notes = caught.value.__cause__.__notes__
    assert any(note.startswith("attempt 2 of 2 failed after") for note in notes)


@pytest.mark.parametrize("on_error", ["stop", "continue"])
def test_a_thread_whose_time_was_up_is_not_tried_again(on_error):
    end, done, seen = threading.Event(), threading.Event(), []
    fn = Failing(ValueError("late"), ValueError("later"))

    def slow():
        seen.append((inside.get().rearm.__self__.watch, threading.get_ident()))
        end.wait(10)
        return fn()

    def goes_on():
        while not seen or not seen[0][0].gave_up(seen[0][1]):
            done.wait(0.001)
        end.set()
        while not fn.calls:
            done.wait(0.001)
        done.wait(0.05)  # whoever tries again does so now

    d = DAG("slow")
    d.add(slow, timeout_s=0.02, retries=3, retry_wait_s=0)
    if on_error == "continue":
        d.add(goes_on)
    run = d.prepare(threads=3, on_error=on_error).run()
    end.set()
    assert isinstance(run.error, TimeoutError)
    while not fn.calls:
        done.wait(0.001)
    done.wait(0.05)
    assert fn.calls == 1


def test_nothing_is_tried_again_at_once_when_the_run_stops():
    failed, fn = threading.Event(), Failing(ValueError("again"), ValueError("never"))

    def fails():
        failed.set()
        raise KeyError("other")

    def slow():
        failed.wait(10)
        while not inside.get().ending:
            failed.wait(0.001)
        return fn()

    d = DAG("two")
    d.add(slow, retries=5, retry_wait_s=0)
    d.add(fails)
    with pytest.raises(ExceptionGroup):
        d.prepare(threads=2)()
    assert fn.calls == 1


def test_with_a_limit_of_native_threads(waits):
    fn = Failing(ValueError())
    assert one(fn, retries=1, native_threads=1)() == 5
    assert fn.calls == 2
