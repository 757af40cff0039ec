"""``makespan profile --from FILE``: a profile of figures that were had elsewhere; nothing is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.cli import options as opt
from makespan.cli.inputs import Words
from makespan.cli.reading import heed_profile_warnings
from makespan.errors import OptionError

if TYPE_CHECKING:
    import argparse

    from makespan.cli.terminal import Terminal
    from makespan.profile import Profile

# Options that say how nodes are run.
_RUNNING = ("hints", "inputs", "setup", "teardown", "update")


def add_from(parser: argparse.ArgumentParser) -> None:
    """Add ``--from`` and ``--cores``."""
    parser.add_argument(
        "--from",
        dest="source",
        metavar="FILE",
        help="run nothing: read a table (CSV or JSON: name, seconds, predecessors, class, lock, exclusive, "
        "tags) or a workflow instance of WfCommons (WfFormat 1.5); - is stdin",
    )
    parser.add_argument(
        "--cores", type=opt.cores, metavar="X", help="with --from: cores of the machine that FILE tells of"
    )


def read_table(options: argparse.Namespace, terminal: Terminal) -> Profile:
    """Read the profile of a table, before anything is written.

    Raises
    ------
    OptionError
        An option that says how nodes are run.
    ProfileError
        The table cannot be read; with file, row and column.
    """
    given = [name for name in _RUNNING if getattr(options, name)] + ["args"] * isinstance(options.args, Words)
    if given:
        name = given[0].removesuffix("s") if given[0] == "hints" else given[0]
        raise OptionError(f"runs nothing, and does not go with --{name}", where="--from")
    opt.ready_output(options.output, "makespan-profile", force=options.force)
    heed_profile_warnings()
    from makespan.from_table import profile_from_table

    profile = profile_from_table(options.source, cores=options.cores)
    if options.target is not None:
        terminal.say(f"{options.target} is not run: the figures are those of {options.source}")
    if options.cores is None:
        terminal.say(f"for {profile.machine.cores:g} cores (--cores says otherwise)")
    return profile
