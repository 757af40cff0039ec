"""A report as JSON: all of its figures, those included that follow from others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from makespan.showing.causes import cause

if TYPE_CHECKING:
    from makespan.showing.beside import Pair
    from makespan.showing.figures import NodeRow, Report

FORMAT = "makespan-report/1"


def report_data(report: Report) -> dict[str, Any]:
    """Return a report as plain data; every duration ends with ``_s`` and is in seconds."""
    return {"format": FORMAT, "kind": "plan" if report.actual_s is None else "run", **_report(report)}


def pair_data(pair: Pair) -> dict[str, Any]:
    """Return two reports and their differences as plain data."""
    its = pair.headline
    headline = {
        **msgspec.to_builtins(its),
        "difference_s": its.difference_s,
        "share": its.share,
        "sure": its.sure,
    }
    return {
        "format": FORMAT,
        "kind": "pair",
        "title": pair.title,
        "labels": list(pair.labels),
        "headline": headline,
        "extent_s": pair.extent_s,
        "notes": list(pair.notes),
        "nodes": [
            {**msgspec.to_builtins(node), "difference_s": node.difference_s, "later_s": node.later_s}
            for node in pair.nodes
        ],
        "comparison": msgspec.to_builtins(pair.comparison),
        "a": _report(pair.a),
        "b": _report(pair.b),
    }


def _report(report: Report) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.to_builtins(report)
    body["nodes"] = [_node(node) for node in report.nodes]
    return {
        **body,
        "speedup": report.speedup,
        "error_share": report.error_share,
        "extent_s": report.extent_s,
    }


def _node(node: NodeRow) -> dict[str, Any]:
    return {
        **msgspec.to_builtins(node),
        "actual_s": node.actual_s,
        "error_s": node.error_s,
        "error_share": node.error_share,
        "cause": cause(node),
    }


def json_bytes(data: dict[str, Any]) -> bytes:
    r"""Return data as JSON text, a line for each item of its lists; half a character stands as ``\udXXX``."""
    lines = []
    for key, value in data.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            text = "[\n" + ",\n".join(f"  {_line(item)}" for item in value) + "\n ]"
        else:
            text = _line(value)
        lines.append(f" {_line(key)}: {text}")
    # A lone surrogate cannot be encoded, but in JSON text it may stand as the escape that this makes of it.
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", "backslashreplace")


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
