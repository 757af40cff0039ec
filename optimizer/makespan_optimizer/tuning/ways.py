"""A way to run a DAG, as a plan; what makes two plans one way, and how a way is called. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.showing.words import plural

if TYPE_CHECKING:
    from makespan.plan import Plan
    from makespan_optimizer.tuning.searched import Limits

ONE_EACH = "one native thread a node"


class Way(NamedTuple):
    """A way to run the DAG.

    Attributes
    ----------
    name : str
    plan : Plan
    default : bool
        What a call of the DAG does: run without a plan, of which `plan` is the written form.
    """

    name: str
    plan: Plan
    default: bool = False

    @property
    def processes(self) -> int:
        """How many worker processes the plan uses."""
        return workers_of(self.plan)

    @property
    def plain(self) -> bool:
        """The default order, which nobody searched for."""
        return self.name.startswith(("default order", "one after the other"))


def workers_of(plan: Plan) -> int:
    """Return how many worker processes a plan uses."""
    bound = {cluster.worker for cluster in plan.clusters}
    inside = {name for cluster in plan.clusters for name in cluster.nodes}
    loose = any(node.mode == "process" and node.name not in inside for node in plan.nodes)
    return max(len(bound), 1 if loose else 0)


def key_of(plan: Plan, *, order: bool = True) -> Any:
    """Return what the runtime does by a plan: plans of one key are one way; without `order`, nearly one."""
    nodes = tuple(
        (node.name, node.rank if order else 0, node.mode, node.native_threads, node.starts_after)
        for node in plan.nodes
    )
    groups = tuple((g.nodes, g.limit) for g in plan.groups if g.reason not in ("lock", "exclusive"))
    clusters = tuple((c.nodes, c.worker, c.again) for c in plan.clusters)
    return plan.threads, nodes, groups, clusters, plan.chains if order else (), plan.switch_interval_s


def named(threads: int, processes: int, limits: Limits = "as they are") -> str:
    """Return what a plan is called.

    >>> named(2, 1, "chosen")
    'plan, 2 threads, 1 process, native threads set'
    """
    parts = ["plan", plural(threads, "thread")]
    if processes:
        parts.append("1 process" if processes == 1 else f"{processes} processes")
    if limits != "as they are":
        parts.append("native threads set" if limits == "chosen" else ONE_EACH)
    return ", ".join(parts)
