"""``makespan profile --from FILE``: a profile of figures that were had elsewhere; nothing is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.cli import options as opt
from makespan.cli.reading import heed_profile_warnings, profile_there
from makespan.errors import OptionError, ProfileError
from makespan.showing.words import plural

if TYPE_CHECKING:
    import argparse

    from makespan.cli.terminal import Terminal
    from makespan.profile import Profile

# Options that say how nodes are run.
_RUNNING = (
    *("runs", "sampler", "hints", "args", "inputs", "setup", "teardown"),
    *("pairs", "trials_limit", "pickling", "update", "by_kind"),
)


def add_from(parser: argparse.ArgumentParser) -> None:
    """Add ``--from`` and ``--cores``."""
    parser.add_argument(
        "--from",
        dest="source",
        metavar="FILE",
        help="run nothing: read a table (CSV or JSON: name, seconds, predecessors, class, lock, exclusive, "
        "tags), a workflow instance of WfCommons (WfFormat 1.5), a trace of Chrome's format with flow "
        "events, or Ninja's log (.ninja_log); - is stdin",
    )
    parser.add_argument(
        "--graph", metavar="FILE", help="with --from .ninja_log: what 'ninja -t graph' prints; - is stdin"
    )
    parser.add_argument(
        "--cores",
        type=opt.cores,
        metavar="X",
        help="with --from: cores of the machine that FILE tells of (default: what it says, or those of this "
        "machine; a setting does not count here)",
    )


def read_table(options: argparse.Namespace, terminal: Terminal) -> Profile:
    """Read the profile of a table, before anything is written.

    Raises
    ------
    OptionError
        An option that says how nodes are run.
    ProfileError
        The table cannot be read; with file, row and column. The profile there is of another DAG or machine.
    """
    given = [options.named[name] for name in _RUNNING if name in options.named]
    if given:
        raise OptionError(f"runs nothing, and does not go with {given[0]}", where="--from")
    opt.ready_output(options.output, "makespan-profile", force=options.force)
    heed_profile_warnings()
    from makespan.from_table import profile_from_table

    # As a setting it says for which cores to plan, not what another machine has.
    cores = options.cores if "cores" in options.named else None
    if options.source == options.graph == "-":
        raise OptionError("only one of the two can come from stdin", where="--graph")
    profile = profile_from_table(options.source, cores=cores, graph=options.graph)
    _refuse_unlike(profile, options)
    if options.target is not None:
        terminal.say(f"{options.target} is not run: the figures are those of {options.source}")
    if cores is None:
        terminal.say(f"for {profile.machine.cores:g} cores (--cores says otherwise)")
    unsaid = sum(node.kind == "unknown" and node.gil_s > 0 for node in profile.nodes)
    if unsaid and profile.machine.gil:
        terminal.say(
            f"{plural(unsaid, 'node')} without a class: taken to hold the GIL all the time, so that more "
            "threads gain nothing on them (a column 'class' says otherwise: io, native, python …)"
        )
    return profile


def _refuse_unlike(profile: Profile, options: argparse.Namespace) -> None:
    """Refuse to merge with a profile of something else."""
    there = profile_there(options.output, force=options.force)
    if there is None:
        return
    from makespan_optimizer.measure.merge import ensure_mergeable

    try:
        ensure_mergeable(there, profile.dag, profile.machine, where=options.output)
    except ProfileError as error:  # nothing was measured that an update could keep
        raise ProfileError(error.problem, where=error.where, hint="-f replaces it") from error
