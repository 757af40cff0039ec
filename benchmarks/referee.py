"""Rows of what was found, checked: no schedule breaks a limit, and none beats a bound.

A schedule is verified by `makespan_optimizer.rigid.check`, which shares no code with what makes schedules.
Bounds are verified by schedules: what any method found, or a table knows, no bound of any other may exceed.
"""

from __future__ import annotations

from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from benchmarks.rivals import elementary_bound
from makespan_optimizer.rigid.check import violations

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.rival_solvers import Answer
    from benchmarks.rivals import Task

Row = dict[str, Any]


class WrongError(Exception):
    """A schedule that breaks a limit, or a bound that is above a schedule: a result that cannot be true."""


def rows_of(task: Task, answers: Mapping[str, Answer]) -> list[Row]:
    """Return a row for each method that ran.

    Raises
    ------
    WrongError
        A schedule is not feasible, or a bound is above what was found or is known.
    """
    where = f"{task.case.group} {task.case.name}, {task.threads or 'no'} threads"
    ends: dict[str, int] = {}
    for method, answer in answers.items():
        if answer.start is not None:
            if broken := violations(task.problem, answer.start):
                raise WrongError(f"{where}: the schedule of {method} does not hold: {'; '.join(broken[:3])}")
            ends[method] = max(map(int.__add__, answer.start, task.problem.wall), default=0)
    bounds = {method: answer.bound for method, answer in answers.items() if answer.bound is not None}
    bounds["(elementary)"] = elementary_bound(task.problem)
    known = task.case.known.get(task.threads if task.case.threaded else None)
    uppers = dict(ends)
    if known is not None:
        bounds["(table)"] = known.lower
        if known.upper is not None:
            uppers["(table)"] = known.upper
    for method, bound in bounds.items():
        for other, makespan in uppers.items():
            if bound > makespan:
                raise WrongError(
                    f"{where}: the bound {bound} of {method} is above the makespan {makespan} of {other}"
                )
    best = uppers.get("(table)") or min(ends.values(), default=None)
    best_from = "table" if "(table)" in uppers else min(ends, key=ends.__getitem__, default=None)
    return [
        {
            "set": task.case.group,
            "instance": task.case.name,
            "threads": task.threads if task.case.threaded else None,
            "method": method,
            "makespan": ends.get(method),
            "bound": answer.bound,
            "best_known": best,
            "proven": method in ends and answer.bound is not None and ends[method] <= answer.bound,
            "seconds": round(answer.seconds, 4),
            "nodes": len(task.case),
            "best_from": best_from,
            "best_bound": max(bounds.values()),
            "note": answer.note,
        }
        for method, answer in answers.items()
    ]


def summary(rows: Iterable[Row], *, by_threads: bool = False) -> list[Row]:
    """Return what rows of a set and a method say together; shares and gaps are fractions."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        key = (row["set"], row["threads"] if by_threads else None, row["method"])
        groups.setdefault(key, []).append(row)
    return [
        {
            "set": group,
            "threads": threads,
            "method": method,
            "runs": len(its),
            "found": fmean(row["makespan"] is not None for row in its),
            "proven": fmean(row["proven"] for row in its),
            "over_best": _mean_over(its, "makespan", "best_known"),
            "over_bound": _mean_over(its, "makespan", "best_bound"),
            "own_gap": _mean_over(its, "makespan", "bound"),
            "seconds": median(row["seconds"] for row in its),
            "most_seconds": max(row["seconds"] for row in its),
        }
        for (group, threads, method), its in groups.items()
    ]


def _mean_over(rows: Iterable[Row], value: str, base: str) -> float | None:
    """Return the mean of value / base - 1 over the rows that have both; None when none has."""
    ratios = [
        row[value] / row[base] - 1 if row[base] else 0.0
        for row in rows
        if row[value] is not None and row[base] is not None
    ]
    return fmean(ratios) if ratios else None


def table(rows: Sequence[Row], *, by_threads: bool = False) -> str:
    """Return the summary as text."""
    budget = f"{'threads':>9}" if by_threads else ""
    head = f"{'set':<24}{budget}  {'method':<14}{'runs':>5}{'found':>7}{'proven':>8}"
    lines = [f"{head}{'over best':>11}{'over bound':>12}{'own gap':>9}{'median s':>10}{'most s':>9}"]
    for its in summary(rows, by_threads=by_threads):
        budget = f"{its['threads'] or '–':>9}" if by_threads else ""
        lines.append(
            f"{its['set']:<24}{budget}  {its['method']:<14}{its['runs']:>5}{its['found']:>7.0%}"
            f"{its['proven']:>8.1%}{_percent(its['over_best']):>11}{_percent(its['over_bound']):>12}"
            f"{_percent(its['own_gap']):>9}{its['seconds']:>10.3f}{its['most_seconds']:>9.2f}"
        )
    told = sum(row["best_from"] == "table" for row in rows)
    lines.append(
        f"best known is a table's in {told} of {len(rows)} rows, and the best of this run in the others"
    )
    return "\n".join(lines)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.2%}"
