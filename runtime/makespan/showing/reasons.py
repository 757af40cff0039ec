"""Why a plan gives a node its rank, its groups and its place: a sentence or two, read off the plan itself.

``makespan explain`` says more; this is what fits beside a node of the report, and needs the runtime only.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from makespan.showing.words import clean, plural, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from makespan.plan import Plan, PlanNode
    from makespan.showing.bands import Member

MOST_PATH = 4
MOST_NAMES = 4
_SAME_S = 2e-9


class Tails:
    """The longest path behind each node, in planned seconds.

    Edges to nodes that the plan does not have are passed over; of a cycle, which a checked plan cannot have,
    the nodes count as having nothing behind them.
    """

    def __init__(self, nodes: Sequence[PlanNode]) -> None:
        behind: dict[str, list[str]] = {node.name: [] for node in nodes}
        takes = {node.name: node.duration_s for node in nodes}
        rank = {node.name: node.rank for node in nodes}
        waiting = dict.fromkeys(behind, 0)
        before: dict[str, set[str]] = {}
        for node in nodes:
            before[node.name] = {name for name in (*node.after, *node.starts_after) if name in behind}
            for name in before[node.name]:
                behind[name].append(node.name)
        for name, its in behind.items():
            waiting[name] = len(its)
        self.tail_s = dict.fromkeys(behind, 0.0)
        self._next: dict[str, str] = {}
        ready = [name for name, count in waiting.items() if not count]
        while ready:
            name = ready.pop()
            longest = max(behind[name], key=lambda s: (self.tail_s[s] + takes[s], -rank[s]), default=None)
            if longest is not None:
                self.tail_s[name] = self.tail_s[longest] + takes[longest]
                self._next[name] = longest
            for earlier in before[name]:
                waiting[earlier] -= 1
                if not waiting[earlier]:
                    ready.append(earlier)

    def path(self, name: str, most: int) -> tuple[list[str], int]:
        """Return the first nodes of the longest path behind a node, and how many more it has."""
        found: list[str] = []
        more = 0
        while name in self._next:
            name = self._next[name]
            if len(found) < most:
                found.append(name)
            else:
                more += 1
        return found, more


def whys(plan: Plan, bands: Mapping[str, Sequence[Member]]) -> dict[str, str]:
    """Return the reasons of each node of a plan.

    Parameters
    ----------
    plan : Plan
    bands : mapping of str to sequence of Member
        Of each node, the locks, groups, chains and clusters that it is part of.
    """
    tails = Tails(plan.nodes)
    return {
        node.name: " ".join(_sentences(plan, node, tails, bands.get(node.name, ()))) for node in plan.nodes
    }


def _sentences(plan: Plan, node: PlanNode, tails: Tails, bands: Sequence[Member]) -> list[str]:
    if node.critical:
        first = "Critical: a delay of it delays the end."
    else:
        first = f"Slack {seconds(node.slack_s)}: so much later would not delay the end."
    found = [first, _rank(plan, node, tails)]
    if node.mode == "process" and not any(member.kind == "cluster" for member in bands):
        found.append("In a worker process, as declared.")
    return [*found, *(_band(node.name, member) for member in bands)]


def _rank(plan: Plan, node: PlanNode, tails: Tails) -> str:
    place = f"Rank {node.rank} of {len(plan.nodes):,}"
    path, more = tails.path(node.name, MOST_PATH)
    if not path:
        return f"{place}: nothing comes after it."
    names = " → ".join(clean(name, 40) for name in path) + (f" → {more:,} more" if more else "")
    return f"{place}: {seconds(tails.tail_s[node.name])} come after it ({names})."


def _band(name: str, member: Member) -> str:
    others = len(member.nodes) - 1
    beside = ", ".join(
        clean(other, 40) for other in islice((its for its in member.nodes if its != name), MOST_NAMES)
    )
    if others > MOST_NAMES:
        beside += f" and {others - MOST_NAMES:,} more"
    told = clean(member.name, 40)
    match member.kind:
        case "exclusive":
            text = "It runs alone, as declared"
        case "chain":
            text = f"Run back to back, by one worker, with {beside}"
        case "cluster":
            text = "In a worker process" + (f", with {beside}" if others else "")
        case "lock":
            text = f"Never beside {beside}: lock {told}" if others else f"Holds lock {told}"
        case _:
            at_once = "one" if member.limit == 1 else plural(member.limit, "node")
            text = f"At most {at_once} of {told} at a time" + (f", with {beside}" if others else "")
    evidence = member.evidence if member.kind in ("group", "cluster") else ""
    return f"{text}: {clean(evidence, 300)}." if evidence else f"{text}."
