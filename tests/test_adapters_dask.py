"""dask collections as DAGs: dask's results, its edges, names that last, a plan as its scheduler."""

from __future__ import annotations

import importlib
import operator
import random
import subprocess
import sys
import textwrap
import threading
from collections import namedtuple
from dataclasses import dataclass
from functools import reduce

import pytest

dask = pytest.importorskip("dask")

from dask import core, delayed  # noqa: E402
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

import makespan  # noqa: E402
from makespan import from_dask  # noqa: E402
from makespan.adapters import adapt  # noqa: E402
from makespan.adapters.dask_graph import read_graph  # noqa: E402
from makespan.adapters.dask_names import names_of  # noqa: E402
from makespan.adapters.dask_priorities import prioritised  # noqa: E402
from makespan.adapters.from_dask import captured, dag_of  # noqa: E402
from makespan.errors import DescribeError, MissingExtraError, OptionError, PlanError  # noqa: E402
from makespan_optimizer.optimize import optimize  # noqa: E402
from tests.builders import make_profile  # noqa: E402


def computed(*collections, **how):
    return dask.compute(*collections, scheduler="sync", **how)


def same(one, other):
    """Compare results of any kind, to the type."""
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    assert type(one) is type(other)
    if isinstance(one, list | tuple):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same(a, b)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            same(one[key], other[key])
    elif numpy and isinstance(one, numpy.ndarray):
        numpy.testing.assert_array_equal(one, other)
    elif pandas and isinstance(one, pandas.DataFrame | pandas.Series):
        assert one.equals(other)
    else:
        assert one == other


def plan_for(dag, threads=2):
    """Return a plan for a DAG, without running it."""
    after = {name: node.depends_on for name, node in dag.nodes.items()}
    locks = {name: node.options.locks for name, node in dag.nodes.items()}
    alone = [name for name, node in dag.nodes.items() if node.options.exclusive]
    profile = make_profile(
        after, 1.0, name=dag.name, fingerprint=dag.fingerprint, locks=locks, exclusive=alone
    )
    return optimize(profile, threads=threads, time_limit_s=1)


def inc(x):
    return x + 1


def total(*args, **kwargs):
    return sum(args) + sum(kwargs.values())


def flat_sum(nested):
    if isinstance(nested, dict):
        return sum(map(flat_sum, nested.values()))
    return sum(map(flat_sum, nested)) if isinstance(nested, list | tuple) else nested


Pair = namedtuple("Pair", "left right")


@dataclass
class Box:
    inside: object


class Thing:
    def __init__(self, value):
        self.value = value

    def plus(self, other):
        return self.value + other


# -- delayed -----------------------------------------------------------------------------------------------


def nested():
    a, b = delayed(inc)(1), delayed(inc)(2)
    return delayed(flat_sum)([a, (b, [a]), {"k": b, "deep": {"er": [b, a]}}])


def keywords():
    a, b = delayed(inc)(1), delayed(inc)(2)
    return delayed(total)(a, 10, b, x=a, y=b, z=3)


def chain():
    x = delayed(inc)(0)
    for _ in range(60):
        x = delayed(inc)(x)
    return x


def shared():
    a = delayed(inc)(1)
    return delayed(total)(*[delayed(inc)(a) for _ in range(9)], a)


def attributes():
    thing = delayed(Thing)(delayed(inc)(5))
    return thing.plus(delayed(inc)(1)) + thing.value


def several():
    pair = delayed(divmod, nout=2)(17, delayed(inc)(4))
    quotient, rest = pair
    return delayed(Pair)(quotient, rest)


def operators():
    a, b = delayed(3), delayed(inc)(4)
    return (a + b) * (b - a) // 2


def in_named_tuple():
    return delayed(tuple)(Pair(delayed(inc)(1), delayed(inc)(2)))


def in_data_class():
    return delayed(lambda box: box.inside)(Box([delayed(inc)(1), 2]))


def of_lambdas():
    return delayed(lambda x, y: (x, y))(delayed(lambda: 1)(), delayed(lambda: 2)())


def pure():
    a = delayed(inc, pure=True)(1)
    return delayed(total)(a, delayed(inc, pure=True)(1), delayed(inc, pure=True)(2))


def a_value():
    return delayed([1, 2, 3])


DELAYED = [
    nested, keywords, chain, shared, attributes, several, operators, in_named_tuple, in_data_class,
    of_lambdas, pure, a_value,
]  # fmt: skip


