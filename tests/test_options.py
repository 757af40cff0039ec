"""Options of nodes: where they are said, how they are checked, and how one call's lie over others."""

import functools
import math

import pytest

from makespan import DAG, DescribeError, NodeOptions, dag, node
from makespan.describing.arguments import Ref
from makespan.describing.node_options import _CHECKS, CallOptions
from makespan.describing.options import NO_OPTIONS, Options
from makespan.describing.returned import is_coroutine_function

REFUSED = {
    "mode": ["inline", 5, "", b"thread", ["thread"]],
    "setup": [1, None, "yes"],
    "retries": [-1, True, 1.0, "1", None],
    "retry_wait_s": [-1, math.nan, math.inf, True, "1", None],
    "retry_on": [5, "ValueError", [ValueError, 5], KeyboardInterrupt, [SystemExit], BaseException, None],
    "timeout_s": [0, -1, math.nan, math.inf, True, "1"],
    "cache": [5, "url", [len]],
    "cache_size": [0, -1, True, 1.5, None],
    "native_threads": [0, -1, True, 1025, 1.5],
    "on_skipped": ["None", None, 5, "skipped"],
}
TAKEN = {
    "mode": ["thread", "process", "caller", None],
    "setup": [True, False],
    "retries": [0, 3],
    "retry_wait_s": [0, 2.5],
    "timeout_s": [0.5, 3, None],
    "cache": [len, None],
    "cache_size": [1, 10],
    "native_threads": [1, 1024, None],
    "on_skipped": ["skip", "none"],
}


def plain(*_):
    return 1


def ways(options):
    """Return the three places where an option can be said, as calls."""
    return [
        lambda: node(**options),
        lambda: node(plain).options(**options),
        lambda: DAG().add(plain, **options),
    ]


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, some in REFUSED.items() for v in some], ids=repr)
def test_options_that_cannot_be_are_refused_where_they_are_said(name, value):
    for way in ways({name: value}):
        with pytest.raises(DescribeError, match=name) as caught:
            way()
        assert caught.value.where.startswith(__file__)
        assert repr(value) in str(caught.value) or name in ("retry_on", "cache")


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, some in TAKEN.items() for v in some], ids=repr)
def test_options_are_taken_in_all_three_places(name, value):
    d = DAG()
    d.add(node(**{name: value})(plain))
    d.add(node(plain).options(**{name: value}))
    d.add(plain, **{name: value})
    for one in d.nodes.values():
        assert getattr(one.options, name) == value
        assert {
            f for f in Options.__struct_fields__ if getattr(one.options, f) != getattr(NO_OPTIONS, f)
        } <= {name}


def test_every_option_is_documented_checked_and_a_field():
    names = set(NodeOptions.__annotations__)
    assert names == set(_CHECKS)
    assert {"locks" if name == "lock" else name for name in names} == set(Options.__struct_fields__)
    for name in names:
        assert f"\n    {name} : " in NodeOptions.__doc__
        assert f"``{name}``" in node.__doc__
    for name in set(CallOptions.__annotations__) - names:
        assert f"\n    {name} : " in CallOptions.__doc__
        assert f"``{name}``" in DAG.add.__doc__


def test_unknown_options():
    for way in ways({"retrys": 3}):
        with pytest.raises(DescribeError, match=r"no option 'retrys' \(did you mean 'retries'\?\)") as caught:
            way()
        assert caught.value.where.startswith(__file__)
    with pytest.raises(DescribeError, match=r"no option 'when' \(say it where the node is called"):
        node(when=True)
    with pytest.raises(DescribeError, match=r"no option 'reverse' \(keyword arguments of the function"):
        DAG().add(sorted, [1], reverse=True)


