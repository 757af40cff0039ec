"""pipefunc pipelines as DAGs: where arguments come from, maps, and executors of a plan."""

from __future__ import annotations

import os
import threading
from collections import namedtuple

import msgspec
import pytest

pytest.importorskip("pipefunc")

import numpy as np
from pipefunc import NestedPipeFunc, PipeFunc, Pipeline, VariantPipeline, pipefunc
from pipefunc.resources import Resources

import makespan
from makespan import from_pipefunc
from makespan.adapters import adapt
from makespan.adapters.pipefunc_executors import executors
from makespan.errors import DescribeError
from makespan_optimizer.optimize import optimize
from tests.builders import make_profile


def plan_for(dag, threads=2):
    after = {name: node.depends_on for name, node in dag.nodes.items()}
    profile = make_profile(after, 1.0, name=dag.name, fingerprint=dag.fingerprint)
    return optimize(profile, threads=threads, time_limit_s=1)


def agree(pipeline, output=None, /, **inputs):
    """Hold the DAG against the pipeline, with inputs given early, late, and with a plan."""
    expected = pipeline.run(output, kwargs=inputs)
    dag = from_pipefunc(pipeline, output, inputs=inputs)
    assert dag() == expected
    assert type(dag()) is type(expected)
    assert dag.run(plan=plan_for(dag)).result == expected
    late = from_pipefunc(pipeline, output)
    if inputs.keys() <= late.inputs.keys():  # not the result of a function
        assert late(**inputs) == expected
    return expected


@pipefunc(output_name="c")
def f_c(a, b):
    return a + b


@pipefunc(output_name="d")
def f_d(b, c, x=1):
    return b * c + x


@pipefunc(output_name="e")
def f_e(c, d, x=1):
    return c * d * x


BASIC = [f_c, f_d, f_e]


def test_the_first_example_of_its_tutorial():
    assert agree(Pipeline(BASIC), a=1, b=2) == 21
    agree(Pipeline(BASIC), "d", a=1, b=2, x=5)
    agree(Pipeline(BASIC), ["e", "c"], a=1, b=2)


def test_only_what_is_wanted_runs():
    assert set(from_pipefunc(Pipeline(BASIC), "d").nodes) == {"c", "d"}
    assert set(from_pipefunc(Pipeline(BASIC), "e", inputs={"c": 3}).nodes) == {"d", "e"}
    assert set(from_pipefunc(Pipeline(BASIC), "e", inputs={"c": 3, "d": 4}).nodes) == {"e"}


def test_a_result_that_is_given_is_not_computed():
    assert agree(Pipeline(BASIC), "e", b=2, c=7) == 7 * 15
    agree(Pipeline(BASIC), "e", c=7, d=5)


def test_defaults_are_the_pipelines_and_inputs_may_change_from_run_to_run():
    dag = from_pipefunc(Pipeline(BASIC), "e", inputs={"a": 1})
    assert dag(b=2) == 21
    assert dag(a=2, b=2, x=3) == Pipeline(BASIC)("e", a=2, b=2, x=3)
    with pytest.raises(DescribeError, match="b"):
        dag()
    updated = Pipeline(BASIC)
    updated.update_defaults({"x": 4, "b": 5})
    assert agree(updated, "e", a=1) == updated("e", a=1)


def test_renames_and_bound_values():
    f = PipeFunc(f_d.func, "d", renames={"b": "bb", "x": "y"}, defaults={"y": 10}, bound={"c": 3})
    pipeline = Pipeline([f_c, f, PipeFunc(f_e.func, "e", bound={"x": 9})])
    assert agree(pipeline, "e", a=1, b=2, bb=4) == 3 * 22 * 9
    dag = from_pipefunc(pipeline, "d")
    assert list(dag.nodes) == ["d"]  # what it would take of c is bound


def test_a_value_for_what_is_bound_everywhere_is_let_pass_as_in_pipefunc():
    pipeline = Pipeline([f_c, PipeFunc(f_d.func, "d", bound={"c": 3})])
    assert agree(pipeline, "d", b=2, c=100) == pipeline.run("d", kwargs={"b": 2})


def test_a_bound_generator_is_refused():
    pipeline = Pipeline([PipeFunc(lambda a, b: sum(a) + b, "o", bound={"a": iter([1])})])
    with pytest.raises(DescribeError, match="bound to function 'o' holds a list_iterator"):
        from_pipefunc(pipeline)


def test_inputs_are_in_the_order_of_the_pipeline():
    assert list(from_pipefunc(Pipeline(BASIC)).inputs) == ["a", "b", "x"]


def test_several_outputs():
    Two = namedtuple("Two", "p q")
    pairs = [
        PipeFunc(lambda a: (a, a + 1), ("p", "q")),
        PipeFunc(lambda a: Two(a, a + 1), ("p", "q")),
        PipeFunc(lambda a: [a, a + 1], ("p", "q")),
        PipeFunc(lambda a: {"p": a, "q": -a}, ("p", "q"), output_picker=dict.__getitem__),
        PipeFunc(lambda a: {"p": a, "q": -a}, ("p", "q"), output_picker=lambda r, k: r[k]),
    ]
    for pair in pairs:
        pipeline = Pipeline([pair, PipeFunc(lambda q, p: (p, q), "r"), PipeFunc(lambda p: -p, "s")])
        for output in ("r", "p", "q", ("p", "q"), ["s", "r"], ["q", ("p", "q"), "p"], None):
            agree(pipeline, output, a=5)
        assert set(from_pipefunc(pipeline).nodes) == {"p+q", "r", "s"}