@pytest.mark.parametrize("make", DELAYED, ids=lambda make: make.__name__)
@pytest.mark.parametrize("optimize_graph", [True, False])
def test_delayed_values_are_what_dask_computes(make, optimize_graph):
    value = make()
    dag = from_dask(value, optimize_graph=optimize_graph)
    same(dag(), computed(value, optimize_graph=optimize_graph)[0])
    same(dag(), dag.run(threads=3).result)  # and again


@pytest.mark.parametrize("make", DELAYED, ids=lambda make: make.__name__)
def test_a_plan_is_dasks_scheduler(make):
    value = make()
    plan = plan_for(from_dask(value)) if len(from_dask(value)) else None
    if plan is not None:
        same(value.compute(scheduler=plan.get), computed(value)[0])


# -- arrays, bags, frames ----------------------------------------------------------------------------------


def array_sum(da, np):
    x = da.ones((60, 60), chunks=25)
    return (x @ x.T + 1).sum(axis=0)


def array_whole(da, np):
    return da.from_array(np.arange(100).reshape(10, 10), chunks=(3, 4))[2:7, ::2].T


def array_stats(da, np):
    x = da.arange(1000, chunks=130)
    return da.stack([x.mean(), x.std(), x.max(), da.percentile(x, [50])[0]])


def array_overlap(da, np):
    x = da.from_array(np.arange(64).reshape(8, 8), chunks=4)
    return x.map_overlap(lambda block: block + block.sum(), depth=1, boundary="reflect")


def array_rechunked(da, np):
    return da.arange(50, chunks=7).rechunk(11)[::-1].cumsum(axis=0)


def array_stored(da, np):
    x = da.from_array(np.arange(20.0), chunks=6)
    return da.where(x > 7, x, -x).reshape(4, 5) - x.sum()


def array_svd(da, np):
    return da.linalg.qr(da.from_array(np.arange(40.0).reshape(20, 2), chunks=(5, 2)))[1]


ARRAYS = [array_sum, array_whole, array_stats, array_overlap, array_rechunked, array_stored, array_svd]


@pytest.mark.parametrize("make", ARRAYS, ids=lambda make: make.__name__)
def test_arrays(make):
    np = pytest.importorskip("numpy")
    da = pytest.importorskip("dask.array")
    value = make(da, np)
    dag = from_dask(value)
    same(dag(), computed(value)[0])
    same(dask.compute(value, scheduler=plan_for(dag, 3).get)[0], computed(value)[0])


def bag_sum(db):
    return db.from_sequence(range(20), npartitions=4).map(inc).filter(lambda x: x % 3).sum()


def bag_folds(db):
    return db.from_sequence(range(30), npartitions=5).foldby(
        lambda x: x % 4, operator.add, 0, operator.add, 0
    )


def bag_frequencies(db):
    return db.from_sequence(["to", "be", "or", "not", "to", "be"], npartitions=3).frequencies()


def bag_joined(db):
    return db.from_sequence(range(6), npartitions=2).product(db.from_sequence("ab", npartitions=1))


def bag_grouped(db):
    return db.from_sequence(range(12), npartitions=3).map_partitions(lambda part: [sum(part)])


def bag_of_delayed(db):
    return db.from_delayed([delayed(list)(range(n)) for n in (2, 0, 3)]).map(inc)


BAGS = [bag_sum, bag_folds, bag_frequencies, bag_joined, bag_grouped, bag_of_delayed]


@pytest.mark.parametrize("make", BAGS, ids=lambda make: make.__name__)
def test_bags(make):
    value = make(pytest.importorskip("dask.bag"))
    dag = from_dask(value)
    same(dag(), computed(value)[0])
    same(value.compute(scheduler=plan_for(dag).get), computed(value)[0])


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pandas.DataFrame({"a": range(12), "b": [1, 2, 3] * 4}), npartitions=4)
    for value in (frame.groupby("b").a.sum(), frame[frame.a > 3], frame.a.mean()):
        dag = from_dask(value)
        same(dag(), computed(value)[0])
        same(value.compute(scheduler=plan_for(dag).get), computed(value)[0])


