"""A Hamilton driver as a DAG, and a driver that runs with a plan.

::

    dag = from_hamilton(driver, ["score"], inputs={"url": url})
    plan = dag.profile(runs=3).optimize(threads=4)
    driver = with_plan(driver, plan)
    driver.execute(["score"], inputs={"url": url})     # as ever, in plan order, in threads

A node is called as Hamilton calls it: by keyword, with those of its dependencies that are there; an optional
input that was not given is left to the function's default. Hamilton's adapters that stand round a node keep
their place under `with_plan` (hooks are then called from several threads, as under its ``FutureAdapter``).

What cannot be taken over is refused by name: ``Parallelizable`` and ``Collect`` nodes, whose number is known
only while they run; adapters that send nodes elsewhere.

Tested with sf-hamilton 1.88 to 1.90.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

from makespan.adapters.graphs import (
    add,
    check_edges,
    checked_mapping,
    given_input,
    refuse_once,
    refuse_unknown,
)
from makespan.adapters.hamilton_checks import refuse_adapters, refuse_node, refuse_values
from makespan.describing.placeholder import Opaque
from makespan.describing.returned import is_coroutine_function
from makespan.errors import DescribeError, OptionError
from makespan.graph import DAG
from makespan.plan import load_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from makespan.plan import Plan

LIBRARY = "sf-hamilton"
TESTED = ("1.88", "1.90")


class HamiltonCall(Opaque):
    """A Hamilton node as a function of its dependencies' values, in the order of `takes`."""

    def __init__(self, call: Callable[..., Any], takes: tuple[str, ...], code: Any) -> None:
        self.call = call
        self.takes = takes
        self.__wrapped__ = code

    def __call__(self, *values: Any) -> Any:
        """Run the node."""
        return self.call(**dict(zip(self.takes, values, strict=True)))

    def __repr__(self) -> str:
        return f"<Hamilton node {getattr(self.__wrapped__, '__name__', '')!r}>"


class AwaitedCall(HamiltonCall):
    """The same for a coroutine function, which the run awaits."""

    async def __call__(self, *values: Any) -> Any:
        """Await the node."""
        return await self.call(**dict(zip(self.takes, values, strict=True)))


def knows(thing: Any) -> bool:
    """Say whether it is a Hamilton driver, without importing Hamilton."""
    return any(
        cls.__module__.partition(".")[0] == "hamilton" and cls.__name__ == "Driver"
        for cls in type(thing).__mro__
    )


def adapt(thing: Any) -> DAG[..., Any]:
    """Return the DAG of all that a driver can compute; inputs without a default are the DAG's."""
    return from_hamilton(thing)


def from_hamilton(
    driver: Any,
    final_vars: Iterable[Any] | None = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    name: str = "hamilton",
) -> DAG[..., Any]:
    """Return the DAG of what a Hamilton driver runs for some variables.

    Parameters
    ----------
    driver : hamilton.driver.Driver
    final_vars : iterable of str or functions, optional
        What is computed; the nodes that no other node takes, when omitted.
    inputs : mapping, optional
        Values of inputs, the defaults of the DAG's inputs. An input that is needed and not given must be
        given to each call of the DAG; an optional one that is not given is left out.
    overrides : mapping, optional
        Values of nodes, which then do not run.
    options : mapping of str to mapping, optional
        `makespan.NodeOptions` of some nodes.
    name : str
        How files and reports call the DAG.

    Returns
    -------
    DAG
        It returns a dict from variable to value, before any result builder of Hamilton's.

    Raises
    ------
    DescribeError
        An unknown variable, input or option; a value of a type that Hamilton refuses; a node that cannot be
        taken over, by name.
    """
    if not knows(driver):
        raise DescribeError(f"a Hamilton Driver is needed, not {type(driver).__name__}")
    inputs, overrides = checked_mapping("inputs", inputs), checked_mapping("overrides", overrides)
    options = checked_mapping("options", options)
    graph = driver.graph
    wanted = _last(graph) if final_vars is None else list(driver._create_final_vars(list(final_vars)))  # noqa: SLF001
    refuse_unknown("wanted is", wanted, {**graph.nodes, **inputs})
    refuse_unknown("there is an input", list(inputs), {*graph.nodes, *wanted})
    refuse_unknown("there is an override for", list(overrides), graph.nodes)
    adapter = driver.adapter
    refuse_adapters(adapter, running=False)
    # An AsyncDriver's adapter makes tasks of a running loop; here the run awaits coroutines.
    awaiting = _is_async(driver)

    def call_of(node: Any) -> Any:
        if adapter.does_method("do_node_execute", is_async=False) and not awaiting:
            return partial(_by_adapter, adapter, node)
        return node.callable

    dag = dag_of(graph, wanted, inputs, overrides, call_of, options=options, name=name)
    refuse_values(driver, wanted, inputs, overrides)
    return dag


