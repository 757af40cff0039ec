"""What of a Hamilton driver cannot be taken over, or Hamilton itself refuses: said before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.errors import DescribeError, OptionError

if TYPE_CHECKING:
    from collections.abc import Mapping


def refuse_adapters(adapter: Any, *, running: bool) -> None:
    """Refuse adapters that would send nodes elsewhere, or that need what only an execution gives.

    Raises
    ------
    OptionError
    """
    for one in adapter.adapters:
        kind = type(one).__name__
        if hasattr(one, "do_remote_execute"):
            raise OptionError(
                f"the driver's {kind} runs nodes in a way of its own", where="driver", hint="leave it out"
            )
        if kind == "HamiltonCacheAdapter" and not running:
            raise OptionError(
                "the driver has a cache, which would hide what nodes take",
                where="driver",
                hint="build it without with_cache to profile it; with_plan keeps the cache",
            )


def refuse_node(node: Any) -> None:
    """Refuse a node that is not one call of one function.

    Raises
    ------
    DescribeError
    """
    role = getattr(node.node_role, "name", str(node.node_role))
    if role != "STANDARD":
        what = {"EXPAND": "is Parallelizable", "COLLECT": "collects"}.get(role, f"is of the kind {role}")
        raise DescribeError(
            f"node {node.name!r} {what}: how many nodes there are is known only while they run",
            hint="loop inside the function",
        )


def refuse_values(
    driver: Any, wanted: list[str], inputs: Mapping[str, Any], overrides: Mapping[str, Any]
) -> None:
    """Refuse values of inputs that Hamilton refuses: of another type than the functions say.

    Inputs that are not given yet are no matter here.

    Raises
    ------
    DescribeError
    """
    graph = driver.graph
    nodes, takes = graph.get_upstream_nodes(wanted, dict(inputs), dict(overrides))
    given = [node for node in takes if node.name in inputs or node.name in graph.config]
    try:
        driver.validate_inputs(graph, driver.adapter, given, dict(inputs), nodes)
    except ValueError as error:
        raise DescribeError(" ".join(str(error).split()), where="from_hamilton") from error
