"""``makespan explain PLAN [NODE]``: what binds, and why a node has its rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.cli.codes import Exit
from makespan.cli.terminal import printable

if TYPE_CHECKING:
    import argparse

    from makespan.cli.terminal import Terminal

EXAMPLES = (
    "makespan explain plan.json",
    "makespan explain plan.json parse --json",
)


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "plan", nargs="?", default="plan.json", metavar="PLAN", help="- is stdin (default: plan.json)"
    )
    parser.add_argument(
        "node", nargs="?", metavar="NODE", help="a node's name; without it the plan as a whole"
    )


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Explain, as text or JSON."""
    from makespan.plan import load_plan

    plan = load_plan(options.plan)
    if options.node is not None:
        plan.node(options.node)  # an unknown name is refused here, with the nearest known one
    from makespan_optimizer.questions.explain import explain

    told = explain(plan, options.node)
    if options.json:
        terminal.emit_json(told)
    else:
        terminal.emit("\n".join(map(printable, told.text().splitlines())))
    return Exit.OK
