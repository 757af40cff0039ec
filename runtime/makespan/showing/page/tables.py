"""The parts of the page below the Gantt: errors of the plan, the chain, thread budgets, all nodes.

Every function returns HTML in which each name is escaped; a part that has nothing to say is empty.
End tags that HTML lets out are left out: a long table is half as long.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from makespan.showing.causes import cause
from makespan.showing.page.data import lanes
from makespan.showing.page.fills import LETTERS
from makespan.showing.page.parts import DASH, name
from makespan.showing.page.paths import number
from makespan.showing.words import clean, percent, plural, seconds, signed_seconds

if TYPE_CHECKING:
    from makespan.showing.figures import NodeRow, Report

MOST_ROWS = 200
MOST_WRONG = 8
MOST_CHAIN = 40
STAR = "\N{BLACK STAR}"
KEY = "→ waited for its input, ⇢ for its thread or lock."
MIX = 66
"""Width of a small bar of shares."""
WORDS = {
    "gil": "GIL",
    "native": "native",
    "blocked": "blocked",
    "gil_wait": "GIL wait",
    "delay": "core wait",
    "longer": "longer",
}


def wrong(report: Report) -> str:
    """Return the table of the largest errors of the plan."""
    found = report.wrong
    if not found:
        return ""
    shown = f"The {MOST_WRONG} largest errors of {len(found):,}. " if len(found) > MOST_WRONG else ""
    return table(
        "Where the plan was wrong",
        f"{shown}{STAR} = on the critical path of the run.",
        ("node", "planned", "actual", "error", "", "", "shares", *(["measured"] if report.measured else [])),
        [_wrong(node, report) for node in found[:MOST_WRONG]],
    )


def _wrong(node: NodeRow, report: Report) -> str:
    return cells(
        name(node.name, 60),
        _seconds(node.planned_s),
        _seconds(node.actual_s),
        signed_seconds(node.error_s or 0.0),
        _percent(node.error_share),
        STAR if node.critical else "",
        _mix(node),
        *([escape(cause(node))] if report.measured else []),
    )


def cells(head: str, *rest: str) -> str:
    """Write a row of a table; what is given is HTML."""
    return f"<tr><th scope=row>{head}<td>{'<td>'.join(rest)}"


def table(title: str, caption: str, heads: tuple[str, ...], rows: list[str], more: str = "") -> str:
    """Write a section with a table; what is given is HTML, `more` are attributes of the section."""
    columns = "".join(f"<th scope=col>{head}" for head in heads)
    body = "\n".join(rows)
    return (
        f'<section{more}>\n<h2>{title}</h2>\n<div class="wide"><table>\n<caption>{caption}</caption>\n'
        f"<thead><tr>{columns}</thead>\n<tbody>\n{body}\n</tbody></table></div>\n</section>"
    )


def _mix(node: NodeRow) -> str:
    """Draw a small bar of shares: as measured in the run, else as profiled."""
    shares = node.measured_shares or node.shares(0.0)
    if shares is None:
        return DASH
    parts, words, x = [], [], 0.0
    for part, letter in LETTERS.items():
        share = getattr(shares, part)
        if share > 0:
            wide = number(MIX * share)
            parts.append(f'<path class="{letter}" d="M{number(x)} 0h{wide}v9h-{wide}"/>')
            words.append(f"{WORDS[part]} {percent(share)}")
            x += MIX * share
    label = ", ".join(words)
    return f'<svg class="mix" viewBox="0 0 {MIX} 9" role="img" aria-label="{label}">{"".join(parts)}</svg>'


def _percent(share: float | None) -> str:
    return "" if share is None else percent(share, signed=True)


def _seconds(value_s: float | None) -> str:
    return "" if value_s is None else seconds(value_s)


def nodes(report: Report) -> str:
    """Return the table of nodes; of a long one the first rows, and how many there are."""
    if not report.nodes:
        return ""
    shown, total = "All nodes, by start.", len(report.nodes)
    if total > MOST_ROWS:
        shown = f"The first {MOST_ROWS} of {total:,} nodes, by start; all are in the data of this page."
    heads = ["node", "class", "lane", "start", "planned", "actual", "error", "GIL", "native", "blocked"]
    if report.measured:
        heads += ["GIL wait", "core wait"]
        shown += " GIL to core wait: seconds measured in this run."
    names = [lane for lane, _, _ in lanes(report)]
    rows = [_node(node, names, measured=report.measured) for node in report.nodes[:MOST_ROWS]]
    return table("Nodes", shown, (*heads, "slack", ""), rows, more=' id="nodes" class="long"')


def _node(node: NodeRow, lane_names: list[str], *, measured: bool) -> str:
    planned = node.status == "planned"
    lane = node.planned_row if planned else node.row
    mark = STAR if (node.planned_critical if planned else node.critical) else ""
    return cells(
        name(node.name),
        escape(clean(node.kind, 20)),
        "" if lane is None else escape(clean(lane_names[lane], 20)),
        _seconds(node.planned_start_s if planned else node.start_s),
        _seconds(node.planned_s),
        _seconds(node.actual_s),
        _percent(node.error_share),
        *(_spent(node) if measured else _profiled(node)),
        _seconds(node.slack_s),
        " · ".join(filter(None, (mark if node.status in {"ok", "planned"} else node.status, node.also))),
    )


def _profiled(node: NodeRow) -> list[str]:
    return [f"{100 * part:.0f} %" for part in node.mix] if node.mix else [DASH] * 3


def _spent(node: NodeRow) -> list[str]:
    # From what stands in the data, so that the script, which writes the rest of a long table, says the same.
    actual_s = node.actual_s or 0.0
    return [seconds(actual_s * part / 1000) for part in node.thousandths or ()] or [DASH] * 5


def chain(report: Report) -> str:
    """Return the chain that decided the end of the run, and why each node started no earlier."""
    if len(report.chain) < 2:
        return ""
    took = {node.name: node.actual_s or 0.0 for node in report.nodes}
    worth_s = 0.01 * (report.actual_s or 0.0)
    items = []
    for step in report.chain:
        more = [seconds(took[step.name])]
        kind = ' class="other"' if step.cause in {"lock", "thread"} else ""
        if step.cause == "lock":
            more.append("after its lock")
        if step.waited_s > worth_s:
            more.append(f"waited {seconds(step.waited_s)}")
        items.append(
            f'<li{kind}><b>{name(step.name, 60)}</b> <span class="quiet">{", ".join(more)}</span></li>'
        )
    if len(items) > MOST_CHAIN:
        half = MOST_CHAIN // 2
        items[half:-half] = [f'<li class="quiet">{len(items) - MOST_CHAIN:,} more</li>']
    waited_s = sum(step.waited_s for step in report.chain)
    size = (
        f"The critical path of the run: {plural(len(report.chain), 'node')}, {seconds(waited_s)} of waiting"
    )
    return (
        "<section>\n<h2>What decided the end</h2>\n"
        f'<ol class="chain">\n{"".join(items)}\n</ol>\n'
        f'<p class="quiet">{size} between them. {KEY}</p>\n</section>'
    )


def what_if(report: Report) -> str:
    """Return the curve of makespan against thread budget, the bound below it, the choice marked."""
    cases = sorted(report.what_if, key=lambda case: case.threads)
    if len(cases) < 2:
        return ""
    width, height, left, top, base = 500.0, 210.0, 14.0, 26.0, 168.0
    most_s = max(case.makespan_s for case in cases) or 1.0
    x = [left + 16 + (width - left - 40) * i / (len(cases) - 1) for i in range(len(cases))]
    y = [base - (base - top) * case.makespan_s / most_s for case in cases]
    bound = [base - (base - top) * case.lower_bound_s / most_s for case in cases]
    every = max(1, len(cases) // 10)
    drawn = []
    for i, case in enumerate(cases):
        here = case.threads == report.threads
        at = f'x="{number(x[i])}" text-anchor="middle"'
        look = 'class="here" r="5"' if here else 'class="dot" r="3"'
        drawn.append(f'<circle {look} cx="{number(x[i])}" cy="{number(y[i])}"/>')
        if here or not i % every:
            # Beside a steep line, not across it.
            steep = i > 0 and y[i] - y[i - 1] > 14
            side = f'x="{number(x[i] + 4)}" text-anchor="start"' if steep else at
            drawn.append(
                f'<text class="halo" {side} y="{number(y[i] - 9)}">{seconds(case.makespan_s)}</text>'
            )
            drawn.append(f'<text class="q" {at} y="{number(base + 18)}">{case.threads}</text>')

    def line(ys: list[float]) -> str:
        return "M" + "L".join(f"{number(a)} {number(b)}" for a, b in zip(x, ys, strict=True))

    words = ", ".join(f"{case.threads} threads {seconds(case.makespan_s)}" for case in cases)
    key = "threads · expected seconds · dashed: lower bound · large dot: this budget"
    parts = [
        f'<svg class="whatif" viewBox="0 0 {number(width)} {number(height)}" role="img"',
        f'aria-label="{words}">',
        f'<path class="grid" d="M{number(left)} {number(base)}H{number(width)}"/>',
        f'<path class="mark dash" d="{line(bound)}"/>',
        f'<path class="curve" d="{line(y)}"/>',
        *drawn,
        f'<text class="q" x="{number(left)}" y="{number(height - 6)}">{key}</text>',
        "</svg>",
    ]
    inside = "\n".join(parts)
    return f"<section>\n<h2>Would more threads help?</h2>\n{inside}\n</section>"
