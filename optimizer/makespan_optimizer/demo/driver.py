"""The driver of the demo: sequential reference, profile, budget, plan, race, files.

::

    copy ─▶ run one by one ─▶ profile ─▶ what-if ─▶ optimize ─▶ default order against plan ─▶ report
              (expected)     profile.json            plan.json           run.json              html, png

Each file is written when it is known, whole or not at all: Ctrl-C leaves complete files or none.
"""

from __future__ import annotations

import shlex
import sys
import warnings
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec

from makespan.describing.options import check_threads
from makespan.errors import missing_extra
from makespan.machine import usable_cores
from makespan.profile import ProfileWarning
from makespan.record import Comparison
from makespan_optimizer.choice.auto_threads import ENOUGH
from makespan_optimizer.demo import folder as place
from makespan_optimizer.demo.race import measured, race, spread, steps
from makespan_optimizer.demo.result import UNSTEADY, DemoResult
from makespan_optimizer.options import positive, whole

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from makespan.graph import DAG
    from makespan.plan import Plan
    from makespan.profile import Profile
    from makespan.run import Run
    from makespan_optimizer.choice.search import Progress
    from makespan_optimizer.demo.race import Race

    Say = Callable[[str], object]
    Count = Callable[[int, int, str], object]

PROFILE_RUNS = 3


def demo(
    folder: str | os.PathLike[str] = "makespan-demo",
    *,
    threads: int | None = None,
    repeats: int = 5,
    time_limit_s: float = 10.0,
    files: int | None = None,
    progress: Count | None = None,
    say: Say | None = None,
    force: bool = False,
) -> DemoResult:
    """Profile, plan and run the survey of the standard library, and compare plan and default order.

    Parameters
    ----------
    folder : path
        Where everything goes; made if it is missing.
    threads : int, optional
        The thread budget; chosen by what-if when omitted.
    repeats : int
        Interleaved runs of each order, 1 to 1000.
    time_limit_s : float
        Wall seconds for the search for a plan.
    files : int, optional
        How many files are looked at closely; the example's own number when omitted.
    progress : callable, optional
        Called as ``progress(done, total, label)`` within each step.
    say : callable, optional
        Called with a line of prose at each step.
    force : bool
        Overwrite files of other kinds.

    Raises
    ------
    OptionError
        An option cannot be, or the folder holds files of another kind. Before anything ran.
    MissingExtraError
        A package of the example or of the optimizer is not installed.
    MakespanError
        A result differed from the sequential one.
    """
    if threads is not None:
        check_threads(threads)
    inputs = {} if files is None else {"files": whole("files", files, 1, 1_000_000)}
    example = place.find_example().read_bytes()
    where = Path(folder)
    whole("repeats", repeats, 1, 1000)
    positive("time_limit_s", time_limit_s, 1e9)
    _ensure_packages()
    place.ensure_usable(where, example, force=force)
    made = place.make(where)
    copy = place.put_example(made, example)
    session = Session(_load(copy), inputs, made, progress or _silent, say or _silent)
    return session.play(threads, repeats, time_limit_s, shown=shlex.quote(str(folder)))


