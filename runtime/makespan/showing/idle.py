"""Why places of the budget stood idle: every moment in which nothing ran in one is given a row and a cause.

::

    row 0  [ a      ][ c ]░░░░░░░░░      nothing left
    row 1  [ b ]░░░░░░░░░░[ d      ]     inputs: d waits for c

At each moment as many rows are idle as places of the budget are free; what is idle adds up, with what ran, to
budget × makespan. The nodes that were ready but had not started are taken in the order in which they did
start, one a free place: a full lock or group kept it back (*lock*, or *GIL* if the group is there for the
GIL), or nothing did (*budget*: no worker had come for it yet). Free places beyond those waited for *inputs*
as long as there were nodes that were not ready, else there was *nothing left*. A ready node stands in the row
in which it will run; the rest is shared out among threads, then the caller, then worker processes. Rows that
remain rest: their places are in use elsewhere. Pure; O(n · rows).
"""

from __future__ import annotations

from bisect import insort
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from makespan.showing.observed import SAME_MOMENT_S
from makespan.showing.shapes import Idle, IdleCause, LaneKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SEEN_SHARE = 1 / 20_000
"""Of the whole: a shorter stretch is not drawn, only added up."""
JOINED_SHARE = 1 / 1000
"""Of the whole: shorter stretches of one cause are drawn as one, whichever nodes they waited for."""

_Stretch = tuple[float, float, IdleCause, str]
"""Start, end, cause, and what was waited for."""


class Task(NamedTuple):
    """A node that ran."""

    name: str
    start_s: float
    end_s: float
    row: int
    after: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()
    alone: bool = False
    waits_in: int | None = None
    """The row of the thread that waited for it meanwhile."""


class Limit(NamedTuple):
    """A lock or group."""

    name: str
    limit: int
    cause: IdleCause = "lock"


class Verdict(NamedTuple):
    """What is found."""

    idle: tuple[Idle, ...]
    """Stretches that can be seen, by row and time."""
    sums_s: tuple[Mapping[IdleCause, float], ...]
    """Of each row, all of them."""


def idle_of(
    tasks: Sequence[Task], rows: Sequence[LaneKind], places: int, until_s: float, limits: Sequence[Limit] = ()
) -> Verdict:
    """Say why places were idle.

    Parameters
    ----------
    tasks : sequence of Task
    rows : sequence of LaneKind, shape (rows,)
    places : int
        The budget: how many nodes may run at once.
    until_s : float
        The end of the run.
    limits : sequence of Limit
        What `Task.groups` counts.

    >>> a, b = Task("a", 0.0, 1.0, 0), Task("b", 1.0, 2.0, 0, after=("a",))
    >>> [(its.row, its.start_s, its.end_s, its.cause) for its in idle_of([a, b], ["thread"] * 2, 2, 2.0).idle]
    [(1, 0.0, 1.0, 'inputs'), (1, 1.0, 2.0, 'nothing left')]
    """
    if not rows or until_s <= 0:
        return Verdict((), tuple({} for _ in rows))
    return _Sweep(tasks, rows, places, until_s, limits).verdict()


_FIRST: dict[LaneKind, int] = {"thread": 0, "loop": 0, "caller": 1, "process": 2}


