"""From clocks and samples to what one call did with its time. Pure.

`p` is the share of its CPU time that held the GIL; all times in seconds::

    p         = n_hold / (n_hold + n_running)           n_running: on a core, not holding the GIL
    off       = wall - cpu - run_delay                  exact, by the kernel's clocks
    gil_wait  = off * n_gil_wait / n_off                blocked is the rest, split by system call likewise

Run delay is the calling thread's, and that of Python threads which it waits for: when other threads of the
node held the GIL for longer (wall * n_other_hold / n, less twice its standard error) than all other threads
were on a core, they waited for one in the meantime.

Only what other processes took is run delay. A node with more threads than there are cores waits for its own
ones, and one that uses up a quota is stopped for that: this is the node's doing, and would be so again. With
the cores that the process may use (its quota included), others had no more than what the node did not::

    run_delay <= wall - (cpu + other_cpu) / cores

What is beyond it counts as blocked, in ``other``: as any wait for the node's own pool, it is covered by CPU
time of other threads.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from makespan.profile import Call
from makespan_optimizer.measure.sampling.takes import takes_of

if TYPE_CHECKING:
    from makespan_optimizer.measure.clocks import Clocks
    from makespan_optimizer.measure.sampling.watch import Seen

SPOILED_SHARE = 0.05  # of the wall: run delay above this spoils a call
_AT_WORK = 0.1  # of the time for which the GIL is held: a thread gets that of a core on any machine


def call_from(
    run: str, clocks: Clocks, seen: Seen | None, *, gil: bool = True, cores: float = math.inf
) -> Call:
    """Return the record of one call.

    Parameters
    ----------
    run : str
        Id of the run's header.
    clocks : Clocks
        What passed during the call.
    seen : Seen or None
        What the sampler saw; None without one.
    gil : bool
        Whether the interpreter has a GIL.
    cores : float
        That this process may use; by default all run delay is others' doing.
    """
    cpu_s = min(clocks.cpu_s, clocks.wall_s)
    delay_s = foreign_delay_s(clocks, cores)
    own_s = min(clocks.run_delay_s, clocks.wall_s - cpu_s) - delay_s  # the node's own threads had the core
    off_s = clocks.wall_s - delay_s - cpu_s - own_s
    share: float | None = None if gil else 0.0
    other_gil_s = gil_wait_s = 0.0
    blocked = {"other": off_s} if off_s > 0 else {}
    takes = None
    if seen is not None and seen.samples:
        takes = takes_of(seen, clocks.wall_s)
        on = seen.hold + seen.running
        if on and gil:
            share = seen.hold / on
        if gil:
            other_gil_s = min(clocks.other_cpu_s, clocks.wall_s * seen.other_hold / seen.samples)
        off = seen.samples - on
        if gil:
            others_s = min(off_s, _others_delay_s(clocks, seen), _most_delay_s(clocks, cores) - delay_s)
            delay_s, off_s = delay_s + others_s, off_s - others_s
            blocked = {"other": off_s} if off_s > 0 else {}
        if off and off_s > 0:
            gil_wait_s = off_s * seen.gil_wait / off
            kinds = {
                "sleep": seen.sleep,
                "io": seen.io,
                "lock": seen.lock,
                "child": seen.child,
                "other": seen.other,
            }
            blocked = {kind: off_s * count / off for kind, count in kinds.items() if count}
    if own_s > 0:
        blocked["other"] = blocked.get("other", 0.0) + own_s
    return Call(
        run=run,
        wall_s=clocks.wall_s,
        cpu_s=cpu_s,
        other_cpu_s=clocks.other_cpu_s,
        other_gil_s=other_gil_s,
        run_delay_s=delay_s,
        gil_share=share,
        gil_samples=seen.hold + seen.running if seen is not None else 0,
        gil_wait_s=gil_wait_s,
        blocked_s=blocked,
        gil_retakes=None if takes is None else round(takes),
        gc_s=clocks.gc_s,
        nvcsw=clocks.nvcsw,
        nivcsw=clocks.nivcsw,
        minflt=clocks.minflt,
        spoiled=delay_s > SPOILED_SHARE * clocks.wall_s,
    )


def foreign_delay_s(clocks: Clocks, cores: float) -> float:
    """Return for how long a call waited for a core that another process had, seconds.

    >>> from makespan_optimizer.measure.clocks import Clocks
    >>> eight_threads = Clocks(1.0, 0.25, 2.0, 0.75, 0.0, 0, 100, 0, 0.0)
    >>> foreign_delay_s(eight_threads, cores=2.0), foreign_delay_s(eight_threads, cores=4.0)
    (0.0, 0.5)
    """
    waited_s = min(clocks.run_delay_s, clocks.wall_s - min(clocks.cpu_s, clocks.wall_s))
    return min(waited_s, _most_delay_s(clocks, cores))


def _most_delay_s(clocks: Clocks, cores: float) -> float:
    """Return for how long others can have kept the process from using all its cores, seconds."""
    return max(0.0, clocks.wall_s - (clocks.cpu_s + clocks.other_cpu_s) / cores)


def _others_delay_s(clocks: Clocks, seen: Seen) -> float:
    """Return for how long other threads held the GIL without being on a core, seconds."""
    share = seen.other_hold / seen.samples
    sure = share - 2 * math.sqrt(share * (1 - share) / seen.samples)
    held_s = clocks.wall_s * sure
    at_work = clocks.other_cpu_s > _AT_WORK * held_s  # else nobody is there who could hold it
    return max(0.0, held_s - clocks.other_cpu_s) if at_work else 0.0


def wall_net_s(call: Call) -> float:
    """Return a call's wall net of run delay."""
    return max(0.0, call.wall_s - call.run_delay_s)