def dag_of(
    graph: Any,
    wanted: list[str],
    inputs: Mapping[str, Any],
    overrides: Mapping[str, Any],
    call_of: Callable[[Any], Callable[..., Any]],
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    declared: Mapping[str, Mapping[str, Any]] | None = None,
    name: str = "hamilton",
) -> DAG[..., Any]:
    """Return the DAG of a function graph; `call_of` says what is called for a node, by keyword.

    What was `declared` before, by name, holds as far as there are such nodes.

    Raises
    ------
    DescribeError
    """
    clash = sorted(inputs.keys() & graph.config.keys())
    if clash:
        raise DescribeError(f"the input {clash[0]!r} is in the driver's config too", hint="say it once")
    given = {**graph.config, **inputs}
    chosen, _ = graph.get_upstream_nodes(wanted, dict(inputs), dict(overrides))
    names = {node.name for node in chosen}
    nodes = [node for node in graph.nodes.values() if node.name in names]  # as declared: a set has no order
    dag: DAG[..., Any] = DAG(name)
    # All of them: an optional input that only an override gives is not among the nodes chosen.
    values: dict[str, Any] = dict(overrides)
    for key, value in overrides.items():
        refuse_once(f"the override of {key!r}", value)
    running = [node for node in nodes if not node.user_defined and node.name not in values]
    required = {key for node in running for key in node.input_types if node.requires(key)}
    for node in nodes:  # an input that is wanted, not given, and needed by nothing is None, as in Hamilton
        if node.user_defined and node.name not in values and (node.name in given or node.name in required):
            values[node.name] = given_input(dag, node.name, given)
    refuse_unknown("there are options for", list(options or ()), {node.name for node in running})
    for node in running:
        values[node.name] = dag.ref(node.name)
    for node in running:
        refuse_node(node)
        takes = [dep.name for dep in node.dependencies if dep.name in values]
        lacking = [key for key in node.input_types if node.requires(key) and key not in takes]
        if lacking:
            raise DescribeError(f"node {node.name!r} needs {lacking[0]!r}, which nothing gives")
        code = (node.originating_functions or (node.callable,))[0]
        kind = AwaitedCall if is_coroutine_function(node.callable) else HamiltonCall
        call = kind(call_of(node), tuple(takes), code)
        said = (options or {}).get(node.name) or (declared or {}).get(node.name)
        add(dag, node.name, call, [values[key] for key in takes], options=said, code=code)
    runs = {node.name for node in running}
    check_edges(
        dag, {node.name: {dep.name for dep in node.dependencies if dep.name in runs} for node in running}
    )
    dag.returns({key: values[key] if key in values else inputs.get(key) for key in wanted})
    return dag


def with_plan(
    driver: Any, plan: Plan | str | os.PathLike[str] | None = None, *, threads: int | None = None
) -> Any:
    """Return a copy of a driver that executes with a plan; the driver itself stays as it is.

    Locks and exclusive nodes that were said to `from_hamilton` are in the plan, and hold.

    Parameters
    ----------
    driver : hamilton.driver.Driver
    plan : Plan or path, optional
        Made from `from_hamilton` of the same variables; without one, the default order.
    threads : int, optional
        The thread budget, as `makespan.DAG.prepare` takes it.

    Raises
    ------
    OptionError
        The driver already runs nodes in a way of its own.
    PlanError
        The plan cannot be read. While executing, before anything runs: it is for other variables.
    """
    from makespan.adapters.hamilton_executor import PlanExecutor

    if not knows(driver):
        raise OptionError(f"is a Hamilton Driver, not {type(driver).__name__}", where="driver")
    if _is_async(driver):
        raise OptionError(
            "an AsyncDriver runs its nodes in a way of its own",
            where="driver",
            hint="from_hamilton(…).arun()",
        )
    its = type(driver.graph_executor).__name__
    if its not in {"DefaultGraphExecutor", "PlanExecutor"}:
        raise OptionError(
            f"the driver has a {its}, whose place the plan would take",
            where="driver",
            hint="build it without enable_dynamic_execution",
        )
    refuse_adapters(driver.adapter, running=True)
    if isinstance(plan, str | os.PathLike):
        plan = load_plan(plan)
    planned = object.__new__(type(driver))  # copy.copy would pickle it, modules and all
    planned.__dict__.update(driver.__dict__)
    planned.graph_executor = PlanExecutor(driver.adapter, plan, threads)
    return planned


def _by_adapter(adapter: Any, node: Any, **kwargs: Any) -> Any:
    """Call a node as an adapter of the driver's calls it."""
    return adapter.call_lifecycle_method_sync(
        "do_node_execute", run_id="makespan", node_=node, kwargs=kwargs, task_id=None
    )


def _is_async(driver: Any) -> bool:
    return any(cls.__name__ == "AsyncDriver" for cls in type(driver).__mro__)


def _last(graph: Any) -> list[str]:
    return [
        name
        for name, node in graph.nodes.items()
        if not node.user_defined and not any(not other.user_defined for other in node.depended_on_by)
    ]
