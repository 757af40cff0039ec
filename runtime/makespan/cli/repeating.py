"""``makespan run --repeat N``: the same run several times in one process, each with a record of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.cli import options as opt
from makespan.errors import OptionError

if TYPE_CHECKING:
    import argparse

PLACE = "{}"
DEFAULT = f"run-{PLACE}.json"


def add_repeat(parser: argparse.ArgumentParser) -> None:
    """Add ``--repeat``."""
    parser.add_argument(
        "--repeat",
        type=opt.whole("the number of runs", 1, 1000),
        metavar="N",
        help=f"run so often, one after the other; {PLACE} in the output's name is the number of the run "
        f"(default: {DEFAULT}); ends at the first run that does not reach its end",
    )


def outputs(options: argparse.Namespace) -> list[str]:
    """Return the name of each run's record.

    Raises
    ------
    OptionError
        Records of several runs would go to one place.
    """
    count: int | None = options.repeat
    if count is None:
        return [options.output]
    name = options.output if "output" in options.named else DEFAULT
    if PLACE not in name and count > 1:
        raise OptionError(
            f"{count} runs go to {count} files, {name!r} is one",
            where="--repeat",
            hint=f"-o '{DEFAULT}': {PLACE} is the number of the run",
        )
    return [name.replace(PLACE, str(number)) for number in range(1, count + 1)]
