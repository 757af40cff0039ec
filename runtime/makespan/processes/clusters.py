"""Clusters: connected nodes that one worker runs in a single call, so that what they pass on stays in it.

::

    in this process   a ──▶ ┐            ┌ ──▶ e
                            ▼ pickled    │ pickled
    in worker 0             b ──▶ c ──▶ d

Only what comes from outside goes in, and only what is needed outside comes back. While it runs, the worker
says which member is on: that is what a trace has of it, and who is named when the worker dies.
"""

from __future__ import annotations

import time
from threading import get_ident
from typing import TYPE_CHECKING, Any

from makespan.engine.cancelling import canceller
from makespan.preparing.parts import Constant, Given, Made, Result
from makespan.processes import codec
from makespan.processes.calls import argument
from makespan.processes.faults import WorkerError
from makespan.processes.members import CONSTANT, GIVEN, RESULT, Step, run_steps
from makespan.processes.pool import pool
from makespan.processes.ticket import Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from makespan.engine.executor import Trace
    from makespan.preparing.parts import PartCode

# The monotonic clock of Linux is the same one in all processes.
_ONE_CLOCK = "CLOCK_MONOTONIC" in time.get_clock_info("perf_counter").implementation


class ClusterCall:
    """Calls the members of a cluster in a worker.

    Parameters
    ----------
    code : PartCode
    number : int
        Of the worker.
    again : collection of int
        Members that also run elsewhere: a trace has them from there.
    """

    def __init__(self, code: PartCode, number: int, again: Collection[int]) -> None:
        self._code = code
        self._number = number
        self._again = frozenset(again)
        self._names = {member.node: member.name for member in code.members}
        self._steps = _steps(code)

    def faults(self) -> list[tuple[str, str]]:
        """Return the members whose functions cannot be sent, and why."""
        return [
            (self._names[step.node], fault) for step in self._steps if (fault := codec.fault_of(step.call))
        ]

    def __call__(self, values: list[Any], trace: Trace | None = None) -> tuple[Any, ...]:
        """Run the members; `values` come from outside, and are taken out of the list.

        Raises
        ------
        InMember
            A member raised, or the worker died in it.
        WorkerError
            A value cannot be sent.
        """
        try:
            parcel = [*codec.dumps((run_steps, (self._steps, self._code.outside, values[:]), {}))]
        except Exception as error:
            raise self._unsendable(values, error) from error
        values[:] = [None] * len(values)
        told = None if trace is None else _Teller(trace, self._again)
        name = ", ".join(self._names.values())
        ticket = Ticket()
        try:
            with canceller(lambda: pool.kill(ticket)):
                return pool.call(name, parcel, self._number, ticket, self._names, told)  # type: ignore[no-any-return]
        finally:
            if told is not None:
                told.end()
            if trace is not None and ticket.number >= 0:
                trace.process.update(dict.fromkeys(self._names.keys() - self._again, ticket.number))

    def traced(self, trace: Trace) -> Callable[[list[Any]], tuple[Any, ...]]:
        """Return a call that also notes the members' starts and ends."""
        return lambda values: self(values, trace)

    def _unsendable(self, values: Sequence[Any], error: Exception) -> WorkerError:
        for member in self._code.members:
            for at, source in enumerate(member.arguments):
                value = values[source.slot] if type(source) is Given else getattr(source, "value", None)
                if fault := codec.fault_of(value):
                    its = argument(member.call, at)
                    return WorkerError(
                        member.name,
                        f"{its} ({codec.kind(value)}) cannot be sent to a worker process: {fault}",
                    )
        names = ", ".join(self._names.values())
        return WorkerError(names, f"they cannot be sent to a worker process: {codec.told(error)}")


class _Teller:
    """Notes in a trace what a worker says of its members."""

    def __init__(self, trace: Trace, again: Collection[int]) -> None:
        self._trace = trace
        self._again = again
        self._on = -1
        self._clock = None if _ONE_CLOCK and trace.clock is time.perf_counter_ns else trace.clock

    def __call__(self, node: int, now_ns: int) -> None:
        now = now_ns if self._clock is None else self._clock()
        if self._on >= 0:
            self._trace.end[self._on] = now
        self._on = -1 if node in self._again else node
        if self._on >= 0:
            self._trace.start[self._on] = now
            self._trace.ident[self._on] = get_ident()

    def end(self) -> None:
        """Nothing more comes: a member that is still on was ended."""
        self(-1, self._trace.clock())


def cluster_call(number: int, again: Collection[int], code: PartCode) -> Made:
    """Make the call of a cluster."""
    call = ClusterCall(code, number, again)
    return Made(call, call.traced)


def _steps(code: PartCode) -> tuple[Step, ...]:
    last_given: dict[int, int] = {}
    last_result: dict[int, int] = {}
    for at, member in enumerate(code.members):
        for source in member.arguments:
            if type(source) is Given:
                last_given[source.slot] = at
            elif type(source) is Result:
                last_result[source.member] = at
    for at in code.outside:
        last_result.pop(at, None)
    return tuple(
        Step(
            member.node,
            codec.named(member.call),
            tuple(map(_told, member.arguments)),
            tuple(slot for slot, when in last_given.items() if when == at),
            tuple(i for i, when in last_result.items() if when == at),
        )
        for at, member in enumerate(code.members)
    )


def _told(source: Given | Result | Constant) -> tuple[int, Any]:
    if type(source) is Given:
        return GIVEN, source.slot
    if type(source) is Result:
        return RESULT, source.member
    return CONSTANT, source.value  # type: ignore[union-attr]