def test_a_merge_of_data_frames():
    pandas = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pandas.DataFrame({"a": range(12), "b": [1, 2, 3] * 4}), npartitions=4)
    value = frame.merge(frame, on="b")

    def rows(found):  # which come first hangs on threads in dask, too
        return found.sort_values(["b", "a_x", "a_y"]).reset_index(drop=True)

    same(rows(from_dask(value)()), rows(computed(value)[0]))


def test_collections_of_several_kinds_at_once_and_within_containers():
    db = pytest.importorskip("dask.bag")
    bag = db.from_sequence(range(5), npartitions=2).sum()
    a = delayed(inc)(1)
    some = (bag, [a, {"k": (bag, 7)}], a, "text", None)
    dag = from_dask(*some)
    same(dag(), computed(*some))
    same(dask.compute(*some, scheduler=plan_for(dag).get), computed(*some))
    same(from_dask([a, a])(), [2, 2])


@pytest.mark.parametrize(
    "hidden",
    [lambda c: {1, c}, lambda c: Box(c), lambda c: Pair(c, 1)],
    ids=["set", "data class", "named tuple"],
)
def test_a_collection_in_what_cannot_be_refilled_is_refused(hidden):
    with pytest.raises(DescribeError, match="cannot be taken over"):
        from_dask(hidden(delayed(inc)(1)))


def test_nothing_to_compute_is_refused():
    for nothing in ((), (1, [2])):
        with pytest.raises(DescribeError, match="no dask collection"):
            from_dask(*nothing)


def test_the_hook_knows_collections_and_nothing_else():
    assert adapt(delayed(inc)(1))() == 2
    assert adapt(dask) is None
    assert adapt(inc) is None


# -- edges -------------------------------------------------------------------------------------------------


def concat(*args):
    return repr(args)


