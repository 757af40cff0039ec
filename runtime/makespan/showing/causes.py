"""Why nodes took longer or shorter than planned, and what they waited for: words for what was measured.

The profile says what a node does with its time alone, the run what it did beside others. The part that
differs most is named, when it makes up a good deal of the error; otherwise nothing is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.showing.words import clean, plural, seconds, signed_seconds

if TYPE_CHECKING:
    from makespan.showing.figures import IdleCause, NodeRow, Report

SHARE = 0.3
"""Of the error: a part that explains less is not named."""
MOST_WAITERS = 3
_WORTH = 0.1
"""Of all waits: a node with less is not named."""

IDLE_WORDS: dict[IdleCause, str] = {
    "inputs": "for results",
    "lock": "for a lock or group",
    "GIL": "for the GIL",
    "budget": "for a worker",
    "nothing left": "nothing left",
}


def cause(node: NodeRow) -> str:
    """Say what explains a node's error; empty when it was not measured or nothing does.

    >>> from makespan.showing.figures import NodeRow
    >>> from makespan.measurement import Measured
    >>> its = Measured(gil_s=0.5, native_s=0.0, gil_wait_s=0.4, samples=900)
    >>> cause(NodeRow(name="a", status="ok", start_s=0.0, end_s=0.9, planned_s=0.5, gil_s=0.5, measured=its))
    'GIL wait 400 ms'
    """
    its, error_s = node.measured, node.error_s
    if its is None or not its.samples or not error_s or node.mix is None:
        return ""
    # The plan foresees waiting where it makes a node longer than it is alone.
    foreseen_s = max(0.0, (node.planned_s or 0.0) - (node.alone_s or node.planned_s or 0.0))
    waited_s = its.gil_wait_s + its.run_delay_s
    blocked_s = its.blocked_total_s - node.blocked_s
    cpu_s = its.gil_s + its.native_s - node.gil_s - node.native_s
    if node.kind == "parallel":
        cpu_s = 0.0  # the profile counts the node's other threads, the run cannot
    if error_s > 0:
        parts = [
            (its.gil_wait_s - foreseen_s, f"GIL wait {seconds(its.gil_wait_s)}"),
            (its.run_delay_s, f"core wait {seconds(its.run_delay_s)}"),
            (blocked_s, f"blocked {signed_seconds(blocked_s)}"),
            (cpu_s, f"CPU {signed_seconds(cpu_s)}"),
        ]
    else:
        parts = [
            (foreseen_s - waited_s, f"waits {signed_seconds(waited_s - foreseen_s)}"),
            (-blocked_s, f"blocked {signed_seconds(blocked_s)}"),
            (-cpu_s, f"CPU {signed_seconds(cpu_s)}"),
        ]
    part_s, words = max(parts)
    return words if part_s >= SHARE * abs(error_s) else ""


def gil_waits(report: Report) -> str:
    """Say how long nodes waited for the GIL, and which most; empty when that was not measured."""
    found = [
        (node.measured.gil_wait_s, node.name)
        for node in report.nodes
        if node.measured is not None and node.measured.samples
    ]
    if not found or not report.gil or report.sampler != "gil":  # others do not see what a thread waits for
        return ""
    total_s = sum(wait_s for wait_s, _ in found)
    if total_s <= 0:
        return "no node was seen waiting for the GIL"
    found.sort(key=lambda one: (-one[0], one[1]))
    most = [
        f"{clean(name, 40)} ({seconds(wait_s)})"
        for wait_s, name in found[:MOST_WAITERS]
        if wait_s >= _WORTH * total_s
    ]
    where = f": most in {', '.join(most)}" if most else ""
    return f"GIL waits {seconds(total_s)} over all nodes{where}"


def idle_words(report: Report) -> str:
    """Say for how long all lanes together were idle, and why, and how many places had no lane at all.

    ``lanes idle for 1.40 s: for results 900 ms, nothing left 500 ms``
    """
    total: dict[IdleCause, float] = {}
    for lane in report.lanes:
        for why, idle_s in lane.idle_s:
            total[why] = total.get(why, 0.0) + idle_s
    most_first = sorted(total, key=lambda why: (-total[why], why))
    shown = [f"{IDLE_WORDS[why]} {seconds(total[why])}" for why in most_first if seconds(total[why]) != "0 s"]
    words = f"lanes idle for {seconds(sum(total.values()))}: {', '.join(shown)}" if shown else ""
    unused = f"{report.unused} of {plural(report.threads, 'thread')} had no work" if report.unused else ""
    return " · ".join(part for part in (words, unused) if part)
