"""``makespan check PLAN TARGET``: say, for CI, whether a plan still fits the code and the machine.

Exit code 0: it fits. 1: it is stale, with the reasons. 2: there is nothing to judge (the file is no plan, or
was altered; the target does not import).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.cli.target import load_target
from makespan.cli.terminal import ReaderGoneError, stdout_kept_clean
from makespan.errors import PlanError
from makespan.machine import this_machine
from makespan.plan import load_plan

if TYPE_CHECKING:
    import argparse

    from makespan.cli.terminal import Terminal
    from makespan.graph import DAG
    from makespan.plan import Plan
    from makespan.profile import Profile

EXAMPLES = (
    "makespan check plan.json pipeline:news",
    "makespan check plan.json pipeline:news --profile profile.json --any-machine",
)

# A node has drifted when its median lies outside the planned time by this factor and by this many seconds.
DRIFT_FACTOR = 1.5
DRIFT_S = 0.005


class Verdict(NamedTuple):
    """Whether a plan fits, and why not."""

    plan: str
    target: str
    fits: bool
    reasons: list[str]
    notes: list[str]


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("plan", metavar="PLAN", help="plan.json; - is stdin")
    opt.add_target(parser)
    parser.add_argument(
        "--profile", metavar="PROFILE", help="also ask whether the nodes still take the planned time"
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
        dag = load_target(options.target)
    verdict = judge(plan, dag, profile, where=options.plan, any_machine=options.any_machine)
    with suppress(ReaderGoneError):  # the exit code is the verdict, read or not
        if options.json:
            terminal.emit_json(verdict._asdict())
        elif not (options.quiet and verdict.fits):
            terminal.emit(_text(verdict))
    return Exit.OK if verdict.fits else Exit.JUDGED


def judge(
    plan: Plan, dag: DAG[..., Any], profile: Profile | None, *, where: str = "plan", any_machine: bool = False
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
    if profile is not None:
        reasons += drift(plan, profile)
    return Verdict(where, dag.target or dag.name, not reasons, reasons, notes)


def drift(plan: Plan, profile: Profile) -> list[str]:
    """Say which nodes do not take the planned time any more, by a newer profile."""
    if profile.dag.fingerprint != plan.dag.fingerprint:
        return ["the profile is of another DAG than the plan"]
    from makespan.words import seconds

    measured = {node.name: node for node in profile.nodes}
    found = []
    for node in plan.nodes:
        now = measured.get(node.name)
        if now is None:
            found.append(f"{node.name!r} was not measured")
            continue
        short, long = sorted((node.alone_s, now.wall_net_s.median))
        if long - short > DRIFT_S and long > DRIFT_FACTOR * short:
            was, takes = seconds(node.alone_s), seconds(now.wall_net_s.median)
            found.append(f"{node.name!r} takes {takes} now, the plan counted on {was}")
    return found


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
