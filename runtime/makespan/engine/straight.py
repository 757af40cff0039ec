"""A whole run in the caller's thread: what a budget of one thread, or a run inside a node, amounts to.

With one thread, what starts next depends on the ranks alone: the order is known before anything runs. The
first run follows it in a loop; from the second one on it is straight-line code
(`makespan.preparing.straight_code`), which costs a third. DAGs too large for that stay with the loop.

Nothing starts after a failure; Ctrl-C goes straight through; each node has a copy of the caller's context
variables of its own.
"""

from __future__ import annotations

from contextvars import copy_context
from threading import get_ident
from typing import TYPE_CHECKING, Any

from makespan.dispatch import Dispatch
from makespan.engine.cancelling import inside
from makespan.engine.executor import tracing
from makespan.engine.failure import InMember
from makespan.preparing.chains import Line
from makespan.preparing.parts import Constant, Given, Member, PartCode, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from makespan.dispatch import Rules
    from makespan.engine.executor import Trace
    from makespan.preparing.program import Program

COMPILED_NODES = 20_000
"""Compiling, 20 µs a node to save 0.5 in each run, would make one call of a larger DAG last for seconds."""


class Straight:
    """A program to run one node after the other."""

    __slots__ = ("_line", "_order", "_rules", "_used", "kept", "possible", "program")

    def __init__(self, program: Program, rules: Rules) -> None:
        self.program = program
        self._rules = rules
        self._order: tuple[int, ...] | None = None
        self._used = False
        self._line: Line | None = None
        self.possible = not program.scatter
        """Nodes that stand for several (clusters) are dealt with by `makespan.engine.executor`."""
        self.kept = [i for i, keep in enumerate(program.keeps) if keep]
        """Nodes whose results are kept; compiled code returns them in this order."""

    @property
    def order(self) -> tuple[int, ...]:
        """The node numbers in running order."""
        if self._order is None:
            core = Dispatch(self._rules)
            core.budget = 1
            order = []
            chosen = core.next()
            while chosen is not None:
                order.append(chosen)
                chosen = core.advance(chosen)
            self._order = tuple(order)
        return self._order

    @property
    def line(self) -> Line | None:
        """The compiled code; None for the first run, and when there is too much to compile."""
        if self._line is None:
            if not self._used or len(self.program.calls) > COMPILED_NODES:
                self._used = True
                return None
            self._line = Line(self._code(), "dag", beside=False)
        return self._line

    def _code(self) -> PartCode:
        """Return the whole program as a part: its inputs come from outside, what it keeps goes there."""
        program = self.program
        at_of = {i: at for at, i in enumerate(self.order)}
        source: dict[tuple[int, int], Given | Result] = {}
        for slot, places in enumerate(program.inputs.values()):
            source |= dict.fromkeys(places, Given(slot))
        for i, at in at_of.items():
            source |= dict.fromkeys(program.pushes[i], Result(at))
        members = [
            Member(
                i,
                program.structure.names[i],
                program.calls[i],
                tuple(
                    source.get((i, slot)) or Constant(value)
                    for slot, value in enumerate(program.templates[i])
                ),
            )
            for i in at_of
        ]
        return PartCode(tuple(members), tuple(at_of[i] for i in self.kept), len(program.inputs))


class StraightExecution:
    """One run of it; the same to its user as `makespan.engine.executor.Execution`.

    Parameters
    ----------
    straight : Straight
    inputs : mapping of str to Any
        A value for each input.
    trace : Trace, optional
        Filled with starts, ends and threads.
    """

    __slots__ = ("_inputs", "_straight", "_trace", "failures", "kept")

    def __init__(self, straight: Straight, inputs: Mapping[str, Any], trace: Trace | None = None) -> None:
        self._straight = straight
        self._inputs = inputs
        self._trace = trace
        self.failures: list[tuple[int, BaseException]] = []
        """(node, exception): none or one."""
        self.kept: dict[int, Any] = {}

    def run(self) -> None:
        """Run to the end, or to the first failure.

        Raises
        ------
        KeyboardInterrupt
            Ctrl-C came: at once, nothing new starts.
        """
        straight, trace = self._straight, self._trace
        base = copy_context()
        if base.run(inside.get):
            base.run(tracing.set, trace)  # not that of the run around it
        else:
            if trace is not None:
                base.run(tracing.set, trace)
            base.run(inside.set, True)
        line = straight.line
        if line is None:
            self._follow(base.copy)
            return
        values = list(map(self._inputs.__getitem__, straight.program.inputs))
        try:
            if trace is None:
                results = line.run(base.copy, values)
            else:
                results = line.run_traced(base.copy, values, trace)
        except InMember as raised:
            node, error = raised.node, raised.error
        else:
            self.kept = dict(zip(straight.kept, results))  # noqa: B905 (as many as there are)
            return
        try:
            if isinstance(error, KeyboardInterrupt):
                raise error
            self.failures.append((node, error))
        finally:
            del error

    def _follow(self, copy: Callable[[], Any]) -> None:
        """Run without compiled code."""
        program, trace = self._straight.program, self._trace
        calls, pushes, keeps = program.calls, program.pushes, program.keeps
        slots = program.slots(self._inputs)
        if trace is not None:
            clock, start, end, ident, me = trace.clock, trace.start, trace.end, trace.ident, get_ident()
        for i in self._straight.order:
            arguments = slots[i]
            slots[i] = None
            try:
                if trace is None:
                    value = copy().run(calls[i], *arguments)
                else:
                    ident[i] = me
                    start[i] = clock()
                    value = copy().run(calls[i], *arguments)
                    end[i] = clock()
            except BaseException as error:
                slots.clear()  # the frames of the traceback hold the same list
                arguments = None
                if isinstance(error, KeyboardInterrupt):
                    raise
                if trace is not None:
                    end[i] = clock()
                self.failures.append((i, error))
                return
            arguments = None
            for consumer, slot in pushes[i]:
                slots[consumer][slot] = value
            if keeps[i]:
                self.kept[i] = value
            value = None
