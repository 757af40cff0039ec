"""Hamilton drivers as DAGs, and drivers that execute with a plan: the results are Hamilton's own."""

from __future__ import annotations

import os
import sys
import threading
import types

import pytest

os.environ.setdefault("HAMILTON_AUTOLOAD_EXTENSIONS", "0")  # it would import whatever is installed
pytest.importorskip("hamilton")

from hamilton import async_driver, base, driver, lifecycle, registry
from hamilton.function_modifiers import (
    ResolveAt,
    config,
    extract_columns,
    extract_fields,
    inject,
    parameterize,
    pipe_input,
    resolve,
    source,
    step,
    subdag,
    tag,
    value,
)
from hamilton.function_modifiers.dependencies import group
from hamilton.htypes import Collect, Parallelizable  # noqa: TC002 - Hamilton reads annotations

from makespan import from_hamilton
from makespan.adapters import adapt
from makespan.adapters.from_hamilton import with_plan
from makespan.errors import DescribeError, OptionError, PlanError
from makespan_optimizer.optimize import optimize
from tests.builders import make_profile

pandas = pytest.importorskip("pandas")
registry.initialize()
registry.load_extension("pandas")


def driver_of(*functions, adapters=(), **settings):
    module = types.ModuleType("pipeline")
    for fn in functions:
        fn.__module__ = "pipeline"
        setattr(module, fn.__name__, fn)
    sys.modules["pipeline"] = module
    return driver.Builder().with_modules(module).with_config(settings).with_adapters(*adapters).build()


def plan_for(dag, threads=2):
    after = {name: node.depends_on for name, node in dag.nodes.items()}
    locks = {name: node.options.locks for name, node in dag.nodes.items()}
    profile = make_profile(after, 1.0, name=dag.name, fingerprint=dag.fingerprint, locks=locks)
    return optimize(profile, threads=threads, time_limit_s=1)


def agree(its, final_vars, **how):
    """Hold DAG, plan and Hamilton against each other; return the result."""
    dag = from_hamilton(its, final_vars, **how)
    expected = its.execute(final_vars, **how)
    expected = expected if isinstance(expected, dict) else expected.to_dict("list")
    found = dag()
    assert list(found) == list(final_vars)
    if len(dag):
        planned = with_plan(its, plan_for(dag)).execute(final_vars, **how)
        assert planned == expected if isinstance(planned, dict) else planned.to_dict("list") == expected
    return found, expected


# -- the hello world of its documentation, on lists --------------------------------------------------------


def spend_mean(spend: list) -> float:
    """Mean of the spend."""
    return sum(spend) / len(spend)


def spend_zero_mean(spend: list, spend_mean: float) -> list:
    """Spend around its mean."""
    return [one - spend_mean for one in spend]


def spend_std_dev(spend: list) -> float:
    mean = sum(spend) / len(spend)
    return (sum((one - mean) ** 2 for one in spend) / len(spend)) ** 0.5


def spend_zero_mean_unit_variance(spend_zero_mean: list, spend_std_dev: float) -> list:
    return [one / spend_std_dev for one in spend_zero_mean]


def spend_per_signup(spend: list, signups: list, per: int = 1) -> list:
    return [per * a / b for a, b in zip(spend, signups, strict=True)]


HELLO = (spend_mean, spend_zero_mean, spend_std_dev, spend_zero_mean_unit_variance, spend_per_signup)
INPUTS = {"spend": [10, 10, 20, 40, 40, 50], "signups": [1, 10, 50, 100, 200, 400]}


def test_hello_world():
    its = driver_of(*HELLO)
    wanted = ["spend", "signups", "spend_per_signup", "spend_zero_mean_unit_variance"]
    found, expected = agree(its, wanted, inputs=INPUTS)
    assert found == expected


def test_only_what_is_wanted_runs():
    its = driver_of(*HELLO)
    assert set(from_hamilton(its, ["spend_zero_mean"]).nodes) == {"spend_mean", "spend_zero_mean"}
    assert set(from_hamilton(its, [spend_mean], inputs=INPUTS).nodes) == {"spend_mean"}


