"""What is true of a workload: by traces of the interpreter's lock where that works, else by construction."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks.scores import SameCall, same_call
from benchmarks.uprobe_events import Exact, shares, total
from benchmarks.uprobes import Tracer, TracingUnavailableError
from benchmarks.workloads import ManyHashes, Parts, Ready, Truth, Workload

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from makespan.measurement import Call

_DISAGREE = 0.05
_TRACED_CALLS = 2  # in each round


class Known(NamedTuple):
    """The truth about a workload, and where it is from."""

    truth: Truth
    source: str


class Truths:
    """Traces of each workload, taken in rounds between the measured calls."""

    def __init__(self, stack: ExitStack, notes: list[str]) -> None:
        self._notes = notes
        self._traces: dict[str, list[tuple[Exact, Exact]]] = {}
        self._same: list[SameCall] = []
        self._tracer: Tracer | None = None
        try:
            self._tracer = stack.enter_context(Tracer())
        except TracingUnavailableError as error:
            notes.append(f"truth by construction only, the GIL cannot be traced here: {error}")

    def round(self, ready: dict[str, Ready], say: Callable[[str], None]) -> None:
        """Trace each workload without and with probes."""
        if (tracer := self._tracer) is None:
            return
        for name, its in ready.items():
            say(f"{name}: tracing")
            try:
                plain_calls, plain = _measured(tracer, its, probes=False)
                probed_calls, probed = _measured(tracer, its, probes=True)
            except ValueError as error:
                self._notes.append(f"{name} cannot be traced: {error}")
            else:
                self._traces.setdefault(name, []).append((plain, probed))
                self._same.append(same_call(name, plain_calls, plain, probed_calls, probed))

    def same_call(self) -> list[SameCall]:
        """Return what the profiler said of calls that were traced, beside the trace."""
        return sorted(self._same, key=lambda same: same["workload"])

    def known(self, workload: Workload, ready: Ready) -> Known:
        """Return what is true of a workload."""
        if self._tracer is None or workload.name not in self._traces:
            return by_construction(workload, ready)
        name, pairs = workload.name, self._traces[workload.name]
        told = shares(total([a for a, _ in pairs]), total([b for _, b in pairs]), self._tracer.probe_s)
        if told.corrected > _DISAGREE / 2:
            self._notes.append(
                f"{name}: the truth's GIL share is corrected by {told.corrected:.3f} for what the "
                f"probes take ({told.takes_per_s:,.0f} hand-overs a second)"
            )
        made = workload.truth.gil
        if made is not None and abs(made - told.gil) > _DISAGREE:
            self._notes.append(f"{name}: GIL share {made} by construction, {told.gil:.3f} traced")
        traced = Truth(told.gil, told.blocked, told.cpu)
        if isinstance(ready.fn, ManyHashes):  # too fast for probes
            parts = ready.fn.gil
            self._notes.append(f"{name}: GIL share {parts:.3f} by its parts, {told.gil:.3f} traced")
            return Known(traced._replace(gil=parts), "parts")
        return Known(traced, "trace")


def _measured(tracer: Tracer, ready: Ready, *, probes: bool) -> tuple[list[Call], Exact]:
    """Trace calls that the profiler measures at the same time; return its records and the trace."""
    from makespan_optimizer.measure.meter import Meter
    from makespan_optimizer.measure.sampling.sampler import open_sampler

    calls: list[Call] = []
    sampler, _ = open_sampler("auto")
    try:
        with Meter(sampler) as meter:

            def call() -> None:
                meter.call("traced", ready.fn)
                if meter.last is not None:
                    calls.append(meter.last)

            return calls, tracer.trace(call, _TRACED_CALLS, probes=probes)
    finally:
        sampler.close()


def by_construction(workload: Workload, ready: Ready) -> Known:
    """Return what is known without a trace; for a mix, by the walls of its parts."""
    truth = workload.truth
    if isinstance(ready.fn, Parts | ManyHashes):
        return Known(truth._replace(gil=ready.fn.gil), "parts")
    return Known(truth, "none" if truth == Truth() else "construction")
