"""``makespan profile --by-kind``: one run of a large graph, whose nodes share what is known of their kind.

The figures are pooled when the profile is written, not when it is read. Runs that are merged into the file
later would be estimated node by node again, and what was pooled would be gone in silence; so with
``--by-kind`` a file is written anew, never merged.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from makespan.errors import OptionError

if TYPE_CHECKING:
    import argparse

    from makespan.cli.terminal import Terminal
    from makespan.profile import Profile


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--by-kind",
        action="store_true",
        help="for large graphs: nodes with the same tags (dask: tasks of one kind) are classed together; one "
        "counted run, no trials, no pickling unless said; the file is written anew",
    )


def settle(options: argparse.Namespace) -> None:
    """Give the other options their values for ``--by-kind``, as far as nobody named them.

    Raises
    ------
    OptionError
        The file would be merged with what is there.
    """
    if not options.by_kind:
        return
    if options.update:
        raise OptionError("writes the file anew, and does not go with --update", where="--by-kind")
    file = Path(options.output)
    if not options.force and options.output != "-" and file.is_file() and file.stat().st_size:
        raise OptionError(
            f"{options.output} is there, and what is measured by kind is not merged",
            where="--by-kind",
            hint="-f replaces it; -o names another file",
        )
    if "runs" not in options.named:
        options.runs = 1
    if "pairs" not in options.named and "trials_limit" not in options.named:
        options.trials_limit = 0.0
    options.pickling = False


def pooled(profile: Profile, terminal: Terminal) -> Profile:
    """Return the profile with its nodes classed as their kinds, and say how many kinds there are."""
    from makespan_optimizer.measure.kinds import kinds, pooled

    many, found = sum(1 for node in profile.nodes if node.calls), len(kinds(profile))
    if found == many:
        terminal.note("makespan: no two nodes have the same tags: --by-kind changes nothing")
    else:
        terminal.say(f"{many} nodes of {found} kinds: class and shares are those of the kind")
    return pooled(profile)
