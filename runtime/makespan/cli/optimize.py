"""``makespan optimize PROFILE``: compute a plan, and say how good it is and why the search stopped."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.cli.progress import Progress
from makespan.cli.reading import read_profile

if TYPE_CHECKING:
    from makespan.cli.terminal import Terminal

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
        type=opt.threads,
        metavar="N",
        help="thread budget (default: the usable cores, at least 2)",
    )
    add_solver(parser)
    parser.add_argument(
        "--gap",
        type=opt.gap,
        metavar="SHARE",
        help="stop once the plan is proven to be within this share of the best",
    )
    opt.add_output(parser, "plan.json", "the plan")


def add_solver(parser: argparse.ArgumentParser) -> None:
    """Add what ``optimize`` and ``what-if`` share."""
    parser.add_argument(
        "--cores", type=opt.cores, metavar="X", help="cores to plan for (default: those of the profile)"
    )
    parser.add_argument("--time-limit", type=opt.seconds, metavar="S", help="wall seconds for the search")
    parser.add_argument("--seed", type=opt.seed, metavar="N", help="same seed, same plan")
    parser.add_argument("--workers", type=opt.workers, metavar="N", help="solver workers")
    parser.add_argument(
        "--deterministic",
        action=argparse.BooleanOptionalAction,
        help="the same plan every time, byte by byte",
    )


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Optimize, save, and say what the plan promises."""
    opt.ready_output(options.output, "makespan-plan", force=options.force)
    profile = read_profile(options.profile, terminal)
    from makespan_optimizer.optimize import optimize

    try:
        with Progress(terminal) as progress:
            plan = optimize(profile, **given(options, "threads", "gap"), progress=told(progress))
    except TimeoutError as error:
        terminal.error(f"no plan in time: {error}" if str(error) else "no plan in time")
        return Exit.NO_PLAN
    if options.output != "-":
        plan.save(options.output, force=options.force)
    if options.json or options.output == "-":
        terminal.emit(plan.to_json())
    else:
        terminal.say(plan.summary())
        terminal.say(
            f"stopped: {plan.solver.stopped} (found by {plan.solver.winner}; seed {plan.solver.seed})"
        )
    if options.output != "-":
        terminal.say(f"wrote {options.output}")
    return Exit.OK


def given(options: argparse.Namespace, *more: str) -> dict[str, Any]:
    """Return the options that were given, by the names that the optimizer has for them."""
    names = {name: name for name in ("cores", "seed", "workers", "deterministic", *more)} | {
        "time_limit": "time_limit_s"
    }
    values = {name: getattr(options, word) for word, name in names.items()}
    return {name: value for name, value in values.items() if value is not None}


def told(progress: Progress) -> Any:
    """Return the callback that shows best, bound and gap."""

    def tell(best_s: float | None, bound_s: float | None, gap: float | None = None, *_more: object) -> None:
        words = []
        if best_s is not None:
            words.append(f"best {best_s:.3f} s")
        if bound_s is not None:
            words.append(f"bound {bound_s:.3f} s")
        if gap is None and best_s and bound_s is not None:
            gap = (best_s - bound_s) / best_s
        if gap is not None:
            words.append(f"gap {gap:.1%}")
        progress.tell(" · ".join(words))

    return tell
