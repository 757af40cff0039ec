"""Caches of nodes: by the user's key, the least used goes first, and one computation for one key."""

import random
import threading
import weakref
from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, OptionError, dag, node
from makespan.around.cache import Cache, CacheInfo
from tests.test_once import in_threads


def squared(**options):
    """Return (a DAG whose node squares with a cache, the calls of its function)."""
    calls = []

    def square(x):
        calls.append(x)
        return x * x

    d = DAG("squares")
    d.returns(d.add(square, d.input("x"), **{"cache": lambda x: x, **options}))
    return d, calls


def test_hits_and_misses():
    d, calls = squared()
    assert [d(2), d(3), d(2), d.run(2).result, d.prepare(threads=1)(3)] == [4, 9, 4, 4, 9]
    assert calls == [2, 3]
    assert d.cache_info() == {"square": CacheInfo(3, 2, 2, 128)}


def test_cleared():
    d, calls = squared()
    d.add(len, "abc", name="plain")
    d(2)
    d.clear_cache()
    d(2)
    d.clear_cache("square")
    d(2)
    assert calls == [2, 2, 2]
    assert d.cache_info() == {"square": CacheInfo(0, 1, 1, 128)}
    two = DAG("two")
    for name in ("a", "b"):
        two.add(len, "abc", name=name, cache=len)
    two()
    two.clear_cache("a")
    assert [info.size for info in two.cache_info().values()] == [0, 1]
    for wrong in ("plain", "squar", 5):
        with pytest.raises(OptionError, match="with a cache"):
            d.clear_cache(wrong)


def test_each_dag_object_has_its_own_and_a_change_drops_it():
    (d, calls), (other, others) = squared(), squared()
    d(2), other(2)
    assert calls == others == [2]
    d.add(len, "abc")
    d(2)
    assert calls == [2, 2]


@given(st.integers(1, 4), st.lists(st.integers(0, 6), max_size=40))
@settings(deadline=None, max_examples=50)
def test_the_least_used_goes_first(size, asked):
    cache, model, made = Cache(size), OrderedDict(), []
    hits = 0
    for key in asked:
        if key in model:
            hits += 1
            model.move_to_end(key)
        else:
            model[key] = object()
            if len(model) > size:
                model.popitem(last=False)
        before = len(made)
        value = cache.get(key, lambda: made.append(object()) or made[-1])
        if len(made) > before:
            model[key] = value
        assert model[key] is value
    assert cache.info() == (hits, len(asked) - hits, len(model), size)


def test_misses_of_one_key_compute_once():
    calls, go = [], threading.Barrier(6)

    def slow(x):
        calls.append(x)
        return object()

    d = DAG("slow")
    d.returns(d.add(slow, d.input("x"), cache=lambda x: x))
    got = in_threads(*[lambda x=x: (go.wait(10) and None) or d(x) for x in (1, 1, 1, 2, 2, 2)])
    assert sorted(calls) == [1, 2]
    assert len(set(got)) == 2
    assert d.cache_info()["slow"][:3] == (4, 2, 2)


def test_when_it_fails_the_next_computes():
    cache, begun = Cache(5), threading.Event()

    def fails():
        begun.set()
        while not cache._coming or cache._coming["k"].users < 3:
            pass
        raise OSError

    def later():
        begun.wait(10)
        return cache.get("k", lambda: 7)

    first, *others = in_threads(lambda: cache.get("k", fails), later, later)
    assert isinstance(first, OSError)
    assert others == [7, 7]
    assert cache.info() == (1, 2, 1, 5)
    assert not cache._coming


def test_failures_leave_nothing():
    d, calls = squared(cache=lambda x: str(x))
    for _ in range(2):
        with pytest.raises(TypeError, match=r"multiply|operand"):
            d("abc")
    assert len(calls) == 2
    assert d.cache_info()["square"] == (0, 2, 0, 128)
    assert not d._caches["square"]._coming


def raises(x):
    raise ZeroDivisionError("no key")


@pytest.mark.parametrize(
    ("key", "error", "match"),
    [
        (raises, ZeroDivisionError, "no key"),
        (lambda x: [x], TypeError, "unhashable"),
        (lambda: 1, TypeError, "positional"),
    ],
)
def test_keys_that_cannot_be(key, error, match):
    d, calls = squared(cache=key, retries=2, retry_wait_s=0)
    with pytest.raises(error, match=match) as caught:
        d(2)
    assert caught.value.__notes__[0].startswith("in the key for the cache of 'square'")
    assert "in node 'square'" in caught.value.__notes__[1]
    assert (calls, len(caught.value.__notes__)) == ([], 2)


