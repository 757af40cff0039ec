"""``makespan what-if PROFILE --threads 1..16``: say whether more threads would help.

A row tells what up to so many threads reach: one may always use fewer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.cli.optimize import add_search, check_search, given, shower
from makespan.cli.progress import Progress
from makespan.cli.reading import read_profile

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from makespan.cli.terminal import Terminal
    from makespan.plan import WhatIf

EXAMPLES = (
    "makespan what-if profile.json --threads 1..8",
    "makespan what-if profile.json --threads 1,2,4 --cores 8 --json",
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
        dest="budgets",
        type=opt.budgets,
        default="1..8",
        metavar="LIST",
        help="thread budgets: 1..16 or 1,2,4 (default: 1..8)",
    )
    add_search(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Compute a row for each budget, and print them."""
    check_search(options)
    profile = read_profile(options.profile, terminal)
    from makespan_optimizer.what_if import what_if

    with Progress(terminal) as progress:
        rows = what_if(
            profile,
            options.budgets,
            **given(options, "cores", "seed", "first_call", "statistic"),
            progress=shower(progress),
        )
    if options.json:
        terminal.emit_json([_as_json(row, rows[0]) for row in rows])
    else:
        terminal.emit(table(rows))
        terminal.say("each row: the best makespan expected with up to so many threads")
    return Exit.OK


def _gain(row: WhatIf, first: WhatIf) -> float:
    """Return the share of the first row's makespan that this budget saves."""
    return 1 - row.makespan_s / first.makespan_s if first.makespan_s else 0.0


def _as_json(row: WhatIf, first: WhatIf) -> dict[str, float]:
    return {
        "threads": row.threads,
        "makespan_s": row.makespan_s,
        "lower_bound_s": row.lower_bound_s,
        "gain": round(_gain(row, first), 6),
    }


def table(rows: Sequence[WhatIf]) -> str:
    """Return the rows for people; the gain is against the first row."""
    from makespan.words import percent, seconds

    lines = [f"{'threads':>7}  {'makespan':>9}  {'bound':>9}  gain"]
    for row in rows:
        gain = percent(_gain(row, rows[0])) if row is not rows[0] else "–"
        lines.append(
            f"{row.threads:>7}  {seconds(row.makespan_s):>9}  {seconds(row.lower_bound_s):>9}  {gain:>5}"
        )
    return "\n".join(lines)
