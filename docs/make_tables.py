"""Write the measured tables of ``what_it_gives.md`` from rows of ``benchmarks/pipelines.py --json``.

    python benchmarks/pipelines.py --out rows.json
    python docs/make_tables.py rows.json

Only the finals of each pipeline count (its last stage), in which every way ran in each turn. A way is an
engine with a number of threads, native threads as they come or one a node, and an order of declaration.
First-come engines live on luck with the order: the luckiest one counts for them, and is named.

*Drift* is how much longer one node after the other took than the profile promises: the machine was not as
fast while it raced as while it profiled. It is taken out of bounds and predictions.

Tables stand between ``<!-- table NAME -->`` and ``<!-- end -->``; the text around them is left alone.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from makespan.comparing.gate import Measured, interval_of_ratio
from makespan.files import write_atomic
from makespan.showing.interval import interval
from makespan.showing.words import percent, plural, seconds

PAGE = Path(__file__).with_name("what_it_gives.md")
NEEDED = ("pipeline", "engine", "threads", "order", "median_s")
OURS = "makespan "
TUNED, DEFAULT = f"{OURS}tuned", f"{OURS}default"
SEQUENTIAL = "one after the other"
NONE = "–"


class Way(NamedTuple):
    """One way to run one pipeline, from its finals."""

    engine: str
    threads: int
    order: int
    native: str
    default: bool
    median_s: float
    low_s: float | None
    high_s: float | None
    turn_s: dict[int, float]
    """Seconds by turn; empty where they are not told."""
    predicted_s: float | None
    bound_s: float | None
    plan: str


def main(words: list[str] | None = None) -> int:
    """Read the rows and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", type=Path, help="rows of benchmarks/pipelines.py --json")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(words)
    try:
        rows = rows_of(options.rows)
        finals = finals_of(rows)
        text = filled(options.page.read_text(encoding="utf-8"), tables(finals, drifts_of(rows)))
    except (OSError, ValueError) as error:
        print(f"make_tables: {error}", file=sys.stderr)
        return 2
    write_atomic(options.page, text.encode())
    print(f"wrote {options.page}: {plural(len(finals), 'pipeline')}", file=sys.stderr)
    return 0


