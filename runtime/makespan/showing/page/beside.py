"""The parts of the page of two runs: headline, account of the difference, both sides, all nodes.

Everything is b − a. Every function returns HTML in which each name is escaped; a part that has nothing to say
is empty.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from makespan.showing.page.parts import DASH, name
from makespan.showing.page.tables import MOST_ROWS, STAR, cells, table
from makespan.showing.words import TIMES, clean, percent, plural, seconds, signed_seconds

if TYPE_CHECKING:
    from makespan.showing.beside import Headline, Pair, PairNode
    from makespan.showing.figures import Report

MOST_CHAIN = 20
_CRITICAL = ("", f"{STAR} a", f"{STAR} b", f"{STAR} a, b")


def subtitle(pair: Pair) -> str:
    """Say which two are shown."""
    a, b = (called(letter, label) for letter, label in zip("ab", pair.labels, strict=True))
    return f"{a} above {b}, on one time axis; differences are b \N{MINUS SIGN} a"


def called(letter: str, label: str) -> str:
    """Write the letter of a side with its name, once where they are the same."""
    return letter if label == letter else f"{letter}: {name(label, 80)}"


def figures(pair: Pair) -> str:
    """Return the headline figures: difference with its interval, both makespans, distance from the bound."""
    head = pair.headline
    shown = [
        _difference(head),
        (seconds(head.a_s), f"a{_repeats(head.a_repeats)}"),
        (seconds(head.b_s), f"b{_repeats(head.b_repeats)}"),
        _distance(pair),
    ]
    items = "".join(
        f"<div><dt>{escape(words)}</dt><dd>{escape(value)}</dd></div>\n"
        if value
        else f'<div><dt>{escape(words)}</dt><dd class="none">{DASH}</dd></div>\n'
        for value, words in shown
    )
    return f'<dl class="figures">\n{items}</dl>'


def _difference(head: Headline) -> tuple[str, str]:
    words = [f"b takes {signed_seconds(head.difference_s)}"]
    if head.b_s > 0 and head.a_s > 0 and head.difference_s:
        faster = head.a_s / head.b_s
        words[0] += f" ({faster:.2f}{TIMES} as fast)"
    if head.range_s is not None:
        low, high = head.range_s
        words.append(f"95 %: {signed_seconds(low)} to {signed_seconds(high)}")
        if not head.sure:
            words.append("may be chance")
    elif head.a_repeats and head.b_repeats:
        words.append("too few repeats for an interval")
    share = head.share
    return "" if share is None else percent(share, signed=True), " · ".join(words)


def _repeats(count: int) -> str:
    return {0: ": a plan, not run", 1: ": this run"}.get(count, f": median of {count} runs")


def _distance(pair: Pair) -> tuple[str, str]:
    if pair.b.gap is None:
        return "", "b from its lower bound: there is none, or it did not reach its end"
    of_a = "" if pair.a.gap is None else f"; a: {percent(pair.a.gap)}"
    return percent(pair.b.gap), f"b from its lower bound{of_a}"


def notes(pair: Pair) -> str:
    """Return what makes the two less comparable, and what is to be said of each."""
    lines = [escape(clean(note, 400)) for note in pair.notes]
    for label, side in zip(("a", "b"), (pair.a, pair.b), strict=True):
        lines += [f"{label}: {escape(clean(note, 400))}" for note in side.notes]
        for failure in side.failures:
            place = f" at {escape(clean(failure.place, 120))}" if failure.place else ""
            lines.append(
                f"{label}: {name(failure.node)} raised <b>{escape(clean(failure.type, 80))}</b>{place}"
            )
    bad = any(side.status in {"failed", "interrupted", "timed out"} for side in (pair.a, pair.b))
    if not lines:
        return ""
    items = "\n".join(f"<li>{line}</li>" for line in lines)
    return f'<ul class="notes{" bad" if bad else ""}">\n{items}\n</ul>'


def account(pair: Pair) -> str:
    """Return what makes up the difference, along the critical chain of the longer one."""
    its = pair.comparison.account
    if not its.chain:
        return ""
    steps = [step for step in its.chain if step.a_s is not None and step.b_s is not None]
    steps.sort(key=lambda step: (-abs((step.b_s or 0.0) - (step.a_s or 0.0)), step.name))
    rows = [
        cells(
            name(step.name, 60),
            seconds(step.a_s or 0.0),
            seconds(step.b_s or 0.0),
            signed_seconds((step.b_s or 0.0) - (step.a_s or 0.0)),
        )
        for step in steps[:MOST_CHAIN]
    ]
    shown = f" The {MOST_CHAIN} of {len(steps):,} that differ most." if len(steps) > MOST_CHAIN else ""
    total = (
        f"Of {signed_seconds(pair.comparison.difference_s)} between the two that are drawn, nodes on the"
        f" critical chain of {its.of} (the longer one) make up {signed_seconds(its.nodes_s)},"
        f" waiting between them {signed_seconds(its.waits_s)}.{shown}"
    )
    return table("Where the difference comes from", total, ("node", "a", "b", "difference"), rows)


def sides(pair: Pair) -> str:
    """Return the two beside each other."""

    def row(words: str, values: list[str]) -> str:
        return cells(words, *values)

    def of(side: Report) -> list[str]:
        planned = "" if side.planned_s is None else seconds(side.planned_s)
        bound = "" if side.bound_s is None else f"{seconds(side.bound_s)} ({escape(clean(side.binding, 30))})"
        actual = "not run" if side.actual_s is None else seconds(side.actual_s)
        return [
            side.status,
            actual,
            planned,
            bound,
            percent(side.busy),
            f"{side.threads}",
            f"{len(side.nodes):,}",
        ]

    heads = ("status", "makespan", "planned", "lower bound", "lanes busy", "threads", "nodes")
    rows = [row(words, [a, b]) for words, a, b in zip(heads, of(pair.a), of(pair.b), strict=True)]
    a, b = (called(letter, label) for letter, label in zip("ab", pair.labels, strict=True))
    return table("Both sides", "The two runs that are drawn.", ("", a, b), rows, more=' class="short"')


def nodes(pair: Pair) -> str:
    """Return the table of the nodes of both; of a long one the first rows, and how many there are."""
    if not pair.nodes:
        return ""
    total = len(pair.nodes)
    shown = "All nodes, those on the critical chain first, each by the size of the difference."
    if total > MOST_ROWS:
        shown = f"The first {MOST_ROWS} of {plural(total, 'node')}; all are in the data of this page."
    return table(
        "Nodes",
        shown,
        ("node", "a", "b", "difference", "", "starts later by", "critical", "why"),
        [_node(node) for node in pair.nodes[:MOST_ROWS]],
        more=' id="nodes" class="long pairs"',
    )


def _node(node: PairNode) -> str:
    more, later = node.difference_s, node.later_s
    return cells(
        name(node.name),
        _side(node.a_s, node.a_status),
        _side(node.b_s, node.b_status),
        "" if more is None else signed_seconds(more),
        "" if more is None or not node.a_s else percent(more / node.a_s, signed=True),
        "" if later is None else signed_seconds(later),
        _CRITICAL[node.a_critical + 2 * node.b_critical],
        escape(clean(node.why, 300)),
    )


def _side(took_s: float | None, status: str | None) -> str:
    if took_s is None:
        return escape(status or DASH)
    return seconds(took_s) + (f" ({escape(status)})" if status and status not in {"ok", "planned"} else "")
