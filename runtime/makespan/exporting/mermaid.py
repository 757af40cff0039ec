"""Mermaid drawings (https://mermaid.js.org), that GitHub, GitLab and Jupyter show within Markdown.

Mermaid has no escape character: whatever is neither a letter nor a digit is written by its number (``#35;``),
so that a name can neither end its box nor become markup.
"""

from __future__ import annotations

from typing import Any

from makespan.exporting.labels import FILLS, label_of, path_of, title_of
from makespan.exporting.rows import edges, sheet_of

MOST_EDGES, MOST_CHARACTERS = 500, 50_000
"""What Mermaid draws unless its settings ``maxEdges`` and ``maxTextSize`` are raised."""
_PLAIN = frozenset(" .,_-/·…")


def to_mermaid(thing: Any) -> str:
    """Return a drawing of a DAG, profile, plan or run as a Mermaid flowchart.

    Raises
    ------
    OptionError
        It is none of these.
    """
    sheet = sheet_of(thing)
    labels = {row["name"]: label_of(row) for row in sheet.rows}
    number = {name: f"n{k}" for k, name in enumerate(labels)}
    lines = ["flowchart LR", f" %% {title_of(sheet)}"]
    for name, its in labels.items():
        lines.append(f' {number[name]}["{"<br/>".join(map(escaped, its.lines))}"]')
    thick_edges = path_of(sheet)
    for before, name, order_only in edges(sheet.rows):
        thick = (before, name) in thick_edges
        lines.append(
            f" {number[before]} {'-.->' if order_only else '==>' if thick else '-->'} {number[name]}"
        )
    for kind, fill in FILLS.items():
        its_nodes = [number[name] for name, its in labels.items() if its.kind == kind]
        if its_nodes:
            lines.append(f" classDef {kind} fill:{fill},stroke:#777777,color:#000000")
            lines.append(f" class {','.join(its_nodes)} {kind}")
    critical = [number[name] for name, its in labels.items() if its.critical]
    if critical:
        lines.append(" classDef critical stroke:#000000,stroke-width:4px")
        lines.append(f" class {','.join(critical)} critical")
    return "\n".join(lines) + "\n"


def too_large(text: str) -> list[str]:
    """Say why Mermaid, as it is set up everywhere, would not draw this."""
    count = sum(arrow in line for line in text.splitlines() for arrow in (" --> ", " ==> ", " -.-> "))
    found = []
    if count > MOST_EDGES:
        found.append(f"{count:,} edges; Mermaid draws {MOST_EDGES} unless maxEdges is raised")
    if len(text) > MOST_CHARACTERS:
        found.append(
            f"{len(text):,} characters; Mermaid draws {MOST_CHARACTERS:,} unless maxTextSize is raised"
        )
    return found


def escaped(text: str) -> str:
    """Write a label.

    >>> escaped('a "b" <i>')
    'a #34;b#34; #60;i#62;'
    """
    return "".join(mark if mark.isalnum() or mark in _PLAIN else _by_number(mark) for mark in text)


def _by_number(mark: str) -> str:
    r"""Write a mark by its number; ``\n`` would still break the line, but for a space of no width."""
    return f"#{ord(mark)};" + ("#8203;" if mark == "\\" else "")
