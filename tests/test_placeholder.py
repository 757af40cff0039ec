"""A placeholder is no value: every use as one is refused, with the place; nothing is silently computed."""

from __future__ import annotations

import copy
import dataclasses
import math
import operator
import os
import pickle
import sys

import numpy as np
import pytest

from makespan import DAG, DescribeError
from makespan.describing.placeholder import INPUT, Placeholder, Unpacked, holds_placeholder, label, parts


@pytest.fixture
def x():
    return DAG("d").add(len, "abc", name="fetch")


MISUSES = {
    "equal": lambda x: x == 1,
    "equal, turned round": lambda x: 1 == x,  # noqa: SIM300
    "not equal": lambda x: x != 1,
    "less": lambda x: x < 1,
    "at most": lambda x: x <= 1,
    "more": lambda x: x > 1,
    "at least": lambda x: x >= 1,
    "chained": lambda x: 0 < x < 10,
    "found in a list": lambda x: x in [1, 2],
    "searched": lambda x: 1 in x,
    "if": lambda x: 1 if x else 2,
    "and": lambda x: x and 1,
    "not": lambda x: not x,
    "bool": bool,
    "all": lambda x: all([x]),
    "len": len,
    "for": lambda x: [_ + 1 for _ in x],
    "list": list,
    "star": lambda x: print(*x),
    "two stars": lambda x: dict(**x),
    "unpack": lambda x: operator.add(*x),
    "sum": lambda x: sum([x, 1]),
    "sorted": lambda x: sorted([x, 1]),
    "max": lambda x: max(x, 1),
    "reversed": lambda x: list(reversed(x)),
    "next": next,
    "iter": iter,
    "str": str,
    "print": print,
    "f-string": lambda x: f"page {x}",
    "f-string with a format": lambda x: f"{x:>10}",
    "percent": lambda x: "%s" % x,  # noqa: UP031
    "format": lambda x: "{}".format(x),  # noqa: UP032
    "join": lambda x: os.path.join("a", x),
    "open": open,
    "plus": lambda x: x + 1,
    "plus, turned round": lambda x: 1 + x,
    "minus": lambda x: -x,
    "times": lambda x: 2 * x,
    "divided": lambda x: x / 2,
    "floor divided": lambda x: 7 // x,
    "modulo": lambda x: x % 2,
    "divmod": lambda x: divmod(x, 2),
    "power": lambda x: x**2,
    "matrix product": lambda x: x @ x,
    "bit and": lambda x: x & 1,
    "bit or, turned round": lambda x: 1 | x,
    "shift": lambda x: x << 1,
    "augmented": lambda x: operator.iadd(x, 1),
    "abs": abs,
    "int": int,
    "float": float,
    "complex": complex,
    "bytes": bytes,
    "round": round,
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
    "sqrt": math.sqrt,
    "range": range,
    "index of a list": lambda x: [1, 2][x],
    "index of itself": lambda x: x[x],
    "index in a tuple": lambda x: x[0, x],
    "slice": lambda x: x[: x[0]],
    "hash": hash,
    "set": lambda x: {x},
    "dict key": lambda x: {x: 1},
    "attribute": lambda x: x.shape,
    "private attribute": lambda x: x._name,
    "hasattr": lambda x: hasattr(x, "shape"),
    "method": lambda x: x.upper(),
    "set an attribute": lambda x: setattr(x, "shape", 1),
    "delete an attribute": lambda x: delattr(x, "shape"),
    "set an item": lambda x: operator.setitem(x, 0, 1),
    "delete an item": lambda x: operator.delitem(x, 0),
    "call": lambda x: x(),
    "with": lambda x: x.__enter__(),
    "pickle": pickle.dumps,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "deepcopy in a list": lambda x: copy.deepcopy([x]),
    "array": np.asarray,
    "array of it": lambda x: np.array([x, 1.0]),
    "array plus": lambda x: np.ones(2) + x,
    "numpy number times": lambda x: np.float64(2) * x,
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES.keys())
def test_every_use_as_a_value_is_refused_with_the_place(x, misuse):
    with pytest.raises(DescribeError) as caught:
        misuse(x)
    assert "'fetch'" in caught.value.problem
    assert caught.value.hint
    file, _, line = caught.value.where.rpartition(":")
    assert os.path.samefile(file, __file__)
    assert int(line) > 0


