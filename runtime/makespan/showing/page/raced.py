"""The ways that were run for real before the plan was chosen: a table with a bar for each median.

Every function returns HTML in which each name is escaped; a part that has nothing to say is empty.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from makespan.showing.evidence import HEADS, headline, misjudged_lines, race_words, rows
from makespan.showing.page.parts import DASH, name
from makespan.showing.page.paths import number
from makespan.showing.page.tables import STAR, cells, table
from makespan.showing.words import seconds

if TYPE_CHECKING:
    from makespan.plan import Evidence, Raced
    from makespan.showing.figures import Report

WIDE, HIGH = 150, 13
"""Of a bar with its interval, in pixels."""


def raced(report: Report) -> str:
    """Return the table of the ways, and below it what the model had wrong."""
    its = report.evidence
    if its is None:
        return ""
    caption = (
        f"{escape(headline(its))}. {escape(race_words(its))}. "
        f"{STAR} = this plan. Bar: median, line: its interval, tick: predicted."
    )
    most_s = max(max(way.median_s, way.high_s or 0.0, way.predicted_s or 0.0) for way in its.ways)
    heads = (HEADS[0], "", *HEADS[1:-1], HEADS[-1])
    shown = table(
        "Measured",
        caption,
        heads,
        [_way(its, way, row, most_s) for way, row in zip(its.ways, rows(its), strict=True)],
        more=' id="measured"',
    )
    told = "".join(f"<li>{escape(line)}</li>" for line in misjudged_lines(its))
    return shown.removesuffix("</section>") + (
        f'<ul class="notes">{told}</ul>\n</section>' if told else "</section>"
    )


def _way(evidence: Evidence, way: Raced, row: list[str], most_s: float) -> str:
    kept = way.name == evidence.winner
    mark = f" {STAR}" if kept else ""
    told = [escape(cell) or DASH for cell in row[1:-1]]
    return cells(f"{name(way.name, 60)}{mark}", _bar(way, most_s, kept=kept), *told, escape(row[-1]))


def _bar(way: Raced, most_s: float, *, kept: bool) -> str:
    """Draw the median, the interval across it, and where it was predicted."""
    if most_s <= 0:
        return DASH

    def x(value_s: float) -> str:
        return number((WIDE - 2) * value_s / most_s + 1)

    wide = number((WIDE - 2) * way.median_s / most_s)
    parts = [f'<path class="{"dot" if kept else "slow"}" d="M1 2h{wide}v9h-{wide}"/>']
    if way.low_s is not None and way.high_s is not None:
        low, high = x(way.low_s), x(way.high_s)
        parts.append(f'<path class="mark" d="M{low} 6.5H{high}M{low} 4v5M{high} 4v5"/>')
    if way.predicted_s is not None:
        parts.append(f'<path class="mark dash" d="M{x(way.predicted_s)} 0v{HIGH}"/>')
    label = f"median {seconds(way.median_s)}"
    return (
        f'<svg class="raced" viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )
