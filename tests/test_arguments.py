"""Results inside nested arguments: what arrives equals what a plain call would have given."""

from __future__ import annotations

import collections
import dataclasses
import functools
import itertools
import types
from itertools import count
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, DescribeError
from makespan.describing.arguments import MAX_DEPTH, Ref, Tree, builder, follow, reference, references


class Point(NamedTuple):
    x: object
    y: object


class Untouchable:
    """A constant that must be passed on as it is."""

    def _no(self, *_):
        raise AssertionError("a constant was compared, tested, copied or printed")

    __eq__ = __ne__ = __lt__ = __bool__ = __len__ = __iter__ = __repr__ = __str__ = __hash__ = _no
    __copy__ = __deepcopy__ = __reduce_ex__ = __getitem__ = __contains__ = _no


def identity(*args, **kwargs):
    return args, kwargs


def test_every_container_arrives_as_it_was():
    d = DAG()
    x, y = d.input("x"), d.add(identity, 5, name="five")
    d.returns(
        d.add(
            identity,
            x,
            [x, 1, (x, {"k": [y]})],
            {"a": Point(x, 2), "b": ()},
            Point(1, [x]),
            name="all",
            kwargs={"key": (x,), "plain": [1]},
        )
    )
    five = ((5,), {})
    assert d(7) == (
        (7, [7, 1, (7, {"k": [five]})], {"a": Point(7, 2), "b": ()}, Point(1, [7])),
        {"key": (7,), "plain": [1]},
    )
    (_, _, made, point), _ = d(7)
    assert type(point) is type(made["a"]) is Point


def test_constants_are_the_very_objects():
    constant, kept, listed = Untouchable(), Untouchable(), [Untouchable()]
    d = DAG()
    x = d.input("x")
    d.returns(d.add(identity, constant, [x, kept], listed, kwargs={"k": constant}))
    (first, (_, second), third), keywords = d(0)
    assert first is constant
    assert second is kept
    assert third is listed  # a container without results is not rebuilt
    assert keywords["k"] is constant


def test_inputs_and_results_are_the_very_objects():
    value = Untouchable()
    d = DAG()
    d.returns([d.add(lambda v: v, d.add(lambda v: v, d.input("x")))])
    assert d(value)[0] is value


def test_only_what_holds_a_result_is_rebuilt():
    d = DAG()
    x = d.input("x")
    plain = {"k": [1, 2]}
    made = reference([plain, [x]], d, None)
    assert type(made) is Tree
    assert made.items[0] is plain
    assert references(made) == [Ref("x", (), is_input=True)]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: collections.deque([x]),
        lambda x: collections.OrderedDict(a=x),
        lambda x: [collections.defaultdict(list, a=x)],
        lambda x: dataclasses.make_dataclass("Page", ["body"])(x),
        lambda x: slice(x),
        lambda x: type("MyList", (list,), {})([x]),
    ],
)
def test_containers_that_cannot_be_rebuilt_are_refused(wrap):
    d = DAG()
    x = d.add(len, "abc")
    with pytest.raises(DescribeError, match="are not seen by makespan") as caught:
        d.add(identity, wrap(x))
    assert caught.value.where.startswith(__file__)
    assert list(d.nodes) == ["len"]


@pytest.mark.parametrize(
    "once",
    [(i for i in "ab"), map(str, "ab"), zip("ab", "cd", strict=True), filter(None, "ab"), enumerate("ab")],
)
def test_what_can_be_read_once_only_is_refused(once):
    d = DAG()
    with pytest.raises(DescribeError, match="once only"):
        d.add(list, once)
    with pytest.raises(DescribeError, match="once only"):
        d.returns(once)


def test_a_container_of_results_that_contains_itself():
    d = DAG()
    x = d.add(len, "abc")
    circle = [x]
    circle.append(circle)
    with pytest.raises(DescribeError, match="contains itself"):
        d.add(identity, circle)
    plain: list = []
    plain.append(plain)
    assert d.add(identity, plain) is not None  # a constant may


def test_the_same_list_twice_is_no_circle():
    d = DAG()
    shared = [d.add(len, "abc")]
    d.returns(d.add(identity, [shared, shared]))
    assert d() == (([[3], [3]],), {})