def test_the_place_is_the_line(x):
    with pytest.raises(DescribeError) as caught:
        x + 1
    line = sys._getframe().f_lineno - 1
    assert caught.value.where == f"{__file__}:{line}"


def test_awaiting_and_async_iteration_are_refused(x):
    async def wait():
        await x

    async def loop():
        async for _ in x:
            pass

    for coroutine in (wait(), loop()):
        with pytest.raises(DescribeError):
            coroutine.send(None)


def test_what_is_allowed(x):
    assert repr(x) == "<the result of 'fetch'>"
    assert repr(x["k"][0]) == "<the result of 'fetch'['k'][0]>"
    assert repr(DAG("d").input("url")) == "<the input 'url'>"
    assert (x is None) is False
    assert isinstance(x, Placeholder)
    assert x[0] is not x


def test_keys_of_any_kind_and_the_label_shows_words_and_numbers_only(x):
    class Loud:
        def __repr__(self):
            raise AssertionError("a value of the user's is printed")

    key = Loud()
    made = x[key][[1, 2]][1:3]["k"][0]  # a list is no dict key: paths are never hashed
    owner, name, path = parts(made)
    assert isinstance(owner, DAG)
    assert name == "fetch"
    assert path[0] is key
    assert path[1:] == ([1, 2], slice(1, 3), "k", 0)
    assert label(made) == "the result of 'fetch'[…][…][…]['k'][0]"


def test_unpacking_a_known_number_of_values():
    pair = DAG("d").add(divmod, 7, 2, outputs=2)
    quotient, rest = pair
    assert [parts(p)[2] for p in (quotient, rest)] == [(Unpacked(0, 2),), (Unpacked(1, 2),)]
    assert len(pair) == 2
    with pytest.raises(ValueError, match="not enough values"):
        _a, _b, _c = pair
    with pytest.raises(DescribeError, match="how many values"):
        list(quotient)


def test_inputs_are_called_inputs():
    with pytest.raises(DescribeError, match="the input 'url' is not known"):
        bool(DAG("d").input("url"))
    assert parts(DAG("d").input("url"))[1] == INPUT + "url"


def test_holds_placeholder_sees_into_containers(x):
    @dataclasses.dataclass
    class Page:
        body: object

    @dataclasses.dataclass(slots=True)
    class Slotted:
        body: object

    circle: list = []
    circle.append(circle)
    for value in (x, [x], (1, (x,)), {"k": [x]}, Page(x), Slotted([x]), slice(0, x), [circle, x], [[[[x]]]]):
        assert holds_placeholder(value)
    for value in (1, None, [1, "a"], {"k": {1, 2}}, circle, Page(1), Page, slice(3), object(), np.ones(3)):
        assert not holds_placeholder(value)


def test_no_code_of_the_users_containers_runs():
    class Lazy(dict):
        def _no(self, *_):
            raise AssertionError("read")

        __iter__ = keys = values = items = __getitem__ = __len__ = __contains__ = _no

    class LazyList(list):
        def __iter__(self):
            raise AssertionError("read")

    @dataclasses.dataclass
    class Fails:
        a: int

        def __getattribute__(self, name):
            raise RuntimeError("no")

    assert not holds_placeholder(Lazy(a=1))
    assert not holds_placeholder(LazyList([1]))
    assert not holds_placeholder([Fails(1)])


def test_deep_nesting_is_no_recursion(x):
    value: object = x
    for _ in range(20_000):
        value = [value]
    assert holds_placeholder(value)
