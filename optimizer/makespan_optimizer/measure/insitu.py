"""Measuring nodes while they run beside others: what each did with its wall, and how long it waited.

The clocks divide a call's wall exactly; samples divide two of the parts further::

    wall ├─ on a core ─────────┤├─ ready, no core ─┤├─ asleep ─────────────────────────┤
    by   │  thread clock       ││  schedstat       ││  the rest                        │
         ├─ gil ───┤├─ native ─┤├─ run_delay ──────┤├─ gil_wait ─┤├─ sleep, io, lock … ┤

- asleep: a wait in the lock's own futex is the wait for the GIL, the others are blocked, all in the ratio in
  which they were seen.
- on a core: ``p = hold / (hold + on a core without it)``. A thread that is ready but has no core is seen as
  "running" too (only the kernel's clocks tell the two apart). When it was woken to take the GIL it does not
  hold it yet: so of the run delay, as much as it waited for the GIL (each wait ends with one hand-over) is
  taken out of the samples without the GIL; what is left, preemption, comes in both in proportion. Without
  this a Python loop beside another one looks some per cent native.
- The process's CPU clock is of no use here, it includes the other nodes. So threads that a node starts itself
  are not in its figures.

A DAG that a node calls is part of the node.

Samples are believed only after the sampler told a loop, a hash and a sleep apart in this process, once (0.2 s
before the first measured run). Without that, or when it cannot be had, clocks measure alone.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from makespan.machine import gil_enabled
from makespan.measurement import BLOCKED, Measured
from makespan_optimizer.measure.calibrate import fault_of
from makespan_optimizer.measure.clocks import Stopwatch
from makespan_optimizer.measure.sampling.sampler import (
    CanarySampler,
    NoSampler,
    fallback_note,
    open_sampler,
    unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.measurement import SamplerSource
    from makespan.preparing.program import Program
    from makespan_optimizer.measure.clocks import Clocks
    from makespan_optimizer.measure.sampling.watch import Sampler, SamplerName, Seen, Watch


def measured_from(clocks: Clocks, seen: Seen | None, *, gil: bool = True) -> Measured:
    """Return what a call did with its wall; the seconds add up to it.

    Parameters
    ----------
    clocks : Clocks
        What passed during the call.
    seen : Seen or None
        What the sampler saw of the thread; None without one.
    gil : bool
        Whether the interpreter has a GIL.
    """
    wall_s = clocks.wall_s
    cpu_s = min(clocks.cpu_s, wall_s)
    delay_s = min(clocks.run_delay_s, wall_s - cpu_s)
    asleep_s = wall_s - cpu_s - delay_s
    samples = seen.samples if seen is not None else 0
    share = 1.0 if gil else 0.0
    waits_s, blocked_s = 0.0, {"other": asleep_s} if asleep_s > 0 else {}
    if seen is not None and samples:
        counts = {kind: getattr(seen, kind) for kind in BLOCKED}
        asleep = seen.gil_wait + sum(counts.values())
        if asleep and asleep_s > 0:
            waits_s = asleep_s * seen.gil_wait / asleep
            blocked_s = {kind: asleep_s * count / asleep for kind, count in counts.items() if count}
        if gil and wall_s > 0:
            share = held_share(seen, min(delay_s, waits_s) * samples / wall_s)
    gil_s = cpu_s * share
    return Measured(
        gil_s=gil_s,
        native_s=max(0.0, cpu_s - gil_s),
        gil_wait_s=waits_s,
        blocked_s=blocked_s,
        run_delay_s=delay_s,
        samples=samples,
    )


def held_share(seen: Seen, handed_over: float) -> float:
    """Return the share of the CPU time that held the GIL.

    Parameters
    ----------
    seen : Seen
        Counts of samples.
    handed_over : float
        How many of them, by the clocks, may have found the thread woken for the GIL and still without a core.
    """
    on = seen.hold + max(0.0, seen.running - handed_over)
    if on <= 0:  # its CPU time fell between the samples: nothing is known of it
        return 1.0
    return seen.hold / on


class _Post:
    """What measures in one thread."""

    def __init__(self, sampler: Sampler) -> None:
        self.busy = False
        self._stopwatch = Stopwatch()
        self._stopwatch.__enter__()
        try:
            self._watch: Watch = sampler.watch()
        except BaseException:
            self._stopwatch.__exit__(None, None, None)
            raise
        self._began: Clocks | None = None

    def begin(self) -> None:
        self._began = None
        self._watch.begin()
        self._began = self._stopwatch.begin()

    def end(self) -> tuple[Clocks, Seen | None] | None:
        if self._began is None:
            return None
        passed = self._stopwatch.end(self._began)
        return passed, self._watch.end()

    def close(self) -> None:
        try:
            self._watch.close()
        finally:
            self._stopwatch.__exit__(None, None, None)


class InSitu:
    """Measures the nodes of one run, each in the thread that runs it. It never harms the run.

    `stop` ends the measuring, `close` what it needed; in between, `results` and `notes` can be asked for. A
    helper thread that is still in a node by then lets go of its own part when the node ends.

    Parameters
    ----------
    sampler : Sampler
        It is closed by `close`.
    notes : tuple of str
        Why it is not a better sampler.
    nodes : int
        How many nodes the program has.
    """

    def __init__(self, sampler: Sampler, notes: tuple[str, ...], nodes: int) -> None:
        self._sampler = sampler
        self._notes = notes
        self._raw: list[tuple[Clocks, Seen | None] | None] = [None] * nodes
        self._here = threading.local()
        self._lock = threading.Lock()
        self._posts: list[_Post] = []
        self._over = self._closed = False
        self._fault = ""

    def wrapped(self, program: Program) -> Program:
        """Return the program with each call measured."""
        return program._replace(calls=[partial(self._call, i, fn) for i, fn in enumerate(program.calls)])

    def _call(self, node: int, fn: Callable[..., Any], *args: Any) -> Any:
        post = self._begin(node)
        try:
            return fn(*args)
        finally:
            del args  # a traceback holds this frame, and must not hold the node's arguments
            if post is not None:
                self._end(node, post)

    def _begin(self, node: int) -> _Post | None:
        """Start measuring in this thread; None when it cannot be done, or is over."""
        if self._over:
            return None
        post: _Post | None = getattr(self._here, "post", None)
        try:
            if post is None:
                post = _Post(self._sampler)
                self._here.post = post
                with self._lock:
                    self._posts.append(post)
            post.busy = True
            post.begin()
        except BaseException as error:
            if post is not None:
                self._leave(post, node)
            self._caught(error)
            return None
        return post

    def _end(self, node: int, post: _Post) -> None:
        raw = None
        try:
            raw = post.end()
        except BaseException as error:
            self._caught(error)
        finally:
            self._leave(post, node, raw)

    def _leave(self, post: _Post, node: int, raw: tuple[Clocks, Seen | None] | None = None) -> None:
        with self._lock:
            if not self._over:
                self._raw[node] = raw
            post.busy = False
            closed = self._closed
        if closed:  # nobody else will
            _close(post)

    def _caught(self, error: BaseException) -> None:
        """Pass over a fault: the node is worth more than its measurement. Ctrl-C is not one."""
        if not isinstance(error, Exception):
            raise error
        if not self._over:
            self._fault = type(error).__name__

    def stop(self) -> None:
        """Take no more results: what is measured now is what there is."""
        with self._lock:
            self._over = True

    def close(self) -> None:
        """Let go of everything that no thread is using any more. It may be called twice."""
        with self._lock:
            self._over = self._closed = True
            idle = [post for post in self._posts if not post.busy]
            self._posts.clear()
        for post in idle:
            _close(post)
        self._sampler.close()

    def results(self) -> list[Measured | None]:
        """Return what was measured, by node number; None for a node that did not come to an end."""
        gil = gil_enabled()
        return [None if raw is None else measured_from(*raw, gil=gil) for raw in self._raw]

    @property
    def source(self) -> SamplerSource:
        """How the division of the CPU time was had; clocks, when the sampler was lost in mid-run."""
        return self._sampler.name if self._sampler.lost is None else "clocks"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know before trusting the figures."""
        notes = self._notes + self._sampler.notes
        if self._sampler.lost is not None:
            reason = f"the sampler ended in mid-run ({self._sampler.lost}); nodes before that were sampled"
            notes += (fallback_note(reason),)
        if self._fault:
            notes += (f"not every node was measured ({self._fault})",)
        return notes


def _close(post: _Post) -> None:
    with suppress(Exception):  # the run is over; what fails to close closes with the process
        post.close()


def open_in_situ(sampler: SamplerName, nodes: int) -> InSitu:
    """Start a sampler, and return what measures one run with it.

    Parameters
    ----------
    sampler : {"auto", "gil", "canary", "clocks"}
        ``auto`` is ``gil``, else ``clocks``: a canary sees nothing of calls that overlap, and asking for the
        GIL in each thread would disturb the run.
    nodes : int
        How many nodes the program has.

    Raises
    ------
    OptionError
        An unknown sampler; or one that was asked for by name and cannot be had here, or fails its self-test.
    """
    chosen, notes = open_sampler(sampler)
    if sampler == "auto" and isinstance(chosen, CanarySampler):
        chosen.close()
        return InSitu(NoSampler(), (fallback_note(chosen.reason),), nodes)
    try:
        fault = fault_of(chosen)
    except BaseException:
        chosen.close()
        raise
    if fault is not None:
        chosen.close()
        if sampler != "auto":
            raise unavailable(fault)
        chosen, notes = NoSampler(), (*notes, fallback_note(f"{chosen.name}: {fault}"))
    return InSitu(chosen, notes, nodes)
