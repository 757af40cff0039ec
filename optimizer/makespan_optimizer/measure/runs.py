"""The runs of a profile: the DAG walked again and again, one node at a time, and what was recorded.

Once to warm up (kept as `first_s`: imports, caches, cold files), then the counted runs. A run counts when it
is complete: what a run had recorded when a node raised, or at Ctrl-C, is dropped.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from makespan_optimizer.measure.size import size_of
from makespan_optimizer.measure.walk import Outcome, Work, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from makespan.profile import Call
    from makespan_optimizer.measure.scope import Scope


class Measures(Protocol):
    """What a run needs of a `Meter`."""

    @property
    def last(self) -> Call | None:
        """The record of the last call that returned."""

    def call(self, run: str, fn: Callable[..., Any], *args: Any) -> Any:
        """Call ``fn(*args)``, and leave its record in `last`."""


class Step(NamedTuple):
    """A node that was called: its number and the record."""

    node: int
    call: Call


class Runs:
    """Walks a DAG, and keeps the calls of complete runs.

    Parameters
    ----------
    run : str
        Id of the profile's header.
    scope : Scope
        Which nodes run, and which of them are measured.
    meter : Measures
        Of the calling thread.
    total : int
        Calls that there will be, for the progress shown.
    progress : callable, optional
        Called before each node as ``progress(done, total, node)``.
    """

    def __init__(
        self,
        run: str,
        scope: Scope,
        meter: Measures,
        *,
        total: int,
        progress: Callable[[int, int, str], None] | None = None,
    ) -> None:
        n = len(scope.program.calls)
        self.calls: list[list[Call]] = [[] for _ in range(n)]
        self.first_s: list[float | None] = [None] * n
        self.out_bytes: list[int | None] = [None] * n
        self.complete = 0
        self._run = run
        self._program = scope.program
        self._scope = scope
        self._meter = meter
        self._total = total
        self._done = 0
        self._progress = progress

    def warm_up(self, inputs: Mapping[str, Any]) -> None:
        """Run all nodes once; look at what is measured once."""

        def look(work: Work, value: Any) -> None:
            self.out_bytes[work.node] = size_of(value)

        for i, call in self._walk(inputs, look=look):
            self.first_s[i] = call.wall_s

    def count(self, inputs: Mapping[str, Any], number: int = 0) -> None:
        """Run all nodes once, with the set of inputs of that number, and count it."""
        for i, call in self._walk(inputs):
            self.calls[i].append(msgspec.structs.replace(call, inputs=number) if number else call)
        self.complete += 1

    def end_progress(self) -> None:
        """Show that all is done."""
        names = self._program.structure.names
        if self._progress is not None:
            self._progress(self._total, self._total, names[-1] if names else "")

    def _walk(
        self,
        inputs: Mapping[str, Any],
        *,
        only: Collection[int] | None = None,
        look: Callable[[Work, Any], None] | None = None,
    ) -> list[Step]:
        """Run nodes once, and return what was recorded when all of them returned."""
        names = self._program.structure.names
        steps: list[Step] = []
        gc.collect()  # every run begins with the same heap, as far as that is possible

        def do(works: list[Work]) -> list[Outcome]:
            (work,) = works
            if self._progress is not None:
                self._progress(self._done, self._total, names[work.node])
            measured = work.node in self._scope.measured
            try:
                # What is not measured only makes what others take.
                value = self._meter.call(self._run, work.fn, *work.args) if measured else work.fn(*work.args)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                return [Outcome(None, error)]
            self._done += 1
            if not measured:
                return [Outcome(value)]
            assert self._meter.last is not None
            steps.append(Step(work.node, self._meter.last))
            if look is not None:
                look(work, value)
            return [Outcome(value)]

        walk(self._program, inputs, do, only=self._scope.walked if only is None else only)
        return steps