def test_inputs_are_the_dags_with_what_was_given_as_defaults():
    its = driver_of(*HELLO)
    dag = from_hamilton(its, ["spend_mean"], inputs={"spend": [1, 2]})
    assert dag() == {"spend_mean": 1.5}
    assert dag(spend=[4]) == {"spend_mean": 4}
    open_ = from_hamilton(its, ["spend_mean"])
    assert open_(spend=[5]) == {"spend_mean": 5}
    with pytest.raises(DescribeError, match="spend"):
        open_()


def test_an_optional_input_is_left_to_the_function():
    its = driver_of(*HELLO)
    assert agree(its, ["spend_per_signup"], inputs=INPUTS)[0]["spend_per_signup"][0] == 10
    assert agree(its, ["spend_per_signup"], inputs={**INPUTS, "per": 3})[0]["spend_per_signup"][0] == 30
    agree(driver_of(*HELLO, per=7), ["spend_per_signup"], inputs=INPUTS)
    with pytest.raises(DescribeError, match="per"):
        from_hamilton(its, ["spend_per_signup"], inputs=INPUTS)(per=2)  # it would not arrive


def test_an_optional_input_may_be_overridden():
    its = driver_of(*HELLO)
    found, _ = agree(its, ["spend_per_signup"], inputs=INPUTS, overrides={"per": 3})
    assert found["spend_per_signup"][0] == 30
    agree(its, ["per", "spend_mean"], inputs=INPUTS, overrides={"per": 3})


def test_an_input_that_is_wanted_and_not_given_is_none():
    its = driver_of(*HELLO)
    assert agree(its, ["per", "spend_mean"], inputs=INPUTS)[0]["per"] is None
    agree(its, ["per", "spend_per_signup"], inputs=INPUTS)
    agree(its, ["spend_mean", "signups"], inputs={"spend": [1]})


def test_overrides_take_the_place_of_nodes():
    its = driver_of(*HELLO)
    found, expected = agree(
        its, ["spend_zero_mean", "spend_mean"], inputs=INPUTS, overrides={"spend_mean": 5}
    )
    assert found == expected
    assert set(from_hamilton(its, ["spend_zero_mean"], overrides={"spend_mean": 5}).nodes) == {
        "spend_zero_mean"
    }
    agree(its, ["spend_mean"], inputs=INPUTS, overrides={"spend_mean": 5})
    agree(its, ["spend_mean"], inputs=INPUTS, overrides={"spend": [1]})


def test_the_hook_takes_all_that_a_driver_can_compute():
    dag = adapt(driver_of(*HELLO))
    found = dag(**INPUTS)
    assert list(found) == ["spend_per_signup", "spend_zero_mean_unit_variance"]
    assert adapt(driver) is None


# -- function modifiers ------------------------------------------------------------------------------------


def test_parameterized_configured_and_extracted_nodes():
    @parameterize(
        plus_one={"n": value(1), "x": source("x")}, plus_both={"n": source("plus_one"), "x": source("x")}
    )
    def plus(n: int, x: int) -> int:
        """Add."""
        return n + x

    @config.when(kind="a")
    def chosen__a(plus_one: int) -> int:
        return plus_one * 10

    @config.when_not(kind="a")
    def chosen__b(plus_one: int) -> int:
        return plus_one * 100

    @extract_fields({"low": int, "high": int})
    def limits(chosen: int) -> dict:
        return {"low": chosen - 1, "high": chosen + 1}

    @tag(owner="me")
    def spread(low: int, high: int, plus_both: int) -> int:
        return high - low + plus_both

    functions = (plus, chosen__a, chosen__b, limits, spread)
    for kind in ("a", "b"):
        found, expected = agree(
            driver_of(*functions, kind=kind), ["spread", "chosen", "low"], inputs={"x": 3}
        )
        assert found == expected


