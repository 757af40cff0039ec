"""DAGs of the kinds that Tawazi's tests and documentation use: one for each thing that it can describe.

Each entry: a function that makes a fresh DAG (set-up nodes keep their results in it), and argument tuples.
Kinds are told by their names; functions return what tells a wrong edge or a lost argument apart.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tawazi import Resource, and_, dag, not_, or_, xn

if TYPE_CHECKING:
    from collections.abc import Callable

CASES: dict[str, tuple[Callable[[], Any], tuple[tuple[Any, ...], ...]]] = {}


def case(*arguments: tuple[Any, ...]) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Register a maker of a DAG with the arguments that it is called with."""

    def register(make: Callable[[], Any]) -> Callable[[], Any]:
        CASES[make.__name__] = (make, arguments or ((),))
        return make

    return register


@xn
def one() -> int:
    return 1


@xn
def same(x: Any) -> Any:
    return x


@xn
def plus(x: int, y: int = 10) -> int:
    return x + y


@xn
def trace(*args: Any, **kwargs: Any) -> tuple[Any, ...]:
    return (*args, *sorted(kwargs.items()))


@xn
def record(x: int) -> dict[str, Any]:
    return {"n": x, "list": [x, x + 1, [x + 2]], ("a", 1): "tuple", None: "none", "d": {"e": {"f": x * 2}}}


@xn
def three(x: int) -> tuple[int, int, int]:
    return x, x + 1, x + 2


@case()
def nothing_returned() -> Any:
    @dag
    def pipe() -> None:
        same(one())

    return pipe


@case()
def diamond() -> Any:
    @dag(max_concurrency=3)
    def pipe() -> Any:
        a = same("a")
        b, c = trace(a, "b"), trace(a, "c")
        return trace(b, c, "d")

    return pipe


@case()
def constants() -> Any:
    @dag
    def pipe() -> Any:
        return trace(1, "two", None, [3, {"four": 4.0}], b"five", object, x=6, y=(7,))

    return pipe


@case((1,), (2, 3), (2, 3, 4))
def defaults_of_inputs() -> Any:
    @dag
    def pipe(a: int, b: int = 5, c: Any = None) -> Any:
        return trace(a, b, c), plus(a), plus(b, a)

    return pipe


@case((), (4,))
def all_inputs_have_defaults() -> Any:
    @dag
    def pipe(i: int = 0) -> Any:
        return plus(plus(i))

    return pipe


@case((5, 6))
def inputs_returned() -> Any:
    @dag
    def pipe(a: int, b: int) -> Any:
        same(a)
        return b, a

    return pipe


@case((5,))
def unused_input() -> Any:
    @dag
    def pipe(_: int) -> Any:
        return one()

    return pipe


@case((3,))
def keyword_arguments() -> Any:
    @dag
    def pipe(v: int) -> Any:
        a = plus(x=v, y=2)
        return trace(v, first=a, second=plus(y=a, x=v), third=9)

    return pipe


@case()
def function_defaults() -> Any:
    @dag
    def pipe() -> Any:
        return plus(1), plus(1, 2), plus(x=1)

    return pipe


@case()
def same_function_many_times() -> Any:
    @dag
    def pipe() -> Any:
        x = one()
        for _ in range(12):
            x = plus(x, 1)
        return x

    return pipe


@case((7,))
def returns_a_tuple() -> Any:
    @dag
    def pipe(v: int) -> Any:
        return same(v), plus(v), v, "constant"

    return pipe


@case((7,))
def returns_a_list() -> Any:
    @dag
    def pipe(v: int) -> Any:
        return [same(v), plus(v), v, 3]

    return pipe


@case((7,))
def returns_a_dict() -> Any:
    @dag
    def pipe(v: int) -> Any:
        return {"foo": same(v), "bar": plus(v), "in": v, "cst": [1, 2]}

    return pipe


@case()
def returns_a_constant() -> Any:
    @dag
    def pipe() -> Any:
        one()
        return 42

    return pipe


@case()
def returns_nothing_in_containers() -> Any:
    @dag
    def pipe() -> Any:
        one()
        return []

    return pipe


@case((7,))
def returns_indexed() -> Any:
    @dag
    def pipe(v: int) -> Any:
        d = record(v)
        return d["n"], d["list"][2][0], {"not": "looked into"}

    return pipe


@case((3,))
def unpack_to() -> Any:
    unpacked = xn(unpack_to=3)(three.exec_function)

    @dag
    def pipe(v: int) -> Any:
        a, b, c = unpacked(v)
        d, *_ = unpacked(c)
        return plus(a, b), c, d

    return pipe


