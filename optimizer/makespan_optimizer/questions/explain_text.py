"""An explanation in words, for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.showing.evidence import evidence_lines, race_table
from makespan.showing.words import clean, percent, plural, seconds, table
from makespan_optimizer.questions.reasons import CRITICAL, listed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from makespan.plan import PlanGroup
    from makespan_optimizer.questions.explain import BoundNote, ChainNote, Explanation, NodeNote

MOST_CHAIN = 20
MOST_BOUNDS = 4
_SAME_S = 2e-9
_SLOWER = 0.005  # of its time alone: less is not worth a word
_CAUSES = {"start": "", "input": "its input", "lock": "its lock or group", "thread": "a thread"}
_STARTED = {
    "input": "takes a result of",
    "group": "shares a lock or group with",
    "thread": "takes the thread of",
}


def plan_lines(e: Explanation) -> list[str]:
    """Say why the plan as a whole is as it is."""
    gain = e.makespan_s / e.default_makespan_s - 1 if e.default_makespan_s else 0.0
    usual = f"the default order takes {seconds(e.default_makespan_s)} ({percent(gain, signed=True)})"
    lines = [
        f"{clean(e.dag, 60)}: {seconds(e.makespan_s)} with {plural(e.threads, 'thread')}; {usual}",
        f"lower bound {seconds(e.lower_bound_s)}, set by: {clean(e.binding, 40)}; gap {percent(e.gap)}"
        + (", proven optimal" if e.status == "optimal" else ""),
        f"found by: {clean(e.winner, 60)}; stopped: {clean(e.stopped, 200)}",
    ]
    if e.robust is not None:
        r = e.robust
        lines.append(
            f"over {plural(r.scenarios, 'scenario')}: {seconds(r.mean_s)} expected, 90 % within "
            f"{seconds(r.p90_s)}; default order {seconds(r.default_mean_s)}, critical path "
            f"{seconds(r.critical_path_mean_s)}"
        )
    lines += evidence_lines(e.evidence)
    lines += _bounds(e.bounds)
    lines += [f"to go lower: {line}" for line in e.lower]
    lines += [f"group {_group(g)}: {listed(g.nodes)}: {clean(g.evidence, 200)}" for g in e.groups]
    if not e.groups:
        lines.append("no sequential groups")
    lines += [_cluster(e, its.name) for its in e.clusters]
    lines += [f"back to back: {listed(chain)}" for chain in e.chains]
    if e.switch_interval_s is not None:
        lines.append(f"switch interval: {seconds(e.switch_interval_s)}")
    lines.append(f"critical: {listed(e.critical_path)}")
    if e.evidence is not None:
        lines += ["", "ways that were raced", race_table(e.evidence)]
    return [*lines, *_chain(e.chain)]


def _group(group: PlanGroup) -> str:
    limit = "" if group.limit == 1 else f", {group.limit} at once"
    return f"{clean(group.name, 40)} ({group.reason}{limit})"


def _bounds(bounds: Iterable[BoundNote]) -> list[str]:
    listed_ = [its for its in bounds if its.seconds > 0]
    if len(listed_) < 2:
        return []
    shown = ", ".join(f"{clean(its.name, 40)} {seconds(its.seconds)}" for its in listed_[:MOST_BOUNDS])
    return [f"bounds: {shown}"]


def _cluster(e: Explanation, name: str) -> str:
    its = next(cluster for cluster in e.clusters if cluster.name == name)
    again = f", again there: {listed(its.again)}" if its.again else ""
    why = f": {clean(its.evidence, 200)}" if its.evidence else ""
    shown = clean(name.removeprefix("cluster "), 40)
    return f"cluster {shown} in worker process {its.worker + 1}: {listed(its.nodes)}{again}{why}"


def _chain(chain: tuple[ChainNote, ...]) -> list[str]:
    if not chain:
        return []
    rows = [
        [
            clean(its.name, 40),
            seconds(its.start_s),
            seconds(its.duration_s),
            _slower(its.duration_s, its.alone_s),
            _CAUSES[its.cause] + (f", {seconds(its.waited_s)} later" if its.waited_s else ""),
        ]
        for its in chain
    ]
    shown = ""
    if len(rows) > MOST_CHAIN:
        half = MOST_CHAIN // 2
        shown = f" ({len(rows) - MOST_CHAIN:,} of {len(rows):,} left out)"
        rows = [*rows[:half], ["…", "", "", "", ""], *rows[-half:]]
    header = ["node", "starts", "takes", "", "waited for"]
    return ["", f"what decides the end{shown}", table(header, rows, "<>><<")]


def _slower(duration_s: float, alone_s: float) -> str:
    more_s = duration_s - alone_s
    if more_s <= max(_SAME_S, _SLOWER * alone_s) or seconds(duration_s) == seconds(alone_s):
        return ""
    return f"{seconds(alone_s)} alone"


def node_lines(e: Explanation, n: NodeNote) -> list[str]:
    """Say why one node is where it is."""
    alone = _slower(n.duration_s, n.alone_s)
    took = seconds(n.duration_s) + (f" ({alone}, the rest is waiting for the GIL or a core)" if alone else "")
    who = f"{clean(n.name, 60)} ({clean(n.kind, 20)}): rank {n.rank} of {n.of:,}"
    lines = [
        f"{who}, starts at {seconds(n.start_s)}, takes {took}, worker {n.lane + 1}",
        _place(n),
        _why_rank(n),
        _why_now(n),
        f"if it came later, these would wait: {listed(n.starts)}"
        if n.starts
        else "nothing starts at its end",
        f"waits for: {listed(n.waits_for)}",
    ]
    if n.starts_after:
        lines.append(f"pinned to come after: {listed(n.starts_after)}")
    lines.append(f"waited for by: {listed(n.waited_for_by)}")
    lines += _where(e, n)
    lines += [f"group {_group(g)}: {clean(g.evidence, 200)}" for g in e.groups if g.name in n.groups]
    if not n.groups:
        lines.append("in no sequential group")
    lines.append(f"beside it: {listed(n.beside)}")
    lines.append(f"plan: {seconds(e.makespan_s)}, bound {seconds(e.lower_bound_s)} ({clean(e.binding, 40)})")
    binds = next((its for its in e.bounds if its.name == e.binding), None)
    own = next((its for its in binds.nodes if its.name == n.name), None) if binds is not None else None
    if own is not None and binds is not None:
        which = "is on the path that" if e.binding == CRITICAL else "uses what"
        lines[-1] += f"; it {which} binds, for {seconds(own.seconds)}"
    return lines


def _place(n: NodeNote) -> str:
    if n.critical:
        return "critical: a delay of it delays the end"
    return f"slack {seconds(n.slack_s)}: so much later would not delay the end"


def _why_rank(n: NodeNote) -> str:
    if not n.after_path:
        return f"rank: nothing comes after it; {_ordinal(n.path_place)} longest path to the end"
    after = f"{seconds(n.after_s)} come after it ({listed(n.after_path)})"
    return f"rank: {after}, {_ordinal(n.path_place)} longest path to the end"


def _ordinal(place: int) -> str:
    """Return a place in words.

    >>> [_ordinal(k) for k in (1, 2, 3, 11, 22)]
    ['the', 'the 2nd', 'the 3rd', 'the 11th', 'the 22nd']
    """
    if place == 1:
        return "the"
    ending = {1: "st", 2: "nd", 3: "rd"}.get(place % 10 if place % 100 not in (11, 12, 13) else 0, "th")
    return f"the {place}{ending}"


def _why_now(n: NodeNote) -> str:
    if n.start_s <= _SAME_S:
        return "starts at once"
    waited_s = n.start_s - n.ready_s
    ready = f"ready at {seconds(n.ready_s)}"
    if waited_s <= _SAME_S and n.started == "input":
        return f"starts as soon as it is ready: it takes a result of {listed(n.started_by)}"
    if n.started_by:
        return f"{ready}, starts {seconds(waited_s)} later: it {_STARTED[n.started]} {listed(n.started_by)}"
    return f"{ready}, starts {seconds(waited_s)} later"


def _where(e: Explanation, n: NodeNote) -> list[str]:
    """Say where it runs, if that is not simply a thread."""
    lines = []
    if n.cluster is not None:
        lines.append(_cluster(e, n.cluster))
    elif n.mode_reason == "declared":
        lines.append("runs in a worker process, by itself: so it is declared")
    if n.native_threads is not None:
        lines.append(f"its libraries may use {plural(n.native_threads, 'native thread')}")
    if n.chain:
        lines.append(f"back to back, by one worker: {listed(n.chain)}")
    return lines
