"""Isolated profiling: the DAG runs one node at a time, so that what is measured is the node and nothing else.

The nodes run in topological order in the calling thread: once to warm up (kept as `first_s`: imports, caches,
cold files), then `runs` times. Values live as long as in a real run, and are dropped after their last use. A
DAG that a node calls runs on the node's thread alone, and is measured as part of the node. A coroutine node
is awaited on an event loop in that thread too, so that its CPU time and its GIL are the node's own.

Whatever ends it early, Ctrl-C, a node's exception or a warning turned into an error, carries the profile of
the complete runs so far in its attribute `partial`; after the last run, with what trials found until then. A
second Ctrl-C may take the place of the first one while that is on its way, and carries the same.
"""

from __future__ import annotations

import time
from contextlib import closing, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from makespan._version import __version__
from makespan.awaiting.coroutines import in_own_threads
from makespan.errors import OptionError
from makespan.machine import this_machine
from makespan.plan import DagId
from makespan.profile import Profile
from makespan_optimizer.measure.closer import looking_closely
from makespan_optimizer.measure.estimate import summarize
from makespan_optimizer.measure.header import Beginning
from makespan_optimizer.measure.hints import Hint, hinted
from makespan_optimizer.measure.inputs import read_inputs
from makespan_optimizer.measure.merge import latest
from makespan_optimizer.measure.meter import Meter
from makespan_optimizer.measure.pickling import Picklings
from makespan_optimizer.measure.runs import Runs
from makespan_optimizer.measure.sampling.sampler import SamplerName, open_sampler
from makespan_optimizer.measure.scope import scope_of, setup_notes
from makespan_optimizer.measure.shapes import shapes
from makespan_optimizer.measure.trials.limit import time_limit_s
from makespan_optimizer.measure.trials.run_trials import run_trials

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from makespan.graph import DAG
    from makespan.measurement import Origin
    from makespan.profile import RunHeader, Shape
    from makespan_optimizer.measure.scope import Scope

MAX_RUNS = 1000


