"""Readers and writers of the two text formats of scheduling research: PSPLIB's ``.sm`` and STG's ``.stg``.

A ``.sm`` file has sections under headings: successors of each job, then duration and demands of each, then
the capacities (Kolisch & Sprecher 1997, "PSPLIB: a project scheduling problem library"). A ``.stg`` file has
the number of tasks, then for each of them ``id duration n_predecessors predecessors…`` with an entry and an
exit of no duration besides, then remarks (Tobita & Kasahara 2002).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.cases import Case, InstanceError, at, text_of, whole
from makespan_optimizer.rigid.problem import Resource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Numbers = list[int]

_SUCCESSORS = "PRECEDENCE RELATIONS"
_REQUESTS = "REQUESTS/DURATIONS"
_CAPACITIES = "RESOURCEAVAILABILITIES"
_HEADINGS = (_SUCCESSORS, _REQUESTS, _CAPACITIES)


class _Row(NamedTuple):
    line: int
    numbers: Numbers


# -- PSPLIB ------------------------------------------------------------------------------------------------


def read_sm(path: Path, group: str) -> Case:
    """Read a project with one mode a job.

    Raises
    ------
    InstanceError
        A section or a job is missing, a job has several modes, a number is none; with its line.
    """
    sections = _sections(path)
    for heading in _HEADINGS:
        if not sections.get(heading):
            raise InstanceError(f"has no section {heading}", where=str(path), hint="is it a .sm file?")
    jobs = _by_job(path, sections[_SUCCESSORS], 3)
    requests = _by_job(path, sections[_REQUESTS], 3)
    n = len(jobs)
    for job, row in jobs.items():
        modes, count, *after = row.numbers[1:]
        where = at(path, row.line)
        if modes != 1 or count != len(after):
            raise InstanceError(
                f"job {job} has {modes} modes; one is read here"
                if modes != 1
                else f"job {job} should have {count} successors, and has {len(after)}",
                where=where,
            )
        for j in after:
            if not 1 <= j <= n:
                raise InstanceError(f"job {job} is followed by {j}, and there are {n} jobs", where=where)
    if requests.keys() != jobs.keys():
        odd = min(requests.keys() ^ jobs.keys())
        raise InstanceError(f"job {odd} has no successors or no duration", where=str(path))
    last = sections[_CAPACITIES][-1]
    demands = [requests[job].numbers[3:] for job in range(1, n + 1)]
    for job in range(1, n + 1):
        if len(demands[job - 1]) != len(last.numbers):
            raise InstanceError(
                f"job {job} demands {len(demands[job - 1])} resources of {len(last.numbers)}",
                where=at(path, requests[job].line),
            )
    preds: list[list[int]] = [[] for _ in range(n)]
    for job in range(1, n + 1):
        for j in jobs[job].numbers[3:]:
            preds[j - 1].append(job - 1)
    resources = tuple(
        Resource(f"R{r + 1}", capacity, tuple(its[r] for its in demands))
        for r, capacity in enumerate(last.numbers)
    )
    wall = tuple(requests[job].numbers[2] for job in range(1, n + 1))
    return Case(group, path.stem, wall, tuple(map(tuple, preds)), resources, threaded=False)


def _sections(path: Path) -> dict[str, list[_Row]]:
    """Return the rows of numbers under each heading."""
    found: dict[str, list[_Row]] = {}
    heading = ""
    for line, text in enumerate(text_of(path).splitlines(), start=1):
        words = text.split()
        if not words or text.startswith(("*", "-")):
            continue
        if title := next((title for title in _HEADINGS if text.upper().startswith(title)), ""):
            heading = title
            found[heading] = []
        elif heading and not words[0][0].isalpha():  # the others are titles of columns
            found[heading].append(_Row(line, [whole(word, "a number", at(path, line)) for word in words]))
    return found


def _by_job(path: Path, rows: Sequence[_Row], least: int) -> dict[int, _Row]:
    found: dict[int, _Row] = {}
    for row in rows:
        if len(row.numbers) < least:
            raise InstanceError(f"should have {least} numbers or more", where=at(path, row.line))
        job = row.numbers[0]
        if job != len(found) + 1:
            raise InstanceError(
                f"should tell of job {len(found) + 1}, not of {job}", where=at(path, row.line)
            )
        found[job] = row
    return found


def sm_text(case: Case) -> str:
    """Return a project as a ``.sm`` file; `read_sm` reads it back.

    The first and the last job should have no duration, as the format wants a source and a sink.
    """
    n, r = len(case), len(case.resources)
    stars = "*" * 72
    lines = [stars, f"file with basedata            : {case.name}.bas", stars]
    lines += ["projects                      :  1", f"jobs (incl. supersource/sink ):  {n}"]
    lines += [f"horizon                       :  {sum(case.wall)}", "RESOURCES"]
    lines += [f"  - renewable                 :  {r}   R", "  - nonrenewable              :  0   N"]
    lines += ["  - doubly constrained        :  0   D", stars, f"{_SUCCESSORS}:"]
    lines += ["jobnr.    #modes  #successors   successors"]
    after: list[list[int]] = [[] for _ in range(n)]
    for i, some in enumerate(case.preds):
        for p in some:
            after[p].append(i + 1)
    for i, jobs in enumerate(after):
        lines.append(f"{i + 1:4}        1{len(jobs):11}        {''.join(f'{j:6}' for j in jobs)}".rstrip())
    columns = "".join(f"  R{k + 1:2}" for k in range(r))
    lines += [stars, f"{_REQUESTS}:", f"jobnr. mode duration{columns}", "-" * 72]
    for i, wall in enumerate(case.wall):
        demands = "".join(f"{its.demand[i]:5}" for its in case.resources)
        lines.append(f"{i + 1:3}      1{wall:6} {demands}")
    lines += [
        stars,
        f"{_CAPACITIES}:",
        columns,
        "".join(f"{its.capacity:5}" for its in case.resources),
        stars,
    ]
    return "\n".join(lines) + "\n"


# -- STG ---------------------------------------------------------------------------------------------------


def read_stg(path: Path, group: str) -> Case:
    """Read a task graph; its entry and exit stay, as nodes of no duration.

    Raises
    ------
    InstanceError
        A task is missing or told twice, or a number is none; with its line.
    """
    rows = _numbers(path)
    line, first = next(rows, (1, []))
    if len(first) != 1:
        raise InstanceError("should begin with the number of tasks", where=at(path, line))
    expected = first[0] + 2
    wall: list[int] = []
    preds: list[tuple[int, ...]] = []
    lines: list[int] = []
    for line, (number, *rest) in rows:
        where = at(path, line)
        if number != len(wall):
            raise InstanceError(f"should tell of task {len(wall)}, not of {number}", where=where)
        if len(rest) < 2 or rest[1] != len(rest) - 2:
            raise InstanceError(
                "should be `id duration n_predecessors predecessors…`, with as many as it says", where=where
            )
        wall.append(rest[0])
        preds.append(tuple(sorted(set(rest[2:]))))
        lines.append(line)
    if len(wall) != expected:
        raise InstanceError(
            f"has {len(wall)} tasks; its first line promises {first[0]}, and an entry and an exit",
            where=str(path),
        )
    for some, line in zip(preds, lines, strict=True):
        for p in some:
            if p >= expected:
                raise InstanceError(f"waits for task {p}, which is not there", where=at(path, line))
    return Case(group, path.stem, tuple(wall), tuple(preds))


def _numbers(path: Path) -> Iterator[tuple[int, Numbers]]:
    for line, text in enumerate(text_of(path).splitlines(), start=1):
        words = text.partition("#")[0].split()
        if words:
            yield line, [whole(word, "a number", at(path, line)) for word in words]


def stg_text(case: Case) -> str:
    """Return a graph as a ``.stg`` file, its first and last as entry and exit; `read_stg` reads it back."""
    lines = [f"{len(case) - 2:11}"]
    for i, (wall, some) in enumerate(zip(case.wall, case.preds, strict=True)):
        lines.append("".join(f"{number:11}" for number in (i, wall, len(some), *some)))
    return "\n".join([*lines, f"# {case.group} {case.name}"]) + "\n"


WRITERS: dict[str, Callable[[Case], str]] = {".sm": sm_text, ".stg": stg_text}
