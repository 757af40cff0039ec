"""``makespan compare A B``: what differs between two plans, two runs, or a plan and a run, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.cli.codes import Exit
from makespan.errors import OptionError, RecordError

if TYPE_CHECKING:
    import argparse

    from makespan.cli.terminal import Terminal
    from makespan.plan import Plan
    from makespan.record import RunRecord

EXAMPLES = (
    "makespan compare plan.json run.json",
    "makespan compare run.json plan.json --json",
)


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("a", metavar="A", help="plan.json or run.json; - is stdin")
    parser.add_argument("b", metavar="B", help="plan.json or run.json of the same DAG; - is stdin")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Compare, and print text or JSON."""
    if options.a == options.b == "-":
        raise OptionError("only one of the two can come from stdin", where="-")
    from makespan.comparing.comparison import compare

    a, b = read_plan_or_run(options.a), read_plan_or_run(options.b)
    compared = compare(a, b, labels=(options.a, options.b))
    if options.json:
        terminal.emit_json(compared)
    else:
        terminal.emit(compared.text())
    return Exit.OK


def read_plan_or_run(path: str) -> Plan | RunRecord:
    """Read a plan or a run, whichever the file is.

    Raises
    ------
    PlanError, RecordError
        The file is neither, or not whole.
    """
    from makespan.cli.reading import kind_of
    from makespan.files import read_bytes
    from makespan.plan import parse_plan
    from makespan.record import parse_record

    data = read_bytes(path, RecordError)
    kind = kind_of(data)
    if kind == "plan":
        return parse_plan(data, path)
    if kind not in ("", "run"):
        raise RecordError(f"is a {kind}", where=path, hint="plans and runs are compared")
    return parse_record(data, path)
