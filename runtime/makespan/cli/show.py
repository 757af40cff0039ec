"""``makespan profile show PROFILE``: a profile as a table on stdout."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from typing import TYPE_CHECKING

from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.cli.reading import heed_profile_warnings
from makespan.cli.terminal import is_tty

if TYPE_CHECKING:
    from makespan.cli.terminal import Terminal

EXAMPLES = (
    "makespan profile show profile.json",
    "makespan profile show profile.json --sort gil --limit 10 --json",
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
        "--sort",
        type=_sort,
        default="wall",
        metavar="BY",
        help="wall, gil, native, blocked (seconds, most first) or name (default: wall)",
    )
    parser.add_argument("--limit", type=opt.limit, metavar="N", help="at most so many rows")


def _sort(text: str) -> str:
    from makespan.showing.profile_rows import SORTS

    if text not in SORTS:
        raise argparse.ArgumentTypeError(f"a profile is sorted by {', '.join(SORTS)}, not {text!r}")
    return text


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Read, and print the table; with ``--json`` its rows."""
    from makespan.profile import load_profile
    from makespan.showing.profile_rows import by, rows

    heed_profile_warnings()
    profile = load_profile(options.profile)
    if options.json:
        found = rows(profile, options.sort)[: options.limit]
        shown = {node.name for node in by(profile.nodes, options.sort)[: options.limit]}
        trials = {n.name: n.native_threads for n in profile.nodes if n.native_threads and n.name in shown}
        terminal.emit_json(
            {
                "dag": profile.dag,
                "machine": profile.machine,
                "runs": profile.runs,
                "nodes": found,
                "native_threads": trials,
                "pairs": profile.pairs,
            }
        )
    else:
        terminal.emit(profile.table(sort=options.sort, limit=options.limit, width=_width()))
    return Exit.OK


def _width() -> int | None:
    """Return the terminal's columns; None where stdout is a pipe or a file, unless COLUMNS says them."""
    return shutil.get_terminal_size().columns if os.environ.get("COLUMNS") or is_tty(sys.stdout) else None
