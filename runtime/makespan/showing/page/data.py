"""The data inside the page, as JSON in columns: what its script draws, sorts and searches.

Ten thousand nodes are to fit in a megabyte. So seconds are rounded to a millionth of the run, words that
repeat are places in a list, and sentences that differ in their numbers only are one sentence with gaps.
"""

from __future__ import annotations

import json
from math import floor, log10
from typing import TYPE_CHECKING, Any, Literal

from msgspec import to_builtins

from makespan.showing.observed import coarse, stretch_s
from makespan.showing.page.sentences import Sentences
from makespan.showing.page.shape import shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from makespan.showing.beside import Pair
    from makespan.showing.figures import NodeRow, Report

FORMAT = "makespan-page/1"
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
    "inputs",
)
"""``status`` and ``class`` are places in the lists of that name; ``critical`` is 1 (run) + 2 (plan);
``inputs`` are the places of the nodes whose results it takes."""

MEASURED = ("run_gil", "run_native", "run_blocked", "run_gil_wait", "run_core_wait")
"""More columns when the run was measured: what a node did in it, in thousandths of ``actual_s``; null where
that is not known."""

MORE = ("also", "rank", "mode", "locks", "groups", "why", "profile")
"""Columns that are there when any node has something to say in them, 0 where one has not: words are a list of
places in ``words``, sentences are as in `makespan.showing.page.sentences`; the rank is a number or null."""

MOST_STEPS = 1000
"""Of a curve: more are averaged over as many equal stretches of time."""


def page_data(report: Report) -> dict[str, Any]:
    """Return the data of one run or plan: figures, and the nodes in columns."""
    # A hundred-thousandth of the run is all that a picture or a reader can use.
    digits = 5 - floor(log10(report.extent_s or 1.0))
    at = {node.name: i for i, node in enumerate(report.nodes)}
    words: list[str] = []
    said = Sentences(at)
    columns = _columns(report, digits, at, words, said)
    causes = sorted({idle.cause for idle in report.idle})
    return {
        "format": FORMAT,
        "title": report.title,
        "status": report.status,
        "ran": report.actual_s is not None,
        "threads": report.threads,
        "cores": report.cores,
        "gil": report.gil,
        "actual_s": report.actual_s,
        "planned_s": report.planned_s,
        "default_s": report.default_s,
        "compared_s": report.compared_s,
        "default_source": report.default_source,
        "speedup_range": report.speedup_range,
        "bound_s": report.bound_s,
        "binding": report.binding,
        "bounds": [[bound.name, bound.seconds] for bound in report.bounds],
        "gap": report.gap,
        "busy": report.busy,
        "extent_s": report.extent_s,
        "shape": shape_of(report.rows)._asdict(),
        "lanes": lanes(report),
        "causes": causes,
        "idle": [
            [
                idle.row,
                short(idle.start_s, digits),
                short(idle.end_s - idle.start_s, digits),
                causes.index(idle.cause),
                at.get(idle.of, idle.of),
            ]
            for idle in report.idle
        ],
        "bands": [
            [
                band.name,
                band.kind,
                band.limit,
                [[short(start, digits), short(end, digits), row] for start, end, row in band.spans],
            ]
            for band in report.bands
        ],
        "cores_used": _steps(report.cores_used, digits),
        "gil_demand": _steps(report.gil_demand, digits) if report.gil else [],
        "averaged_s": short(stretch_s((report.cores_used, report.gil_demand), MOST_STEPS), digits + 2),
        "chain": [[step.name, step.cause, step.waited_s] for step in report.chain],
        "statuses": _statuses(report),
        "classes": _kinds(report),
        "words": words,
        "sentences": said.found,
        "texts": said.texts,
        **({} if report.evidence is None else {"evidence": to_builtins(report.evidence)}),
        "columns": list(columns),
        "nodes": [list(row) for row in zip(*columns.values(), strict=True)],
    }


