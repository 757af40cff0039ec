"""Isolated profiling: the DAG runs one node at a time, so that what is measured is the node and nothing else.

The nodes run in topological order in the calling thread: once to warm up (kept as `first_s`: imports, caches,
cold files), then `runs` times. Values live as long as in a real run, and are dropped after their last use. A
DAG that a node calls runs on the node's thread alone, and is measured as part of the node.

Whatever ends it early, Ctrl-C or a node's exception, carries the profile of the complete runs so far in its
attribute `partial`.
"""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from makespan._version import __version__
from makespan.describe import bind
from makespan.errors import OptionError
from makespan.machine import this_machine
from makespan.plan import DagId
from makespan.profile import Profile
from makespan.program import compile_program
from makespan_optimizer.measure.estimate import summarize
from makespan_optimizer.measure.header import Beginning
from makespan_optimizer.measure.merge import latest
from makespan_optimizer.measure.meter import Meter
from makespan_optimizer.measure.runs import Runs
from makespan_optimizer.measure.sampler import SamplerName, open_sampler
from makespan_optimizer.measure.shapes import shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from makespan.graph import DAG
    from makespan.profile import RunHeader

MAX_RUNS = 1000


def profile(
    dag: DAG[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    runs: int = 5,
    progress: Callable[[int, int, str], None] | None = None,
    sampler: SamplerName = "auto",
    target: str | None = None,
) -> Profile:
    """Run a DAG one node at a time, and return what each node does with its time.

    Parameters
    ----------
    dag : DAG
    args, kwargs
        Its inputs.
    runs : int
        Counted runs, 1 to 1000; one to warm up comes before them.
    progress : callable, optional
        Called before each node as ``progress(done, total, node)``, and at the end.
    sampler : {"auto", "gil", "clocks"}
        ``auto`` samples the GIL where that works, and falls back to clocks; ``gil`` refuses to fall back.
    target : str, optional
        ``module:attribute``, when the DAG came from there.

    Raises
    ------
    DescribeError, OptionError
        Before anything ran.
    Exception
        A node raised: its own exception, with a note that names the node.
    KeyboardInterrupt
        Ctrl-C. Its attribute `partial`, and that of a node's exception, holds the profile of the complete
        runs so far, or None.

    Warns
    -----
    ProfileWarning
        Other processes take more than 5 % of the cores.
    """
    if isinstance(runs, bool) or not isinstance(runs, int) or not 1 <= runs <= MAX_RUNS:
        raise OptionError(f"is a whole number from 1 to {MAX_RUNS}, not {runs!r}", where="runs")
    inputs = bind(dag, args, dict(kwargs))
    program = compile_program(dag)
    chosen, notes = open_sampler(sampler)
    with closing(chosen), Meter(chosen) as meter:
        beginning = Beginning(meter, sampler, notes)
        beginning.warn_of_load(stacklevel=3)
        total = (runs + 1) * len(program.calls)
        measured = Runs(beginning.id, program, meter, total=total, progress=progress)

        def result() -> Profile:
            header = beginning.header(meter.sampler, repeats=measured.complete)
            return _profile(dag, measured, header, target)

        try:
            measured.warm_up(inputs)
            for _ in range(runs):
                measured.count(inputs)
            made = result()
        except BaseException as stopped:
            with suppress(Exception):  # an exception of the user's need not take attributes
                stopped.partial = result() if measured.complete else None  # type: ignore[attr-defined]
            raise
    measured.end_progress()
    return made


def _profile(dag: DAG[..., Any], measured: Runs, header: RunHeader, target: str | None) -> Profile:
    """Return the profile of the complete runs."""
    machine = this_machine()
    shape = shapes(dag)
    nodes = [
        summarize(
            its.name,
            latest(measured.calls[i]),
            first_s=measured.first_s[i],
            out_bytes=measured.out_bytes[i],
            gil=machine.gil,
            switch_interval_s=machine.switch_interval_s,
        )
        for i, its in enumerate(shape)
    ]
    return Profile(
        makespan_version=__version__,
        dag=DagId(dag.name, dag.fingerprint, target or dag.target),
        machine=machine,
        runs=(header,),
        shape=shape,
        nodes=tuple(nodes),
    )
