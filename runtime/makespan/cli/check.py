"""``makespan check PLAN TARGET``: say, for CI, whether a plan still fits the code and the machine.

Exit code 0: it fits. 1: it is stale, with the reasons. 2: there is nothing to judge (the file is no plan, or
was altered; the target does not import; a run is of another DAG, or followed another plan).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.around.drift import Drift, band, drift_of_runs, durations_s
from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.cli.files import matching
from makespan.cli.target import load_target
from makespan.cli.terminal import ReaderGoneError, stdout_kept_clean
from makespan.errors import PlanError, RecordError, TargetError
from makespan.machine import this_machine
from makespan.plan import load_plan

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from makespan.cli.terminal import Terminal
    from makespan.graph import DAG
    from makespan.plan import Evidence, Plan
    from makespan.profile import Profile
    from makespan.record import RunRecord

EXAMPLES = (
    "makespan check plan.json pipeline:news --profile profile.json --any-machine",
    "makespan check plan.json pipeline:news --runs run*.json",
)


class Verdict(NamedTuple):
    """Whether a plan fits, and why not."""

    plan: str
    target: str
    fits: bool
    reasons: list[str]
    notes: list[str]
    drift: tuple[Drift, ...] = ()
    """Nodes that did not take the planned time in the runs."""


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("plan", metavar="PLAN", help="plan.json; - is stdin")
    opt.add_target(parser)
    parser.add_argument(
        "--profile", metavar="PROFILE", help="also ask whether the nodes still take the planned time"
    )
    parser.add_argument(
        "--runs",
        nargs="+",
        metavar="RUN",
        help="records of runs by this plan: also ask whether the nodes took the planned time in them",
    )
    parser.add_argument("--any-machine", action="store_true", help="another machine is a note, not a reason")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Judge, and say why."""
    plan = load_plan(options.plan)
    profile = None
    if options.profile is not None:
        from makespan.cli.reading import read_profile

        profile = read_profile(options.profile)
    with stdout_kept_clean(wanted=True):
        dag = _load(options)
    runs = [_read_run(path, plan, options.plan) for path in matching(options.runs or ())]
    verdict = judge(plan, dag, profile, runs, where=options.plan, any_machine=options.any_machine)
    with suppress(ReaderGoneError):  # the exit code is the verdict, read or not
        if options.json:
            terminal.emit_json(verdict._asdict())
        elif not (options.quiet and verdict.fits):
            terminal.emit(_text(verdict))
    return Exit.OK if verdict.fits else Exit.JUDGED


def _load(options: argparse.Namespace) -> DAG[..., Any]:
    """Return the target; --runs may have taken its word."""
    try:
        return load_target(options.target)
    except TargetError as error:
        if options.target is None and options.runs:
            raise TargetError(
                error.problem, hint=f"before --runs: makespan check {options.plan} TARGET --runs …"
            ) from None
        raise


def judge(
    plan: Plan,
    dag: DAG[..., Any],
    profile: Profile | None = None,
    runs: Sequence[RunRecord] = (),
    *,
    where: str = "plan",
    any_machine: bool = False,
) -> Verdict:
    """Return whether a plan is for this DAG and this machine."""
    reasons: list[str] = []
    notes: list[str] = []
    try:
        plan.ranks(dag.check(), fingerprint=dag.fingerprint, where=where)
        dag.prepare(plan)
    except PlanError as error:
        reasons.append(error.problem)
    differences = [f"made on another machine: {text}" for text in plan.machine.differences(this_machine())]
    (notes if any_machine else reasons).extend(differences)
    if plan.evidence is not None:
        notes.append(_raced(plan.evidence, elsewhere=bool(differences)))
    if profile is not None:
        reasons += drift_by_profile(plan, profile)
    set_up = {node.name for node in dag.nodes.values() if node.options.setup}
    drifted = [its for its in drift_of_runs(plan, runs) if its.name not in set_up]
    reasons += [_sentence(its, len(runs)) for its in drifted]
    if runs:
        notes += _seen(plan, runs)
        if found := [node.name for node in plan.nodes if node.name in set_up]:
            from makespan.preparing.stale import some

            notes.append(f"set up once, and not compared: {some(found)}")
    return Verdict(where, dag.target or dag.name, not reasons, reasons, notes, tuple(drifted))


def _raced(evidence: Evidence, *, elsewhere: bool) -> str:
    from makespan.showing.evidence import headline, ratio

    if elsewhere:
        return f"it was raced there ({ratio(evidence)}): what it gives here shows 'makespan tune'"
    return f"raced on this machine: {headline(evidence)}"


def drift_by_profile(plan: Plan, profile: Profile) -> list[str]:
    """Say which nodes do not take the planned time any more, by a newer profile."""
    if profile.dag.fingerprint != plan.dag.fingerprint:
        return ["the profile is of another DAG than the plan"]
    from makespan.showing.words import seconds

    measured = {node.name: node for node in profile.nodes}
    found = []
    for node in plan.nodes:
        now = measured.get(node.name)
        if now is None:
            found.append(f"{node.name!r} was not measured")
            continue
        if now.wall_net_s.median not in band(node.alone_s):
            was, takes = seconds(node.alone_s), seconds(now.wall_net_s.median)
            found.append(f"{node.name!r} takes {takes} now, the plan counted on {was}")
    return found


# -- runs ----------------------------------------------------------------------------------------------------


def _read_run(path: str, plan: Plan, where: str) -> RunRecord:
    """Read a run that followed the plan.

    Raises
    ------
    RecordError
        Not a run, or one of another DAG, without a plan, or by another plan.
    """
    from makespan.record import load_record

    run = load_record(path)
    problem = None
    if run.dag.fingerprint != plan.dag.fingerprint:
        problem = f"is a run of another DAG ({run.dag.name!r}) than {where}"
    elif run.plan is None:
        problem = f"is a run without a plan, not by {where}"
    elif run.plan != plan:
        problem = f"is a run by another plan than {where}"
    if problem is not None:
        raise RecordError(problem, where=path, hint="give records of runs by this plan")
    return run


def _sentence(its: Drift, runs: int) -> str:
    from makespan.showing.words import seconds

    of = f" (median of {runs} runs)" if runs > 1 else ""
    return f"{its.name!r} took {seconds(its.actual_s)}{of}, the plan counted on {seconds(its.planned_s)}"


def _seen(plan: Plan, runs: Sequence[RunRecord]) -> list[str]:
    """Say what the runs cannot tell, and how long they took as a whole."""
    from statistics import median

    from makespan.preparing.stale import some
    from makespan.showing.words import seconds

    notes = []
    taken = durations_s(runs)
    unseen = [node.name for node in plan.nodes if node.name not in taken]
    if unseen:
        notes.append(f"{some(unseen)} ended well at the first try in none of the runs")
    whole = [run.makespan_s for run in runs if run.status == "ok" and not run.left_out]
    if whole:
        took, planned = seconds(median(whole)), seconds(plan.makespan_s)
        notes.append(f"{'the runs' if len(whole) > 1 else 'the run'} took {took}, planned were {planned}")
    return notes


def _text(verdict: Verdict) -> str:
    from makespan.cli.terminal import printable

    head = (
        f"{verdict.plan} fits {verdict.target}"
        if verdict.fits
        else f"{verdict.plan} does not fit {verdict.target}:"
    )
    return "\n".join(
        printable(line)
        for line in (
            head,
            *(f"  {text}" for text in verdict.reasons),
            *(f"  note: {text}" for text in verdict.notes),
        )
    )
