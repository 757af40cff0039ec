"""``makespan run TARGET``: run the DAG, and write run.json whatever happens.

A node that raises (exit code 1) and Ctrl-C (130) leave a record too: what ran until then is what one wants
to see.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.cli.inputs import check_args, read_args
from makespan.cli.target import load_target
from makespan.cli.terminal import stdout_kept_clean
from makespan.errors import PlanError
from makespan.machine import this_machine

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from makespan.cli.terminal import Terminal
    from makespan.plan import Plan
    from makespan.run import Run

EXAMPLES = (
    "makespan run pipeline:news --args '[\"https://example.org\"]' --plan plan.json -o run.json",
    "makespan run pipeline.py --args '[\"https://example.org\"]' --threads 2 -o run.json",
)


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    opt.add_target(parser)
    opt.add_args(parser)
    parser.add_argument(
        "--plan", metavar="PLAN", help="plan.json; - is stdin (default: critical-path order, no plan)"
    )
    parser.add_argument(
        "--threads",
        type=opt.threads,
        metavar="N",
        help="thread budget (default: the plan's, or the usable cores)",
    )
    opt.add_output(parser, "run.json", "the record")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run, record, and say how it went against the plan."""
    args, kwargs = read_args(options.args)
    opt.ready_output(options.output, "makespan-run", force=options.force)
    plan = _read_plan(options.plan, terminal)
    to_stdout = options.output == "-" or options.json
    with stdout_kept_clean(to_stdout):
        dag = load_target(options.target)
        check_args(dag, args, kwargs)
        try:
            prepared = dag.prepare(plan, options.threads)
        except PlanError as error:
            raise PlanError(error.problem, where=options.plan, hint=error.hint) from error
        ended = prepared.run(*args, **kwargs)
    with _undisturbed(ended.record.status == "interrupted"):
        return _close(ended, options, terminal)


def _read_plan(path: str | None, terminal: Terminal) -> Plan | None:
    if path is None:
        return None
    from makespan.plan import load_plan

    plan = load_plan(path)
    differences = plan.machine.differences(this_machine())
    if differences:
        terminal.warn(f"{path} was made for another machine ({'; '.join(differences)})")
    return plan


def _close(ended: Run, options: argparse.Namespace, terminal: Terminal) -> int:
    """Show the failure before anything else can fail, then write the record."""
    status = ended.record.status
    if status == "failed" and ended.error is not None:
        from makespan.cli.tracebacks import users_traceback

        terminal.note(users_traceback(ended.error))
    if options.output != "-":
        ended.save(options.output, force=options.force)
    if options.json or options.output == "-":
        terminal.emit(ended.record.to_json())
    else:
        terminal.say(ended.summary())
    if options.output != "-":
        terminal.say(f"wrote {options.output}")
    if status == "interrupted":
        terminal.note("makespan: interrupted")
        return Exit.INTERRUPTED
    if status == "failed":
        names = ", ".join(repr(failure.node) for failure in ended.record.failures)
        terminal.error(f"{'a node' if len(ended.record.failures) == 1 else 'nodes'} raised: {names}")
        return Exit.JUDGED
    return Exit.OK


@contextmanager
def _undisturbed(wanted: bool) -> Iterator[None]:
    """Ignore a second Ctrl-C while the record is written: the first one has done its work."""
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield
        return
    before: Any = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
