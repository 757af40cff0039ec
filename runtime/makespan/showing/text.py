"""What the terminal shows of a plan, a profile and a run: a few lines, a table, a small Gantt.

Every name is cleaned first: it may hold escape sequences. Nothing is cut without saying so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from makespan.showing.causes import cause, gil_waits, idle_words
from makespan.showing.caveats import how_measured
from makespan.showing.evidence import evidence_lines
from makespan.showing.figures import IDLE
from makespan.showing.profile_rows import is_bound, shares
from makespan.showing.text_gantt import fill, key, small_gantt
from makespan.showing.text_modes import modes_lines
from makespan.showing.words import TIMES, clean, percent, plural, seconds, signed_seconds, some, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from makespan.plan import Plan, PlanGroup, Robust
    from makespan.profile import NodeProfile, Profile
    from makespan.record import RunRecord
    from makespan.showing.figures import Report

__all__ = [
    "clean",
    "percent",
    "plan_summary",
    "profile_summary",
    "report_text",
    "run_summary",
    "seconds",
    "table",
]

NO_GAIN_SHARE = 0.01
MOST_CHAIN = 12
MOST_GROUPS = 6
_GAIN = re.compile(r"\(-([0-9.]+%)\)")  # as the evidence of computed groups tells it


def plan_summary(plan: Plan) -> str:
    """Say in a few lines what the plan promises: makespan, bound, groups, other thread budgets."""
    against = ""
    if plan.default_makespan_s > 0:
        change = plan.makespan_s / plan.default_makespan_s - 1
        against = f" (default order {seconds(plan.default_makespan_s)}, {percent(change, signed=True)})"
    proof = "proven optimal" if plan.solver.status == "optimal" else plan.solver.stopped
    bound = f"lower bound {seconds(plan.lower_bound_s)} ({clean(plan.binding, 40)})"
    first = f"{seconds(plan.makespan_s)} with {plural(plan.threads, 'thread')}{against} · {bound}"
    lines = [f"{first}, gap {percent(plan.gap)}, {clean(proof, 200)}"]
    lines.extend(evidence_lines(plan.evidence))
    if plan.robust is not None:
        lines.append(_expected(plan.robust))
    if plan.groups:
        told = [_group(group) for group in plan.groups[:MOST_GROUPS]]
        if len(plan.groups) > MOST_GROUPS:
            told.append(f"{len(plan.groups) - MOST_GROUPS:,} more")
        lines.append(f"{plural(len(plan.groups), 'sequential group')}: {'; '.join(told)}")
    lines.extend(modes_lines(plan))
    lines.extend(_what_if(plan))
    return "\n".join(lines)


def _expected(robust: Robust) -> str:
    """Say what a run takes in the mean, and what other orders would."""
    others = [
        f"{name} {seconds(mean_s)}, {percent(robust.mean_s / mean_s - 1, signed=True)}"
        for name, mean_s in (
            ("default order", robust.default_mean_s),
            ("critical path", robust.critical_path_mean_s),
        )
        if mean_s > 0
    ]
    against = f" ({'; '.join(others)})" if others else ""
    tail = f"nine in ten runs below {seconds(robust.p90_s)}"
    return f"expected {seconds(robust.mean_s)} over {robust.scenarios} scenarios{against} · {tail}"


def _group(group: PlanGroup) -> str:
    lock = clean(group.name.removeprefix("lock ").removeprefix("lock:").removeprefix("pinned "), 40)
    why = {
        "lock": f"share lock {lock}",
        "exclusive": "run beside nothing else",
        "pinned": f"are pinned to lock {lock}",
        "gil": "hold the GIL",
        "cores": "fill the cores",
        "measured": "measured slower side by side",
    }[group.reason]
    if group.reason == "exclusive" and len(group.nodes) == 1:
        why = "runs beside nothing else"
    limit = "" if group.limit == 1 else f", {group.limit} at once"
    gain = _GAIN.search(group.evidence)
    saved = f", saves {gain[1]}" if gain else ""
    return f"{{{some(group.nodes)}}} {why}{limit}{saved}"


def _what_if(plan: Plan) -> Iterable[str]:
    fewer = [case for case in plan.what_if if case.threads < plan.threads]
    more = sorted(
        (case for case in plan.what_if if case.threads > plan.threads), key=lambda case: case.threads
    )
    if more:
        best, told = plan.makespan_s, []
        for i, case in enumerate(more):
            if case.makespan_s < best * (1 - NO_GAIN_SHARE):
                best = case.makespan_s
                told.append(f"{case.threads} → {seconds(best)}")
            elif all(later.makespan_s >= best * (1 - NO_GAIN_SHARE) for later in more[i:]):
                told.append(f"{case.threads} → no gain")
                break
        yield f"more threads: {', '.join(told)}"
    if fewer:
        told = [
            f"{case.threads} → {seconds(case.makespan_s)}" for case in sorted(fewer, key=lambda c: -c.threads)
        ]
        yield f"fewer threads: {', '.join(told)}"


def profile_summary(profile: Profile) -> str:
    """Return a table of the nodes, longest first: what each does with its time, and how sure that is."""
    rows = []
    for node in sorted(profile.nodes, key=lambda node: (-node.wall_net_s.median, node.name)):
        its = shares(node)
        rows.append(
            [
                clean(node.name, 40),
                node.kind,
                seconds(node.wall_net_s.median),
                fill(tuple(its.values()), 10),
                ("≤" if is_bound(node) else "") + percent(its["gil"]),
                percent(its["native"]),
                percent(its["blocked"]),
                f"{node.runs:,}",
                ", ".join(_flags(node)),
            ]
        )
    total_s = sum(node.wall_net_s.median for node in profile.nodes)
    size = plural(len(profile.shape), "node")
    lines = [f"{clean(profile.dag.name, 60)}: {size}, {seconds(total_s)} one after the other"]
    lines += how_measured(profile.runs, newest=True)
    if rows:
        header = ["node", "class", "wall", "shares", "GIL", "native", "blocked", "runs", ""]
        lines += ["", table(header, rows, "<<><>>>><"), "", profile_key(profile.nodes)]
    measured = {node.name for node in profile.nodes}
    missing = [shape.name for shape in profile.shape if shape.name not in measured]
    if missing:
        lines.append(f"not measured: {some(missing)}")
    return "\n".join(lines)


def profile_key(nodes: Iterable[NodeProfile]) -> str:
    """Return the key of the nodes' bars and marks."""
    nodes = tuple(nodes)
    told = key([part for node in nodes for part, share in shares(node).items() if share > 0])
    return f"{told}\n≤: an upper bound, the GIL was not sampled" if any(map(is_bound, nodes)) else told


