"""Why rows stood idle: every moment in which nothing ran in a row is given a cause.

::

    row 0  [ a      ][ c ]░░░░░░░░░      nothing left
    row 1  [ b ]░░░░░░░░░░[ d      ]     first inputs (d waits for c), then …

At each moment the nodes that were ready but had not started are taken in the order in which they did start,
one an idle row: a full lock or group kept it back (*lock*, or *GIL* if the group is there for the GIL), or
nothing did (*budget*: all places were taken, or no worker had come for it yet). Idle rows beyond those waited
for *inputs* as long as there were nodes that were not ready, else there was *nothing left*. Rows of worker
processes are judged by the nodes of processes, all others by the other nodes. Pure; O(n · rows).
"""

from __future__ import annotations

from bisect import insort
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from makespan.showing.observed import SAME_MOMENT_S
from makespan.showing.shapes import Idle, IdleCause

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SEEN_SHARE = 1 / 20_000
"""Of the whole: a shorter stretch is not drawn, only added up."""


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
    waiting_s: tuple[float, ...]
    """Of each row: its thread waited for a worker process, and nothing else ran in it."""


def idle_of(
    tasks: Sequence[Task], apart: Sequence[bool], until_s: float, limits: Sequence[Limit] = ()
) -> Verdict:
    """Say why the rows were idle.

    Parameters
    ----------
    tasks : sequence of Task
    apart : sequence of bool, shape (rows,)
        Which rows are worker processes.
    until_s : float
        The end of the run.
    limits : sequence of Limit
        What `Task.groups` counts.

    >>> a, b = Task("a", 0.0, 1.0, 0), Task("b", 1.0, 2.0, 0, after=("a",))
    >>> [(its.row, its.start_s, its.end_s, its.cause) for its in idle_of([a, b], [False] * 2, 2.0).idle]
    [(1, 0.0, 1.0, 'inputs'), (1, 1.0, 2.0, 'nothing left')]
    """
    return _Sweep(tasks, apart, until_s, limits).verdict()


