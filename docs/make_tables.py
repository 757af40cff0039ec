"""Write the measured tables of ``what_it_gives.md`` from rows of ``benchmarks/pipelines.py --json``.

    python benchmarks/pipelines.py --json > rows.json
    python docs/make_tables.py rows.json

A setting of an engine is a thread budget with native threads as they come or one a node; runs in several
orders of declaration count together, since first-come schedulers live on luck with the order. Of each setting
the last stage counts, in which it was run longest. An engine's best setting is the one of least median.

Tables stand between ``<!-- table NAME -->`` and ``<!-- end -->``; the text around them is left alone.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
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
TUNED, PLANNED, DEFAULT = f"{OURS}tuned", f"{OURS}planned", f"{OURS}default"
SEQUENTIAL = "one after the other"
NONE = "–"


class Setting(NamedTuple):
    """One way to run one pipeline: all its runs in its last stage."""

    engine: str
    threads: int
    native: str
    default: bool
    median_s: float
    low_s: float | None
    high_s: float | None
    turn_s: dict[int, float]
    """Seconds by turn; empty where turns are not known, or there are several orders."""
    predicted_s: float | None
    bound_s: float | None
    runs: int


def main(words: list[str] | None = None) -> int:
    """Read the rows and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", type=Path, help="rows of benchmarks/pipelines.py --json")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args(words)
    try:
        settings = settings_of(rows_of(options.rows))
        text = filled(options.page.read_text(encoding="utf-8"), tables(settings))
    except (OSError, ValueError) as error:
        print(f"make_tables: {error}", file=sys.stderr)
        return 2
    write_atomic(options.page, text.encode())
    print(f"wrote {options.page}: {plural(len(settings), 'pipeline')}", file=sys.stderr)
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


def settings_of(rows: list[dict[str, Any]]) -> dict[str, list[Setting]]:
    """Return the settings of each pipeline, in the order of the file; ways that failed are left out."""
    grouped: dict[str, dict[tuple[Any, ...], list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["median_s"] is not None:
            key = (row["engine"], row["threads"], row.get("native", "default"), bool(row.get("default")))
            grouped[row["pipeline"]][key].append(row)
    return {
        pipeline: [_setting(key, some) for key, some in ways.items()] for pipeline, ways in grouped.items()
    }


def _setting(key: tuple[Any, ...], rows: list[dict[str, Any]]) -> Setting:
    last = max(row.get("stage", 1) for row in rows)
    rows = [row for row in rows if row.get("stage", 1) == last]
    times = [value for row in rows for value in row.get("seconds") or ()]
    low_s, high_s, median_s = (
        rows[0].get("low_s"),
        rows[0].get("high_s"),
        median(row["median_s"] for row in rows),
    )
    if times:
        median_s = median(times)
        low_s, high_s = interval(times, [1.0] * len(times), together=True) or (low_s, high_s)
    turn_s: dict[int, float] = {}
    if len(rows) == 1 and len(rows[0].get("turns") or ()) == len(times):
        turn_s = dict(zip(rows[0].get("turns") or (), times, strict=True))
    engine, threads, native, default = key
    return Setting(
        engine,
        threads,
        native,
        default,
        median_s,
        low_s,
        high_s,
        turn_s,
        rows[0].get("predicted_s"),
        rows[0].get("bound_s"),
        len(times) or sum(row.get("runs", 0) for row in rows),
    )


# -- tables --------------------------------------------------------------------------------------------------


def tables(pipelines: dict[str, list[Setting]]) -> dict[str, str]:
    """Return each table by its name."""
    return {
        "best": _table(
            ["pipeline", "tuned plan", "best other engine", "tuned / best other", "what that says"],
            [_best_row(name, ways) for name, ways in pipelines.items()],
        ),
        "defaults": _table(
            ["pipeline", *(f"{engine}" for engine in _engines(pipelines))],
            [_defaults_row(name, ways, _engines(pipelines)) for name, ways in pipelines.items()],
        ),
        "bounds": _table(
            ["pipeline", "tuned plan", "predicted", "predicted / measured", "lower bound", "tuned / bound"],
            [_bounds_row(name, ways) for name, ways in pipelines.items()],
        ),
    }


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def ours(ways: list[Setting]) -> Setting | None:
    """Return the tuned plan; where nothing was tuned, the best plan, else the best of ours."""
    for engine in (TUNED, PLANNED, DEFAULT):
        found = [way for way in ways if way.engine == engine]
        if found:
            return min(found, key=lambda way: way.median_s)
    return None


def best_other(ways: list[Setting]) -> Setting | None:
    """Return the best setting of all engines of others."""
    others = [way for way in ways if not way.engine.startswith(OURS)]
    return min(others, key=lambda way: way.median_s, default=None)


def ratio_of(one: Setting, other: Setting) -> tuple[float, float | None, float | None]:
    """Return one / other with its 95 % interval; turns in which both ran are drawn together."""
    both = sorted(one.turn_s.keys() & other.turn_s.keys())
    found = interval([one.turn_s[t] for t in both], [other.turn_s[t] for t in both], together=True)
    if found is None and None not in (one.low_s, one.high_s, other.low_s, other.high_s):
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


def _best_row(name: str, ways: list[Setting]) -> list[str]:
    mine, other = ours(ways), best_other(ways)
    if mine is None or other is None:
        return [name, _time(mine), _time(other), NONE, NONE]
    ratio, low, high = ratio_of(mine, other)
    span = "" if low is None or high is None else f" ({low:.2f} … {high:.2f})"
    return [name, _time(mine), f"{_time(other)}: {told(other)}", f"{ratio:.2f}{span}", says(ratio, low, high)]


def told(way: Setting) -> str:
    """Return a setting in words."""
    parts = [way.engine, "as it comes" if way.default else plural(way.threads, "thread")]
    return ", ".join([*parts, *(["one native thread"] if way.native == "one" else [])])


def _engines(pipelines: dict[str, list[Setting]]) -> list[str]:
    found = dict.fromkeys(way.engine for ways in pipelines.values() for way in ways)
    return [DEFAULT, *(engine for engine in found if not engine.startswith(OURS))]


def _defaults_row(name: str, ways: list[Setting], engines: list[str]) -> list[str]:
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


def _bounds_row(name: str, ways: list[Setting]) -> list[str]:
    mine = ours(ways)
    if mine is None:
        return [name, *[NONE] * 5]
    predicted, bound = mine.predicted_s, mine.bound_s
    return [
        name,
        _time(mine),
        NONE if predicted is None else seconds(predicted),
        NONE if predicted is None else f"{predicted / mine.median_s:.2f}",
        NONE if bound is None else seconds(bound),
        NONE if not bound else f"{mine.median_s / bound:.2f}",
    ]


def _time(way: Setting | None) -> str:
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
