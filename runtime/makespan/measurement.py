"""What was measured, as profile.json and run.json hold it: calls, nodes, pickling, thread trials, pairs.

Only types: how the figures come about is told in `makespan_optimizer.measure`. Neither argument values nor
the text of programs are ever kept.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from makespan.plan import Name

# A duration of more than 1e8 s (three years) is a clock that went wrong.
Seconds = Annotated[float, Meta(ge=0, le=1e8)]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]

NativeLimit = Annotated[int, Meta(ge=1)] | None
Kind = Literal["python", "holds", "native", "parallel", "io", "chatty", "mixed", "unknown"]
SamplerSource = Literal["clocks", "canary", "gil"]
BLOCKED = ("sleep", "io", "lock", "child", "other")
"""The ways to be blocked."""
Origin = Literal["measured", "hint", "trace"]


class RunHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One call of ``makespan profile``."""

    id: str
    at: str
    """UTC, ISO 8601."""
    repeats: Count
    sampler: SamplerSource
    """How the GIL share was had: ``gil`` by looking who holds it, ``canary`` by a thread that asks for it and
    times the answer, ``clocks`` not at all (the CPU share is an upper bound)."""
    rate_hz: float | None = None
    load_share: Share | None = None
    """CPU that other processes took, as a share of the usable cores."""
    calibration: dict[str, float] = {}
    notes: tuple[str, ...] = ()
    inputs: Count = 1
    """How many sets of arguments the DAG was run with in turn."""


