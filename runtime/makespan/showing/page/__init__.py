"""The report as one HTML page that works offline, printed, in the dark and without JavaScript.

Nothing is fetched: style and script are inline, and a Content-Security-Policy names them by their SHA-256, so
that whatever a node's name smuggled in would neither run nor load anything. Names are escaped all the same.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from makespan._version import __version__
from makespan.showing.page import beside, chart, palette, parts, raced, tables, told, waits
from makespan.showing.page.data import page_data, pair_data, safe_json
from makespan.showing.words import clean

if TYPE_CHECKING:
    from makespan.showing.beside import Pair
    from makespan.showing.figures import Report

__all__ = ["page_data", "pair_data", "render_page", "render_pair", "safe_json"]

SCRIPTS = ("base", "paint", "frame", "chart", "moves", "panel", "table", "start")
"""The parts of the script, in the order in which they build on one another."""


def render_page(report: Report) -> bytes:
    """Return the page of a run or a plan as UTF-8."""
    pair = "\n".join(part for part in (tables.what_if(report), tables.wrong(report)) if part)
    body = (
        parts.figures(report),
        parts.notes(report),
        '<div id="tools" class="tools"></div>',
        parts.keys(report),
        gantt(report, report.extent_s),
        '<section id="panel" aria-label="node" hidden></section>',
        f'<div class="pair">\n{pair}\n</div>' if pair else "",
        raced.raced(report),
        tables.chain(report),
        waits.lanes(report),
        waits.bounds(report),
        tables.nodes(report),
    )
    return _page(report.title, report.title, parts.subtitle(report), body, page_data(report))


def render_pair(pair: Pair) -> bytes:
    """Return the page of two runs, one above the other on one time axis, as UTF-8."""
    body = (
        beside.figures(pair),
        beside.notes(pair),
        '<div id="tools" class="tools"></div>',
        parts.keys(pair.a, pair.b),
        *(
            f'<h2 class="of">{beside.called(letter, label)}'
            f' <span class="quiet">{parts.subtitle(report)}</span></h2>{gantt(report, pair.extent_s)}'
            for letter, label, report in zip("ab", pair.labels, (pair.a, pair.b), strict=True)
        ),
        '<section id="panel" aria-label="node" hidden></section>',
        beside.account(pair),
        beside.sides(pair),
        beside.nodes(pair),
    )
    a, b = (clean(label, 80) for label in pair.labels)
    return _page(
        f"{clean(pair.title, 80)}: {a} and {b}", pair.title, beside.subtitle(pair), body, pair_data(pair)
    )


def gantt(report: Report, extent_s: float) -> str:
    """Return the Gantt; of very many bars only what is seen where scripts do not run."""
    drawn = chart.draw(report, extent_s).svg
    label = escape(chart.summary(report))
    words = told.told(report, extent_s)
    if words:
        drawn += f"<figcaption>{escape(words)}</figcaption>"
    if len(report.actual_bars) + len(report.planned_bars) > chart.MOST_STATIC:
        drawn = f"<noscript>{drawn}</noscript>"
    return f'<figure class="plot" data-label="{label}">{drawn}</figure>'


def _page(title: str, heading: str, subtitle: str, body: tuple[str, ...], data: dict[str, Any]) -> bytes:
    style, script = palette.css() + _asset("style.css"), _script()
    filled = {
        "title": escape(clean(title, 200)) or "makespan",
        "heading": escape(clean(heading, 120)) or "makespan",
        "version": escape(__version__),
        "subtitle": subtitle,
        "style": style,
        "style_hash": _hash(style),
        "script": script,
        "script_hash": _hash(script),
        "body": "\n".join(part for part in body if part),
        "data": safe_json(data),
    }
    # One pass: what is filled in is never read as a template again.
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: filled[found[1]], _asset("page.html"))
    return page.encode()


def _script() -> str:
    inside = "\n".join(_asset(f"script/{name}.js") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{inside}}})();\n'


def _asset(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
