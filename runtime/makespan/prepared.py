"""A DAG made ready to run: program, order, budget and plan checked once, then called many times."""

from __future__ import annotations

import datetime
import os
from typing import TYPE_CHECKING, Any

from makespan.describe import bind
from makespan.dispatch import Rules
from makespan.errors import PlanError
from makespan.executor import Execution, Trace
from makespan.graph import check_threads
from makespan.order import default_ranks
from makespan.program import compile_program

if TYPE_CHECKING:
    from makespan.graph import DAG
    from makespan.plan import Plan
    from makespan.program import Program
    from makespan.run import Run


class Prepared:
    """What `DAG.prepare` returns. Call it with the DAG's inputs: ``fast(url)`` returns the DAG's result.

    It may be called from several threads at once.
    """

    __slots__ = ("_fingerprint", "_functions", "dag", "plan", "program", "rules", "threads")

    def __init__(self, dag: DAG[..., Any], program: Program, rules: Rules, plan: Plan | None) -> None:
        self.dag = dag
        self.program = program
        self.rules = rules
        self.plan = plan
        self.threads = rules.budget
        self._functions = [node.fn for node in dag.nodes.values()]
        self._fingerprint: str | None = None

    @property
    def fingerprint(self) -> str:
        """That of the DAG as it was prepared (one that is built by hand may have grown since)."""
        if self._fingerprint is None:
            from makespan.fingerprint import fingerprint

            self._fingerprint = fingerprint(self.program.structure, self._functions)
        return self._fingerprint

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run, and return the DAG's result.

        Raises
        ------
        DescribeError
            An input is missing, unknown or given twice.
        Exception
            A node's own, with a note that names the node; an ExceptionGroup when several raised.
        """
        inputs = bind(self.dag, args, kwargs)
        execution = Execution(self.program, self.rules, inputs)
        execution.run()
        if execution.failures:
            from makespan.failure import raise_failures

            raise_failures(self.program, execution.failures)
        return self.program.output(execution.kept, inputs)

    def run(self, /, *args: Any, **kwargs: Any) -> Run:
        """Run with tracing, and return the `Run`; failures and Ctrl-C are kept in it, not raised.

        Raises
        ------
        DescribeError
            An input is missing, unknown or given twice.
        """
        from makespan.failure import joined
        from makespan.run import Run, record_of

        inputs = bind(self.dag, args, kwargs)
        trace = Trace(len(self.program.calls))
        at = datetime.datetime.now(datetime.UTC)
        execution = Execution(self.program, self.rules, inputs, trace)
        begun = trace.clock()
        error: BaseException | None = None
        try:
            execution.run()
        except KeyboardInterrupt as interrupt:
            error = interrupt
            trace = trace.copy()  # helpers that are still in a node go on writing to the other one
        ended = trace.clock()
        failures, execution.failures = execution.failures, []
        record = record_of(self, trace, begun, ended, at, failures, interrupted=error is not None)
        if error is None and failures:
            error = joined(self.program, failures)
        result = None if error is not None else self.program.output(execution.kept, inputs)
        return Run(result, record, error)


def prepare(dag: DAG[..., Any], plan: Plan | str | os.PathLike[str] | None, threads: int | None) -> Prepared:
    """Check and compile (see `DAG.prepare`); without a plan, remembered on the DAG for each budget."""
    if threads is not None:
        check_threads(threads)
    dag.described()
    if isinstance(plan, str | os.PathLike):
        from makespan.plan import load_plan

        where = str(plan)
        plan = load_plan(plan)
    else:
        where = "plan"
        if plan is not None:
            from makespan.plan import checked_plan

            plan = checked_plan(plan, where)
    # Taken once: a DAG that grows meanwhile starts a new cache, so that this one may not hold what is old.
    cache = dag._prepared  # noqa: SLF001
    made = cache.get(threads) if plan is None else None
    if made is None:
        known = next(iter(list(cache.values())), None)
        program = known.program if known is not None else compile_program(dag)
        made = Prepared(dag, program, _rules(dag, plan, threads, where), plan)
        if plan is None:
            cache[threads] = made
    return made


def _rules(dag: DAG[..., Any], plan: Plan | None, threads: int | None, where: str) -> Rules:
    structure = dag.check()
    if plan is None:
        ranks = default_ranks(structure, [node.options.hint_s for node in dag.nodes.values()])
        return Rules(structure, ranks, threads or default_threads())
    ranks = plan.ranks(structure, fingerprint=dag.fingerprint, where=where)
    if threads is not None and plan.threads > threads:
        raise PlanError(
            f"the plan is for {plan.threads} threads, more than the {threads} allowed",
            where=where,
            hint=f"optimize with --threads {threads}",
        )
    number = {name: i for i, name in enumerate(structure.names)}
    # Declared locks and exclusive nodes are in the structure already.
    groups = [
        ([number[name] for name in group.nodes], group.limit)
        for group in plan.groups
        if group.reason not in ("lock", "exclusive")
    ]
    return Rules(structure, ranks, plan.threads, groups)


def default_threads() -> int:
    """Return the budget without a plan: the usable cores, at least 2."""
    from makespan.machine import usable_cores

    return max(2, round(usable_cores()))
