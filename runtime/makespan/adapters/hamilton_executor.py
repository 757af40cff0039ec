"""The graph executor that `makespan.adapters.from_hamilton.with_plan` puts into a driver.

Hamilton's driver asks two things of its executor, ``validate`` and ``execute``; that is all there is here.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from makespan.adapters.from_hamilton import dag_of
from makespan.adapters.graphs import declared_in
from makespan.adapters.hamilton_checks import refuse_node

if TYPE_CHECKING:
    from collections.abc import Iterable

    from makespan.plan import Plan


class PlanExecutor:
    """Executes a function graph with a plan; each node goes through Hamilton's own life cycle.

    Attributes
    ----------
    adapter : hamilton.lifecycle.base.LifecycleAdapterSet
    plan : Plan or None
    threads : int or None
    """

    def __init__(self, adapter: Any, plan: Plan | None, threads: int | None) -> None:
        self.adapter = adapter
        self.plan = plan
        self.threads = threads

    def validate(self, nodes_to_execute: Iterable[Any]) -> None:
        """Refuse nodes that cannot be taken over, by name."""
        for node in sorted(nodes_to_execute, key=lambda node: str(node.name)):
            if not node.user_defined:
                refuse_node(node)

    def execute(
        self, fg: Any, final_vars: list[str], overrides: dict[str, Any], inputs: dict[str, Any], run_id: str
    ) -> dict[str, Any]:
        """Run what the variables need, and return their values.

        Raises
        ------
        PlanError
            The plan is for other variables; nothing has run.
        """
        call = import_module("hamilton.execution.graph_functions").execute_lifecycle_for_node

        def call_of(node: Any) -> Any:
            return partial(call, __node_=node, __adapter=fg.adapter, __run_id=run_id, __task_id=None)

        dag = dag_of(fg, list(final_vars), inputs, overrides, call_of, declared=declared_in(self.plan))
        return dag.prepare(self.plan, self.threads)()  # type: ignore[no-any-return]