def test_one_of_several_outputs_given():
    pipeline = Pipeline([PipeFunc(lambda a: (a, a + 1), ("p", "q")), PipeFunc(lambda q, p: (p, q), "r")])
    assert agree(pipeline, "r", a=5, p=100) == (100, 6)


def test_nested_pipelines_and_scopes():
    nested = NestedPipeFunc([f_c, f_d], output_name="d")
    agree(Pipeline([nested, PipeFunc(lambda d: -d, "z")]), a=1, b=2)
    scoped = Pipeline(BASIC, scope="in")
    dag = from_pipefunc(scoped, "in.e", inputs={"in": {"a": 1, "b": 2}})
    assert dag() == scoped("in.e", **{"in": {"a": 1, "b": 2}})
    with pytest.raises(DescribeError, match="no identifier"):
        from_pipefunc(scoped, "in.e")


def test_variants_and_resources():
    @pipefunc("c", variant="add")
    def added(a, b):
        return a + b

    @pipefunc("c", variant="sub")
    def taken(a, b):
        return a - b

    chosen = VariantPipeline([added, taken, f_d], default_variant="add").with_variant("sub")
    agree(chosen, a=9, b=2)

    @pipefunc("n", resources=Resources(cpus=3), resources_variable="its")
    def cpus(a, its):
        return a * its.cpus

    agree(Pipeline([cpus]), a=2)


def test_the_hook_knows_pipelines():
    dag = adapt(Pipeline(BASIC, name="mine"))
    assert dag.name == "mine"
    assert dag(a=1, b=2) == 21
    assert adapt(f_c) is None


def test_functions_run_side_by_side():
    barrier = threading.Barrier(2, timeout=10)
    pipeline = Pipeline(
        [
            PipeFunc(lambda a: barrier.wait() * 0 + a, "left"),
            PipeFunc(lambda a: barrier.wait() * 0 + a, "right"),
            PipeFunc(lambda left, right: left + right, "both"),
        ]
    )
    assert from_pipefunc(pipeline, inputs={"a": 1}).run(threads=2).result == 2


# -- maps --------------------------------------------------------------------------------------------------


def mapped(pipeline, **inputs):
    """Hold the DAG of a pipeline with maps against `Pipeline.map`."""
    expected = pipeline.map(inputs, parallel=False, storage="dict")
    dag = from_pipefunc(pipeline, inputs=inputs)
    for found in (dag(), dag.run(plan=plan_for(dag), threads=3).result):
        assert found.keys() == expected.keys()
        for name, its in expected.items():
            assert type(found[name]) is type(its.output)
            if isinstance(its.output, np.ndarray):
                np.testing.assert_array_equal(found[name], its.output)
            else:
                assert found[name] == its.output
    return dag


@pipefunc("y", mapspec="x[i] -> y[i]")
def double_it(x):
    return 2 * x


@pipefunc("sum")
def take_sum(y):
    return sum(y)


def test_map_and_reduce():
    dag = mapped(Pipeline([double_it, take_sum]), x=[1, 2, 3])
    assert set(dag.nodes) == {"y", "sum"}
    assert dag(x=[5])["sum"] == 10
    mapped(Pipeline([double_it, take_sum]), x=np.arange(4))


def test_outer_product_and_partial_reductions():
    @pipefunc("z", mapspec="x[i], y[j] -> z[i, j]")
    def multiply(x, y):
        return x * y

    @pipefunc("rows", mapspec="z[i, :] -> rows[i]")
    def row(z):
        return z.sum()

    @pipefunc("norm")
    def norm(z, rows, scale=2):
        assert isinstance(z, np.ma.MaskedArray)  # as in Pipeline.map
        return float(np.sum(z)) * scale / float(sum(rows))

    mapped(Pipeline([multiply, row, norm]), x=[1, 2, 3], y=[4, 5])


def test_zipped_inputs_and_several_outputs():
    @pipefunc(("p", "q"), mapspec="x[i], y[i] -> p[i], q[i]")
    def both(x, y):
        return x + y, x - y

    @pipefunc("r", mapspec="p[i], q[i] -> r[i]")
    def cross(p, q, k=1):
        return p * q * k

    mapped(Pipeline([both, cross]), x=[1, 2, 3], y=[4, 5, 6])


def test_arrays_of_a_size_that_is_known_late():
    @pipefunc("x", internal_shape="?")
    def generate(n):
        return list(range(n))

    @pipefunc("total")
    def total(y, n):
        return sum(y) + n

    mapped(Pipeline([generate, double_it, total]), n=4)


