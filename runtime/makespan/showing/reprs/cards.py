"""What a notebook shows of a DAG, a profile, a plan and a run."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

import msgspec

from makespan.errors import MakespanError
from makespan.showing.account import report_of, report_of_plan
from makespan.showing.colours import FILL
from makespan.showing.evidence import headline
from makespan.showing.figures import IDLE
from makespan.showing.profile_rows import by, is_bound, shares
from makespan.showing.reprs.card import card, details, head, key, name, patterns, quiet, svg, word
from makespan.showing.reprs.drawing import MOST_NAMED, Look, draw_dag
from makespan.showing.reprs.figures_line import figures
from makespan.showing.reprs.lanes import draw_gantt, parts
from makespan.showing.words import percent, plural, seconds, some

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from makespan.graph import DAG
    from makespan.measurement import NodeProfile
    from makespan.plan import Plan
    from makespan.profile import Profile
    from makespan.record import RunRecord
    from makespan.showing.figures import Report
    from makespan.structure import Structure

MOST_ROWS: Final = 30
_SHARES: Final = "height of a colour = share of the bar, not order in time"


def dag_card(dag: DAG[..., Any]) -> str:
    """Return the drawn DAG; of one that is not described rightly, what is wrong."""
    try:
        structure = dag.check()
    except MakespanError as error:
        return card(head(dag.name, [f"is not described rightly: {escape(str(error))}"]))
    nodes = list(dag.nodes.values())
    hints = [node.options.hint_s for node in nodes]
    known = any(hint is not None for hint in hints)
    chain = _critical(structure, [hint or 0.0 for hint in hints]) if known else []
    looks = [
        Look(hint if known else None, {}, _options(node.options))
        for node, hint in zip(nodes, hints, strict=True)
    ]
    number = {text: i for i, text in enumerate(structure.names)}
    loose = {
        (number[before], i)
        for i, node in enumerate(nodes)
        for before in node.after
        if before in number and before not in msgspec.structs.replace(node, after=()).depends_on
    }
    inputs = ", ".join(name(text, 30) for text in dag.inputs)
    said = [plural(len(structure), "node"), plural(structure.edges, "edge")]
    said.append(quiet(f"inputs: {inputs}") if inputs else "")
    words = ["width = hinted seconds", "outlined: the longest chain"] if known else []
    words += ["dashed: waits for it without its result"] if loose else []
    words += _pointer(structure)
    return card(
        head(dag.name, said),
        draw_dag(structure, looks, chain=chain, loose=loose),
        key((), *words) if words else "",
    )


def profile_card(profile: Profile) -> str:
    """Return the table of share bars, and at a click the DAG with widths by cost."""
    ordered = by(profile.nodes, "wall")
    total_s = sum(node.wall_net_s.median for node in ordered)
    said = [plural(len(profile.shape), "node"), f"<b>{seconds(total_s)}</b> one after the other"]
    runs = sum(run.repeats for run in profile.runs)
    said.append(quiet(plural(runs, "counted run")) if runs else "")
    measured = {node.name: node for node in profile.nodes}
    missing = [shape.name for shape in profile.shape if shape.name not in measured]
    used = {part for node in ordered for part, share in shares(node).items() if share > 0}
    definitions, stripes = patterns(repr((profile.dag.name, total_s)), used)
    rest = ""
    if len(ordered) > MOST_ROWS:
        rest_s = sum(node.wall_net_s.median for node in ordered[MOST_ROWS:])
        rest = quiet(f"and {len(ordered) - MOST_ROWS:,} more, {seconds(rest_s)} together")
    if missing:
        rest += f"<div>{quiet(f'not measured: {escape(some(missing))}')}</div>"
    return card(
        head(profile.dag.name, said),
        f'<svg width="0" height="0" style="position:absolute">{definitions}</svg>' if definitions else "",
        _table(ordered[:MOST_ROWS], {**FILL, **stripes}),
        rest,
        key(used, "length = seconds alone", "colours are shares, not order in time"),
        details("the DAG, width = seconds alone", _profiled_dag(profile)),
    )


def plan_card(plan: Plan) -> str:
    """Return the headline of a plan and its Gantt."""
    return _report_card(report_of_plan(plan))


def run_card(record: RunRecord) -> str:
    """Return the headline of a run, what went wrong, and its Gantt."""
    return _report_card(report_of(record))


def _report_card(report: Report) -> str:
    lines = [
        f"{name(failure.node)} raised <b>{word(failure.type)}</b>"
        f"{f' at {word(failure.place, 120)}' if failure.place else ''}"
        for failure in report.failures
    ]
    for status, words in IDLE.items():
        found = report.with_status(status)
        if found:
            lines.append(f"{plural(len(found), 'node')} {words}: {escape(some(node.name for node in found))}")
    if report.evidence is not None:
        lines.append(f"measured: {escape(headline(report.evidence))}")
    bars = report.actual_bars or report.planned_bars
    used = {part for bar in (*bars, *report.planned_bars) for part, _ in parts(bar)}
    more = ["thin: planned, thick: actual"] if report.actual_bars and report.planned_bars else []
    more += [_SHARES]
    more += ["outlined: critical path"] if any(bar.critical for bar in bars) else []
    return card(
        head(report.title, figures(report)),
        "".join(f"<div>{line}</div>" for line in lines),
        draw_gantt(report),
        key(used, *more) if bars else quiet("no node ran"),
        "".join(f"<div>{quiet(escape(note))}</div>" for note in report.notes),
    )


def _table(nodes: Sequence[NodeProfile], fills: Mapping[str, str]) -> str:
    longest_s = max((node.wall_net_s.median for node in nodes), default=0.0)
    rows = []
    for node in nodes:
        spread, its = node.wall_net_s, shares(node)
        least = "≤ " if is_bound(node) else ""
        between = f"{seconds(spread.p10)} to {seconds(spread.p90)}" if spread.p90 > spread.p10 else ""
        rows.append(
            f"<tr><td>{name(node.name, 40)}</td><td>{escape(node.kind)}</td>"
            f'<td class="n">{seconds(spread.median)}</td><td>{_bar(node, longest_s, fills)}</td>'
            f'<td class="n">{least}{percent(its["gil"])}</td><td class="n">{percent(its["native"])}</td>'
            f'<td class="n">{percent(its["blocked"])}</td><td class="n">{between}</td></tr>'
        )
    header = "".join(
        f"<th>{words}</th>"
        for words in ("node", "class", "seconds", "", "GIL", "native", "blocked", "10 to 90 %")
    )
    return (
        f"<table><thead><tr>{header}</tr></thead><tbody>\n{chr(10).join(rows)}\n</tbody></table>"
        if rows
        else ""
    )


def _bar(node: NodeProfile, longest_s: float, fills: Mapping[str, str]) -> str:
    """Return a bar as long as the node takes, in its shares, from left to right."""
    whole = 260 * node.wall_net_s.median / longest_s if longest_s > 0 else 0.0
    its = shares(node)
    segments = [(part, share) for part, share in its.items() if share > 0] or [("unknown", 1.0)]
    at, inner = 0.0, ""
    for part, share in segments:
        inner += (
            f'<rect x="{at:.1f}" width="{max(0.5, whole * share):.1f}" height="12" fill="{fills[part]}"/>'
        )
        at += whole * share
    told = ", ".join(f"{part.replace('_', ' ')} {percent(share)}" for part, share in segments)
    return svg(262, 12, told, inner)


def _profiled_dag(profile: Profile) -> str:
    structure = profile.structure()
    measured = {node.name: node for node in profile.nodes}
    costs = [measured[text].wall_net_s.median if text in measured else None for text in structure.names]
    chain = _critical(structure, [cost or 0.0 for cost in costs])
    looks = [
        Look(
            costs[i],
            shares(measured[text]) if text in measured else {},
            measured[text].kind if text in measured else "not measured",
        )
        for i, text in enumerate(structure.names)
    ]
    length_s = sum(costs[i] or 0.0 for i in chain)
    words = [f"outlined: the longest chain, {seconds(length_s)}", *_pointer(structure)]
    drawn = draw_dag(structure, looks, chain=chain)
    return f"{drawn}{key((), *words)}" if drawn else ""


def _pointer(structure: Structure) -> list[str]:
    return ["names at the pointer"] if len(structure) > MOST_NAMED else []


def _options(options: Any) -> str:
    """Return what was declared of a node, in words."""
    found = [f"lock {word(text, 30)}" for text in options.locks]
    found += ["runs alone"] if options.exclusive else []
    found += [f"mode {options.mode}"] if options.mode else []
    found += ["set-up"] if options.setup else []
    return ", ".join(found)


def _critical(structure: Structure, costs: Sequence[float]) -> list[int]:
    """Return the nodes of the longest chain; among equal ones, that of the nodes declared first."""
    ends = [0.0] * len(structure)
    before = [-1] * len(structure)
    for i in structure.order:
        for p in structure.preds[i]:
            if before[i] < 0 or ends[p] > ends[before[i]]:
                before[i] = p
        ends[i] = costs[i] + (ends[before[i]] if before[i] >= 0 else 0.0)
    if not any(ends):
        return []
    at = max(range(len(ends)), key=lambda i: (ends[i], -i))
    chain = []
    while at >= 0:
        chain.append(at)
        at = before[at]
    return chain[::-1]