def pair_data(pair: Pair) -> dict[str, Any]:
    """Return the data of two runs: each as `page_data` has it, and the nodes of both."""
    digits = 5 - floor(log10(pair.extent_s or 1.0))
    statuses = sorted({status or "" for node in pair.nodes for status in (node.a_status, node.b_status)})
    said = Sentences({node.name: i for i, node in enumerate(pair.nodes)})
    return {
        "format": FORMAT,
        "labels": pair.labels,
        "a_s": pair.headline.a_s,
        "b_s": pair.headline.b_s,
        "range_s": pair.headline.range_s,
        "range_share": pair.headline.range_share,
        "extent_s": pair.extent_s,
        "statuses": statuses,
        "columns": [
            "name",
            "a_status",
            "b_status",
            "a_start_s",
            "b_start_s",
            "a_s",
            "b_s",
            "critical",
            "why",
        ],
        "nodes": [
            [
                node.name,
                statuses.index(node.a_status or ""),
                statuses.index(node.b_status or ""),
                short(node.a_start_s, digits),
                short(node.b_start_s, digits),
                short(node.a_s, digits),
                short(node.b_s, digits),
                node.a_critical + 2 * node.b_critical,
                said.put(node.why),
            ]
            for node in pair.nodes
        ],
        "sentences": said.found,
        "texts": said.texts,
        "runs": [page_data(pair.a), page_data(pair.b)],
    }


def lanes(report: Report) -> list[tuple[str, str, float]]:
    """Return name, kind and busy share of each row of the Gantt."""
    if len(report.lanes) == report.rows:
        return [(lane.name, lane.kind, lane.busy) for lane in report.lanes]
    return [(f"lane {row}", "thread", busy) for row, busy in enumerate(report.row_busy)]


def _statuses(report: Report) -> list[str]:
    return sorted({node.status for node in report.nodes})


def _kinds(report: Report) -> list[str]:
    return sorted({node.kind for node in report.nodes})


def _columns(
    report: Report, digits: int, at: dict[str, int], words: list[str], said: Sentences
) -> dict[str, list[Any]]:
    statuses, kinds, unknown = _statuses(report), _kinds(report), [None] * len(MEASURED)
    place: dict[str, int] = {}

    def word(text: str) -> int:
        if text not in place:
            place[text] = len(words)
            words.append(text)
        return place[text]

    def several(texts: Iterable[str]) -> list[int] | Literal[0]:
        return [word(text) for text in texts if text] or 0

    def row(node: NodeRow) -> tuple[Any, ...]:
        return (
            node.name,
            statuses.index(node.status),
            kinds.index(node.kind),
            node.row,
            short(node.start_s, digits),
            short(node.actual_s, digits),
            node.planned_row,
            short(node.planned_start_s, digits),
            short(node.planned_s, digits),
            _part(node.gil_s, node.alone_s),
            _part(node.native_s, node.alone_s),
            _part(node.blocked_s, node.alone_s),
            short(node.slack_s, digits),
            node.critical + 2 * node.planned_critical,
            [at[name] for name in node.after if name in at],
            *((node.thousandths or unknown) if report.measured else ()),
            node.also or 0,
            node.rank,
            several([node.mode]),
            several(node.locks),
            several(node.groups),
            said.put(node.why),
            said.put("\t".join(part.replace("\t", " ") for pair in node.profiled for part in pair)),
        )

    names = (*COLUMNS, *(MEASURED if report.measured else ()), *MORE)
    rows = [row(node) for node in report.nodes]
    columns = {name: [one[i] for one in rows] for i, name in enumerate(names)}
    return {
        name: values
        for name, values in columns.items()
        if name not in MORE or any(value is not None and value != 0 for value in values)
    }


def _steps(steps: tuple[tuple[float, float], ...], digits: int) -> list[list[Any]]:
    return [[short(moment, digits), short(value, 3)] for moment, value in coarse(steps, MOST_STEPS)]


def safe_json(value: Any) -> str:
    r"""Return JSON that can stand inside a script element: ASCII, without ``<``, ``>`` and ``&``.

    >>> safe_json("</script>")
    '"\\u003c/script\\u003e"'
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _part(part_s: float, whole_s: float | None) -> float | int | None:
    whole_s = max(part_s, whole_s or 0.0)
    return short(part_s, 3 - floor(log10(whole_s))) if whole_s > 0 else 0


def short(value_s: float | None, digits: int) -> float | int | None:
    """Round to so many digits behind the point; whole numbers lose it."""
    if value_s is None:
        return None
    rounded = round(value_s, digits)
    return int(rounded) if rounded == int(rounded) else rounded