@case((3,))
def unpack_to_of_a_call() -> Any:
    @dag
    def pipe(v: int) -> Any:
        c, d, _ = three(v, twz_unpack_to=3)
        return trace(d, c)

    return pipe


@case((3,))
def unpack_a_list() -> Any:
    @xn(unpack_to=2)
    def pair(x: int) -> list[int]:
        return [x, x + 1]

    @dag
    def pipe(v: int) -> Any:
        a, b = pair(v)
        return trace(b, a)

    return pipe


@case((1,))
def nested_keys() -> Any:
    @dag
    def pipe(v: int) -> Any:
        d = record(v)
        return trace(d["list"][0], d["list"][2][0], d["d"]["e"]["f"], d["a", 1], d[None], d["list"][-1])

    return pipe


@case((1,))
def slices_as_keys() -> Any:
    @dag
    def pipe(v: int) -> Any:
        return trace(record(v)["list"][0:2], three(v)[1:])

    return pipe


@case(({"a": [10, 20]},))
def indexed_inputs() -> Any:
    @dag
    def pipe(d: Any) -> Any:
        return plus(d["a"][0], d["a"][1]), d["a"]

    return pipe


@case((6, 3), (-6, 4), (2.5, 2))
def arithmetic() -> Any:
    @dag
    def pipe(a: Any, b: Any) -> Any:
        return a + b, a - b, a * b, a / b, a // b, a % b, a**b, -a, +a, abs(a)

    return pipe


@case((6, 3))
def reflected_operators() -> Any:
    @dag
    def pipe(a: Any, b: Any) -> Any:
        return 100 - a, 2 + b, 3 * a, 60 / a, 61 // b, 62 % a, 2**b, 1 << b, 255 >> b, 7 & a, 8 | a, 5 ^ a

    return pipe


@case((6, 3), (3, 3))
def comparisons() -> Any:
    @dag
    def pipe(a: Any, b: Any) -> Any:
        return a < b, a <= b, a == b, a != b, a > b, a >= b, a == 6, 4 < b  # noqa: SIM300

    return pipe


@case((6, 3))
def bits() -> Any:
    @dag
    def pipe(a: Any, b: Any) -> Any:
        return a & b, a | b, a ^ b, ~a, a << b, a >> b

    return pipe


@case((True, False), (0, 5), ("", "x"))
def logic() -> Any:
    @dag
    def pipe(a: Any, b: Any) -> Any:
        return and_(a, b), or_(a, b), not_(a), not_(and_(a, not_(b)))

    return pipe


@case((2, 5))
def operators_on_parts() -> Any:
    @dag
    def pipe(a: int, b: int) -> Any:
        d, e = record(a), record(b)
        return d["n"] + e["list"][1] * 2 - plus(a)

    return pipe


@case()
def always_active() -> Any:
    @dag
    def pipe() -> Any:
        return same(1, twz_active=True), same(2, twz_active="yes")

    return pipe


@case()
def never_active() -> Any:
    @dag
    def pipe() -> Any:
        return same(1, twz_active=False), trace(same(2, twz_active=0), "still")

    return pipe


@case((1,), (0,), ("",), ([0],))
def active_on_an_input() -> Any:
    @dag
    def pipe(x: Any) -> Any:
        return x, same(x, twz_active=x)

    return pipe


@case((1, 2), (3, 4), (1, 4))
def active_on_a_result() -> Any:
    @dag
    def pipe(x: int, y: int) -> Any:
        both = and_(x == 1, y == 2)
        return same(x, twz_active=both), both, same(y, twz_active=not_(both))

    return pipe


@case((1, 1), (1, -1), (-1, 1), (-1, -1))
def active_on_what_was_inactive() -> Any:
    @dag
    def pipe(x: int, y: int) -> Any:
        a = same(x, twz_active=x < 0)
        b = same(y, twz_active=y > 0)
        c = same(x + 1, twz_active=x > 0)
        d = same(x + y, twz_active=and_(a, b))
        return a, b, c, d, trace(a, c, twz_active=and_(a, c)), trace(a, b, twz_active=and_(c, d))

    return pipe


@case((True,), (False,))
def what_follows_an_inactive_node_runs() -> Any:
    @dag
    def pipe(go: bool) -> Any:
        a = same("a", twz_active=go)
        b = trace(a, key=a)
        return b, trace(b)

    return pipe


@case((5,), (-5,))
def a_branch() -> Any:
    @dag
    def pipe(x: int) -> Any:
        up = plus(x, 1, twz_active=x > 0)
        down = plus(x, -1, twz_active=x <= 0)
        return {"value": or_(up, down)}

    return pipe


