"""Tables of what is known of public instances: bounds and best makespans.

The PSPLIB's optima are rows ``problem,optimum``, the second an optimum, ``lower..upper`` or ``..upper``.
``certified.csv`` of the Standard Task Graph Set has a row for each instance and number of threads, or columns
for each number of threads; its columns are found by their names (`_COLUMNS`).
"""

from __future__ import annotations

import csv
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from benchmarks.cases import InstanceError, Known, at, text_of, whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Folder (empty: any) and name of an instance, to what is known for a number of threads.
Table = dict[tuple[str, str], dict[int | None, Known]]

_COLUMNS = {
    "name": ("instance", "name", "file", "graph", "problem", "stg"),
    "folder": ("set", "size", "n", "tasks", "folder", "nodes"),
    "threads": ("threads", "k", "m", "processors", "procs", "machines", "cpus", "p"),
    "upper": ("best", "upper", "ub", "makespan", "best_known", "best_makespan", "upper_bound"),
    "lower": ("bound", "lower", "lb", "lower_bound", "valid_lower_bound"),
}
_OPTIMUM = re.compile(r"\s*(?:(\d*)\s*\.\.\s*)?(\d+)\s*")


def read_optima(path: Path) -> Table:
    """Read optima of the PSPLIB.

    Raises
    ------
    InstanceError
        A row is not of that form; with its line.
    """
    found: Table = {}
    for line, row in _rows(path):
        if line == 1 and not any(mark.isdigit() for mark in row[-1]):
            continue  # the header
        match = _OPTIMUM.fullmatch(row[1]) if len(row) == 2 else None
        if match is None:
            raise InstanceError(
                "should be `problem,optimum`, and the optimum `12`, `10..12` or `..12`",
                where=at(path, line),
            )
        upper = int(match[2])
        lower = upper if match[1] is None else int(match[1] or 0)
        _check(lower, upper, at(path, line))
        found["", PurePosixPath(row[0].strip()).stem] = {None: Known(lower, upper)}
    return found


def read_certified(path: Path) -> Table:
    """Read bounds and best makespans for numbers of threads.

    Raises
    ------
    InstanceError
        Columns are missing, or a value is no whole number; with its line.
    """
    rows = list(_rows(path))
    if not rows:
        raise InstanceError("is empty", where=str(path))
    header = [name.strip().lower() for name in rows[0][1]]
    columns = {
        role: next((header.index(word) for word in words if word in header), None)
        for role, words in _COLUMNS.items()
    }
    name = columns["name"]
    wide = _wide(header)
    narrow = (columns["threads"], columns["lower"], columns["upper"])
    if name is None or (None in narrow and not wide):
        raise InstanceError(
            f"its columns {', '.join(header)} do not tell instance, threads, bound and best",
            where=at(path, 1),
            hint="as instance,threads,bound,best or instance,bound_2,best_2,bound_4,…",
        )
    found: Table = {}
    for line, row in rows[1:]:
        where = at(path, line)
        if len(row) != len(header):
            raise InstanceError(f"has {len(row)} values for {len(header)} columns", where=where)
        instance = PurePosixPath(row[name].strip())
        folder = instance.parent.name or (
            row[columns["folder"]].strip() if columns["folder"] is not None else ""
        )
        entry = found.setdefault((PurePosixPath(folder).name, instance.stem), {})
        if wide:
            entries = [(threads, row[low], row[high]) for threads, (low, high) in wide.items()]
        else:
            said, low, high = (row[column] for column in narrow if column is not None)
            entries = [(whole(said, "the number of threads", where, 1), low, high)]
        for threads, low, high in entries:
            lower, upper = whole(low, "the bound", where), whole(high, "the best makespan", where)
            _check(lower, upper, where)
            entry[threads] = Known(lower, upper)
    return found


def _wide(header: list[str]) -> dict[int, tuple[int, int]]:
    """Return the columns of bound and best for each number of threads, as ``lb_2``, ``ub2``, ``best_k4``."""
    sides: dict[str, dict[int, int]] = {"lower": {}, "upper": {}}
    for column, title in enumerate(header):
        if match := re.fullmatch(r"([a-z_]+?)_?[kmpt]?_?(\d+)", title):
            for side, its in sides.items():
                if match[1] in _COLUMNS[side]:
                    its[int(match[2])] = column
    low, high = sides["lower"], sides["upper"]
    return {threads: (low[threads], high[threads]) for threads in sorted(low.keys() & high.keys())}


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    lines = text_of(path).splitlines()
    for line, row in enumerate(
        csv.reader(lines, delimiter=";" if ";" in (lines or [""])[0] else ","), start=1
    ):
        if row and not row[0].startswith("#"):
            yield line, row


def _check(lower: int, upper: int, where: str) -> None:
    if lower > upper:
        raise InstanceError(f"the bound {lower} is above the best makespan {upper}", where=where)