def test_what_one_call_says_lies_over_what_the_decorator_said():
    base = node(
        lock="a",
        tags="x",
        exclusive=True,
        retries=3,
        retry_on=[ValueError, OSError],
        timeout_s=4,
        profile=False,
        mode="caller",
        hint_s=2,
    )(plain)
    more = base.options(lock="b", tags="y", exclusive=False, retries=0, timeout_s=None, profile=True)
    d = DAG()
    d.add(more, name="first")
    d.add(more, name="second", retries=5, lock="c", mode=None)
    first, second = (one.options for one in d.nodes.values())
    assert (first.locks, first.tags) == (("a", "b"), ("x", "y"))
    assert (first.exclusive, first.retries, first.timeout_s, first.profile) == (False, 0, None, True)
    assert (first.mode, first.hint_s, first.retry_on) == ("caller", 2, (ValueError, OSError))
    assert (second.locks, second.retries, second.mode, second.hint_s) == (("a", "b", "c"), 5, None, 2)
    d.add(node(retries=1)(base), name="third")
    assert d.nodes["third"].options.retries == 1
    assert base.__makespan_node__[1].retries == 3


def test_no_options_share_one_object():
    d = DAG()
    d.add(plain)
    d.add(node(plain))
    d.add(node(plain).options(name="own"))
    assert all(one.options is NO_OPTIONS for one in d.nodes.values())


# -- when ----------------------------------------------------------------------------------------------------


def test_when_is_an_edge():
    d = DAG()
    x = d.input("x")
    flag = d.add(plain, x, name="flag")
    d.add(plain, name="one", when=flag["yes"])
    d.add(plain, name="two", when=x)
    d.add(plain, name="three", when=False)
    d.add(plain, name="four")
    one, two, three, four = list(d.nodes.values())[1:]
    assert one.when == Ref("flag", ("yes",))
    assert one.depends_on == ("flag",)
    assert two.when == Ref("x", (), True)
    assert (three.when, four.when) == (False, True)
    assert two.depends_on == three.depends_on == four.depends_on == ()
    assert d.check().preds == ((), (0,), (), (), ())


def test_when_of_a_call_within_a_description_and_in_sub_dags():
    step = node(plain)

    @dag
    def inner(flag):
        return step.options(when=flag)(1)

    by_hand = DAG("hand")
    flag = by_hand.input("flag")
    made = by_hand.add(plain, flag, name="made")
    by_hand.returns(by_hand.add(plain, name="last", when={"all": [made, flag]}["all"]))

    @dag
    def outer(x):
        flag = step.options(name="flag")(x)
        return inner(flag), by_hand(flag), by_hand(x)

    nodes = outer.nodes
    assert nodes["inner.plain"].when == Ref("flag")
    assert nodes["inner.plain"].depends_on == ("flag",)
    assert nodes["hand.last"].depends_on == ("hand.made", "flag")
    assert nodes["hand_2.last"].depends_on == ("hand_2.made",)
    outer.check()


def test_the_last_when_holds():
    step = node(plain)
    d = DAG()
    d.add(step.options(when=False).options(when=0), name="a")
    d.add(step.options(when=False), name="b", when=None)
    assert d.nodes["a"].when == 0
    assert d.nodes["b"].when is None


def test_when_of_another_dag_and_a_changed_one():
    other = DAG("other")
    with pytest.raises(DescribeError, match="belongs to another DAG"):
        DAG().add(plain, when=other.add(plain))
    d = DAG()
    flags = [1]
    d.add(plain, when=flags)
    flags.append(d.add(plain, name="late"))
    with pytest.raises(DescribeError, match="was changed after it was handed"):
        d.check()


# -- coroutine functions -------------------------------------------------------------------------------------


def test_coroutine_functions_may_be_nodes():
    async def waits(): ...

    class Waits:
        __call__ = waits

        async def method(self): ...

    kinds = [waits, Waits(), Waits().method]
    for fn in [*kinds, *map(functools.partial, kinds)]:
        assert is_coroutine_function(fn)
        DAG().add(fn)
        node(fn)
    assert not any(map(is_coroutine_function, (plain, len, Waits, functools.partial(plain), 5)))