class _Sweep:
    """The moments at which anything changes, one after the other."""

    def __init__(
        self,
        tasks: Sequence[Task],
        rows: Sequence[LaneKind],
        places: int,
        until_s: float,
        limits: Sequence[Limit],
    ) -> None:
        self.tasks, self.places, self.until_s, self.limits = tasks, places, until_s, limits
        self.rows = sorted(range(len(rows)), key=lambda row: (_FIRST[rows[row]], row))
        self.ready_s, self.last = _ready(tasks)
        self.used = [0] * len(limits)
        self.running = 0
        self.alone: dict[int, None] = {}
        self.busy = [0] * len(rows)
        # What is ready, by start; what is not yet, by when it is, the last first.
        self.ready: list[tuple[float, int]] = []
        self.later = sorted(((at_s, i) for i, at_s in enumerate(self.ready_s)), reverse=True)
        self.open: dict[int, tuple[float, IdleCause, str]] = {}
        self.found: list[list[_Stretch]] = [[] for _ in rows]

    def verdict(self) -> Verdict:
        """Go through all moments."""
        begun = sorted(((task.start_s, i) for i, task in enumerate(self.tasks)), reverse=True)
        ends = [max(task.start_s, task.end_s) for task in self.tasks]
        ended = sorted(((end_s, i) for i, end_s in enumerate(ends)), reverse=True)
        moments = {0.0, self.until_s, *self.ready_s, *ends, *(task.start_s for task in self.tasks)}
        times = sorted(moment for moment in moments if 0 <= moment <= self.until_s)
        for now_s in times[:-1]:
            while begun and begun[-1][0] <= now_s:
                self._start(begun.pop()[1])
            while ended and ended[-1][0] <= now_s:
                self._end(ended.pop()[1])
            self._pass(now_s)
            self._judge(now_s)
        for row in tuple(self.open):
            self._close(row, self.until_s)
        return self._told()

    def _start(self, i: int) -> None:
        task = self.tasks[i]
        self._pass(task.start_s)
        self.ready.pop(0)  # nodes start in the order in which the list is sorted
        self._count(i, 1)
        if task.alone:
            self.alone[i] = None

    def _end(self, i: int) -> None:
        self._count(i, -1)
        self.alone.pop(i, None)

    def _count(self, i: int, change: int) -> None:
        task = self.tasks[i]
        self.running += change
        self.busy[task.row] += change
        if task.waits_in is not None:
            self.busy[task.waits_in] += change
        for k in task.groups:
            self.used[k] += change

    def _pass(self, now_s: float) -> None:
        """Note what is ready by now."""
        while self.later and self.later[-1][0] <= now_s:
            i = self.later.pop()[1]
            insort(self.ready, (self.tasks[i].start_s, i))

    def _judge(self, now_s: float) -> None:
        """Give each free place a row and its cause, from now to the next moment."""
        rows = [row for row in self.rows if not self.busy[row]]
        free = max(0, min(len(rows), self.places - self.running))
        first = [i for _, i in self.ready[:free]]
        given: dict[int, tuple[IdleCause, str]] = {}
        left = dict.fromkeys(rows)
        homeless = []
        for i in first:
            row = self.tasks[i].row
            if row in left:
                del left[row]
                given[row] = self._kept_back(i, first[0])
            else:
                homeless.append(i)
        rest: tuple[IdleCause, str] = ("nothing left", "")
        if self.later:
            rest = ("inputs", self.last[self.later[-1][1]])
        for row in islice(left, free - len(given)):
            given[row] = self._kept_back(homeless.pop(0), first[0]) if homeless else rest
        for row in [row for row, state in self.open.items() if given.get(row) != state[1:]]:
            self._close(row, now_s)
        for row, why in given.items():
            if row not in self.open:
                self.open[row] = (now_s, *why)

    def _kept_back(self, i: int, head: int) -> tuple[IdleCause, str]:
        task = self.tasks[i]
        for k in task.groups:
            its = self.limits[k]
            if self.used[k] >= its.limit:
                return its.cause, its.name
        if self.alone:
            return "lock", self.tasks[next(iter(self.alone))].name
        if self.tasks[head].alone and self.running:
            return "lock", self.tasks[head].name  # the others drain, then it starts
        return "budget", task.name

    def _close(self, row: int, now_s: float) -> None:
        begun_s, cause, of = self.open.pop(row)
        if now_s - begun_s > SAME_MOMENT_S:
            self.found[row].append((begun_s, now_s, cause, of))

    def _told(self) -> Verdict:
        idle: list[Idle] = []
        sums: list[Mapping[IdleCause, float]] = []
        for row, stretches in enumerate(self.found):
            total: dict[IdleCause, float] = {}
            for start_s, end_s, cause, _ in stretches:
                total[cause] = total.get(cause, 0.0) + end_s - start_s
            sums.append(total)
            for start_s, end_s, cause, of in _joined(stretches, JOINED_SHARE * self.until_s):
                if end_s - start_s >= SEEN_SHARE * self.until_s:
                    idle.append(Idle(row, start_s, end_s, cause, of))
        return Verdict(tuple(idle), tuple(sums))


def _joined(stretches: Sequence[_Stretch], short_s: float) -> list[_Stretch]:
    """Make one of short stretches that follow each other and have the same cause, of different nodes."""
    joined: list[_Stretch] = []
    for its in stretches:
        start_s, end_s, cause, _ = its
        if joined and joined[-1][2] == cause and start_s - joined[-1][1] <= SAME_MOMENT_S:
            before_s, until_s, _, _ = joined[-1]
            if min(until_s - before_s, end_s - start_s) < short_s:
                joined[-1] = (before_s, end_s, cause, "")
                continue
        joined.append(its)
    return joined


def _ready(tasks: Sequence[Task]) -> tuple[list[float], list[str]]:
    """Return when the inputs of each node were there, and which came last."""
    number = {task.name: i for i, task in enumerate(tasks)}
    ready_s, last = [], []
    for task in tasks:
        inputs = [number[name] for name in task.after if name in number]
        latest = max(inputs, key=lambda i: (tasks[i].end_s, -i), default=None)
        ready_s.append(min(task.start_s, 0.0 if latest is None else tasks[latest].end_s))
        last.append("" if latest is None else tasks[latest].name)
    return ready_s, last