def profile(
    dag: DAG[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    runs: int = 5,
    warm_ups: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
    sampler: SamplerName = "auto",
    target: str | None = None,
    hints: Mapping[str, Any] | None = None,
    inputs: Any = None,
    setup: Callable[[], Any] | None = None,
    teardown: Callable[[], Any] | None = None,
    only: Collection[str] | None = None,
    trials: Literal["auto", "native"] | bool = "auto",
    trials_limit_s: float | None = None,
    pickling: bool = True,
    known: Profile | None = None,
) -> Profile:
    """Run a DAG one node at a time, and return what each node does with its time.

    Parameters
    ----------
    dag : DAG
    args, kwargs
        Its inputs.
    runs : int
        Counted runs, 1 to 1000. With several sets of inputs, so many more that each set is run equally often.
    warm_ups : int
        Runs before them that do not count, 1 to 1000; the first tells what a first call takes. Memory and
        caches of a fresh process may need a few until nodes are as fast as in one that has run for long.
    progress : callable, optional
        Called before each node as ``progress(done, total, node)``, and at the end.
    sampler : {"auto", "gil", "canary", "clocks"}
        ``auto`` samples the GIL where that works, else falls back to a canary, else to clocks; the others
        refuse to fall back.
    target : str, optional
        ``module:attribute``, when the DAG came from there.
    hints : mapping of node name to hint, optional
        Nodes that are not run: ``{"mail": "0.5s:io"}``; see `makespan_optimizer.measure.hints`.
    inputs : iterable or callable, optional
        Sets of arguments that counted runs take in turn, instead of `args` and `kwargs`; see
        `makespan_optimizer.measure.inputs`.
    setup, teardown : callable, optional
        Called before and after each run of the DAG; not measured.
    only : collection of str, optional
        Measure these nodes alone; what they need runs too, and is not measured.
    trials : {"auto", "native", False}
        Whether nodes are tried side by side and with fewer native threads afterwards; see
        `makespan_optimizer.measure.trials.run_trials`.
    trials_limit_s : float, optional
        How long all trials may take; as long as the counted runs took, 30 s at most.
    pickling : bool
        Measure what pickling arguments and results costs, once; see `makespan_optimizer.measure.pickling`.
        It runs the ``__reduce__`` and ``__setstate__`` of the objects that nodes take and return.
    known : Profile, optional
        What this one is an update of: pairs of nodes measured anew and others are tried again.

    Raises
    ------
    DescribeError, OptionError, ProfileError
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
    for name, number in (("runs", runs), ("warm_ups", warm_ups)):
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_RUNS:
            raise OptionError(f"is a whole number from 1 to {MAX_RUNS}, not {number!r}", where=name)
    given = read_inputs(dag, args, kwargs, inputs, setup=setup, teardown=teardown)
    scope = scope_of(dag, hints, only)
    time_limit_s(trials, trials_limit_s, 0.0)  # what they cannot be is refused before anything runs
    shape = shapes(dag, scope.hints)  # before the nodes run, which may change what their code refers to
    if not scope.measured:
        return _profile(dag, scope, shape, None, None, target)
    runs, rounded = given.counted_runs(runs)
    set_up = setup_notes(dag, scope)
    chosen, notes = open_sampler(sampler)
    kept: list[Profile] = []  # what is left when something ends it early: the last one
    try:
        with closing(chosen), Meter(chosen) as meter, in_own_threads():
            beginning = Beginning(meter, sampler, notes)
            beginning.warn_of_load(stacklevel=3)
            total = (warm_ups + runs) * len(scope.walked)
            measured = Runs(beginning.id, scope, meter, total=total, progress=progress)

            def result() -> Profile:
                header = beginning.header(
                    meter.sampler, repeats=measured.complete, notes=(*rounded, *set_up, *measured.notes())
                )
                header = msgspec.structs.replace(header, inputs=len(given))
                return _profile(dag, scope, shape, measured, header, target)

            try:
                with given.run(0) as values:
                    measured.warm_up(values, Picklings() if pickling else None)
                for _ in range(warm_ups - 1):
                    with given.run(0) as values:
                        measured.warm_up_again(values)
                counted_from = time.monotonic()
                for k in range(runs):
                    look = looking_closely(meter) if k == runs - 1 else nullcontext()
                    with given.run(k) as values, look as closely:
                        measured.count(values, k % len(given), closely=closely)
                measured.repeat_spoiled(given)
                counted_s = time.monotonic() - counted_from
                kept.append(result())
            except BaseException:
                if measured.complete and not kept:
                    with suppress(Exception):  # it must not take the place of the node's
                        kept.append(_though_interrupted(result))
                raise
            measured.end_progress()
            kept.append(
                run_trials(
                    kept[-1],
                    scope.program,
                    lambda: given.run(0),
                    meter.sampler,
                    limit_s=time_limit_s(trials, trials_limit_s, counted_s),
                    asked=trials_limit_s is not None,
                    progress=progress,
                    walked=scope.walked,
                    pairs=trials != "native",
                    skipped=frozenset(measured.passed),
                    fed_s=measured.fed_s,
                    known=known,
                )
            )
    except BaseException as stopped:
        with suppress(Exception):  # an exception of the user's need not take attributes
            if not _is_later(getattr(stopped, "partial", None), kept):
                stopped.partial = kept[-1] if kept else None  # type: ignore[attr-defined]
        raise
    return kept[-1]


def _though_interrupted(result: Callable[[], Profile]) -> Profile:
    """Return a result; Ctrl-C meanwhile, when one is on its way already, changes nothing."""
    try:
        return result()
    except KeyboardInterrupt:
        return result()


def _is_later(partial: Any, kept: list[Profile]) -> bool:
    """Say whether an exception carries what trials found after the profile that was kept."""
    if not isinstance(partial, Profile) or len(kept) != 1 or not partial.runs:
        return False  # not ours: the user may raise the same exception again and again
    return partial.runs[-1].id == kept[0].runs[-1].id


def _profile(
    dag: DAG[..., Any],
    scope: Scope,
    shape: tuple[Shape, ...],
    measured: Runs | None,
    header: RunHeader | None,
    target: str | None,
) -> Profile:
    """Return the profile of the complete runs, and of what was only said."""
    machine = this_machine()
    nodes = []
    for i, its in enumerate(shape):
        if its.name in scope.hints:
            nodes.append(hinted(its.name, scope.hints[its.name], code=its.code))
        elif measured is not None and i in measured.passed and not measured.calls[i]:
            said_s = dag.nodes[its.name].options.hint_s
            origin: Origin = "measured" if said_s is None else "hint"
            nodes.append(hinted(its.name, Hint(said_s or 0.0), origin=origin, code=its.code))
        elif measured is not None and i in scope.measured:
            found = summarize(
                its.name,
                latest(measured.calls[i]),
                first_s=first.wall_s if (first := measured.first[i]) is not None else None,
                out_bytes=measured.out_bytes[i],
                gil=machine.gil,
                switch_interval_s=machine.switch_interval_s,
                samplers={header.id: header.sampler} if header is not None else None,
            )
            nodes.append(
                msgspec.structs.replace(
                    found,
                    code=its.code,
                    args_pickling=measured.args_pickling[i],
                    result_pickling=measured.result_pickling[i],
                )
            )
    return Profile(
        makespan_version=__version__,
        dag=DagId(dag.name, dag.fingerprint, target or dag.target),
        machine=machine,
        runs=(header,) if header is not None else (),
        shape=shape,
        nodes=tuple(nodes),
    )