def rows_of(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file: a list, an object with ``rows``, or a row a line.

    Raises
    ------
    ValueError
        It is none of these, holds no row, or a row lacks a key.
    """
    text = path.read_text(encoding="utf-8")
    try:
        body = json.loads(text)
    except ValueError:
        try:
            body = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise ValueError(f"{path} is not JSON: {error}") from error
    rows = body.get("rows") if isinstance(body, dict) else body
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{path} holds no rows of benchmarks/pipelines.py --json")
    for i, row in enumerate(rows):
        missing = [key for key in NEEDED if key not in row]
        if missing:
            raise ValueError(f"{path}: row {i} has no {missing[0]!r}")
    return rows


def finals_of(rows: list[dict[str, Any]]) -> dict[str, list[Way]]:
    """Return the ways in the finals of each pipeline, in the order of the file; those that failed are not."""
    ran = [row for row in rows if row["median_s"] is not None]
    last: dict[str, int] = {}
    for row in ran:
        last[row["pipeline"]] = max(last.get(row["pipeline"], 1), row.get("stage", 1))
    found: dict[str, list[Way]] = {name: [] for name in last}
    for row in ran:
        if row.get("stage", 1) == last[row["pipeline"]]:
            found[row["pipeline"]].append(_way(row))
    return found


def drifts_of(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the drift of each pipeline where it is known: one after the other, measured / promised."""
    promised: dict[str, float] = {}
    for row in rows:
        if row["engine"] == DEFAULT and row["threads"] == 1 and not row["order"] and row.get("predicted_s"):
            promised.setdefault(row["pipeline"], row["predicted_s"])
    found: dict[str, float] = {}
    for name, ways in finals_of(rows).items():
        alone = [way for way in ways if way.engine == SEQUENTIAL and way.native == "default"]
        if alone and name in promised:
            found[name] = alone[0].median_s / promised[name]
    return found


def _way(row: dict[str, Any]) -> Way:
    turns, times = row.get("turns") or (), row.get("seconds") or ()
    return Way(
        row["engine"],
        row["threads"],
        row["order"],
        row.get("native", "default"),
        bool(row.get("default")),
        row["median_s"],
        row.get("low_s"),
        row.get("high_s"),
        dict(zip(turns, times, strict=True)) if len(turns) == len(times) else {},
        row.get("predicted_s"),
        row.get("bound_s"),
        row.get("plan", ""),
    )


# -- tables --------------------------------------------------------------------------------------------------


def tables(pipelines: dict[str, list[Way]], drifts: dict[str, float] | None = None) -> dict[str, str]:
    """Return each table by its name; without a drift, 1."""
    drift = drifts or {}
    return {
        "best": _table(
            [
                "pipeline",
                "tuned plan",
                "best other way",
                "tuned / best other",
                "what that says",
                "the tuned plan is",
            ],
            [_best_row(name, ways) for name, ways in pipelines.items()],
        ),
        "defaults": _table(
            ["pipeline", *(f"{engine}" for engine in _engines(pipelines))],
            [_defaults_row(name, ways, _engines(pipelines)) for name, ways in pipelines.items()],
        ),
        "bounds": _table(
            [
                "pipeline",
                "tuned plan",
                "predicted",
                "lower bound",
                "drift",
                "predicted × drift / measured",
                "tuned / (bound × drift)",
            ],
            [_bounds_row(name, ways, drift.get(name)) for name, ways in pipelines.items()],
        ),
    }


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def tuned(ways: list[Way]) -> Way | None:
    """Return the tuned plan as written; no other plan stands in for it."""
    return next((way for way in ways if way.engine == TUNED and not way.order), None)


def best_other(ways: list[Way]) -> Way | None:
    """Return the best way of all engines of others."""
    others = [way for way in ways if not way.engine.startswith(OURS)]
    return min(others, key=lambda way: way.median_s, default=None)


def ratio_of(one: Way, other: Way) -> tuple[float, float | None, float | None]:
    """Return one / other with its 95 % interval; turns in which both ran are drawn together."""
    both = sorted(one.turn_s.keys() & other.turn_s.keys())
    ours, theirs = [one.turn_s[t] for t in both], [other.turn_s[t] for t in both]
    if both:  # where one ran in fewer turns, the others' further turns do not count
        return median(ours) / median(theirs), *(interval(ours, theirs, together=True) or (None, None))
    found = None
    if None not in (one.low_s, one.high_s, other.low_s, other.high_s):
        found = interval_of_ratio(
            Measured(one.median_s, one.low_s or 0.0, one.high_s or 0.0),
            Measured(other.median_s, other.low_s or 0.0, other.high_s or 0.0),
        )
    return one.median_s / other.median_s, *(found or (None, None))


def says(ratio: float, low: float | None, high: float | None) -> str:
    """Say in words what a ratio means.

    >>> says(0.8, 0.78, 0.83), says(0.98, 0.95, 1.01), says(1.1, 1.05, 1.2)
    ('20 % less', 'no difference shown', '10 % more')
    """
    if low is None or high is None:
        return "too few runs to tell"
    if low <= 1 <= high:
        return "no difference shown"
    return f"{percent(abs(ratio - 1))} {'less' if ratio < 1 else 'more'}"


def _best_row(name: str, ways: list[Way]) -> list[str]:
    mine, other = tuned(ways), best_other(ways)
    if mine is None or other is None:
        return [name, _time(mine), _time(other), NONE, NONE, NONE]
    ratio, low, high = ratio_of(mine, other)
    span = "" if low is None or high is None else f" ({low:.2f} … {high:.2f})"
    best = f"{_time(other)}: {told(other)}"
    return [name, _time(mine), best, f"{ratio:.2f}{span}", says(ratio, low, high), mine.plan or NONE]


def told(way: Way) -> str:
    """Return a way in words."""
    parts = [way.engine, "as it comes" if way.default else plural(way.threads, "thread")]
    parts += ["one native thread"] if way.native == "one" else []
    return ", ".join([*parts, *([f"lucky order {way.order}"] if way.order else [])])


def _engines(pipelines: dict[str, list[Way]]) -> list[str]:
    found = dict.fromkeys(way.engine for ways in pipelines.values() for way in ways)
    return [DEFAULT, *(engine for engine in found if not engine.startswith(OURS))]


def _defaults_row(name: str, ways: list[Way], engines: list[str]) -> list[str]:
    """Return what each engine takes when nobody says anything, beside its best."""
    cells = [name]
    for engine in engines:
        its = [way for way in ways if way.engine == engine]
        plain = min(
            (way for way in its if way.default and way.native == "default"),
            key=lambda way: way.median_s,
            default=None,
        )
        best = min(its, key=lambda way: way.median_s, default=None)
        cells.append(
            NONE
            if best is None
            else f"{seconds(plain.median_s) if plain else NONE}; best {seconds(best.median_s)}"
        )
    return cells


def _bounds_row(name: str, ways: list[Way], drift: float | None) -> list[str]:
    mine = tuned(ways)
    if mine is None:
        return [name, *[NONE] * 6]
    predicted, bound, pace = mine.predicted_s, mine.bound_s, drift or 1.0
    return [
        name,
        _time(mine),
        NONE if predicted is None else seconds(predicted),
        NONE if bound is None else seconds(bound),
        NONE if drift is None else f"{drift:.2f}",
        NONE if predicted is None else f"{predicted * pace / mine.median_s:.2f}",
        NONE if not bound else f"{mine.median_s / (bound * pace):.2f}",
    ]


def _time(way: Way | None) -> str:
    if way is None:
        return NONE
    span = "" if way.low_s is None or way.high_s is None else f" ({way.low_s:.2f} … {way.high_s:.2f})"
    return f"{seconds(way.median_s)}{span}"


def filled(text: str, made: dict[str, str]) -> str:
    r"""Return the page with its tables replaced.

    >>> filled("a <!-- table t -->old<!-- end --> b", {"t": "| x |"})
    'a <!-- table t -->\n\n| x |\n\n<!-- end --> b'

    Raises
    ------
    ValueError
        The page has no place for a table, or one that is not known.
    """
    places = re.findall(r"<!-- table (\w+) -->", text)
    if sorted(places) != sorted(made):
        raise ValueError(f"the page has places for {', '.join(places) or 'none'}, not for {', '.join(made)}")

    def replaced(found: re.Match[str]) -> str:
        return f"<!-- table {found[1]} -->\n\n{made[found[1]]}\n\n<!-- end -->"

    return re.sub(r"<!-- table (\w+) -->.*?<!-- end -->", replaced, text, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main())