def test_bound_values_and_plain_functions_beside_maps():
    @pipefunc("offset")
    def offset(base):
        return base + 1

    @pipefunc("y", mapspec="x[i] -> y[i]", bound={"k": 3})
    def shifted(x, offset, k):
        return x + offset * k

    mapped(Pipeline([offset, shifted, take_sum]), x=[1, 2], base=10)


def test_the_physics_example_of_its_documentation():
    Geometry = namedtuple("Geometry", "x y")

    @pipefunc("geo")
    def make_geometry(x, y):
        return Geometry(x, y)

    @pipefunc(("mesh", "coarse_mesh"))
    def make_mesh(geo, mesh_size, coarse_mesh_size):
        return (geo, mesh_size), (geo, coarse_mesh_size)

    @pipefunc("materials")
    def make_materials(geo):
        return ("material", geo)

    @pipefunc("electrostatics", mapspec="V_left[i], V_right[j] -> electrostatics[i, j]")
    def run_electrostatics(mesh, materials, V_left, V_right):
        return (mesh[1] * V_left, materials[0], V_right)

    @pipefunc("charge", mapspec="electrostatics[i, j] -> charge[i, j]")
    def get_charge(electrostatics):
        return electrostatics[0] + electrostatics[2]

    @pipefunc("average_charge")
    def average_charge(charge):
        return charge.mean()

    pipeline = Pipeline(
        [make_geometry, make_mesh, make_materials, run_electrostatics, get_charge, average_charge]
    )
    mapped(
        pipeline, V_left=np.linspace(0, 2, 3), V_right=np.linspace(-0.5, 0.5, 2), x=0.1, y=0.2,
        mesh_size=0.01, coarse_mesh_size=0.05,
    )  # fmt: skip


# -- executors ---------------------------------------------------------------------------------------------


@pipefunc("where", mapspec="x[i] -> where[i]")
def where(x):
    return os.getpid()


@pipefunc(("first", "second"))
def place(where):
    return os.getpid(), threading.current_thread().name


def test_executors_follow_the_modes_of_a_plan():
    pipeline = Pipeline([where, place])
    dag = from_pipefunc(pipeline, inputs={"x": [1, 2]})
    plan = plan_for(dag)
    with executors(plan) as pools:
        found = pipeline.map({"x": [1, 2]}, executor=pools, storage="dict")
    assert set(found["where"].output) == {os.getpid()}
    assert found["second"].output != threading.current_thread().name
    away = tuple(
        msgspec.structs.replace(node, mode="process" if node.name == "where" else "thread")
        for node in plan.nodes
    )
    with executors(msgspec.structs.replace(plan, nodes=away)) as pools:
        assert type(pools["where"]) is not type(pools["first", "second"])


def test_functions_run_in_worker_processes():
    dag = from_pipefunc(Pipeline([where, place]), options={"where": {"mode": "process"}})
    found = dag(x=[1])
    assert found["where"][0] != os.getpid()
    assert found["first"] == os.getpid()
    makespan.close_workers()


# -- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"output_name": "f"}, "wanted is 'f'"),
        ({"inputs": {"aa": 1}}, "value for 'aa'"),
        ({"inputs": {"a": 1, "c": 1}}, "value for 'a', which nothing that runs takes"),
        ({"inputs": {"a": iter([1])}}, "'a' is a list_iterator"),
        ({"inputs": {"a": [iter([1])]}}, "'a' holds a list_iterator"),
        ({"inputs": [1]}, "inputs are a mapping"),
        ({"output_name": "c", "inputs": {"c": 1}}, "'c' is wanted, and a value is given"),
        ({"output_name": ["e", "c"], "inputs": {"c": 1}}, "'c' is wanted, and a value is given"),
        ({"options": {"f_c": {}}}, "options for 'f_c'"),
        ({"options": {"c": {"lok": 1}}}, "'c'.*no option 'lok'"),
    ],
)
def test_unknown_names_are_refused(how, said):
    with pytest.raises(DescribeError, match=said):
        from_pipefunc(Pipeline(BASIC), **how)


def test_lazy_pipelines_and_other_things_are_refused():
    with pytest.raises(DescribeError, match="lazy"):
        from_pipefunc(Pipeline(BASIC, lazy=True))
    with pytest.raises(DescribeError, match="Pipeline is needed"):
        from_pipefunc(f_c)


def test_a_function_that_raises_raises_its_own_exception():
    pipeline = Pipeline([PipeFunc(lambda a: a / 0, "c")])
    with pytest.raises(ZeroDivisionError):
        from_pipefunc(pipeline, inputs={"a": 1})()


def test_options_hold_and_reports_tell_the_function():
    from makespan.fingerprints.fingerprint import location

    dag = from_pipefunc(Pipeline(BASIC), options={"d": {"lock": "x"}})
    assert dag.nodes["d"].options.locks == ("x",)
    assert location(dag.nodes["d"].fn).endswith("test_adapters_pipefunc.py:f_d")
    assert "test_adapters_pipefunc.py" in dag.nodes["d"].place
    assert dag.fingerprint == from_pipefunc(Pipeline(BASIC[::-1])).fingerprint
