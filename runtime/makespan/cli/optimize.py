"""``makespan optimize PROFILE``: compute a plan, and say how good it is and why the search stopped."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.cli.pins import add_modes, add_pins, given_modes
from makespan.cli.progress import Progress
from makespan.cli.reading import read_profile
from makespan.errors import OptionError
from makespan.showing.words import percent, plural, seconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.cli.terminal import Terminal
    from makespan_optimizer.choice.search import Progress as Step

EXAMPLES = (
    "makespan optimize profile.json --threads 4 --time-limit 10 -o plan.json",
    "makespan optimize profile.json --threads 2 --seed 7 --json -o plan.json -f",
)


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "profile",
        nargs="?",
        default="profile.json",
        metavar="PROFILE",
        help="- is stdin (default: profile.json)",
    )
    parser.add_argument(
        "--threads",
        type=opt.threads_or_auto,
        metavar="N",
        help="thread budget; auto: the smallest within 1 %% of the best (default: the cores, at least 2)",
    )
    add_search(parser)
    parser.add_argument(
        "--workers", type=opt.workers, default=2, metavar="N", help="solver threads (default: 2)"
    )
    parser.add_argument(
        "--deterministic",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="the same plan every time, byte by byte (default: yes)",
    )
    parser.add_argument(
        "--gap",
        type=opt.gap,
        metavar="SHARE",
        help="stop once the plan is proven to be within this share of the best (0.001)",
    )
    add_pins(parser)
    add_modes(parser)
    opt.add_output(parser, "plan.json", "the plan")


def add_search(parser: argparse.ArgumentParser) -> None:
    """Add what ``optimize`` and ``what-if`` share."""
    parser.add_argument(
        "--cores", type=opt.cores, metavar="X", help="cores to plan for (default: those of the profile)"
    )
    parser.add_argument(
        "--statistic",
        type=opt.statistic,
        default="median",
        metavar="NAME",
        help="which duration of a node's calls to plan for: median, mean or p90 (default: median)",
    )
    parser.add_argument(
        "--first-call",
        action="store_true",
        help="plan for a process that runs the DAG once: durations of first calls",
    )
    parser.add_argument(
        "--time-limit",
        type=opt.seconds,
        default=10.0,
        metavar="S",
        help="wall seconds for all of it (default: 10)",
    )
    parser.add_argument(
        "--seed", type=opt.seed, default=0, metavar="N", help="same seed, same plan (default: 0)"
    )


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Optimize, save, and say what the plan promises."""
    check_search(options)
    opt.ready_output(options.output, "makespan-plan", force=options.force)
    profile = read_profile(options.profile, terminal)
    from makespan_optimizer.optimize import optimize

    asked = given(
        options, "threads", "cores", "seed", "workers", "gap", "deterministic", "first_call", "statistic"
    )
    asked |= given_modes(options)
    with Progress(terminal) as progress:
        plan = optimize(profile, **asked, progress=shower(progress))
    if options.output != "-":
        plan.save(options.output, force=options.force)
    if options.json or options.output == "-":
        terminal.emit(plan.to_json())
    else:
        summary = plan.summary()
        terminal.say(summary)
        if options.threads == opt.AUTO:
            fewest = plural(plan.threads, "thread")
            terminal.say(f"{fewest}: the fewest that are expected within 1 % of the best")
        how = f"found by {plan.solver.winner}, seed {plan.solver.seed}"
        terminal.say(how if plan.solver.stopped in summary else f"{how}; stopped: {plan.solver.stopped}")
    if options.output != "-":
        terminal.say(f"wrote {options.output}")
    return Exit.OK


def check_search(options: argparse.Namespace) -> None:
    """Refuse what ``optimize`` and ``what-if`` cannot both heed.

    Raises
    ------
    OptionError
        Durations of first calls, and a statistic of the calls after them.
    """
    if options.first_call and "statistic" in options.named:
        raise OptionError(
            "takes the durations of first calls, and does not go with --statistic", where="--first-call"
        )


def given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the options that have a value, by the names that the optimizer has for them."""
    values = {"time_limit_s": options.time_limit} | {name: getattr(options, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def shower(progress: Progress) -> Callable[[Step], None]:
    """Return the callback that shows best, bound and gap."""

    def show(step: Step) -> None:
        best, bound = seconds(step.best_s), seconds(step.bound_s)
        mean = "" if step.expected_s is None else f" · expected {seconds(step.expected_s)}"
        progress.tell(f"{step.stage}: best {best} · bound {bound} · gap {percent(step.gap)}{mean}")

    return show
