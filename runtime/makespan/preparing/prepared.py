"""A DAG made ready to run: program, order, budget and plan checked once, then called many times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.around.runlog import listener, run_logged
from makespan.describing.inline import bind, positional_names
from makespan.engine.cancelling import inside
from makespan.engine.executor import PLAIN_TERMS, Execution, Terms, Trace, tables_of
from makespan.engine.straight import Straight, StraightExecution
from makespan.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from makespan.around.counters import Counters
    from makespan.around.drift import Drift
    from makespan.dispatch import Rules
    from makespan.engine.tables import Tables
    from makespan.graph import DAG
    from makespan.plan import Plan
    from makespan.preparing.program import Program
    from makespan.run import Run
    from makespan.showing.live.view import View
    from makespan_optimizer.measure.sampling.watch import SamplerName


class Prepared:
    """What `DAG.prepare` returns. Call it with the DAG's inputs: ``fast(url)`` returns the DAG's result.

    It may be called from several threads at once.
    """

    __slots__ = (
        "_ahead",
        "_alone",
        "_counters",
        "_fingerprint",
        "_functions",
        "_names",
        "_nested",
        "_straight",
        "_tables",
        "_unfused",
        "_warm",
        "_warmed",
        "dag",
        "notes",
        "plan",
        "program",
        "rules",
        "switch_interval_s",
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
        ahead: Callable[[], None] | None = None,
        warm: Callable[[float | None], float] | None = None,
    ) -> None:
        self.dag = dag
        self.program = program
        self.rules = rules
        self.plan = plan
        self.terms = terms
        self.threads = rules.budget
        self.notes = notes
        """What of the plan could not be followed."""
        self.switch_interval_s: float | None = None
        """See `makespan.around.switching`."""
        self._ahead = ahead
        self._warm = warm
        self._warmed = ""
        self._counters = counters
        self._unfused = unfused
        # One thread runs everything as straight-line code, when nobody has to watch it meanwhile; within
        # another run's node, whose run does the watching, whatever the budget.
        watched = terms.timeout_s is not None or bool(terms.timeouts_s)
        self._nested = not watched and not terms.go_on
        small = terms.worth is not None and not any(terms.worth)  # no node is worth a hand-off
        self._alone = self._nested and not terms.coordinate and (small or self.threads == 1)
        self._straight: Straight | None = None
        self._tables: Tables | None = None
        self._names = positional_names(dag)
        self._functions = [node.fn for node in list(dag.nodes.values())]
        self._fingerprint: str | None = None

    @property
    def fingerprint(self) -> str:
        """That of the DAG as it was prepared (one that is built by hand may have grown since)."""
        if self._fingerprint is None:
            from makespan.fingerprints.fingerprint import fingerprint

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
        if listener() is None:
            execution.run()
        else:
            run_logged(self, execution)
        if execution.failures:
            from makespan.engine.failure import raise_failures

            raise_failures(self.program, execution.failures)
        return self.program.output(execution.kept, inputs)

    def execution(
        self, inputs: Mapping[str, Any], trace: Trace | None = None
    ) -> Execution | StraightExecution:
        """Return what runs it once, in the way that fits."""
        self.workers_ahead()
        if self._alone or (self._nested and inside.get()):
            straight = self._straight
            if straight is None:
                self._straight = straight = Straight(*self.unfused())
            if straight.possible:
                return StraightExecution(straight, inputs, trace)
        return self.by_threads(inputs, trace)

    def workers_ahead(self) -> None:
        """Start the worker processes that it needs, unless they are there, without waiting for them."""
        if self._ahead is not None:
            self._ahead()

    def warm(self, timeout_s: float | None = None) -> float:
        """Start the worker processes that it needs, have them import their nodes, and wait for them.

        For servers, and before a clock starts: without it workers are started when the first run begins, and
        its nodes wait for what they are made of. Workers that are ready answer at once. A node whose module
        cannot be imported raises that in the run, not here. What functions import only when they are called
        is not known.

        Parameters
        ----------
        timeout_s : float, optional
            Workers that are not ready by then are ended; the run starts them anew.

        Returns
        -------
        float
            The seconds that it took; the record of the next run notes them. 0.0: there was nothing to do.

        Raises
        ------
        BaseException
            What the initializer of workers raised; a worker cannot be started.
        """
        if self._warm is None:
            return 0.0
        passed_s = self._warm(timeout_s)
        self._warmed = f"worker processes were warmed for {passed_s:.2f} s before the run began"
        return passed_s

    def notes_of_run(self) -> tuple[str, ...]:
        """Return what the record of the run that begins now says: also that its workers were warmed."""
        warmed, self._warmed = self._warmed, ""
        return (*self.notes, warmed) if warmed else self.notes

    def by_threads(self, inputs: Mapping[str, Any], trace: Trace | None = None) -> Execution:
        """Return what runs it once in threads, whatever the budget: an event loop has other things to do."""
        tables = self._tables
        if tables is None:
            self._tables = tables = tables_of(self.program, self.rules, self.terms)
        return Execution(self.program, self.rules, inputs, trace, self.terms, tables)

    def unfused(self) -> tuple[Program, Rules]:
        """Return program and rules with the nodes of chains one by one."""
        return (self.program, self.rules) if self._unfused is None else self._unfused()

    def run(
        self,
        /,
        *args: Any,
        measure: bool = False,
        sampler: SamplerName | None = None,
        progress: bool = False,
        **kwargs: Any,
    ) -> Run:
        """Run with tracing, and return the `Run`; failures and Ctrl-C are kept in it, not raised.

        Inputs that are called ``measure``, ``sampler`` or ``progress`` are given by position.

        Parameters
        ----------
        measure : bool
            Measure what each node does with its time while it runs beside others: see `RunNode.measured`.
        sampler : {"auto", "gil", "canary", "clocks"}, optional
            How, when `measure` is set; "auto" is "gil" where that works, else "clocks"; "gil", "canary",
            "clocks": this one or an error.
        progress : bool
            Show lanes, what runs, what is next and when it will be over, where standard error is a terminal.

        Raises
        ------
        DescribeError
            An input is missing, unknown or given twice.
        OptionError
            The sampler is unknown, or cannot be had here.
        MissingExtraError
            `measure` is set, and the measuring half of makespan is not installed; `progress` is set, there is
            a terminal, and rich is not installed.
        """
        from makespan.engine.recording import view_of

        return run(self, args, kwargs, measure=measure, sampler=sampler, view=view_of(progress))

    async def acall(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run within a running event loop, which is not blocked meanwhile, and return the DAG's result.

        Coroutine nodes are awaited on that loop, ``caller`` nodes run in its thread, and all others in
        helper threads. Cancelled, it starts nothing any more, and waits for its coroutine nodes only.

        Raises
        ------
        DescribeError
            An input is missing, unknown or given twice.
        Exception
            A node's own, with a note that names the node; an ExceptionGroup when several raised.
        """
        from makespan.awaiting.arun import acall

        return await acall(self, args, kwargs)

    async def arun(
        self,
        /,
        *args: Any,
        measure: bool = False,
        sampler: SamplerName | None = None,
        progress: bool = False,
        **kwargs: Any,
    ) -> Run:
        """Run as `acall` does, with tracing, and return the `Run`; parameters are those of `run`."""
        from makespan.awaiting.arun import arun
        from makespan.engine.recording import view_of

        view = view_of(progress)
        return await arun(self, args, kwargs, measure=measure, sampler=sampler, view=view)


def run(
    prepared: Prepared,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    measure: bool = False,
    sampler: SamplerName | None = None,
    view: View | None = None,
) -> Run:
    """Run as `Prepared.run` does; inputs may have any name."""
    from makespan.engine.recording import Recording

    recording = Recording(prepared, tuple(args), dict(kwargs), measure=measure, sampler=sampler, view=view)
    try:
        execution = recording.begin()
        try:
            execution.run()
        except (KeyboardInterrupt, TimeoutError) as error:
            recording.stopped(error)
        return recording.end()
    finally:
        recording.close()