def _flags(node: NodeProfile) -> list[str]:
    found = ["hint, not measured"] if node.origin == "hint" else []
    if (waited := shares(node)["gil_wait"]) > 0.05:
        found.append(f"waited {percent(waited)} for the GIL")
    if node.quality.cv > 0.1:
        found.append(f"varies by {percent(node.quality.cv)}")
    if node.quality.run_delay_share > 0.05:
        found.append(f"waited {percent(node.quality.run_delay_share)} for a core")
    if node.quality.spoiled:
        found.append(f"{plural(node.quality.spoiled, 'call')} spoiled by other load")
    if node.result_pickling is not None and node.result_pickling.picklable is False:
        found.append("cannot be pickled")
    return found


def run_summary(record: RunRecord) -> str:
    """Say how the run went against its plan: figures, a small Gantt, what decided the end, errors."""
    from makespan.showing.account import report_of

    return _told(report_of(record))


def report_text(report: Report) -> str:
    """Return the text form of a report; it begins with the words ``makespan report``."""
    when = f" · run of {report.started_at}" if report.started_at else " · not run yet"
    return f"makespan report · {clean(report.title, 60)}{when}\n\n{_told(report)}"


def _told(report: Report) -> str:
    lines = [" · ".join(_headline(report))]
    compared = comparison_words(report)
    if compared:
        lines.append(compared)
    lines += [line for line in (gil_waits(report), idle_words(report)) if line]
    lines += [
        f"{clean(failure.node, 60)} raised {clean(failure.type, 60)}{_at(failure.place)}"
        for failure in report.failures
    ]
    for status, words in IDLE.items():
        nodes = report.with_status(status)
        if nodes:
            lines.append(f"{words}: {some(node.name for node in nodes)}")
    also = [f"{clean(node.name, 40)} ({node.also})" for node in report.nodes if node.attempts > 1]
    if also:
        lines.append(f"tried again: {some(also)}")
    lines += [f"note: {note}" for note in report.notes]
    if report.rows:
        lines += ["", *small_gantt(report)]
    if report.chain:
        lines += ["", f"critical path: {_chain(report)}"]
    lines += _errors(report)
    return "\n".join(lines)