def test_nesting_that_is_too_deep():
    d = DAG()
    x = d.input("x")

    def nested(depth):
        value: object = x
        for _ in range(depth):
            value = [value]
        return value

    for depth in (MAX_DEPTH + 1, 100_000):
        with pytest.raises(DescribeError, match="too deeply"):
            d.add(identity, nested(depth))
    d.returns(d.add(identity, nested(MAX_DEPTH)))
    (value,), _ = d(5)
    for _ in range(MAX_DEPTH):
        (value,) = value
    assert value == 5


def test_a_result_of_another_dag():
    mine, other = DAG("mine"), DAG("other")
    x = other.add(len, "abc")
    for wrong in (x, [x], {"k": (x,)}):
        with pytest.raises(DescribeError, match="the result of 'len' belongs to another DAG"):
            mine.add(identity, wrong)
    with pytest.raises(DescribeError, match="another DAG"):
        mine.returns([x])
    with pytest.raises(DescribeError, match="another DAG"):
        mine.add(identity, after=[x])
    with pytest.raises(DescribeError, match="the input 'a' belongs to another DAG"):
        mine.add(identity, other.input("a"))
    assert not mine.nodes


def test_indexing_with_keys_that_cannot_be_hashed():
    class Frame:
        def __getitem__(self, key):
            return key

    d = DAG()
    frame = d.add(Frame)
    d.returns([frame[["a", "b"]], frame[1:3], frame[{"k": 1}], frame[0, 1], d.add(identity, frame[["a"]])])
    assert d() == [["a", "b"], slice(1, 3), {"k": 1}, (0, 1), ((["a"],), {})]
    assert d.fingerprint


def test_a_missing_key_is_the_users_own_error_in_the_node_that_takes_it():
    d = DAG()
    d.add(len, d.add(dict, name="made")["missing"], name="taker")
    with pytest.raises(KeyError, match="missing") as caught:
        d()
    assert any("'taker'" in note for note in caught.value.__notes__)


values = st.recursive(
    st.sampled_from([0, 1, "a", None]) | st.integers(0, 2).map(lambda i: ("result", i)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
        | st.builds(Point, inner, inner)
    ),
    max_leaves=12,
)


def replace(value, results):
    """The oracle: put results in the place of their marks."""
    if isinstance(value, tuple) and len(value) == 2 and value[0] == "result" and type(value) is tuple:
        return results[value[1]]
    if isinstance(value, list):
        return [replace(item, results) for item in value]
    if isinstance(value, Point):
        return Point(*(replace(item, results) for item in value))
    if isinstance(value, tuple):
        return tuple(replace(item, results) for item in value)
    if isinstance(value, dict):
        return {key: replace(item, results) for key, item in value.items()}
    return value


@given(values)
@settings(deadline=None, max_examples=200)
def test_any_nesting_equals_the_plain_call(value):
    d = DAG()
    marks = [d.add(lambda i=i: f"value {i}", name=f"n{i}") for i in range(3)]
    argument = replace(value, marks)
    made = reference(argument, d, None)
    refs = references(made)
    slots = [f"value {ref.name[1:]}" for ref in refs]
    built = builder(made, count())(slots)
    expected = replace(value, [f"value {i}" for i in range(3)])
    assert built == expected
    assert repr(built) == repr(expected)  # tuples stay tuples, named tuples named
    if not refs:
        assert made is argument


def test_follow():
    assert follow({"k": [1, 2]}, ("k", 1)) == 2
    assert follow("a", ()) == "a"


def test_a_list_that_is_changed_after_it_was_handed_over():
    d, results, inner = DAG(), [], []
    for i in range(3):
        results.append(d.add(identity, i, results, name=f"step_{i}"))
    with pytest.raises(DescribeError, match="a list was changed after it was handed to 'step_0'") as caught:
        d.check()
    assert caught.value.where.startswith(__file__)
    assert caught.value.hint == "hand over a copy: list(res)"
    e = DAG()
    x = e.input("x")
    inner.append(e.add(identity, [x, {"k": inner}], name="taker"))  # a constant within a rebuilt container
    with pytest.raises(DescribeError, match="handed to 'taker'"):
        e()
    f, returned = DAG("f"), []
    f.returns(returned)
    returned.append(f.add(len, "abc"))
    with pytest.raises(DescribeError, match="what 'f' returns was changed"):
        f.check()