@case((1,), (1,))
def set_up() -> Any:
    calls: list[int] = []

    @xn(setup=True)
    def load(k: int = 1234) -> Any:
        calls.append(k)
        return k, calls.count(k)

    @xn(setup=True)
    def derived(model: Any) -> Any:
        calls.append(0)
        return "derived", model, calls.count(0)

    @dag
    def pipe(x: int) -> Any:
        model = load()
        other = load(7)
        return trace(x, model, derived(other))

    return pipe


@case((1,))
def set_up_has_run() -> Any:
    made = set_up()
    made.setup()
    return made


@case((1,))
def set_up_has_run_in_part() -> Any:
    made = set_up()
    made.setup(target_nodes=["set_up.<locals>.load"])
    return made


@case()
def set_up_is_inactive() -> Any:
    @xn(setup=True)
    def load() -> int:
        return 1

    @dag
    def pipe() -> Any:
        return trace(load(twz_active=False), "x")

    return pipe


@case((0,), (3,))
def debug_nodes() -> Any:
    @xn(debug=True)
    def show(x: Any) -> Any:
        return "shown", x

    @dag
    def pipe(v: int) -> Any:
        x = plus(v)
        y = show(x)
        show(y)
        return x, y

    return pipe


@case((1,))
def tags() -> Any:
    @xn(tag=("twinkle", "toes"))
    def tagged(x: int) -> int:
        return x + 1

    @dag
    def pipe(v: int) -> Any:
        return tagged(tagged(v, twz_tag="own"), twz_tag=("a", "b"))

    return pipe


@case((2,))
def sub_dag() -> Any:
    @dag
    def inner(v: int, w: int = 2) -> int:
        return plus(plus(v), w)

    @dag
    def pipe(v: int) -> Any:
        return trace(inner(plus(v)), one())

    return pipe


@case((2,))
def sub_dag_with_constants() -> Any:
    @dag
    def inner(v: int, w: int = 2) -> int:
        return trace(v, w, key=w)

    @dag
    def pipe(v: int) -> Any:
        return trace(inner(5, v))

    return pipe


@case((2,))
def sub_dag_returns_containers() -> Any:
    @dag
    def pair(v: int) -> Any:
        return plus(v, 1), plus(v, 2)

    @dag
    def words(v: int) -> Any:
        return {"a": plus(v, 1), "b": [1, 2], "v": v}

    @dag
    def pipe(v: int) -> Any:
        a, b = pair(v)
        d = words(b)
        return trace(a, b, d["a"], d["b"], d["v"])

    return pipe


@case((2,))
def sub_dags_within_sub_dags() -> Any:
    @dag
    def inmost(v: int) -> Any:
        return trace(v=v, w=plus(v, y=3))

    @dag
    def middle(v: int, k: int = 4) -> Any:
        return trace(inmost(v + k), record(k)["d"])

    @dag
    def pipe(v: int) -> Any:
        return middle(record(v)["list"][1]), plus(v)

    return pipe


@case((1,), (0,), (-1,))
def sub_dag_on_a_condition() -> Any:
    @dag
    def inner(v: int, w: int = 2) -> Any:
        return plus(v) + plus(w)

    @dag
    def pipe(v: int) -> Any:
        result = inner(v, twz_active=v > 0)
        return trace(result), result

    return pipe


@case((1,), (-1,))
def sub_dag_hands_its_input_on() -> Any:
    @dag
    def inner(x: Any) -> Any:
        one()
        return x

    @dag
    def pipe(x: Any) -> Any:
        return inner(x, twz_active=x > 0)

    return pipe


@case((1, True), (1, False))
def conditions_within_a_sub_dag() -> Any:
    @dag
    def inner(v: int, go: bool) -> Any:
        return same(v, twz_active=go)

    @dag
    def pipe(v: int, go: bool) -> Any:
        return trace(inner(v, go))

    return pipe


@case((True,), (False,))
def sub_dag_with_set_up_on_a_condition() -> Any:
    @xn(setup=True)
    def load() -> int:
        return 11

    @dag
    def inner() -> Any:
        return same(load())

    @dag
    def pipe(go: bool) -> Any:
        return inner(twz_active=go == True)  # noqa: E712

    return pipe


@case()
def sub_dag_that_was_set_up() -> Any:
    @xn(setup=True)
    def load() -> list[int]:
        return [1]

    @dag
    def inner() -> Any:
        return same(load())

    inner.setup()

    @dag
    def pipe() -> Any:
        return trace(inner())

    return pipe


@case((3,))
def sub_dag_of_a_part() -> Any:
    @dag
    def inner(v: Any) -> Any:
        return trace(v["list"], v["d"]["e"])

    @dag
    def pipe(v: int) -> Any:
        return inner(record(v))

    return pipe