def _at(place: str) -> str:
    return f" ({clean(place, 80)})" if place else ""


def _headline(report: Report) -> Iterable[str]:
    lanes = plural(report.threads, "thread")
    if report.actual_s is None:
        yield f"planned {seconds(report.planned_s or 0.0)} with {lanes}"
    else:
        outcome = "" if report.status == "ok" else f"{report.status} after "
        planned = f" (planned {seconds(report.planned_s)}" if report.planned_s is not None else ""
        if report.error_share is not None:
            planned += f", {percent(report.error_share, signed=True)}"
        yield f"{outcome}{seconds(report.actual_s)} with {lanes}{planned + ')' if planned else ''}"
    if report.bound_s is not None:
        gap = f", gap {percent(report.gap)}" if report.gap is not None else ""
        yield f"lower bound {seconds(report.bound_s)} ({clean(report.binding, 40)}){gap}"
    yield f"lanes {percent(report.busy)} busy"


def comparison_words(report: Report) -> str:
    """Say what the plan gained over the unplanned order, and whether that was measured."""
    if report.speedup is None or report.default_s is None or report.compared_s is None:
        return ""
    if report.default_source == "measured":
        runs = f"medians of {plural(report.repeats, 'run')} each" if report.repeats > 1 else "one run each"
        how = (
            f"measured: default order {seconds(report.default_s)}, plan {seconds(report.compared_s)}, {runs}"
        )
    else:
        how = f"predicted for the default order: {seconds(report.default_s)}"
    sure = ""
    if report.speedup_range is not None:
        low, high = report.speedup_range
        sure = f", 95 % interval {low:.2f} … {high:.2f}"
    return f"{how} ({report.speedup:.2f}{TIMES}{sure})"


def _chain(report: Report) -> str:
    names = [clean(step.name, 40) for step in report.chain]
    if len(names) > MOST_CHAIN:
        left = len(names) - MOST_CHAIN
        names = [*names[: MOST_CHAIN // 2], f"({left:,} more)", *names[-MOST_CHAIN // 2 :]]
    return " → ".join(names)


def _errors(report: Report, most: int = 5) -> list[str]:
    wrong = report.wrong
    if not wrong:
        return []
    rows = [
        [
            clean(node.name, 40),
            seconds(node.planned_s or 0.0),
            seconds(node.actual_s or 0.0),
            signed_seconds(node.error_s or 0.0),
            "" if node.error_share is None else percent(node.error_share, signed=True),
            "critical" if node.critical else "",
            cause(node),
        ]
        for node in wrong[:most]
    ]
    shown = f" (the {most} largest of {len(wrong):,})" if len(wrong) > most else ""
    return [
        "",
        f"where the plan was wrong{shown}",
        table(["node", "planned", "actual", "error", "", "", ""], rows, "<>>>><<"),
    ]