@st.composite
def legacy(draw):
    """Draw a graph in dask's old form: tuples as tasks, keys anywhere in them, aliases, data, odd keys."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    keys = rng.sample(
        ["a", "b", ("a", 0), ("a", 1), ("a", (0, 1)), "a-" + "0f" * 16, ("a-" + "0f" * 16, 2), "text <&>",
         ("b", "c"), "a_2", "a.0", 1.5, "x-1", "é\n"],
        rng.randint(1, 14),
    )  # fmt: skip
    dsk = {}

    def argument(known, depth):
        roll = rng.random()
        if known and roll < 0.5:
            return rng.choice(known)
        if depth and roll < 0.6:
            return [argument(known, depth - 1) for _ in range(rng.randint(0, 3))]
        if depth and roll < 0.7:
            return (concat, *(argument(known, depth - 1) for _ in range(rng.randint(0, 3))))
        if depth and roll < 0.75:
            return {"k": argument([], depth - 1)}
        return rng.choice([7, "free text", None, 2.5])

    for i, key in enumerate(keys):
        known = keys[:i]
        roll = rng.random()
        if roll < 0.1:
            dsk[key] = rng.choice([3, "data", [1, 2]])
        elif known and roll < 0.25:
            dsk[key] = rng.choice(known)
        elif roll < 0.35:
            dsk[key] = [argument(known, 1) for _ in range(3)]
        else:
            dsk[key] = (concat, *(argument(known, 2) for _ in range(rng.randint(0, 4))))
    wanted = rng.sample(keys, rng.randint(1, len(keys)))
    items = list(dsk.items())
    rng.shuffle(items)
    return dict(items), wanted


@settings(deadline=None, max_examples=100)
@given(legacy())
def test_no_edge_is_lost_whatever_form_a_task_has(drawn):
    dsk, wanted = drawn
    dag, result = dag_of(dsk, wanted)
    dag.returns([result(key) for key in wanted])
    assert dag() == list(dask.get(dsk, wanted))
    # Edges by an independent reader: dask.core's own, with data and aliases taken out.
    graph = read_graph(dsk, wanted)
    kept = {step.key for step in graph.steps}

    def behind(key):
        found = set()
        for p in core.get_dependencies(dsk, key):
            found |= {p} if p in kept else behind(p)
        return found

    for step in graph.steps:
        assert set(step.before) == behind(step.key)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32))
def test_random_delayed_graphs_fused_or_not(seed):
    rng = random.Random(seed)
    made = [delayed(rng.randint(0, 9))]
    for _ in range(rng.randint(1, 25)):
        some = rng.sample(made, rng.randint(1, min(3, len(made))))
        made.append(
            delayed(total)(*some, rng.randint(0, 5), **({"x": some[0]} if rng.random() < 0.3 else {}))
        )
    some = tuple(rng.sample(made, rng.randint(1, len(made))))
    optimized = rng.random() < 0.5
    dag = from_dask(list(some), optimize_graph=optimized)
    assert dag() == list(computed(*some))


def test_every_node_waits_for_what_the_task_takes():
    seen, lock = [], threading.Lock()

    def note(name, *_):
        with lock:
            seen.append(name)
        return name

    a = delayed(note)("a")
    b = delayed(note)("b", {"x": [a]})
    c = delayed(note)("c", a)
    d = delayed(note)("d", (b, [c]))
    for _ in range(20):
        seen.clear()
        from_dask(d).run(threads=4)
        assert seen[0] == "a"
        assert seen[3] == "d"


# -- priorities --------------------------------------------------------------------------------------------


def priorities(collection):
    expr = importlib.import_module("dask._expr").FinalizeCompute(dask.base.collections_to_expr(collection))
    return expr.optimize().__dask_annotations__()["priority"]


def test_a_cluster_gets_the_order_of_the_plan():
    value = delayed(sum)([delayed(inc)(i) for i in range(6)])
    plan = plan_for(from_dask(value))
    given_out = prioritised(plan, value)
    found = priorities(given_out)
    names = names_of((step.key, step.chain) for step in read_graph(*captured((value,))[:2]).steps)
    ranks = {node.name: node.rank for node in plan.nodes}
    assert sorted(found, key=found.get, reverse=True) == sorted(names, key=lambda key: ranks[names[key].name])
    assert given_out.compute(scheduler="sync") == value.compute(scheduler="sync") == 21
    assert dask.compute(given_out, scheduler=plan.get) == (21,)
    with pytest.raises(PlanError, match="another DAG"):
        prioritised(plan, delayed(inc)(1))


def test_priorities_outlive_the_optimisation_of_arrays():
    da = pytest.importorskip("dask.array")
    value = (da.ones((9, 9), chunks=4) + 1).sum()
    given_out = prioritised(plan_for(from_dask(value)), value)
    found = priorities(given_out)
    graph = given_out.__dask_graph__()
    assert found.keys() == set(graph)
    tasks = {step.key for step in read_graph(dict(graph), given_out.__dask_keys__()).steps}
    beside = [its for key, its in found.items() if key not in tasks]
    assert not beside or min(beside) > max(found[key] for key in tasks)  # data and aliases go first
    same(given_out.compute(scheduler="sync"), computed(value)[0])


# -- what is refused ---------------------------------------------------------------------------------------


def test_a_key_that_is_not_in_the_graph_is_named():
    task_spec = pytest.importorskip("dask._task_spec")
    dsk = {"y": task_spec.Task("y", inc, task_spec.TaskRef("on-a-cluster"))}
    with pytest.raises(DescribeError, match="'y' takes 'on-a-cluster', which is not in the graph"):
        dag_of(dsk, ["y"])
    with pytest.raises(DescribeError, match="'z' is wanted"):
        dag_of(dsk, ["z"])


def test_tasks_that_wait_for_each_other_are_refused():
    with pytest.raises(DescribeError, match="circle"):
        dag_of({"a": (inc, "b"), "b": (inc, "c"), "c": (inc, "a")}, ["a"])
    with pytest.raises(DescribeError, match="circle"):
        dag_of({"a": (inc, "a")}, ["a"])
    with pytest.raises(DescribeError):
        dag_of({"a": "a"}, ["a"])


def test_a_generator_that_a_second_run_would_find_used_up_is_refused():
    with pytest.raises(DescribeError, match="read once only"):
        dag_of({"a": (sum, (x for x in [1, 2]))}, ["a"])
    with pytest.raises(DescribeError, match="read once only"):
        dag_of({"a": iter([1, 2]), "b": (sum, "a")}, ["b"])
    for hidden in ({"a": {"b": iter([1])}}, {"a": [iter([1])]}):
        with pytest.raises(DescribeError, match="read once only"):
            from_dask(delayed(str)(hidden, pure=False))


def test_a_task_that_raises_raises_its_own_exception():
    dag = from_dask(delayed(inc)(delayed(operator.truediv)(1, 0)))
    with pytest.raises(ZeroDivisionError):
        dag()


# -- names -------------------------------------------------------------------------------------------------

SCRIPT = """
import dask, sys
from dask import delayed
from makespan import from_dask
import dask.bag as db

