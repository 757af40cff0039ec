"""``makespan doctor``: what this machine can measure, and what spoils it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.cli.codes import Exit

if TYPE_CHECKING:
    import argparse

    from makespan.cli.terminal import Terminal

EXAMPLES = ("makespan doctor", "makespan doctor --json")


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments: it has none of its own."""


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Examine the machine, and tell."""
    from makespan_optimizer.measure.doctor import doctor

    found = doctor()
    if options.json:
        terminal.emit_json(found)
    else:
        terminal.emit(found.text())
    return Exit.OK
