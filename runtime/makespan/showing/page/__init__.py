"""The report as one HTML page that works offline, printed, in the dark and without JavaScript.

Nothing is fetched: style and script are inline, and a Content-Security-Policy names them by their SHA-256, so
that whatever a node's name smuggled in would neither run nor load anything. Names are escaped all the same.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import escape
from importlib.resources import files
from math import floor, log10
from typing import TYPE_CHECKING, Any

from makespan._version import __version__
from makespan.showing.page import chart, parts, tables
from makespan.showing.words import clean

if TYPE_CHECKING:
    from makespan.showing.figures import Report

__all__ = ["page_data", "render_page"]

COLUMNS = (
    "name",
    "status",
    "class",
    "lane",
    "start_s",
    "actual_s",
    "planned_lane",
    "planned_start_s",
    "planned_s",
    "gil_s",
    "native_s",
    "blocked_s",
    "slack_s",
    "critical",
)
"""``status`` and ``class`` are places in the lists of that name; ``critical`` is 1 (run) + 2 (plan)."""

MEASURED = ("run_gil", "run_native", "run_blocked", "run_gil_wait", "run_core_wait")
"""More columns when the run was measured: what a node did in it, in thousandths of ``actual_s``; null where
that is not known."""

ALSO = ("also",)
"""One more column when nodes ran in worker processes, or were tried again: that in words."""


def render_page(report: Report) -> bytes:
    """Return the page as UTF-8."""
    drawn = chart.draw(report)
    style, script = _asset("style.css"), _asset("page.js")
    data = page_data(report)
    data["chart"] = {
        "left": chart.LEFT,
        "top": drawn.top,
        "per_s": drawn.per_s,
        "pitch": chart.PITCH,
        "thick": chart.THICK,
        "thin": chart.THIN,
    }
    pair = "\n".join(part for part in (tables.what_if(report), tables.wrong(report)) if part)
    filled = {
        "title": escape(clean(report.title, 120)) or "makespan",
        "version": escape(__version__),
        "subtitle": parts.subtitle(report),
        "style": style,
        "style_hash": _hash(style),
        "script": script,
        "script_hash": _hash(script),
        "figures": parts.figures(report),
        "notes": parts.notes(report),
        "gantt": f'<figure class="wide">\n{parts.keys(report)}\n{drawn.svg}\n</figure>',
        "pair": f'<div class="pair">\n{pair}\n</div>' if pair else "",
        "chain": tables.chain(report),
        "nodes": tables.nodes(report),
        "data": safe_json(data),
    }
    # One pass: what is filled in is never read as a template again.
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: filled[found[1]], _asset("page.html"))
    return page.encode()


def page_data(report: Report) -> dict[str, Any]:
    """Return the data that stands in the page: figures, and the nodes in columns."""
    # A hundred-thousandth of the run is all that a picture or a reader can use.
    digits = 5 - floor(log10(report.extent_s or 1.0))
    unknown: list[int | None] = [None] * len(MEASURED)
    statuses = sorted({node.status for node in report.nodes})
    kinds = sorted({node.kind for node in report.nodes})
    also = any(node.also for node in report.nodes)
    return {
        "format": "makespan-page/1",
        "title": report.title,
        "status": report.status,
        "ran": report.actual_s is not None,
        "threads": report.threads,
        "actual_s": report.actual_s,
        "planned_s": report.planned_s,
        "default_s": report.default_s,
        "compared_s": report.compared_s,
        "default_source": report.default_source,
        "bound_s": report.bound_s,
        "binding": report.binding,
        "gap": report.gap,
        "busy": report.busy,
        "chain": [[step.name, step.cause, step.waited_s] for step in report.chain],
        "statuses": statuses,
        "classes": kinds,
        "columns": (*COLUMNS, *(MEASURED if report.measured else ()), *(ALSO if also else ())),
        "nodes": [
            [
                node.name,
                statuses.index(node.status),
                kinds.index(node.kind),
                node.row,
                _short(node.start_s, digits),
                _short(node.actual_s, digits),
                node.planned_row,
                _short(node.planned_start_s, digits),
                _short(node.planned_s, digits),
                _part(node.gil_s, node.alone_s),
                _part(node.native_s, node.alone_s),
                _part(node.blocked_s, node.alone_s),
                _short(node.slack_s, digits),
                node.critical + 2 * node.planned_critical,
                *((node.thousandths or unknown) if report.measured else ()),
                *((node.also,) if also else ()),
            ]
            for node in report.nodes
        ],
    }


def safe_json(value: Any) -> str:
    r"""Return JSON that can stand inside a script element: ASCII, without ``<``, ``>`` and ``&``.

    >>> safe_json("</script>")
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _part(part_s: float, whole_s: float | None) -> float | int | None:
    whole_s = max(part_s, whole_s or 0.0)
    return _short(part_s, 3 - floor(log10(whole_s))) if whole_s > 0 else 0


def _short(value_s: float | None, digits: int) -> float | int | None:
    if value_s is None:
        return None
    rounded = round(value_s, digits)
    return int(rounded) if rounded == int(rounded) else rounded


def _asset(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