class _Sweep:
    """The moments at which anything changes, one after the other."""

    def __init__(
        self, tasks: Sequence[Task], apart: Sequence[bool], until_s: float, limits: Sequence[Limit]
    ) -> None:
        self.tasks, self.apart, self.until_s, self.limits = tasks, apart, until_s, limits
        self.ready_s, self.last = _ready(tasks)
        self.used = [0] * len(limits)
        self.running = 0
        self.alone: dict[int, None] = {}
        self.busy = [0] * len(apart)
        self.lent = [0] * len(apart)
        # Of each kind of row: what is ready, by start; what is not yet, by when it is, the last first.
        self.ready: dict[bool, list[tuple[float, int]]] = {False: [], True: []}
        self.later: dict[bool, list[tuple[float, int]]] = {False: [], True: []}
        for i, task in enumerate(tasks):
            self.later[apart[task.row]].append((self.ready_s[i], i))
        for waiting in self.later.values():
            waiting.sort(reverse=True)
        self.open: list[tuple[float, IdleCause, str] | None] = [None] * len(apart)
        self.found: list[list[tuple[float, float, IdleCause, str]]] = [[] for _ in apart]
        self.waiting_s = [0.0] * len(apart)

    def verdict(self) -> Verdict:
        """Go through all moments."""
        if not self.apart or self.until_s <= 0:
            return Verdict((), tuple({} for _ in self.apart), tuple(0.0 for _ in self.apart))
        begun = sorted((task.start_s, i) for i, task in enumerate(self.tasks))[::-1]
        ended = sorted((max(task.start_s, task.end_s), i) for i, task in enumerate(self.tasks))[::-1]
        moments = {0.0, self.until_s, *self.ready_s}
        moments.update(task.start_s for task in self.tasks)
        moments.update(max(task.start_s, task.end_s) for task in self.tasks)
        times = sorted(moment for moment in moments if 0 <= moment <= self.until_s)
        for now_s, next_s in pairwise(times):
            while begun and begun[-1][0] <= now_s:
                self._start(begun.pop()[1])
            while ended and ended[-1][0] <= now_s:
                self._end(ended.pop()[1])
            self._pass(now_s)
            self._judge(now_s, next_s)
        for row, state in enumerate(self.open):
            if state is not None:
                self._close(row, state, self.until_s)
        return self._told()

    def _start(self, i: int) -> None:
        task = self.tasks[i]
        apart = self.apart[task.row]
        self._pass(task.start_s)
        self.ready[apart].pop(0)  # nodes start in the order in which the list is sorted
        self.busy[task.row] += 1
        self.running += 1
        if task.waits_in is not None:
            self.lent[task.waits_in] += 1
        if task.alone:
            self.alone[i] = None
        for k in task.groups:
            self.used[k] += 1

    def _end(self, i: int) -> None:
        task = self.tasks[i]
        self.busy[task.row] -= 1
        self.running -= 1
        if task.waits_in is not None:
            self.lent[task.waits_in] -= 1
        self.alone.pop(i, None)
        for k in task.groups:
            self.used[k] -= 1

    def _pass(self, now_s: float) -> None:
        """Note what is ready by now."""
        for apart, later in self.later.items():
            while later and later[-1][0] <= now_s:
                i = later.pop()[1]
                insort(self.ready[apart], (self.tasks[i].start_s, i))

    def _judge(self, now_s: float, next_s: float) -> None:
        """Give each row that is idle now its cause until the next moment."""
        for row, lent in enumerate(self.lent):
            if lent and not self.busy[row]:
                self.waiting_s[row] += next_s - now_s
        for apart in (False, True):
            rows = [
                row
                for row, its in enumerate(self.apart)
                if its is apart and not self.busy[row] and not self.lent[row]
            ]
            given: dict[int, tuple[IdleCause, str]] = {}
            first = self.ready[apart][: len(rows)]
            for (_, i), row in zip(first, self._dealt(first, rows), strict=True):
                given[row] = self._kept_back(i, first[0][1])
            rest: tuple[IdleCause, str] = ("nothing left", "")
            if self.later[apart]:
                rest = ("inputs", self.last[self.later[apart][-1][1]])
            for row in rows:
                self._note(row, given.get(row, rest), now_s)
        for row, state in enumerate(self.open):
            if state is not None and (self.busy[row] or self.lent[row]):
                self._close(row, state, now_s)

    def _dealt(self, first: Sequence[tuple[float, int]], rows: Sequence[int]) -> list[int]:
        """Return a row for each ready node: the one in which it will run if that is idle, else any."""
        free = dict.fromkeys(rows)
        own = [self.tasks[i].row for _, i in first]
        dealt: list[int | None] = []
        for row in own:
            dealt.append(row if row in free else None)
            free.pop(row, None)
        left = iter(free)
        return [next(left) if row is None else row for row in dealt]

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

    def _note(self, row: int, now: tuple[IdleCause, str], now_s: float) -> None:
        state = self.open[row]
        if state is not None:
            if state[1:] == now:
                return
            self._close(row, state, now_s)
        self.open[row] = (now_s, *now)

    def _close(self, row: int, state: tuple[float, IdleCause, str], now_s: float) -> None:
        self.open[row] = None
        if now_s - state[0] > SAME_MOMENT_S:
            self.found[row].append((state[0], now_s, state[1], state[2]))

    def _told(self) -> Verdict:
        idle: list[Idle] = []
        sums: list[Mapping[IdleCause, float]] = []
        for row, stretches in enumerate(self.found):
            total: dict[IdleCause, float] = {}
            for start_s, end_s, cause, of in stretches:
                total[cause] = total.get(cause, 0.0) + end_s - start_s
                if end_s - start_s >= SEEN_SHARE * self.until_s:
                    idle.append(Idle(row, start_s, end_s, cause, of))
            sums.append(total)
        return Verdict(tuple(idle), tuple(sums), tuple(self.waiting_s))


def _ready(tasks: Sequence[Task]) -> tuple[list[float], list[str]]:
    """Return when the inputs of each node were there, and which came last."""
    number = {task.name: i for i, task in enumerate(tasks)}
    ready_s, last = [], []
    for task in tasks:
        inputs = [number[name] for name in task.after if name in number]
        latest = max(inputs, key=lambda i: (tasks[i].end_s, -i), default=None)
        ready_s.append(0.0 if latest is None else max(0.0, min(task.start_s, tasks[latest].end_s)))
        last.append("" if latest is None else tasks[latest].name)
    return ready_s, last
