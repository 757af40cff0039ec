"""The GIL going from thread to thread: one simulation of threads whose phases are known.

A thread is a sequence of phases: holding the GIL, native (on cores, without it), blocked. The rules are those
of CPython 3.2 and later:

- A waiter sleeps for a switch interval. If the GIL did not change hands meanwhile, it asks the holder to drop
  it; the holder does so at its next safe point. Who was made to drop it goes on only after another thread has
  had it.
- A holder that blocks or goes native frees the GIL and wakes the first waiter, which takes a moment. If the
  GIL is taken again by then, most often by the same thread, the waiter waits anew.

A *chatter* takes and frees the GIL too often to be followed: in each of its short cycles it holds it for a
share `duty`. A waiter that is woken finds the GIL free with probability 1 - duty, and so has it after
wake / (1 - duty) on average; then the chatter waits like any other thread (the convoy: it gets next to
nothing done beside a loop). Chatters among themselves collide, and sleep for a moment each time.

Threads that want more cores than there are share them evenly. Exactly one thing is due for each thread: the
end of a phase, a safe point, a time-out, or being awake; the earliest is next. After some hundred events
without anything new, time jumps ahead at the speeds seen, so long nodes cost hardly more than short ones.

Source: CPython ``Python/ceval_gil.c``; David Beazley, "Understanding the Python GIL", 2010.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from makespan_optimizer.contention.chatter import chat_speeds
from makespan_optimizer.contention.phases import CHAT, DONE, HOLD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan_optimizer.contention.phases import Rules, Thread

_WAIT = 6  # for the GIL; the other states are kinds of phases
_NEVER = math.inf
_EVENTS = 100  # simulated before the speeds so far are taken for what follows
_PLENTY = 4_000  # after so many, long phases too are passed over


class Handover:
    """A simulation; `run` it once. `events` counts what happened."""

    def __init__(self, threads: Sequence[Thread], rules: Rules) -> None:
        k = len(threads)
        self.threads = threads
        self.rules = rules
        self.events = 0
        self._ends = [0.0] * k
        self._kind = [DONE] * k
        self._due = [0.0] * k  # the next thing that happens to a thread
        self._end = [0.0] * k  # of its phase, at its present speed
        self._speed = [1.0] * k
        self._rest_s = [0.0] * k  # of the phase for which it waits for the GIL
        self._chats = [False] * k  # that phase is no hold
        self._late_s = [0.0] * k
        self._woken = [False] * k  # a waiter that was called and is on its way
        self._saw = [0] * k  # `_switches` when a waiter fell asleep
        self._switches = 0
        self._queue: list[int] = []  # waiters that sleep, in the order in which they fell asleep
        self._free = True  # of holders; chatters may be at work
        self._last = -1
        self._drop = False  # somebody asked the holder to let go
        width = sum(max(1.0, thread.width) for thread in threads)
        self._shared = rules.crowding > 0 or width > rules.cores or sum(bool(t.duty) for t in threads) > 1

    def run(self) -> list[float]:
        """Return the seconds at which each thread ends."""
        due, kind = self._due, self._kind
        for i in range(len(due)):
            self._go_on(i, 0.0)
        window, budget = self._window(0.0), _EVENTS
        while (now := min(due, default=_NEVER)) < _NEVER:
            self.events += 1
            budget -= 1
            if budget < 0:
                window, budget = self._window(now + self._jump(now, window)), _EVENTS
                continue
            i = due.index(now)
            if kind[i] == _WAIT:
                self._look(i, now)
            elif kind[i] == HOLD and now < self._end[i]:
                self._give_up(i, now)
            else:
                if kind[i] == HOLD:
                    self._let_go(i, now)
                self._go_on(i, now)
                if kind[i] == DONE:
                    window, budget = self._window(now), _EVENTS
                    self._finish_last(window)
        return self._ends

    def _finish_last(self, window: tuple[float, list[float]]) -> None:
        """Let the last thread run to its end: nobody disturbs it, unless it is too wide for the machine."""
        unfinished = [i for i, kind in enumerate(self._kind) if kind != DONE]
        if len(unfinished) == 1 and self.threads[unfinished[0]].width <= self.rules.cores:
            (i,) = unfinished
            self._kind[i], self._due[i] = DONE, _NEVER
            self._ends[i] = window[0] + window[1][i]

    def _window(self, now: float) -> tuple[float, list[float]]:
        """Begin to judge speeds: return the time, and the seconds that each thread has still to do."""
        left_s = [self._rest(i, now) + thread.phases.left_s() for i, thread in enumerate(self.threads)]
        return now, left_s

    def _rest(self, i: int, now: float) -> float:
        """Return the seconds that a thread has still to do in its phase."""
        if self._kind[i] == DONE:
            return 0.0
        return self._rest_s[i] if self._kind[i] == _WAIT else (self._end[i] - now) * self._speed[i]

    def _jump(self, now: float, window: tuple[float, list[float]]) -> float:
        """Let time pass at the speeds of the window until a thread or a long phase ends; return how much."""
        passed_s = now - window[0]
        if passed_s <= 0:
            return 0.0
        left_s = self._window(now)[1]
        speeds = [(before - after) / passed_s for before, after in zip(window[1], left_s, strict=True)]
        rests = [self._rest(i, now) for i in range(len(left_s))]
        long = [rest > passed_s / 4 and self.events < _PLENTY for rest in rests]
        jump_s = min(
            (
                (rests[i] if long[i] else left_s[i]) / speed
                for i, speed in enumerate(speeds)
                if speed > 0 and self._kind[i] != DONE
            ),
            default=0.0,
        )
        jump_s -= passed_s / 2  # the end itself is simulated
        if jump_s < passed_s:
            return 0.0
        for i, speed in enumerate(speeds):
            if self._kind[i] == DONE:
                continue
            done_s = speed * jump_s
            at_end = self._due[i] == self._end[i]
            self._due[i] += jump_s
            self._end[i] += jump_s
            if not long[i]:
                phases = self.threads[i].phases
                later_s = min(done_s, phases.left_s())
                phases.skip(later_s)
                done_s -= later_s
            if self._kind[i] == _WAIT:
                self._rest_s[i] -= done_s
            else:
                self._end[i] -= done_s / self._speed[i]
                if at_end:
                    self._due[i] = self._end[i]
        return jump_s

    def _go_on(self, i: int, now: float) -> None:
        """Begin a thread's next phase."""
        kind, seconds = self.threads[i].phases.next()
        if kind == DONE:
            self._set(i, DONE, now, 0.0)
            self._due[i] = _NEVER
            self._ends[i] = now
        elif kind in (HOLD, CHAT):
            self._rest_s[i] = seconds
            self._chats[i] = kind == CHAT
            self._want(i, now)
        else:
            self._set(i, kind, now, seconds + self._late_s[i])
            self._late_s[i] = 0.0

    # -- the GIL -------------------------------------------------------------------------------------------

    def _want(self, i: int, now: float) -> None:
        if not self._free:
            self._sleep(i, now)
            return
        duty = 0.0 if self._chats[i] else self._duty()
        if duty:  # by chance it has to be woken
            self._kind[i], self._woken[i] = _WAIT, True
            self._due[i] = now + duty * self._entry_s(duty)
            return
        self._take(i, now)

    def _duty(self) -> float:
        """Return the share of time in which chatters hold the GIL."""
        duty = 0.0
        for kind, thread in zip(self._kind, self.threads, strict=True):
            if kind == CHAT:
                duty += thread.duty
        return min(duty, 0.99)

    def _entry_s(self, duty: float) -> float:
        return min(self.rules.wake_s / (1 - duty), max(self.rules.wake_s, self.rules.interval_s))

    def _take(self, i: int, now: float) -> None:
        if self._last != i:
            self._switches += 1
            self._last = i
        self._drop = False
        if self._chats[i]:
            self._set(i, CHAT, now, self._rest_s[i])
            self._call(now, self._entry_s(self._duty()))
            return
        self._free = False
        for j, kind in enumerate(self._kind):
            if kind == CHAT:
                self._rest_s[j] = (self._end[j] - now) * self._speed[j]
                self._sleep(j, now)
        self._set(i, HOLD, now, self._rest_s[i])

    def _sleep(self, i: int, now: float) -> None:
        self._queue.append(i)
        self._woken[i] = False
        self._saw[i] = self._switches
        self._set(i, _WAIT, now, self.rules.interval_s)

    def _look(self, i: int, now: float) -> None:
        """Do what a waiter does whose sleep has ended."""
        if not self._woken[i]:
            self._queue.remove(i)
            if not self._free and self._saw[i] == self._switches:
                self._ask(now)
        if self._free:
            self._take(i, now)
        else:
            self._sleep(i, now)

    def _ask(self, now: float) -> None:
        """Ask the holder to let go at its next safe point."""
        self._drop = True
        if self._kind[self._last] == HOLD:
            self._due[self._last] = self._safe_point(self._last, now)

    def _safe_point(self, h: int, now: float) -> float:
        burst_s = self.threads[h].burst_s
        if not burst_s:
            return now
        rest_s = (self._end[h] - now) * self._speed[h]
        after_s = math.floor(rest_s / burst_s + 1e-9) * burst_s  # safe points count from the hold's end
        return max(now, self._end[h] - after_s / self._speed[h])

    def _let_go(self, i: int, now: float) -> None:
        """Free the GIL before the next phase; if it was asked for, another thread must have it first."""
        self._free = True
        self._late_s[i] = self.rules.wake_s if self._drop and self._queue else 0.0
        self._call(now, self.rules.wake_s)

    def _give_up(self, i: int, now: float) -> None:
        """Free the GIL in the middle of a hold, because a waiter asked; then wait for it like the others."""
        self._rest_s[i] = (self._end[i] - now) * self._speed[i]
        self._free = True
        self._call(now, self.rules.wake_s)
        self._sleep(i, now)
        self._saw[i] += 1  # it goes on to wait once another thread has it
        self._due[i] += self.rules.wake_s

    def _call(self, now: float, after_s: float) -> None:
        """Wake the first waiter."""
        if self._queue:
            first = self._queue.pop(0)
            self._woken[first] = True
            self._due[first] = now + after_s

    # -- the cores -----------------------------------------------------------------------------------------

    def _set(self, i: int, kind: int, now: float, seconds: float) -> None:
        """Let a thread do something for so many seconds at full speed."""
        self._kind[i] = kind
        self._speed[i] = 1.0
        self._end[i] = self._due[i] = now + seconds
        if self._shared:
            self._share(now)

    def _share(self, now: float) -> None:
        """Give each thread on a core its present speed."""
        cores, crowding = self.rules.cores, self.rules.crowding
        wide = [
            (1.0 if kind == HOLD else thread.width) if kind <= CHAT else 0.0
            for kind, thread in zip(self._kind, self.threads, strict=True)
        ]
        busy = sum(wide)
        fair = cores / busy if busy > cores else 1.0
        crowd = 1 + crowding * max(0.0, min(busy, cores) - 1)
        chatting = chat_speeds(
            [self.threads[i] for i, kind in enumerate(self._kind) if kind == CHAT], self.rules
        )
        for i, kind in enumerate(self._kind):
            if kind > CHAT:
                continue
            own = 1 + crowding * max(0.0, min(wide[i], cores) - 1)  # alone it suffered from itself already
            speed = fair * own / crowd
            if kind == CHAT:
                speed *= next(chatting)
            before = self._speed[i]
            if speed != before:
                end, self._speed[i] = self._end[i], speed
                self._end[i] = now + (end - now) * before / speed
                asked = kind == HOLD and self._due[i] < end
                self._due[i] = self._safe_point(i, now) if asked else self._end[i]