def test_injected_lists_pipes_and_sub_dags():
    def a(x: int) -> int:
        return x + 1

    def b(x: int) -> int:
        return x * 2

    @inject(many=group(source("a"), source("b"), value(7)))
    def gathered(many: list[int]) -> int:
        return sum(many)

    def twice(n: int, by: int = 2) -> int:
        return n * by

    @pipe_input(step(twice, by=value(3)), step(twice))
    def piped(gathered: int) -> int:
        return gathered + 1

    def inner(y: int) -> int:
        return y - 1

    def outer(inner: int, z: int) -> int:
        return inner * z

    module = types.ModuleType("inner_module")
    for fn in (inner, outer):
        setattr(module, fn.__name__, fn)

    @subdag(inner, outer, inputs={"y": source("a"), "z": value(4)})
    def first(outer: int) -> int:
        return outer

    @subdag(inner, outer, inputs={"y": source("b"), "z": source("piped")})
    def second(outer: int) -> int:
        return outer

    functions = (a, b, gathered, piped, first, second)
    found, expected = agree(driver_of(*functions), ["first", "second", "piped"], inputs={"x": 5})
    assert found == expected


def test_data_frames_and_result_builders():
    @extract_columns("u", "v")
    def table(n: int) -> pandas.DataFrame:
        return pandas.DataFrame({"u": range(n), "v": range(n, 0, -1)})

    def summed(u: pandas.Series, v: pandas.Series) -> pandas.Series:
        return u + v

    its = driver_of(table, summed, adapters=[base.PandasDataFrameResult()])
    planned = with_plan(its, plan_for(from_hamilton(its, ["u", "summed"], inputs={"n": 4})))
    assert planned.execute(["u", "summed"], inputs={"n": 4}).equals(
        its.execute(["u", "summed"], inputs={"n": 4})
    )
    old = driver.Driver({}, its.graph_modules[0], adapter=base.SimplePythonDataFrameGraphAdapter())
    found = from_hamilton(old, ["summed"], inputs={"n": 3})()
    assert list(found["summed"]) == [3, 3, 3]


def test_coroutine_functions_are_awaited():
    async def fetched(x: int) -> int:
        return x + 1

    def after(fetched: int) -> int:
        return fetched * 2

    its = driver_of(fetched, after)
    assert from_hamilton(its, ["after"], inputs={"x": 1})() == {"after": 4}
    assert with_plan(its).execute(["after"], inputs={"x": 1}) == {"after": 4}
    asynchronous = async_driver.AsyncDriver({}, *its.graph_modules, result_builder=base.DictResult())
    assert from_hamilton(asynchronous, ["after"], inputs={"x": 1})() == {"after": 4}
    with pytest.raises(OptionError, match="AsyncDriver"):
        with_plan(asynchronous)


# -- with a plan -------------------------------------------------------------------------------------------


def test_hooks_of_the_driver_are_called():
    seen, lock = [], threading.Lock()

    class Note(lifecycle.NodeExecutionHook, lifecycle.GraphExecutionHook):
        def run_before_node_execution(self, *, node_name, **_):
            with lock:
                seen.append(node_name)

        def run_after_node_execution(self, *, node_name, success, **_):
            with lock:
                seen.append(f"{node_name} {success}")

        def run_before_graph_execution(self, **_):
            seen.append("begin")

        def run_after_graph_execution(self, **_):
            seen.append("end")

    its = driver_of(*HELLO, adapters=[Note()])
    plan = plan_for(from_hamilton(its, ["spend_zero_mean"], inputs=INPUTS))
    with_plan(its, plan).execute(["spend_zero_mean"], inputs=INPUTS)
    assert seen == [
        "begin", "spend_mean", "spend_mean True", "spend_zero_mean", "spend_zero_mean True", "end",
    ]  # fmt: skip


def test_nodes_run_side_by_side_and_no_thread_waits_for_a_parent():
    barrier = threading.Barrier(2, timeout=10)

    def left(x: int) -> int:
        barrier.wait()
        return x

    def right(x: int) -> int:
        barrier.wait()
        return x

    def both(left: int, right: int) -> int:
        return left + right

    its = driver_of(left, right, both)
    assert with_plan(its, threads=2).execute(["both"], inputs={"x": 2}) == {"both": 4}