def _closure(x):
    return lambda: x


class Holder:
    def __init__(self, x):
        self.x = x

    def method(self):
        return self.x


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: functools.partial(identity, x),
        lambda x: functools.partial(identity, k=[x]),
        _closure,
        lambda x: lambda y=x: y,
        lambda x: lambda *, y=x: y,
        Holder,
        lambda x: [Holder({"k": Holder(x)})],
        lambda x: Holder(x).method,
        lambda x: types.SimpleNamespace(x=x),
        lambda x: types.MappingProxyType({"k": x}),
        lambda x: collections.UserList([x]),
        lambda x: collections.UserDict(k=x),
        lambda x: [x].append,
        lambda x: {"k": [_array(x)]},
    ],
)
def test_results_inside_anything_else_are_refused(wrap):
    d = DAG()
    x = d.add(len, "abc")
    for use in (lambda: d.add(identity, wrap(x)), lambda: d.returns(wrap(x))):
        with pytest.raises(DescribeError, match="are not seen by makespan"):
            use()


def _array(x):
    import numpy as np

    made = np.empty((2, 2), dtype=object)
    made[1, 1] = x
    return made


@pytest.mark.parametrize(
    "wrap", [lambda x: functools.partial(identity, x), _closure, lambda x: Holder(x).method], ids=str
)
def test_a_function_that_holds_a_result_is_refused(wrap):
    d = DAG()
    x = d.add(len, "abc")
    with pytest.raises(DescribeError, match="holds the result of 'len'"):
        d.add(wrap(x))
    with pytest.raises(DescribeError, match="the result of 'len' cannot be a node's function"):
        d.add(x)
    assert list(d.nodes) == ["len"]


def test_views_of_a_dict_become_lists():
    d = DAG()
    held = {"a": d.add(len, "abc"), "b": 5}
    d.returns([d.add(identity, held.values(), held.items()), held.values()])
    assert d() == [(([3, 5], [("a", 3), ("b", 5)]), {}), [3, 5]]
    plain = {"a": 1}.values()
    assert reference(plain, d, None) is plain


@pytest.mark.parametrize(
    "once",
    [
        lambda x: iter([x]),
        lambda x: itertools.chain([x], [1]),
        lambda x: [(i for i in "ab")],
        lambda x: {"k": ({"k": iter("ab")},)},
        lambda x: itertools.count(),
    ],
)
def test_iterators_at_any_depth_are_refused(once):
    d = DAG()
    with pytest.raises(DescribeError, match="once only"):
        d.add(identity, once(d.add(len, "abc")))


def test_a_file_is_no_iterator(tmp_path):
    with (tmp_path / "f").open("w") as file:
        assert reference([file], DAG(), None)[0] is file


def test_no_code_of_a_hostile_object_runs():
    class Loud(type):
        def __getattr__(cls, name):
            raise AssertionError(name)

    class Hostile(metaclass=Loud):
        def __init__(self):
            object.__getattribute__(self, "__dict__")["a"] = 1

        def __getattribute__(self, name):
            raise AssertionError(name)

        __dict__ = property(lambda self: 1 / 0)

    constant = [Hostile.__new__(Hostile)]
    d = DAG()
    d.add(identity, constant)
    assert d.check()


def test_a_large_constant_is_searched_once(monkeypatch):
    from makespan.describing import arguments

    calls, search = [], arguments.search
    monkeypatch.setattr(arguments, "search", lambda value, **how: calls.append(value) or search(value, **how))
    d, large = DAG(), list(range(5000))
    for i in range(20):
        d.add(identity, large, name=str(i))
    assert sum(one is large for one in calls) == 1
    d.check()
    assert sum(one is large for one in calls) == 2
    large.append(d.ref("1"))
    d.add(identity, [large])
    with pytest.raises(DescribeError, match="was changed"):
        d.check()