def inc(x): return x + 1
def total(*args): return sum(args)
def both(a, b): return a + b

first = [delayed(inc)(i) for i in range(5)]
tree = delayed(total)(*first, delayed(both)(first[3], first[1]), delayed(total)({"k": first[2]} and first[2]))
bag = db.from_sequence(range(30), npartitions=5).map(inc).filter(bool).map(lambda x: x * 2)
value = delayed(both)(tree, delayed(total)())
given = [value, bag.sum(), bag.frequencies()]
try:
    import dask.array as da
    x = da.ones((40, 40), chunks=15)
    given += [(x @ x.T).sum(), x.cumsum(axis=0)[::3], da.random.random(10, chunks=3).mean()]
except ImportError:
    pass
dag = from_dask(*given)
edges = [(name, sorted(node.depends_on)) for name, node in sorted(dag.nodes.items())]
print(dag.fingerprint, len(dag), sorted(dag.nodes)[:3])
"""


def test_names_and_fingerprint_are_the_same_in_every_process():
    said = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SCRIPT],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "4242")
    }
    assert len(said) == 1


def test_names_tell_the_kind_and_the_piece():
    da = pytest.importorskip("dask.array")
    dag = from_dask(
        da.ones((4, 4), chunks=2) + 1,
        delayed(inc)(1),
        delayed(inc)(2),
        delayed(inc)(3, dask_key_name="mine-7"),
    )
    assert {"inc", "inc_2", "mine-7"} <= set(dag.nodes)
    assert {node.options.tags for node in dag.nodes.values()} >= {("inc",), ("mine-7",)}
    assert sum(name.endswith((".0.0", ".0.1", ".1.0", ".1.1")) for name in dag.nodes) == 4
    assert not any(len(part) == 32 for name in dag.nodes for part in name.split("-"))


def test_reports_tell_the_users_function():
    db = pytest.importorskip("dask.bag")
    from makespan.fingerprints.fingerprint import location

    dag = from_dask(db.from_sequence(range(4), npartitions=2).map(inc))
    assert any("test_adapters_dask.py:inc" in location(node.fn) for node in dag.nodes.values())
    assert any("test_adapters_dask.py" in node.place for node in dag.nodes.values())


def test_a_change_of_a_fused_function_changes_the_code_of_its_node():
    db = pytest.importorskip("dask.bag")
    from makespan.fingerprints.code import code_fingerprint

    def codes(*functions):
        bag = reduce(lambda b, f: b.map(f), functions, db.from_sequence([1, 2], npartitions=1))
        return {code_fingerprint(node.fn) for node in from_dask(bag).nodes.values()}

    assert codes(inc, lambda x: x + 1) == codes(inc, lambda x: x + 1)
    assert codes(inc, lambda x: x + 1) != codes(inc, lambda x: x + 2)
    assert codes(lambda x: x + 1, inc) != codes(lambda x: x + 2, inc)


# -- options and the scheduler -----------------------------------------------------------------------------


def test_locks_are_said_by_kind_and_hold():
    now, most = [0], [0]

    def render(i):
        now[0] += 1
        most[0] = max(most[0], now[0])
        threading.Event().wait(0.002)
        now[0] -= 1
        return i

    value = delayed(sum)([delayed(render)(i) for i in range(8)])
    dag = from_dask(value, options={"render": {"lock": "matplotlib", "tags": "slow"}})
    assert dag.run(threads=4).result == 28
    assert most == [1]
    assert dag.nodes["render_3"].options.tags == ("render", "slow")


@pytest.mark.parametrize("options", [{"lock": "matplotlib"}, {"exclusive": True}])
def test_locks_that_were_planned_hold_when_dask_computes(options):
    now, most = [0], [0]

    def render(i):
        now[0] += 1
        most[0] = max(most[0], now[0])
        threading.Event().wait(0.002)
        now[0] -= 1
        return i

    value = delayed(sum)([delayed(render)(i) for i in range(8)])
    plan = plan_for(from_dask(value, options={"render": options}), threads=4)
    assert value.compute(scheduler=plan.get) == 28
    assert most == [1]
    assert value.compute(scheduler=plan_for(from_dask(value), threads=4).get) == 28
    assert most[0] > 1  # it is the lock that keeps them apart


def test_options_for_a_kind_that_is_not_there_are_refused():
    with pytest.raises(DescribeError, match=r"'rendr'.*did you mean 'render'"):
        from_dask(delayed(inc)(1, dask_key_name="render"), options={"rendr": {"lock": "x"}})
    with pytest.raises(DescribeError, match="no option 'lok'"):
        from_dask(delayed(inc)(1), options={"inc": {"lok": "x"}})


def test_a_plan_for_another_graph_runs_nothing():
    ran = []
    value = delayed(ran.append)(1)
    plan = plan_for(from_dask(delayed(inc)(1), delayed(inc)(2)))
    for other in ((value,), (value, delayed(inc)(2)), (delayed(inc)(delayed(inc)(1)),)):
        with pytest.raises(PlanError, match="another DAG"):
            dask.compute(*other, scheduler=plan.get)
    assert not ran


def test_limits_of_compute_are_kept_or_refused():
    value = delayed(inc)(1) + delayed(inc)(2)
    plan = plan_for(from_dask(value), threads=2)
    assert value.compute(scheduler=plan.get, num_workers=2) == 5
    with pytest.raises(PlanError, match="more than the 1 allowed"):
        value.compute(scheduler=plan.get, num_workers=1)
    with pytest.raises(OptionError, match="'pool'"):
        value.compute(scheduler=plan.get, pool=None)


def test_results_come_in_the_form_of_the_keys():
    dsk = {"a": (inc, 1), "b": (inc, "a"), "c": 5}
    dag, result = dag_of(dsk, ["a", "b", "c"])
    dag.returns([result(key) for key in "abc"])
    plan = plan_for(dag)
    for keys in ("b", ["b", "a"], [["a"], ["b", ["c", "a"]], []]):
        assert plan.get(dsk, keys) == dask.get(dsk, keys)


@pytest.mark.parametrize("make", [nested, shared, attributes, of_lambdas], ids=lambda make: make.__name__)
def test_a_plan_fits_the_same_computation_made_anew_with_other_tokens(make):
    first, again = make(), make()
    plan = plan_for(from_dask(first))
    assert first.key != again.key
    same(again.compute(scheduler=plan.get), computed(first)[0])


def test_a_plan_as_the_scheduler_of_all_computations():
    value = delayed(inc)(delayed(inc)(1))
    plan = plan_for(from_dask(value))
    with dask.config.set(scheduler=plan.get):
        assert value.compute() == 3


def test_four_thousand_tasks():
    layer = {("x", i): (inc, i) for i in range(2000)}
    layer |= {("y", i): (operator.add, ("x", i), ("x", (i * 7) % 2000)) for i in range(2000)}
    layer["z"] = (sum, [("y", i) for i in range(2000)])
    dag, result = dag_of(layer, ["z"])
    dag.returns(result("z"))
    assert len(dag) == 4001
    assert dag() == dask.get(layer, "z")


def test_a_deep_graph():
    deep = {("x", 0): (inc, 1)} | {("x", i): (inc, ("x", i - 1)) for i in range(1, 3000)}
    dag, result = dag_of(deep, [("x", 2999)])
    dag.returns(result(("x", 2999)))
    assert dag() == 3001


def test_tasks_run_in_worker_processes():
    value = delayed(total)(*[delayed(inc)(i) for i in range(3)])
    dag = from_dask(value, options={"inc": {"mode": "process"}})
    run = dag.run(threads=2)
    assert run.result == 6
    makespan.close_workers()


def test_a_dask_that_is_too_old_or_unlike_what_is_known_is_refused(monkeypatch):
    value = delayed(inc)(1)
    monkeypatch.delattr("dask._task_spec.Alias")
    with pytest.raises(MissingExtraError, match="no Alias"):
        from_dask(value)
    monkeypatch.delattr("dask._expr.FinalizeCompute")
    with pytest.raises(MissingExtraError, match=r"too old: 2025.4 or newer"):
        from_dask(value)


def test_without_dask_it_says_what_to_install():
    code = textwrap.dedent(
        """
        import sys
        sys.modules["dask"] = None
        import makespan
        from makespan.adapters.dask_priorities import prioritised
        for use in (makespan.from_dask, lambda x: prioritised(None, x)):
            try:
                use(1)
            except makespan.MissingExtraError as error:
                print(error)
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("pip install dask") == 2