def test_locks_that_were_planned_hold_in_the_driver(tmp_path):
    now, most = [0], [0]

    def drawn(i: int, x: int) -> int:
        now[0] += 1
        most[0] = max(most[0], now[0])
        threading.Event().wait(0.002)
        now[0] -= 1
        return x + i

    many = {f"d{i}": {"i": value(i)} for i in range(6)}
    its = driver_of(parameterize(**many)(drawn))
    locked = from_hamilton(its, list(many), inputs={"x": 1}, options={name: {"lock": "pen"} for name in many})
    plan_for(locked, threads=4).save(tmp_path / "plan.json")
    found = with_plan(its, tmp_path / "plan.json").execute(list(many), inputs={"x": 1})
    assert found == {f"d{i}": i + 1 for i in range(6)}
    assert most == [1]
    with_plan(its, threads=4).execute(list(many), inputs={"x": 1})
    assert most[0] > 1


def test_other_variables_than_planned_run_nothing():
    ran = []

    def noted(x: int) -> int:
        ran.append(x)
        return x

    def next_one(noted: int) -> int:
        return noted + 1

    its = driver_of(noted, next_one)
    planned = with_plan(its, plan_for(from_hamilton(its, ["noted"], inputs={"x": 1})))
    with pytest.raises(PlanError, match="another DAG"):
        planned.execute(["next_one"], inputs={"x": 1})
    assert not ran
    assert its.execute(["next_one"], inputs={"x": 1}) == {"next_one": 2}  # it stays as it is
    assert planned.execute(["noted"], inputs={"x": 7}) == {"noted": 7}


def test_what_hamilton_refuses_is_refused_with_a_plan():
    its = driver_of(*HELLO)
    plan = plan_for(from_hamilton(its, ["spend_mean"], inputs=INPUTS))
    with pytest.raises(ValueError, match="spend"):
        with_plan(its, plan).execute(["spend_mean"], inputs={})
    with pytest.raises(ValueError, match="Type requirement"):
        with_plan(its, plan).execute(["spend_mean"], inputs={"spend": "text"})


def test_a_node_that_raises_raises_its_own_exception():
    def wrong(x: int) -> float:
        return x / 0

    its = driver_of(wrong)
    for run in (
        from_hamilton(its, ["wrong"], inputs={"x": 1}),
        lambda: with_plan(its).execute(["wrong"], inputs={"x": 1}),
    ):
        with pytest.raises(ZeroDivisionError):
            run()


def test_a_cache_is_kept_with_a_plan(tmp_path):
    from hamilton.caching.stores.memory import InMemoryMetadataStore, InMemoryResultStore

    stores = {"metadata_store": InMemoryMetadataStore(), "result_store": InMemoryResultStore()}
    ran = []

    def noted(x: int) -> int:
        ran.append(x)
        return x

    def next_one(noted: int) -> int:
        return noted + 1

    module = driver_of(noted, next_one).graph_modules[0]
    its = driver.Builder().with_modules(module).with_cache(path=str(tmp_path), **stores).build()
    for _ in range(2):
        assert with_plan(its, threads=2).execute(["next_one"], inputs={"x": 1}) == {"next_one": 2}
    assert ran == [1]
    with pytest.raises(OptionError, match="cache"):
        from_hamilton(its, ["next_one"])


# -- what is refused ---------------------------------------------------------------------------------------


def test_nodes_of_unknown_number_are_named():
    def part(n: int) -> Parallelizable[int]:
        yield from range(n)

    def worked(part: int) -> int:
        return part

    def whole(worked: Collect[int]) -> int:
        return sum(worked)

    module = driver_of(part, worked, whole).graph_modules[0]
    dynamic = (
        driver.Builder().with_modules(module).enable_dynamic_execution(allow_experimental_mode=True).build()
    )
    with pytest.raises(DescribeError, match="'part' is Parallelizable"):
        from_hamilton(dynamic, ["whole"], inputs={"n": 2})
    with pytest.raises(OptionError, match="TaskBasedGraphExecutor"):
        with_plan(dynamic)
    with pytest.raises(DescribeError, match="'part' is Parallelizable"):
        with_plan(driver_of(part, worked, whole)).execute(["whole"], inputs={"n": 2})


