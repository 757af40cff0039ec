"""Options on how nodes run: pins, worker processes, native threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.cli import options as opt

if TYPE_CHECKING:
    import argparse

MAX_PROCESSES = 64
processes = opt.whole("the number of worker processes", 0, MAX_PROCESSES)


def add_pins(parser: argparse.ArgumentParser) -> None:
    """Add ``--pin``."""
    parser.add_argument(
        "--pin",
        action="append",
        default=[],
        metavar="TEXT",
        help="what the plan has to keep to: 'b after a', 'a, b in order', 'a first', 'a last', "
        "'a priority=2', 'a, b lock=NAME', 'a process', 'a thread', 'a once' (never again in a worker), "
        "'a native=1'; names with blanks in double quotes; may be given several times",
    )


def add_modes(parser: argparse.ArgumentParser) -> None:
    """Add ``--processes`` and ``--native-threads``."""
    parser.add_argument(
        "--processes",
        type=processes,
        default=0,
        metavar="N",
        help="so many worker processes beside the threads, where they pay (default: 0)",
    )
    parser.add_argument(
        "--native-threads",
        action="store_true",
        help="choose how many native threads each node may use, of those that were measured",
    )


def given_modes(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was asked for, by the names that the optimizer has for it; nothing that was not.

    Raises
    ------
    OptionError
        A pin does not follow the grammar.
    """
    found: dict[str, Any] = {}
    if options.pin:
        from makespan_optimizer.pins.pins import Pins

        found["pins"] = Pins.of(options.pin)
    if options.processes:
        found["processes"] = options.processes
    if options.native_threads:
        found["native_threads"] = True
    return found
