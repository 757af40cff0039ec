"""A run that is recorded, apart from who drives it: the calling thread, or an event loop."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from makespan.around.runlog import begins, ends
from makespan.describing.inline import bind
from makespan.engine.executor import Execution, Trace
from makespan.errors import MissingExtraError, OptionError

if TYPE_CHECKING:
    from makespan.around.switch_interval import held
    from makespan.engine.straight import StraightExecution
    from makespan.preparing.prepared import Prepared
    from makespan.preparing.program import Program
    from makespan.run import Run
    from makespan.showing.live.view import View
    from makespan_optimizer.measure.insitu import InSitu
    from makespan_optimizer.measure.sampling.watch import SamplerName

# The module that measures runs, and the packages it is in: one of them is named when it is not installed.
_MEASURING = ("makespan_optimizer", "makespan_optimizer.measure", "makespan_optimizer.measure.insitu")


class Recording:
    """One run from its inputs to its `Run`: `begin`, perhaps `stopped`, `end`, and `close` in any case.

    Parameters
    ----------
    prepared : Prepared
    args, kwargs
        The DAG's inputs.
    measure, sampler
        See `Prepared.run`.
    view : View, optional
        Who looks on while it goes on; it ends with the run.

    Raises
    ------
    DescribeError, OptionError, MissingExtraError
    """

    def __init__(
        self,
        prepared: Prepared,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        measure: bool = False,
        sampler: SamplerName | None = None,
        view: View | None = None,
    ) -> None:
        self._view = view
        self._prepared = prepared
        self._inputs = bind(prepared.dag, args, kwargs)
        self._trace = Trace(len(prepared.program.calls))
        self._error: BaseException | None = None
        self._logged = 0
        self._notes: tuple[str, ...] = ()
        self._interval: held | None = None
        self._meters = _meters(prepared.program, measure, sampler)
        self._execution: Execution | StraightExecution | None = None

    def begin(self, *, coordinated: bool = False) -> Any:
        """Return what runs it; it has begun.

        Parameters
        ----------
        coordinated : bool
            The calling thread will not work on it.
        """
        prepared, inputs, trace = self._prepared, self._inputs, self._trace
        self._notes = prepared.notes_of_run()
        if self._meters is not None:
            program, rules = prepared.unfused()  # each node is measured by itself
            program = self._meters.wrapped(program)
            prepared.workers_ahead()
            self._execution = Execution(program, rules, inputs, trace, prepared.terms)
        elif coordinated:
            self._execution = prepared.by_threads(inputs, trace)
        else:
            self._execution = prepared.execution(inputs, trace)
        self._at = datetime.datetime.now(datetime.UTC)
        if prepared.switch_interval_s is not None:
            from makespan.around.switch_interval import held

            self._interval = held(prepared.switch_interval_s)
            self._interval.take()
        self._logged = begins(prepared)
        if self._view is not None:
            self._view.begin(prepared, trace, self._execution.failures)
        self._begun = trace.clock()
        return self._execution

    def stopped(self, error: BaseException) -> None:
        """Note that it was ended early, by Ctrl-C or because its time is up; nodes may still be running."""
        self._error = error
        if self._meters is not None:
            self._meters.stop()  # before the trace is copied: no node is measured for longer than it ran
        self._trace = self._trace.copy()  # helpers that are still in a node go on writing to the other one

    def end(self) -> Run:
        """Return the run: its record, its result or what it raised."""
        from makespan.run import record_of, run_of

        prepared, execution, error = self._prepared, self._execution, self._error
        assert execution is not None, "it has not begun"
        ended = self._trace.clock()
        self._look_away()
        failures, execution.failures = execution.failures, []
        ends(prepared, self._logged, failures, error)
        record = record_of(
            prepared,
            self._trace,
            self._begun,
            ended,
            self._at,
            failures,
            ended_by=error,
            overdue=execution.overdue if isinstance(execution, Execution) else (),
            notes=self._notes,
            meters=self._meters,
        )
        self._meters = None  # closed
        return run_of(prepared, record, error, failures, execution.kept, self._inputs)

    def close(self) -> None:
        """Let go of what it holds, whatever came of it."""
        self._look_away()
        if self._interval is not None:
            self._interval.end()
        if self._meters is not None:
            self._meters.close()
        self._error = self._execution = None
        self._inputs = {}

    def _look_away(self) -> None:
        view, self._view = self._view, None
        if view is not None:
            view.end()


def view_of(progress: bool) -> View | None:
    """Return who looks on while a run goes on; None when nobody is to, or there is no terminal.

    Raises
    ------
    OptionError, MissingExtraError
    """
    if progress is False:
        return None
    from makespan.showing.live.view import view_of

    return view_of(progress)


def _meters(program: Program, measure: bool, sampler: SamplerName | None) -> InSitu | None:
    """Start what measures a run; None when it is not to be measured.

    Raises
    ------
    OptionError, MissingExtraError
    """
    by_position = "an input of that name is given by position"
    if not isinstance(measure, bool):
        raise OptionError(
            f"is True or False, not a {type(measure).__name__}", where="measure", hint=by_position
        )
    if not measure:
        if sampler is not None:
            raise OptionError("is for runs with measure=True", where="sampler", hint=by_position)
        return None
    try:
        from makespan_optimizer.measure.insitu import open_in_situ
    except ModuleNotFoundError as error:
        if error.name not in _MEASURING:
            raise  # it is here, and lacks something itself
        raise MissingExtraError(
            "measuring a run needs makespan's measuring half, which is not installed here",
            hint="run without measure, or install all of makespan",
        ) from error
    return open_in_situ(sampler or "auto", len(program.calls))