def test_adapters_that_run_nodes_elsewhere_are_named():
    h_threadpool = pytest.importorskip("hamilton.plugins.h_threadpool")
    adapter = h_threadpool.FutureAdapter(max_workers=1)
    its = driver_of(*HELLO, adapters=[adapter])
    for take in (lambda: from_hamilton(its, ["spend_mean"]), lambda: with_plan(its)):
        with pytest.raises(OptionError, match="FutureAdapter"):
            take()
    adapter.executor.shutdown()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"final_vars": ["spend_man"]}, "'spend_man'.*did you mean 'spend_mean'"),
        ({"final_vars": ["spend_mean"], "overrides": {"nope": 1}}, "override for 'nope'"),
        ({"final_vars": ["spend_mean"], "inputs": {"spnd": [1]}}, "input 'spnd'.*did you mean 'spend'"),
        ({"final_vars": ["spend_mean"], "inputs": {"spend": iter([1])}}, "'spend' is a list_iterator"),
        ({"final_vars": ["spend_zero_mean"], "overrides": {"spend_mean": iter([1])}}, "read once only"),
        ({"final_vars": ["spend_mean"], "options": {"spend_std_dev": {}}}, "options for 'spend_std_dev'"),
        ({"final_vars": ["spend_mean"], "options": {"spend_mean": {"lok": 1}}}, "no option 'lok'"),
        ({"final_vars": ["spend_mean"], "inputs": [1]}, "inputs are a mapping"),
        ({"final_vars": ["spend_mean"], "overrides": [1]}, "overrides are a mapping"),
        ({"final_vars": ["spend_mean"], "inputs": {"spend": [iter([1])]}}, "'spend' holds a list_iterator"),
    ],
)
def test_unknown_names_are_refused(how, said):
    with pytest.raises(DescribeError, match=said):
        from_hamilton(driver_of(*HELLO), **how)


def test_a_value_of_another_type_is_refused_as_in_hamilton():
    its = driver_of(*HELLO)
    said = r"Expected spend:.*list.*got 5"
    with pytest.raises(ValueError, match=said):
        its.execute(["spend_mean"], inputs={"spend": 5})
    with pytest.raises(DescribeError, match=said):
        from_hamilton(its, ["spend_mean"], inputs={"spend": 5})


def test_an_input_that_the_config_has_too_is_refused():
    with pytest.raises(DescribeError, match="'spend' is in the driver's config"):
        from_hamilton(driver_of(*HELLO, spend=[1]), ["spend_mean"], inputs=INPUTS)


def test_other_things_are_refused():
    with pytest.raises(DescribeError, match="Driver is needed"):
        from_hamilton(7)
    with pytest.raises(OptionError, match="Hamilton Driver"):
        with_plan(7)


def test_options_hold():
    dag = from_hamilton(driver_of(*HELLO), ["spend_mean"], options={"spend_mean": {"lock": "x"}})
    assert dag.nodes["spend_mean"].options.locks == ("x",)


def test_the_same_driver_gives_the_same_fingerprint_whatever_is_asked_first():
    one, other = driver_of(*HELLO), driver_of(*reversed(HELLO))
    wanted = ["spend_per_signup", "spend_zero_mean_unit_variance"]
    assert from_hamilton(one, wanted).fingerprint == from_hamilton(other, wanted[::-1]).fingerprint


def test_resolved_late():
    @resolve(
        when=ResolveAt.CONFIG_AVAILABLE, decorate_with=lambda names: extract_fields(dict.fromkeys(names, int))
    )
    def fields(x: int) -> dict:
        return {"p": x, "q": x + 1}

    def total(p: int, q: int) -> int:
        return p + q

    its = driver_of(fields, total, names=["p", "q"], **{"hamilton.enable_power_user_mode": True})
    found, expected = agree(its, ["total"], inputs={"x": 1})
    assert found == expected
