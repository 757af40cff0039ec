"""A DAG made ready to run: program, order, budget and plan checked once, then called many times."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from makespan.cancelling import inside
from makespan.errors import MissingExtraError, OptionError
from makespan.executor import PLAIN_TERMS, Execution, Terms, Trace
from makespan.inline import bind, positional_names
from makespan.straight import Straight, StraightExecution

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from makespan.counters import Counters
    from makespan.dispatch import Rules
    from makespan.drift import Drift
    from makespan.graph import DAG
    from makespan.plan import Plan
    from makespan.program import Program
    from makespan.run import Run
    from makespan_optimizer.measure.insitu import InSitu
    from makespan_optimizer.measure.sampling.watch import SamplerName


# The module that measures runs, and the packages it is in: one of them is named when it is not installed.
_MEASURING = ("makespan_optimizer", "makespan_optimizer.measure", "makespan_optimizer.measure.insitu")


class Prepared:
    """What `DAG.prepare` returns. Call it with the DAG's inputs: ``fast(url)`` returns the DAG's result.

    It may be called from several threads at once.
    """

    __slots__ = (
        "_alone",
        "_counters",
        "_fingerprint",
        "_functions",
        "_names",
        "_nested",
        "_straight",
        "_unfused",
        "dag",
        "notes",
        "plan",
        "program",
        "rules",
        "terms",
        "threads",
    )

    def __init__(
        self,
        dag: DAG[..., Any],
        program: Program,
        rules: Rules,
        plan: Plan | None,
        terms: Terms = PLAIN_TERMS,
        *,
        unfused: Callable[[], tuple[Program, Rules]] | None = None,
        notes: tuple[str, ...] = (),
        counters: Counters | None = None,
    ) -> None:
        self.dag = dag
        self.program = program
        self.rules = rules
        self.plan = plan
        self.terms = terms
        self.threads = rules.budget
        self.notes = notes
        """What of the plan could not be followed."""
        self._counters = counters
        self._unfused = unfused
        # One thread runs everything as straight-line code, when nobody has to watch it meanwhile; within
        # another run's node, whose run does the watching, whatever the budget.
        watched = terms.timeout_s is not None or bool(terms.timeouts_s)
        self._nested = not watched and not terms.go_on
        self._alone = self._nested and not terms.coordinate and self.threads == 1
        self._straight: Straight | None = None
        self._names = positional_names(dag)
        self._functions = [node.fn for node in dag.nodes.values()]
        self._fingerprint: str | None = None

    @property
    def fingerprint(self) -> str:
        """That of the DAG as it was prepared (one that is built by hand may have grown since)."""
        if self._fingerprint is None:
            from makespan.fingerprint import fingerprint

            self._fingerprint = fingerprint(self.program.structure, self._functions)
        return self._fingerprint

    @property
    def drift(self) -> list[Drift]:
        """Nodes that do not take the planned time now, by a running mean over the calls; see `DAG.prepare`.

        Raises
        ------
        OptionError
            It was not prepared with `drift`.
        """
        if self._counters is None:
            raise OptionError("was not counted", where="drift", hint="prepare with a plan and drift=True")
        return self._counters.drift()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run, and return the DAG's result.

        Raises
        ------
        DescribeError
            An input is missing, unknown or given twice.
        Exception
            A node's own, with a note that names the node; an ExceptionGroup when several raised.
        """
        inputs = bind(self.dag, args, kwargs, self._names)
        execution = self.execution(inputs)
        execution.run()
        if execution.failures:
            from makespan.failure import raise_failures

            raise_failures(self.program, execution.failures)
        return self.program.output(execution.kept, inputs)

    def execution(
        self, inputs: Mapping[str, Any], trace: Trace | None = None
    ) -> Execution | StraightExecution:
        """Return what runs it once, in the way that fits."""
        if self._alone or (self._nested and inside.get()):
            straight = self._straight
            if straight is None:
                self._straight = straight = Straight(*self.unfused())
            if straight.possible:
                return StraightExecution(straight, inputs, trace)
        return Execution(self.program, self.rules, inputs, trace)

    def unfused(self) -> tuple[Program, Rules]:
        """Return program and rules with the nodes of chains one by one."""
        return (self.program, self.rules) if self._unfused is None else self._unfused()

    def run(
        self, /, *args: Any, measure: bool = False, sampler: SamplerName | None = None, **kwargs: Any
    ) -> Run:
        """Run with tracing, and return the `Run`; failures and Ctrl-C are kept in it, not raised.

        Inputs that are called ``measure`` or ``sampler`` are given by position.

        Parameters
        ----------
        measure : bool
            Measure what each node does with its time while it runs beside others: see `RunNode.measured`.
        sampler : {"auto", "gil", "canary", "clocks"}, optional
            How, when `measure` is set; "auto" is "gil" where that works, else "clocks"; "gil", "canary",
            "clocks": this one or an error.

        Raises
        ------
        DescribeError
            An input is missing, unknown or given twice.
        OptionError
            The sampler is unknown, or cannot be had here.
        MissingExtraError
            `measure` is set, and the measuring half of makespan is not installed.
        """
        return run(self, args, kwargs, measure=measure, sampler=sampler)


def run(
    prepared: Prepared,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    measure: bool = False,
    sampler: SamplerName | None = None,
) -> Run:
    """Run as `Prepared.run` does; inputs may have any name."""
    from makespan.run import record_of, run_of

    inputs = bind(prepared.dag, tuple(args), dict(kwargs))
    trace = Trace(len(prepared.program.calls))
    execution: Execution | StraightExecution
    error: BaseException | None = None
    meters = _meters(prepared.program, measure, sampler)
    try:
        if meters is None:
            execution = prepared.execution(inputs, trace)
        else:
            program, rules = prepared.unfused()  # each node is measured by itself
            execution = Execution(meters.wrapped(program), rules, inputs, trace)
        at = datetime.datetime.now(datetime.UTC)
        begun = trace.clock()
        try:
            execution.run()
        except (KeyboardInterrupt, TimeoutError) as ended_by:
            error = ended_by
            if meters is not None:
                meters.stop()  # before the trace is copied: no node may be measured for longer than it ran
            trace = trace.copy()  # helpers that are still in a node go on writing to the other one
        ended = trace.clock()
        failures, execution.failures = execution.failures, []
        record = record_of(
            prepared,
            trace,
            begun,
            ended,
            at,
            failures,
            ended_by=error,
            overdue=execution.overdue if isinstance(execution, Execution) else (),
            meters=meters,
            notes=prepared.notes,
        )
    except BaseException:
        if meters is not None:
            meters.close()
        raise
    return run_of(prepared, record, error, failures, execution.kept, inputs)


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
