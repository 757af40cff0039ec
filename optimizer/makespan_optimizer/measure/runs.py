"""The runs of a profile: the DAG walked again and again, one node at a time, and what was recorded.

Once or more to warm up (the first is kept as `first_s`: imports, caches, cold files), then the counted
runs, then extra passes for calls that were spoiled. A run counts when it is complete: what a run had recorded
when a node raised, or at Ctrl-C, is dropped.

What would disturb the clocks is done outside of them and only once: results are sized and values pickled in
the run that warms up, after the node returned (pickling before it would warm what the node is to find cold);
the last counted run is looked at more closely (see `closer`).
"""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from makespan.around.conditions import SKIPPED
from makespan.showing.words import plural, some
from makespan_optimizer.measure import repeats
from makespan_optimizer.measure.quiet import Quiet
from makespan_optimizer.measure.size import size_of
from makespan_optimizer.measure.walk import Outcome, Work, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from makespan.measurement import Pickling
    from makespan.profile import Call
    from makespan_optimizer.measure.closer import Closer, Measures
    from makespan_optimizer.measure.inputs import Inputs
    from makespan_optimizer.measure.pickling import Picklings
    from makespan_optimizer.measure.scope import Scope


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
    clock : callable
        Seconds.
    quiet : Quiet, optional
        Waits between calls.
    """

    def __init__(
        self,
        run: str,
        scope: Scope,
        meter: Measures,
        *,
        total: int,
        progress: Callable[[int, int, str], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
        quiet: Quiet | None = None,
    ) -> None:
        n = len(scope.program.calls)
        self.calls: list[list[Call]] = [[] for _ in range(n)]
        self.first: list[Call | None] = [None] * n
        self.out_bytes: list[int | None] = [None] * n
        self.args_pickling: list[Pickling | None] = [None] * n
        self.result_pickling: list[Pickling | None] = [None] * n
        self.passed: dict[int, int] = {}
        """In how many counted runs each node was skipped that was."""
        self.complete = 0
        self.repeated = 0
        self.counted_s = 0.0
        """What the counted runs took, seconds."""
        self.fed_s: dict[int, float] = {}
        """The longest that each node took which ran unmeasured, seconds."""
        self._clock = clock
        self._run = run
        self._program = scope.program
        self._scope = scope
        self._meter = meter
        self._total = total
        self._done = 0
        self._progress = progress
        self._quiet = quiet or Quiet()
        self._unmeasured = False  # something of which there is no record ran last

    def warm_up(self, inputs: Mapping[str, Any], picklings: Picklings | None = None) -> None:
        """Run all nodes once; look at what is measured once. Without `picklings`, nothing is pickled."""

        def look(work: Work, value: Any) -> None:
            self.out_bytes[work.node] = size_of(value)
            if picklings is not None:
                given = tuple(None if value is SKIPPED else value for value in work.args)
                self.args_pickling[work.node] = picklings.measure(given)
                self.result_pickling[work.node] = picklings.measure(value)

        for i, call in self._walk(inputs, self._scope.walked, look=look):
            self.first[i] = call

    def warm_up_again(self, inputs: Mapping[str, Any]) -> None:
        """Run all nodes once, and keep nothing."""
        self._walk(inputs, self._scope.walked)

    def count(self, inputs: Mapping[str, Any], number: int = 0, *, closely: Closer | None = None) -> None:
        """Run all nodes once, with the set of inputs of that number, and count it."""
        began = self._clock()
        made = self._walk(inputs, self._scope.walked, number=number, closely=closely)
        for i, call in made:
            self.calls[i].append(call)
        for i in self._scope.measured - {i for i, _ in made}:
            self.passed[i] = self.passed.get(i, 0) + 1
        self.complete += 1
        self.counted_s += self._clock() - began

    def repeat_spoiled(self, given: Inputs) -> None:
        """Make spoiled calls again, each with its own set of inputs; see `repeats`."""
        left_s = repeats.allowance_s(self.counted_s)
        for _ in range(repeats.PASSES):
            for number in range(len(given)):
                spoiled = repeats.spoiled_calls(self.calls, number)
                only = repeats.affordable(self._program, self.calls, spoiled, left_s, self._scope.walked)
                if not only:
                    continue
                began = self._clock()
                self._total += len(only)
                with given.run(number) as inputs:
                    made = dict(self._walk(inputs, only, number=number))
                self.repeated += repeats.take(self.calls, spoiled, made)
                left_s -= self._clock() - began

    def notes(self) -> tuple[str, ...]:
        """Say what became of spoiled calls, and of nodes that were skipped."""
        return (
            *repeats.note(self.repeated, repeats.count_spoiled(self.calls)),
            *skip_notes(self.passed, self.complete, self._program.structure.names),
        )

    def end_progress(self) -> None:
        """Show that all is done."""
        names = self._program.structure.names
        if self._progress is not None:
            self._progress(self._total, self._total, names[-1] if names else "")

    def _walk(
        self,
        inputs: Mapping[str, Any],
        only: Collection[int],
        *,
        number: int = 0,
        closely: Closer | None = None,
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
            try:
                value, call = self._call(work, closely)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                return [Outcome(None, error)]
            self._done += 1
            if call is None or value is SKIPPED:
                return [Outcome(value)]
            steps.append(Step(work.node, msgspec.structs.replace(call, inputs=number)))
            if look is not None:
                look(work, value)
            return [Outcome(value)]

        walk(self._program, inputs, do, only=only)
        return steps

    def _call(self, work: Work, closely: Closer | None) -> tuple[Any, Call | None]:
        """Call a node; without a record when it only makes what others take."""
        if work.node not in self._scope.measured:
            self._unmeasured = True
            began = self._clock()
            value = work.fn(*work.args)
            self.fed_s[work.node] = max(self.fed_s.get(work.node, 0.0), self._clock() - began)
            return value, None
        self._quiet.after(self._meter.last, unmeasured=self._unmeasured)
        self._unmeasured = False
        if closely is not None:
            counted = self.calls[work.node]
            before = counted[-1] if counted else self.first[work.node]
            return closely.call(self._run, work.fn, work.args, before, counted=bool(counted))
        value = self._meter.call(self._run, work.fn, *work.args)
        assert self._meter.last is not None
        return value, self._meter.last


def skip_notes(passed: Mapping[int, int], runs: int, names: Sequence[str]) -> tuple[str, ...]:
    """Say which nodes were skipped, and what their figures are then.

    >>> skip_notes({0: 2, 1: 1}, 2, ["a", "b"])[0]
    'skipped in every counted run, and taken to last 0 s: a'
    """
    never = [names[i] for i, count in sorted(passed.items()) if count == runs]
    notes = [
        f"{names[i]} was skipped in {count} of {plural(runs, 'counted run')}: its figures are of the others, "
        "and it was not tried beside other nodes"
        for i, count in sorted(passed.items())
        if count < runs
    ]
    if never:
        notes.insert(0, f"skipped in every counted run, and taken to last 0 s: {some(never, 12)}")
    return tuple(notes)