class Call(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One measured call of one node."""

    run: str
    wall_s: Seconds
    cpu_s: Seconds
    """CPU of the thread that called."""
    other_cpu_s: Seconds = 0.0
    """CPU of the process's other threads meanwhile (native pools), and of child processes it waited for."""
    other_gil_s: Seconds = 0.0
    """Of `other_cpu_s`, what held the GIL: Python threads that the node started."""
    run_delay_s: Seconds = 0.0
    """Runnable, but not on a core, because others had it."""
    gil_share: Share | None = None
    """Of `cpu_s`, the share that held the GIL; None when not sampled, or perturbed by looking for bursts."""
    gil_samples: Count = 0
    gil_wait_s: Seconds = 0.0
    blocked_s: dict[str, Seconds] = {}
    """sleep, io, lock, child, other."""
    gil_retakes: Count | None = None
    """How often it took the GIL anew; None when not looked at."""
    takes_counted: bool = False
    """`gil_retakes` was counted (which takes a thread beside the call), not estimated from samples."""
    gil_burst_max_s: Seconds | None = None
    """The longest time for which another thread asked for the GIL in vain, less the switch interval: a hold
    without a safe point; None when nobody asked, or the node's own threads did."""
    gc_s: Seconds = 0.0
    nvcsw: Count = 0
    nivcsw: Count = 0
    minflt: Count = 0
    spoiled: bool = False
    """Run delay above 5 %: left out of the figures where others with the same inputs suffice."""
    threads_used: Count | None = None
    """Threads of the process that were on a core meanwhile, the calling one included; None: not looked at."""
    inputs: Count = 0
    """Number of the set of arguments."""


class Pickling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What it would cost to send values to another process; measured once, with the values of one call."""

    picklable: bool | None
    """By the standard library's pickle; None: not known (it is too large, or took too long)."""
    pickle_s: Seconds | None = None
    """Into a stream, large buffers copied; None: not measured."""
    unpickle_s: Seconds | None = None
    """Out of it, large buffers copied; None: not measured."""
    bytes: Count | None = None
    """Of the stream and the buffers."""
    reason: str = ""
    """Why it does not pickle or was not measured: names of types, never values."""


class ThreadTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node with its native pools limited to so many threads."""

    threads: Annotated[int, Meta(ge=1)]
    wall_s: Seconds
    """Median, net of run delay."""
    cpu_s: Seconds
    """Median; of the calling thread, the others and child processes together."""
    calls: Count


class ThreadTrials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a node's duration follows from the number of native threads, all measured in one session."""

    limited: tuple[str, ...]
    """What was limited: ``openblas``, ``openmp``, ``cv2``, ``torch``, ``environment`` (child processes')."""
    default: ThreadTrial
    """Without a limit; its `threads` is what the libraries choose by themselves."""
    tried: tuple[ThreadTrial, ...]
    """By number of threads, ascending."""


class PairTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Two nodes that were started at the same moment, beside the same two one after the other: medians."""

    nodes: tuple[Name, Name]
    alone_s: tuple[Seconds, Seconds]
    """Wall of each alone, in the same session."""
    together_s: tuple[Seconds, Seconds]
    """Wall of each, from the common start to its own end."""
    repeats: Count
    switch_interval_s: Seconds = 0.005
    spread: Share = 0.0
    """Coefficient of variation of the longer end, over the repeats."""
    like: tuple[Name, Name] | None = None
    """Not measured itself: taken over from this pair, whose nodes demand the same."""
    native_threads: tuple[NativeLimit, NativeLimit] = (None, None)
    """How many native threads each was limited to; None: as many as its libraries like. Such a trial speaks
    of plans that limit them so."""

    @property
    def limited(self) -> bool:
        """Say whether native threads of one of them were limited."""
        return self.native_threads != (None, None)

    @property
    def makespan_s(self) -> float:
        """Seconds until both were done."""
        return max(self.together_s)

    @property
    def gain(self) -> float:
        """Seconds that running them together saves, as a share of one after the other; negative: a loss."""
        sequential_s = sum(self.alone_s)
        return 1 - self.makespan_s / sequential_s if sequential_s else 0.0


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a node did with its time in a run beside others: seconds that add up to its wall.

    ``wall = gil + native + gil_wait + sum(blocked) + waiting for a core``; while nodes overlap, waiting for a
    core cannot be told from the hand-over of the GIL, and both are in `run_delay_s`.
    """

    gil_s: Seconds
    native_s: Seconds
    """On a core without the GIL, of the calling thread."""
    gil_wait_s: Seconds = 0.0
    blocked_s: dict[str, Seconds] = {}
    run_delay_s: Seconds = 0.0
    samples: Count = 0
    """How often it was looked at; 0: the division between `gil_s` and `native_s` is not known, and all CPU
    time stands in `gil_s`."""

    @property
    def blocked_total_s(self) -> float:
        """Seconds blocked, whatever the cause."""
        return sum(self.blocked_s.values())

    @property
    def total_s(self) -> float:
        """All of it: the wall of the call."""
        return self.gil_s + self.native_s + self.gil_wait_s + self.blocked_total_s + self.run_delay_s


class Spread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds over the measured calls."""

    median: Seconds
    p10: Seconds
    p90: Seconds
    samples: tuple[Seconds, ...] = ()


class Quality(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far the figures of a node can be trusted."""

    run_delay_share: Share = 0.0
    cv: Annotated[float, Meta(ge=0)] = 0.0
    """Coefficient of variation of `wall_net_s`."""
    samples: Count = 0
    gil_share_half_width: Share | None = None
    """Half-width of the 95 % interval of `gil_s` / `wall_net_s`; None: `gil_s` is only an upper bound."""
    spoiled: Count = 0


class NodeProfile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"kind": "class"}):
    """What one node does with its time: medians over its calls, in seconds."""

    name: Name
    runs: Count
    wall_net_s: Spread
    """Wall net of run delay."""
    cpu_s: Seconds
    gil_s: Seconds
    native_s: Seconds
    blocked_s: dict[str, Seconds] = {}
    first_s: Seconds | None = None
    """The warm-up call: imports, caches, cold files."""
    other_cpu_s: Seconds = 0.0
    cores_peak: Annotated[float, Meta(ge=0)] = 0.0
    gil_wait_s: Seconds = 0.0
    run_delay_s: Seconds = 0.0
    gil_retakes: Count | None = None
    gil_burst_max_s: Seconds | None = None
    nvcsw: Count = 0
    nivcsw: Count = 0
    gc_s: Seconds = 0.0
    minflt: Count = 0
    out_bytes: Count | None = None
    args_pickling: Pickling | None = None
    result_pickling: Pickling | None = None
    threads_used: Count | None = None
    """Most threads that were on a core during one call, the calling one included."""
    native_threads: ThreadTrials | None = None
    kind: Kind = "unknown"
    class_confidence: Share = 0.0
    quality: Quality = Quality()
    origin: Origin = "measured"
    """``hint``: said by the user; ``trace``: read from a table or another tool's file."""
    code: str = ""
    """Fingerprint of the code that was measured: the function's, and that of what it calls in its package."""
    calls: tuple[Call, ...] = ()

    @property
    def blocked_total_s(self) -> float:
        """Seconds blocked, whatever the cause."""
        return sum(self.blocked_s.values())
