"""Isolated profiling: the DAG runs one node at a time, so that what is measured is the node and nothing else.

The nodes run in topological order in the calling thread: once to warm up (kept as `first_s`: imports, caches,
cold files), then `runs` times. Values live as long as in a real run, and are dropped after their last use. A
DAG that a node calls runs on the node's thread alone, and is measured as part of the node.
"""

from __future__ import annotations

import datetime
import gc
import uuid
import warnings
from typing import TYPE_CHECKING, Any

from makespan._version import __version__
from makespan.describe import bind
from makespan.errors import OptionError
from makespan.fingerprint import location, relative_place
from makespan.machine import this_machine
from makespan.plan import DagId
from makespan.profile import Call, Profile, ProfileWarning, RunHeader, Shape
from makespan.program import compile_program
from makespan_optimizer.measure.calibrate import (
    LOAD_LIMIT,
    ForeignLoad,
    cores_measured,
    hand_off_s,
    self_test,
)
from makespan_optimizer.measure.estimate import summarize
from makespan_optimizer.measure.merge import latest
from makespan_optimizer.measure.meter import Meter
from makespan_optimizer.measure.sampler import (
    NoSampler,
    Sampler,
    SamplerName,
    fallback_note,
    open_sampler,
    unavailable,
)
from makespan_optimizer.measure.size import size_of
from makespan_optimizer.measure.walk import Outcome, Work, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from makespan.graph import DAG
    from makespan.program import Program

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
        Ctrl-C. Its attribute `partial` holds the profile of the complete runs so far, or None.

    Warns
    -----
    ProfileWarning
        Other processes take more than 5 % of the cores.
    """
    if isinstance(runs, bool) or not isinstance(runs, int) or not 1 <= runs <= MAX_RUNS:
        raise OptionError(f"is a whole number from 1 to {MAX_RUNS}, not {runs!r}", where="runs")
    inputs = bind(dag, args, dict(kwargs))
    program = compile_program(dag)
    at = datetime.datetime.now(datetime.UTC)
    measurement = _Measurement(dag, program, target, runs, at)
    chosen, notes = open_sampler(sampler)
    with Meter(chosen) as meter:
        measurement.load = load = ForeignLoad(chosen.cpu_s)
        measurement.notes = notes + _calibrate(measurement, meter, sampler)
        taken = load.share()
        if taken is not None and taken > LOAD_LIMIT:
            warnings.warn(
                f"other processes take {taken:.0%} of the cores: the figures will be noisy",
                ProfileWarning,
                stacklevel=3,
            )
        try:
            for counted in range(-1, runs):
                measurement.run(meter, inputs, counted, progress)
        except KeyboardInterrupt as interrupt:
            interrupt.partial = measurement.result(meter.sampler) if measurement.complete else None  # type: ignore[attr-defined]
            raise
        made = measurement.result(meter.sampler)
    if progress is not None:
        total = (runs + 1) * len(program.calls)
        progress(total, total, made.shape[-1].name if made.shape else "")
    return made


def _calibrate(measurement: _Measurement, meter: Meter, wanted: SamplerName) -> tuple[str, ...]:
    """Test the sampler, and put clocks alone in its place when it fails; return notes."""
    figures = measurement.calibration
    figures["cores"] = round(cores_measured(), 3)
    figures["hand_off_s"] = hand_off_s()
    if isinstance(meter.sampler, NoSampler):
        return ()
    tested = self_test(meter)
    figures.update(tested.figures)
    if tested.fault is None:
        return ()
    if wanted == "gil":
        raise unavailable(tested.fault)
    meter.sampler.close()
    meter.sampler = NoSampler()
    return (fallback_note(tested.fault),)


class _Measurement:
    """The calls so far, and what becomes of them."""

    def __init__(
        self, dag: DAG[..., Any], program: Program, target: str | None, runs: int, at: datetime.datetime
    ) -> None:
        n = len(program.calls)
        self.id = uuid.uuid4().hex[:12]
        self.calls: list[list[Call]] = [[] for _ in range(n)]
        self.first_s: list[float | None] = [None] * n
        self.out_bytes: list[int | None] = [None] * n
        self.complete = 0
        self.calibration: dict[str, float] = {}
        self.notes: tuple[str, ...] = ()
        self.load: ForeignLoad | None = None
        self._dag = dag
        self._program = program
        self._target = target
        self._total = (runs + 1) * n
        self._at = at

    def run(
        self,
        meter: Meter,
        inputs: Mapping[str, Any],
        counted: int,
        progress: Callable[[int, int, str], None] | None,
    ) -> None:
        """Run all nodes once; `counted` is -1 for the warm-up."""
        names = self._program.structure.names
        calls: list[tuple[int, Call]] = []
        done = (counted + 1) * len(names)
        gc.collect()  # every run begins with the same heap, as far as that is possible

        def do(works: list[Work]) -> list[Outcome]:
            (work,) = works
            if progress is not None:
                progress(done + len(calls), self._total, names[work.node])
            try:
                value = meter.call(self.id, work.fn, *work.args)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                return [Outcome(None, error)]
            assert meter.last is not None
            calls.append((work.node, meter.last))
            if counted < 0:
                self.out_bytes[work.node] = size_of(value)
            return [Outcome(value)]

        walk(self._program, inputs, do)
        for i, call in calls:
            if counted < 0:
                self.first_s[i] = call.wall_s
            else:
                self.calls[i].append(call)
        self.complete += counted >= 0

    def result(self, sampler: Sampler) -> Profile:
        """Return the profile of the complete runs."""
        machine = this_machine()
        name, notes = sampler.name, self.notes
        if sampler.lost is not None:
            reason = f"the sampler ended in mid-run ({sampler.lost}); calls before that were sampled"
            name, notes = "clocks", (*notes, fallback_note(reason))
        header = RunHeader(
            id=self.id,
            at=self._at.isoformat(timespec="milliseconds"),
            repeats=self.complete,
            sampler=name,
            rate_hz=sampler.rate_hz,
            load_share=self.load.share() if self.load is not None else None,
            calibration=self.calibration,
            notes=notes,
        )
        shape = shapes(self._dag)
        nodes = [
            summarize(
                its.name,
                latest(self.calls[i]),
                first_s=self.first_s[i],
                out_bytes=self.out_bytes[i],
                gil=machine.gil,
                switch_interval_s=machine.switch_interval_s,
            )
            for i, its in enumerate(shape)
        ]
        return Profile(
            makespan_version=__version__,
            dag=DagId(self._dag.name, self._dag.fingerprint, self._target or self._dag.target),
            machine=machine,
            runs=(header,),
            shape=shape,
            nodes=tuple(nodes),
        )


def shapes(dag: DAG[..., Any]) -> tuple[Shape, ...]:
    """Return a DAG's nodes as a profile keeps them."""
    structure = dag.check()
    seen: dict[str, str] = {}
    return tuple(
        Shape(
            name=node.name,
            after=tuple(structure.names[p] for p in structure.preds[i]),
            locks=structure.locks[i],
            exclusive=node.options.exclusive,
            tags=node.options.tags,
            location=location(node.fn, seen),
            place=relative_place(node.place),
        )
        for i, node in enumerate(dag.nodes.values())
    )
