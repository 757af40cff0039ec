"""The headline figures of a run or a plan, as a line of HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from makespan.showing.words import TIMES, clean, percent, plural, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from makespan.showing.figures import Report


def figures(report: Report) -> Iterable[str]:
    """Yield the headline figures: time, gain, distance from the bound, lanes busy."""
    threads = plural(report.threads, "thread")
    if report.actual_s is None:
        yield f"planned <b>{seconds(report.planned_s or 0.0)}</b> with {threads}"
    else:
        outcome = "" if report.status == "ok" else f"<b>{escape(report.status)}</b> after "
        error = "" if report.error_share is None else f", {percent(report.error_share, signed=True)}"
        planned = "" if report.planned_s is None else f" (planned {seconds(report.planned_s)}{error})"
        yield f"{outcome}<b>{seconds(report.actual_s)}</b> with {threads}{planned}"
    if report.speedup is not None and report.default_s is not None:
        between = ""
        if report.speedup_range is not None:
            between = f" ({report.speedup_range[0]:.2f} to {report.speedup_range[1]:.2f})"
        yield (
            f"<b>{report.speedup:.2f}{TIMES}</b>{between} over the default order "
            f"({seconds(report.default_s)}, {report.default_source})"
        )
    if report.bound_s is not None:
        bound = f"the lower bound {seconds(report.bound_s)} ({escape(clean(report.binding, 40))})"
        if report.gap is None:
            yield bound
        elif report.gap < -0.0005:
            yield f"<b>{percent(-report.gap)}</b> below {bound}"
        else:
            yield f"<b>{percent(report.gap)}</b> from {bound}"
    yield f"lanes {percent(report.busy)} busy"