def test_the_key_is_made_of_the_nodes_own_arguments():
    seen = []

    @node(cache=lambda url, *, size, session=None: (url, size))
    def fetch(url, *, size, session=None):
        seen.append((url, size, session))
        return len(seen)

    @dag
    def d(x):
        return fetch(x["url"], size=x["sizes"][0], session=[x])

    assert d({"url": "a", "sizes": [1]}) == d({"url": "a", "sizes": [1, 2]}) == 1
    assert d({"url": "a", "sizes": [2]}) == 2
    assert seen[0] == ("a", 1, [{"url": "a", "sizes": [1]}])


def test_values_are_handed_out_as_they_are():
    class Value:
        def fail(self, *_):
            pytest.fail("the value was looked at")

        __eq__ = __bool__ = __reduce__ = __repr__ = __copy__ = fail
        __hash__ = object.__hash__

    made = []
    d = DAG("d")
    d.returns(d.add(lambda x: made.append(Value()) or made[-1], d.input("x"), cache=lambda x: x))
    assert d(1) is d(1) is made[0]
    for falsy in (None, 0, ""):
        e = DAG("e")
        calls = []
        e.returns(e.add(lambda x, calls=calls, value=falsy: calls.append(x) or value, 1, cache=lambda x: x))
        assert e() is e() is falsy
        assert len(calls) == 1


def test_dropped_values_die():
    class Value: ...

    cache = Cache(1)
    first = weakref.ref(cache.get(1, Value))
    assert first() is not None
    cache.get(2, Value)
    assert first() is None


def test_a_dropped_value_may_come_back_to_the_cache():
    cache = Cache(1)

    class Value:
        def __del__(self):
            cache.get("last", int)

    cache.get(1, Value)
    cache.get(2, int)
    assert cache.info().size == 1


def test_a_node_that_needs_its_own_result():
    d = DAG("d")
    x = d.input("x")
    d.returns(d.add(lambda x: d(x - 1) if x else "end", x, name="down", cache=lambda x: x))
    assert d(3) == "end"
    assert d.cache_info()["down"].size == 4
    e = DAG("e")
    e.returns(e.add(lambda: e(), name="again", cache=lambda: 1))
    with pytest.raises(RecursionError, match="'again' is asked for the cached result"):
        e()


def test_cleared_while_it_computes():
    cache = Cache(5)

    def compute():
        cache.clear()
        return 1

    assert cache.get("k", compute) == 1
    assert cache.info() == (0, 0, 0, 5)
    assert not cache._coming


def test_random_use_by_threads():
    cache, truth = Cache(3), list(range(8))

    def use(seed):
        rng = random.Random(seed)
        for _ in range(300):
            key = rng.choice(truth)
            if rng.random() < 0.01:
                cache.clear()
            try:
                got = cache.get(key, lambda key=key: key if rng.random() < 0.8 else {}[key])
            except KeyError:
                continue
            assert got == key
        return "done"

    assert in_threads(*[lambda seed=seed: use(seed) for seed in range(4)]) == ["done"] * 4
    assert not cache._coming
    assert cache.info().size <= 3


def test_not_while_profiling():
    d, calls = squared()
    d.profile(2, runs=2, trials=False, pickling=False)
    assert len(calls) == 3
    assert d.cache_info()["square"][:3] == (0, 0, 0)


def test_who_comes_after_a_failure_waits_for_who_computes_now():
    cache, calls = Cache(5), []
    failing, going, end = threading.Event(), threading.Event(), threading.Event()

    def fails():
        failing.set()
        while cache._coming["k"].users < 2:
            pass
        raise OSError

    def works():
        calls.append(1)
        going.set()
        end.wait(10)
        return 7

    def second():
        failing.wait(10)
        return cache.get("k", works)

    def third():
        going.wait(10)
        threading.Timer(0.05, end.set).start()
        return cache.get("k", works)

    first, *others = in_threads(lambda: cache.get("k", fails), second, third)
    assert isinstance(first, OSError)
    assert (others, len(calls)) == ([7, 7], 1)


def test_keys_that_look_at_the_cache_when_they_are_compared():
    cache = Cache(5)

    class Key:
        def __hash__(self):
            return 1

        def __eq__(self, other):
            return cache.info().size >= 0

    assert cache.get(Key(), lambda: 1) == 1
    assert cache.get(Key(), lambda: 2) == 1