class Session:
    """One demo of one DAG; the steps in the order in which they are played."""

    def __init__(
        self, dag: DAG[..., Any], inputs: Mapping[str, Any], folder: Path, progress: Count, say: Say
    ) -> None:
        self.dag = dag
        self.inputs = inputs
        self.folder = folder
        self.progress = progress
        self.say = say

    def play(self, threads: int | None, repeats: int, time_limit_s: float, *, shown: str) -> DemoResult:
        """Run all steps, and return what was found."""
        self.say(f"{len(self.dag)} nodes; first one after the other, for the result that all runs must give")
        first = self.dag.prepare(threads=1).run(**self.inputs)
        expected = first.result
        profile = self._profile()
        plan = self._plan(profile, threads, time_limit_s)
        why = f"the fewest threads expected to be within {ENOUGH:.0%} of the best"
        found, shown_run = self._race(plan, expected, repeats)
        self._report(found, shown_run)
        return DemoResult(
            folder=shown,
            target=self.dag.target or self.dag.name,
            nodes=len(self.dag),
            threads=plan.threads,
            threads_why=why if threads is None else "as asked",
            cores=usable_cores(),
            sequential_s=median(found.sequential_s),
            profiled_s=sum(its.wall_net_s.median for its in profile.nodes),
            default_runs_s=found.default_s,
            planned_runs_s=found.planned_s,
            wins=found.wins,
            predicted_s=plan.makespan_s,
            lower_bound_s=plan.lower_bound_s,
            binding=plan.binding,
            gap=plan.gap,
            winner=plan.solver.winner,
            unsteady=max(spread(found.default_s), spread(found.planned_s)) > UNSTEADY,
            files=(place.EXAMPLE, *place.KINDS),
        )

    def _profile(self) -> Profile:
        self.say(f"profile: one node at a time, once to warm up and {PROFILE_RUNS} times to measure")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ProfileWarning)
            profile = self.dag.profile(
                **self.inputs, runs=PROFILE_RUNS, progress=self._count, trials=False, pickling=False
            )
        for warning in caught:
            self.say(f"warning: {warning.message}")
        profile.save(self.folder / "profile.json", force=True)
        return profile

    def _plan(self, profile: Profile, threads: int | None, time_limit_s: float) -> Plan:
        wanted = "as many threads as help" if threads is None else f"{threads} threads"
        self.say(f"optimize: for {wanted}, within {time_limit_s:g} s")

        def shown(state: Progress) -> None:
            done = min(time_limit_s, state.elapsed_s)
            label = f"{state.stage}: best {state.best_s:.3f} s, bound {state.bound_s:.3f} s"
            self._count(round(100 * done), round(100 * time_limit_s), label)

        plan = profile.optimize(threads=threads or "auto", time_limit_s=time_limit_s, progress=shown)
        plan.save(self.folder / "plan.json", force=True)
        its = ", ".join(
            f"{its.threads} {'threads' if its.threads > 1 else 'thread'} {its.makespan_s:.2f} s"
            for its in plan.what_if
        )
        self.say(f"expected: {its}")
        self.say(
            f"{plan.makespan_s:.2f} s expected, default order {plan.default_makespan_s:.2f} s; "
            f"lower bound {plan.lower_bound_s:.2f} s ({plan.binding}), gap {plan.gap:.1%}"
        )
        return plan

    def _race(self, plan: Plan, expected: Any, repeats: int) -> tuple[Race, Run]:
        self.say(f"run: default order and plan in turns, {repeats} times each on {plan.threads} threads")
        default, planned = self.dag.prepare(threads=plan.threads), self.dag.prepare(plan)
        planned.warm()
        sequential = self.dag.prepare(threads=1)
        total, done = steps(repeats), 0

        def step(label: str) -> None:
            nonlocal done
            self._count(done, total, label)
            done += 1

        found = race(default, planned, sequential, self.inputs, expected, repeats=repeats, step=step)
        run = measured(planned, self.inputs, expected, median(found.planned_s), step=step)
        self._count(total, total, "done")
        return found, run

    def _report(self, found: Race, run: Run) -> None:
        """Write a planned run of about median makespan, measured, with the comparison, and its pictures."""
        from makespan.showing.report import write_report

        comparison = Comparison(found.default_s, found.planned_s, median(found.sequential_s))
        record = msgspec.structs.replace(run.record, comparison=comparison)
        record.save(self.folder / "run.json", force=True)
        for name in ("report.html", "gantt.png"):
            write_report(record, self.folder / name, force=True)

    def _count(self, done: int, total: int, label: str) -> None:
        self.progress(done, total, label)


def _load(copy: Path) -> DAG[..., Any]:
    """Import the copy, so that what is profiled is what lies in the folder."""
    from makespan.cli.target import load_target

    dag = load_target(f"{copy}:{place.DAG_NAME}")
    dag.target = f"{copy.name}:{place.DAG_NAME}"  # the commands are run in the folder
    return dag


def _ensure_packages() -> None:
    """Say which package is missing before a minute is spent."""
    import importlib.util

    for package, name in (
        ("ortools", "OR-Tools"),
        ("numpy", "numpy"),
        ("pandas", "pandas"),
        ("matplotlib", "matplotlib"),
    ):
        if package not in sys.modules and importlib.util.find_spec(package) is None:
            raise missing_extra("makespan demo", name, "all")


def _silent(*_: object) -> None:
    pass
