"""Graphviz drawings (the DOT language, https://graphviz.org/doc/info/lang.html).

Boxes are as wide as their nodes are long; the critical path is drawn thick; edges that only set an order are
dashed. Nodes are called n0, n1, … so that no name can be mistaken for syntax.
"""

from __future__ import annotations

from typing import Any

from makespan.exporting.labels import FILLS, label_of, path_of, title_of
from makespan.exporting.rows import edges, sheet_of

_WIDEST_INCHES = 4.0


def to_dot(thing: Any) -> str:
    """Return a drawing of a DAG, profile, plan or run for Graphviz: ``dot -Tsvg``.

    Raises
    ------
    OptionError
        It is none of these.
    """
    sheet = sheet_of(thing)
    labels = {row["name"]: label_of(row) for row in sheet.rows}
    number = {name: f"n{k}" for k, name in enumerate(labels)}
    longest_s = max((its.cost_s or 0.0 for its in labels.values()), default=0.0)
    lines = [
        "digraph makespan {",
        f" graph [rankdir=LR, label={quoted(title_of(sheet))}, labelloc=t, fontname=sans]",
        ' node [shape=box, style="filled,rounded", fontname=sans, color="#777777"]',
        ' edge [color="#777777"]',
    ]
    for name, its in labels.items():
        said = [
            f"label={quoted(*its.lines)}",
            f"tooltip={quoted(its.full)}",
            f'fillcolor="{FILLS[its.kind]}"',
        ]
        if its.cost_s and longest_s:
            said.append(f"width={_WIDEST_INCHES * its.cost_s / longest_s:.3g}")
        if its.critical:
            said.append('penwidth=3, color="#000000"')
        lines.append(f" {number[name]} [{', '.join(said)}]")
    thick = path_of(sheet)
    for before, name, order_only in edges(sheet.rows):
        said = ["style=dashed"] if order_only else []
        if (before, name) in thick:
            said.append('penwidth=3, color="#000000"')
        style = f" [{', '.join(said)}]" if said else ""
        lines.append(f" {number[before]} -> {number[name]}{style}")
    return "\n".join([*lines, "}"]) + "\n"


def quoted(*lines: str) -> str:
    r"""Write lines as one quoted text of DOT, in which a backslash and ``&`` would mean something.

    >>> print(quoted('say "a"', r"b\n&lt;"))
    "say \"a\"\nb\\n&amp;lt;"
    """
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;") for line in lines)
    return '"' + "\\n".join(escaped) + '"'