@case((1, 2))
def composed() -> Any:
    @dag
    def pipe(v: int) -> Any:
        a, b = plus(v, 1), same(v)
        c = trace(a, b, "c")
        one()
        return trace(c, key=b)

    return pipe.compose("part", ["plus", "same"], "trace<<1>>")


@case((4,))
def composed_of_inputs() -> Any:
    @dag
    def pipe(v: int, w: int = 3) -> Any:
        return trace(plus(v), w), plus(w)

    return pipe.compose("whole", ["composed_of_inputs.<locals>.pipe>!>v"], ["trace", "plus"])


@case()
def composed_of_nothing() -> Any:
    @dag
    def pipe() -> Any:
        return trace(plus(1, 2), same("s")), one()

    return pipe.compose("closed", [], ["trace", "same"])


@case((2,))
def asynchronous() -> Any:
    @dag(is_async=True, max_concurrency=2)
    def pipe(v: int) -> Any:
        return trace(plus(v), same(v))

    return pipe


@case((2,))
def asynchronous_threads() -> Any:
    waits = xn(resource=Resource.async_thread)(lambda x: x + 1)

    @dag(is_async=True, max_concurrency=2)
    def pipe(v: int) -> Any:
        return waits(waits(v))

    return pipe


@case((2,))
def resources() -> Any:
    main = threading.current_thread()

    @xn(resource=Resource.main_thread)
    def in_main(x: int) -> Any:
        return x, threading.current_thread() is main

    @xn(resource=Resource.thread)
    def anywhere(x: Any) -> Any:
        return "any", x

    @dag(max_concurrency=2)
    def pipe(v: int) -> Any:
        return trace(in_main(v), anywhere(v), in_main(in_main(v)[0]))

    return pipe


@case((2,))
def sequential_and_priorities() -> Any:
    @xn(is_sequential=True, priority=5)
    def alone(x: int) -> int:
        return x + 1

    @xn(priority=-3)
    def late(x: int) -> int:
        return x + 2

    @dag(max_concurrency=4)
    def pipe(v: int) -> Any:
        return trace(*[alone(v + i) for i in range(3)], *[late(v) for _ in range(3)])

    return pipe


@case((2,))
def methods() -> Any:
    @dataclass
    class Scaler:
        factor: int

        @xn
        def scale(self, x: int, by: int = 1) -> int:
            return self.factor * x * by

    twice, thrice = Scaler(2), Scaler(3)

    @dag
    def pipe(v: int) -> Any:
        return trace(twice.scale(v), thrice.scale(twice.scale(v, by=2)))

    return pipe


@case()
def partials_and_lambdas() -> Any:
    def joined(a: str, b: str) -> str:
        return f"{a}-{b}"

    @dag
    def pipe() -> Any:
        x = xn(partial(joined, a="x"))(b="y")
        y = xn(partial(joined, b="y"))(a="x")
        return trace(x, y, xn(lambda e: e)("e"), xn(lambda e: e * 2)("e"))

    return pipe


@case((3,))
def callable_objects() -> Any:
    class Adder:
        def __init__(self, n: int) -> None:
            self.n = n
            self.__qualname__ = "Adder"

        def __call__(self, x: int) -> int:
            return x + self.n

    @dag
    def pipe(v: int) -> Any:
        return xn(Adder(1))(xn(Adder(10))(v))

    return pipe


@case((3,))
def variable_arguments() -> Any:
    @dag
    def pipe(v: int) -> Any:
        many = [plus(v, i) for i in range(5)]
        return trace(*many, **{f"k{i}": m for i, m in enumerate(many)})

    return pipe


@case((3,))
def built_by_hand() -> Any:
    from tawazi import DAG
    from tawazi._helpers import StrictDict
    from tawazi.node import ArgExecNode, ExecNode, UsageExecNode

    source = ArgExecNode("by_hand>!>v")
    a = ExecNode("a", lambda v: v + 1, args=[UsageExecNode(source.id)], is_sequential=True)
    b = ExecNode("b", lambda a: a * 2, args=[UsageExecNode("a")], priority=2)
    c = ExecNode("c", lambda a, b: (a, b), args=[UsageExecNode("a")], kwargs={"b": UsageExecNode("b")})
    nodes = [source, a, b, c]
    return DAG(
        qualname="by_hand",
        results=StrictDict(),
        exec_nodes=StrictDict((node.id, node) for node in nodes),
        input_uxns=[UsageExecNode(source.id)],
        return_uxns=(UsageExecNode("c"), UsageExecNode("b")),
        max_concurrency=2,
    )
