"""A comparison in words and a table, for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.comparing.differences import SAME_S
from makespan.showing.evidence import headline
from makespan.showing.words import clean, percent, plural, seconds, signed_seconds, some, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from makespan.comparing.differences import Comparison, Side
    from makespan.plan import PlanCluster, PlanGroup

MOST_NODES = 15
MOST_CHAIN = 12
MOST_MOVED = 8
MOST_WAITS = 3
WORTH = 0.1
"""Of the difference: a shorter wait is not named."""
_AFTER = {
    "start": "the start",
    "input": "its input was there",
    "lock": "its lock or group was free",
    "thread": "a thread was free",
}


def told(c: Comparison) -> str:
    """Return the comparison as text."""
    lines = [_headline(c), *_sides(c)]
    lines += [f"note: {clean(note, 200)}" for note in c.notes]
    if c.same:
        return "\n".join([*lines, "no difference"])
    lines += [*_account(c), *_plans(c)]
    for label, names in ((c.a.label, c.only_a), (c.b.label, c.only_b)):
        if names:
            lines.append(f"only in {clean(label, 60)}: {some(names)}")
    return "\n".join([*lines, *_nodes(c)])


def _words(c: Comparison) -> tuple[str, str]:
    """Return what the two are called in headline and table."""
    return ("planned", "actual") if c.kind == "plan and run" else ("a", "b")


def _headline(c: Comparison) -> str:
    a, b = _words(c)
    change = percent(c.difference_s / c.a.makespan_s, signed=True) if c.a.makespan_s else ""
    difference = signed_seconds(c.difference_s) + (f", {change}" if change else "")
    if abs(c.difference_s) <= SAME_S:
        difference = "the same"
    return (
        f"{clean(c.a.dag, 60)}: {a} {seconds(c.a.makespan_s)}, {b} {seconds(c.b.makespan_s)} ({difference})"
    )


def _sides(c: Comparison) -> Iterable[str]:
    for word, side in zip("ab", (c.a, c.b), strict=True):
        yield f"{word}: {clean(side.label, 60)}, {_side(side)}"
    for word, side in zip("ab", (c.a, c.b), strict=True):
        if side.evidence is not None:
            yield f"{word} was raced: {headline(side.evidence)}"
        elif side.what == "plan" and c.kind == "plans" and (c.a.evidence or c.b.evidence):
            yield f"{word} was not raced: its seconds are predicted"


def _side(side: Side) -> str:
    its = f"{side.what} of {plural(side.nodes, 'node')} with {plural(side.threads, 'thread')}"
    if side.lower_bound_s is not None:
        its += f", lower bound {seconds(side.lower_bound_s)} ({clean(side.binding, 40)})"
    if side.gil_wait_s is not None and side.core_wait_s is not None:
        its += f", waits of its nodes: GIL {seconds(side.gil_wait_s)}, cores {seconds(side.core_wait_s)}"
    return its if side.status in ("ok", "feasible") else f"{its}, {side.status}"


def _account(c: Comparison) -> Iterable[str]:
    if abs(c.difference_s) > SAME_S:
        yield (
            f"of the difference, nodes of the critical chain make up {signed_seconds(c.account.nodes_s)}, "
            f"waits and order {signed_seconds(c.account.waits_s)}"
        )
    names = [clean(step.name, 40) for step in c.account.chain]
    if len(names) > MOST_CHAIN:
        left = len(names) - MOST_CHAIN
        names = [*names[: MOST_CHAIN // 2], f"({left:,} more)", *names[-MOST_CHAIN // 2 :]]
    if names:
        yield f"critical chain of {c.account.of}: {' → '.join(names)}"
    waits = [step for step in c.account.chain if step.waited_s > WORTH * max(abs(c.difference_s), SAME_S)]
    if waits and abs(c.difference_s) > SAME_S:
        waits.sort(key=lambda step: (-step.waited_s, step.name))
        shown = ", ".join(
            f"{seconds(step.waited_s)} before {clean(step.name, 40)} ({_AFTER[step.cause]})"
            for step in waits[:MOST_WAITS]
        )
        yield f"waits on it: {shown}"


def _plans(c: Comparison) -> Iterable[str]:
    if c.moved:
        shown = ", ".join(f"{clean(m.name, 40)} {m.a_rank} → {m.b_rank}" for m in c.moved[:MOST_MOVED])
        more = f" and {len(c.moved) - MOST_MOVED:,} more" if len(c.moved) > MOST_MOVED else ""
        yield f"{plural(len(c.moved), 'node')} moved in the order: {shown}{more}"
    for its in c.modes:
        yield f"{clean(its.name, 40)} runs in {its.b} instead of {its.a}"
    yield from (f"group gone: {_group(group)}" for group in c.groups_gone)
    yield from (f"group new: {_group(group)}" for group in c.groups_new)
    yield from (f"cluster gone: {_cluster(cluster)}" for cluster in c.clusters_gone)
    yield from (f"cluster new: {_cluster(cluster)}" for cluster in c.clusters_new)


def _group(group: PlanGroup) -> str:
    limit = "" if group.limit == 1 else f", {group.limit} at once"
    return f"{clean(group.name, 40)} ({group.reason}{limit}): {some(group.nodes)}"


def _cluster(cluster: PlanCluster) -> str:
    return f"{clean(cluster.name, 40)} in worker process {cluster.worker + 1}: {some(cluster.nodes)}"


def _nodes(c: Comparison) -> list[str]:
    """Return the table of nodes that take another time; a node that only starts elsewhere is counted."""
    longer = [its for its in c.nodes if abs(its.difference_s) > SAME_S]
    shifted = len(c.nodes) - len(longer)
    lines = [f"{plural(shifted, 'node')} only at another time"] if shifted else []
    if not longer:
        return lines
    a, b = _words(c)
    rows = [
        [
            clean(its.name, 40),
            seconds(its.a_s),
            seconds(its.b_s),
            signed_seconds(its.difference_s),
            percent(its.difference_s / its.a_s, signed=True) if its.a_s else "",
            signed_seconds(its.b_start_s - its.a_start_s),
            "critical" if its.on_chain else "",
            its.why,
        ]
        for its in longer[:MOST_NODES]
    ]
    shown = f" (the first {MOST_NODES} of {len(longer):,})" if len(longer) > MOST_NODES else ""
    header = ["node", a, b, "longer by", "", "starts later by", "", ""]
    return [*lines, "", f"nodes that take another time{shown}", table(header, rows, "<>>>>><<")]
