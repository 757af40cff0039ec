"""What a drawing of a graph says of each node, and how it looks: the same in Graphviz and Mermaid.

A class has a fill of its own, and stands in the label too, so that no meaning is carried by colour alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.showing.words import clean, plural, seconds

if TYPE_CHECKING:
    from makespan.exporting.rows import Sheet

# Light enough for black text, apart for readers who see red and green alike (after Okabe and Ito, 2008).
FILLS = {
    "python": "#f3c77a",
    "holds": "#e9a15b",
    "native": "#9fd0ef",
    "parallel": "#6db3df",
    "io": "#dcdcdc",
    "chatty": "#d9b3cf",
    "mixed": "#f2ecaa",
    "unknown": "#ffffff",
}
_MOST = 60  # columns of a name
_SECONDS = ("duration_s", "wall_net_s", "hint_s")


class Label(NamedTuple):
    """What stands in a node's box."""

    lines: tuple[str, ...]
    kind: str
    critical: bool
    cost_s: float | None
    full: str
    """All of the name, and what did not fit into the box."""


def label_of(row: dict[str, Any]) -> Label:
    """Return the lines of a node's box: name, seconds and class, what holds it back."""
    cost_s = next((row[key] for key in _SECONDS if row.get(key) is not None), None)
    kind = row.get("class") or "unknown"
    figures = [] if cost_s is None else [seconds(cost_s)]
    figures += [kind] if kind != "unknown" else []
    figures += [str(row["mode"])] if row.get("mode") not in (None, "thread") else []
    figures += [str(row["status"])] if row.get("status") not in (None, "ok") else []
    held = [f"lock {clean(lock, _MOST)}" for lock in row.get("locks") or ()]
    held += ["exclusive"] if row.get("exclusive") else []
    held += ["set-up"] if row.get("setup") else []
    held += ["conditional"] if row.get("conditional") else []
    lines = [clean(row["name"], _MOST), " · ".join(figures), " · ".join(held)]
    more = [clean(row["name"], 2000)]
    if "rank" in row:
        more.append(f"rank {row['rank']}, lane {row['lane']}, starts at {seconds(row['start_s'])}")
        more.append("on the critical path" if row["critical"] else f"slack {seconds(row['slack_s'])}")
        more += [f"group {clean(group, _MOST)}" for group in row["groups"]]
    return Label(
        tuple(line for line in lines if line),
        kind if kind in FILLS else "unknown",
        bool(row.get("critical")),
        cost_s,
        "; ".join(more),
    )


def path_of(sheet: Sheet) -> set[tuple[str, str]]:
    """Return the edges of the critical path: one critical node begins when the other ends."""
    ends_s = {row["name"]: row["end_s"] for row in sheet.rows if row.get("critical")}
    return {
        (before, row["name"])
        for row in sheet.rows
        if row["name"] in ends_s
        for before in row["after"]
        if before in ends_s and abs(ends_s[before] - row["start_s"]) <= 1e-6 + 1e-6 * row["start_s"]
    }


def title_of(sheet: Sheet) -> str:
    """Return the line above the drawing."""
    about = sheet.about
    text = f"{clean(sheet.name, _MOST)}: {sheet.what}, {plural(len(sheet.rows), 'node')}"
    if "threads" in about:
        text += f", {plural(about['threads'], 'thread')}, {seconds(about['makespan_s'])}"
    if "lower_bound_s" in about:
        text += f", lower bound {seconds(about['lower_bound_s'])} ({clean(about['binding'], _MOST)})"
    return text
