"""A DAG, profile, plan or run as flat rows, a node each: what every export is made of.

Every name of a field ends with its unit; what is not known is None. Rows of a plan come in the order of its
ranks, those of a run in the order of their starts, all others in the order of the DAG.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.errors import OptionError, missing_extra
from makespan.showing.words import some

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from makespan.graph import DAG
    from makespan.plan import Plan, PlanNode
    from makespan.profile import Profile
    from makespan.record import RunNode, RunRecord


class Sheet(NamedTuple):
    """Rows, and what they speak of.

    Attributes
    ----------
    name : str
        Of the DAG.
    what : {"DAG", "profile", "plan", "run"}
    rows : list of dict
        Each with ``name``, ``after`` (all that the node waits for) and ``order_only`` (the part of it whose
        results it does not take); more by `what`.
    about : dict
        Figures of the whole.
    notes : tuple of str
        What a table cannot tell: limits, clusters.
    """

    name: str
    what: str
    rows: list[dict[str, Any]]
    about: dict[str, Any]
    notes: tuple[str, ...] = ()


def sheet_of(thing: Any) -> Sheet:
    """Return the rows of a DAG, profile, plan, run, or record of a run.

    Raises
    ------
    OptionError
        It is none of these.
    DescribeError
        The DAG is described wrongly.
    """
    from makespan.graph import DAG
    from makespan.plan import Plan
    from makespan.profile import Profile
    from makespan.record import RunRecord
    from makespan.run import Run

    if isinstance(thing, Run):
        thing = thing.record
    if isinstance(thing, Plan):
        return of_plan(thing)
    if isinstance(thing, Profile):
        return of_profile(thing)
    if isinstance(thing, RunRecord):
        return of_run(thing)
    if isinstance(thing, DAG):
        return of_dag(thing)
    raise OptionError(
        f"is a {type(thing).__name__}, not a DAG, profile, plan or run",
        where="thing",
        hint="load_plan(path) …",
    )


def of_dag(dag: DAG[..., Any]) -> Sheet:
    """Return what a DAG declares."""
    from makespan.describing.arguments import references

    dag.check()
    rows = []
    for node in dag.nodes.values():
        values = (*node.args, *node.kwargs.values(), node.when)
        taken = {ref.name for value in values for ref in references(value) if not ref.is_input}
        options = node.options
        rows.append(
            {
                "name": node.name,
                "hint_s": options.hint_s,
                "mode": options.mode,
                "after": list(node.depends_on),
                "order_only": [name for name in node.depends_on if name not in taken],
                "locks": list(options.locks),
                "exclusive": options.exclusive,
                "tags": list(options.tags),
                "setup": options.setup,
                "conditional": node.when is not True,
            }
        )
    return Sheet(dag.name, "DAG", rows, {"nodes": len(rows)})


def of_profile(profile: Profile) -> Sheet:
    """Return what was measured; see `makespan.showing.profile_rows`."""
    from makespan.showing.profile_rows import rows

    found = [{**row, "order_only": []} for row in rows(profile)]
    about = {"nodes": len(found), "cores": profile.machine.cores, "python": profile.machine.python}
    return Sheet(profile.dag.name, "profile", found, about)


def of_plan(plan: Plan) -> Sheet:
    """Return the plan, the node that is dispatched first at the top."""
    groups: dict[str, list[str]] = {}
    for group in plan.groups:
        for name in group.nodes:
            groups.setdefault(name, []).append(f"{group.name} (at most {group.limit})")
    cluster = {name: its for its in plan.clusters for name in its.nodes}
    chain = {name: k for k, names in enumerate(plan.chains) for name in names}
    rows = []
    for node in sorted(plan.nodes, key=lambda its: its.rank):
        its = cluster.get(node.name)
        rows.append(
            {
                **_planned(node),
                "groups": groups.get(node.name, []),
                "cluster": its.name if its else None,
                "worker": its.worker if its else None,
                "chain": chain.get(node.name),
            }
        )
    about = {
        "threads": plan.threads,
        "cores": plan.cores,
        "makespan_s": plan.makespan_s,
        "default_makespan_s": plan.default_makespan_s,
        "lower_bound_s": plan.lower_bound_s,
        "binding": plan.binding,
        "fingerprint": plan.dag.fingerprint,
    }
    return Sheet(plan.dag.name, "plan", rows, about, tuple(_beyond(plan)))


def _planned(node: PlanNode) -> dict[str, Any]:
    return {
        "name": node.name,
        "rank": node.rank,
        "lane": node.lane,
        "start_s": node.start_s,
        "end_s": node.start_s + node.duration_s,
        "duration_s": node.duration_s,
        "alone_s": node.alone_s,
        "gil_s": node.gil_s,
        "native_s": node.native_s,
        "blocked_s": node.blocked_s,
        "slack_s": node.slack_s,
        "critical": node.critical,
        "class": node.kind,
        "mode": node.mode,
        "native_threads": node.native_threads,
        "after": [*node.after, *(name for name in node.starts_after if name not in node.after)],
        "order_only": [name for name in node.starts_after if name not in node.after],
        "locks": list(node.locks),
        "exclusive": node.exclusive,
    }


def _beyond(plan: Plan) -> Iterable[str]:
    """Yield what a plan asks for beside orders, places and locks."""
    for group in plan.groups:
        if group.reason not in {"lock", "exclusive"}:
            of = f"the {len(group.nodes)} nodes of group {group.name!r}"
            yield f"of {of} at most {group.limit} at once ({group.reason})"
    for cluster in plan.clusters:
        yield f"the {len(cluster.nodes)} nodes of cluster {cluster.name!r} in one worker process"
    if plan.switch_interval_s is not None:
        yield f"a switch interval of {plan.switch_interval_s:g} s"
    if plan.evidence is not None:
        yield "what the race of real runs showed"


def of_run(record: RunRecord) -> Sheet:
    """Return what ran, in the order of the starts; then what did not."""
    planned = {node.name: node for node in record.plan.nodes} if record.plan is not None else {}
    rows = [_ran(node.name, node.status, node, planned.get(node.name)) for node in record.nodes]
    for status, names in (
        ("not started", record.not_started),
        ("dropped", record.dropped),
        ("left out", record.left_out),
    ):
        rows += [_ran(name, status, None, planned.get(name)) for name in names]
    about = {"threads": record.threads, "makespan_s": record.makespan_s, "status": record.status}
    return Sheet(record.dag.name, "run", rows, about, tuple(_untold(record)))


def _untold(record: RunRecord) -> Iterable[str]:
    """Yield what only a plan would tell of a run."""
    if record.plan is not None:
        return
    yield "locks and exclusive nodes, if there are any: the run had no plan, which would tell them"
    if others := [*record.not_started, *record.dropped, *record.left_out]:
        yield f"what {some(others)} would have waited for: not run, and without a plan"


def _ran(name: str, status: str, node: RunNode | None, plan: PlanNode | None) -> dict[str, Any]:
    after = node.after if node is not None else plan.after if plan is not None else ()
    return {
        "name": name,
        "status": status,
        "thread": node.thread if node else None,
        "process": node.process if node else None,
        "start_s": node.start_s if node else None,
        "end_s": node.end_s if node else None,
        "duration_s": node.duration_s if node else None,
        "attempts": node.attempts if node else 0,
        "planned_start_s": plan.start_s if plan else None,
        "planned_duration_s": plan.duration_s if plan else None,
        "class": plan.kind if plan else None,
        "after": list(after),
        "order_only": [],
        "locks": list(plan.locks) if plan else [],
        "exclusive": plan.exclusive if plan else False,
    }


def every_field() -> frozenset[str]:
    """Return the names of all fields that rows have."""
    from makespan.plan import PlanNode
    from makespan.showing.profile_rows import fields

    nothing = PlanNode("?", 0, 0.0, 0.0, 0, 0.0)
    more = ("groups", "cluster", "worker", "chain", "hint_s", "setup", "conditional")
    return frozenset({*fields(), *_planned(nothing), *_ran("?", "ok", None, None), *more})


def edges(rows: Sequence[dict[str, Any]]) -> list[tuple[str, str, bool]]:
    """Return all edges as (from, to, whether it is for the order only)."""
    return [(before, row["name"], before in row["order_only"]) for row in rows for before in row["after"]]


def to_frame(thing: Any) -> Any:
    """Return the rows as a ``pandas.DataFrame``, indexed by the node's name.

    Raises
    ------
    MissingExtraError
        pandas is not installed.
    OptionError
        It is no DAG, profile, plan or run.
    """
    sheet = sheet_of(thing)
    try:
        import pandas as pd
    except ImportError as error:
        raise missing_extra("to_frame", "pandas", "optimize") from error
    return pd.DataFrame(sheet.rows, columns=list(sheet.rows[0]) if sheet.rows else ["name"]).set_index("name")
