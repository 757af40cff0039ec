"""``makespan run TARGET``: run the DAG, and write run.json whatever happens.

A node that raises (exit code 1) and Ctrl-C (130) leave a record too: what ran until then is what one wants
to see.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.cli.ctrl_c import HeardOnce
from makespan.cli.inputs import check_args, read_args
from makespan.cli.repeating import add_repeat, outputs
from makespan.cli.target import load_target
from makespan.cli.terminal import ReaderGoneError, stdout_kept_clean
from makespan.errors import OptionError, PlanError
from makespan.machine import this_machine
from makespan.preparing.prepared import run as run_prepared
from makespan.preparing.stale import PlanWarning

if TYPE_CHECKING:
    import argparse

    from makespan.cli.terminal import Terminal
    from makespan.plan import Plan
    from makespan.preparing.prepared import Prepared
    from makespan.run import Run
    from makespan.showing.live.view import View
    from makespan_optimizer.measure.sampling.watch import SamplerName

EXAMPLES = (
    "makespan run pipeline:news --args '[\"https://example.org\"]' --plan plan.json -o run.json",
    "makespan run pipeline.py --args '[\"https://example.org\"]' --threads 2 --measure -o measured.json",
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
        type=opt.threads_or_auto,
        metavar="N",
        help="thread budget; auto: the plan's (default: the plan's, or the usable cores)",
    )
    parser.add_argument(
        "--allow-stale",
        action="store_true",
        help="follow a plan for another state of the DAG, or for more threads, as far as it goes",
    )
    parser.add_argument(
        "--timeout",
        type=opt.timeout,
        metavar="S",
        help="give the run up after so many seconds, with what was running then (default: no limit)",
    )
    parser.add_argument(
        "--on-error",
        type=opt.on_error,
        default="stop",
        metavar="WORD",
        help="stop: after a node raised nothing new starts; continue: what does not depend on it runs on "
        "(default: stop)",
    )
    _add_selection(parser)
    parser.add_argument(
        "--measure",
        action="store_true",
        help="measure what each node does with its time beside the others: GIL, native, blocked, waits",
    )
    parser.add_argument(
        "--sampler",
        type=opt.sampler,
        metavar="NAME",
        help="with --measure: auto is gil where that works, else clocks; gil, canary, clocks: this one or an "
        "error (default: auto)",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="show lanes, what runs, what is next and when it will be over, while stderr is a terminal",
    )
    add_repeat(parser)
    opt.add_output(parser, "run.json", "the record")


def _add_selection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a part of the DAG", "names of nodes, or tag:NAME; may be repeated")
    for word, dest, words in (
        ("--target", "targets", "run this node and what it needs"),
        ("--root", "roots", "run this node and what depends on it"),
        ("--without", "without", "leave this node out, and what depends on it"),
    ):
        group.add_argument(word, dest=dest, action=opt.Repeated, metavar="NODE", help=words)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run, record, and say how it went against the plan."""
    args, kwargs = read_args(options.args)
    if "sampler" in options.named and not options.measure:
        raise OptionError("is for runs with --measure", where="--sampler")
    sampler: SamplerName | None = (options.sampler or "auto") if options.measure else None
    budget = _budget(options)
    paths = outputs(options)
    for path in paths:
        opt.ready_output(path, "makespan-run", force=options.force)
    plan = _read_plan(options.plan, terminal)
    view = _view(options, terminal)
    runs: list[Run] = []
    with HeardOnce() as ctrl_c:
        to_stdout = paths[0] == "-" or options.json
        with stdout_kept_clean(to_stdout) as kept:
            dag = load_target(options.target)
            check_args(dag, args, kwargs)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", PlanWarning)  # its notes are lines here
                    prepared = dag.prepare(
                        plan,
                        budget,
                        allow_stale=options.allow_stale,
                        timeout_s=options.timeout,
                        on_error=options.on_error,
                        targets=options.targets,
                        roots=options.roots,
                        without=options.without or (),
                    )
            except PlanError as error:
                raise PlanError(error.problem, where=options.plan, hint=error.hint) from error
            for note in prepared.notes:
                terminal.warn(note)
            _warm(prepared, options, terminal)
            for path in paths:
                ended = run_prepared(
                    prepared, args, kwargs, measure=options.measure, sampler=sampler, view=view
                )
                ctrl_c.deaf = path == paths[-1] or ended.record.status != "ok"
                runs.append(ended)
                if ctrl_c.deaf:
                    break
                ended.save(path, force=options.force)
                terminal.say(f"{ended.summary()}\nwrote {path}")
                view = _view(options, terminal)
            if ended.record.status in {"interrupted", "timed out"}:
                terminal.out = kept.for_good()  # nodes in helper threads still run, and may print
        return _close(runs, path, options, terminal, ctrl_c)


def _warm(prepared: Prepared, options: argparse.Namespace, terminal: Terminal) -> None:
    """Have worker processes import their nodes before the clock of the first run starts, and say so."""
    passed_s = prepared.warm(options.timeout)
    if passed_s:
        terminal.say(f"worker processes were warmed for {passed_s:.2f} s, before the clock of the run")


def _budget(options: argparse.Namespace) -> int | None:
    """Return the thread budget; None where the plan or the machine gives it.

    Raises
    ------
    OptionError
        It is to be chosen, and there is no plan for which it was.
    """
    budget: int | str | None = options.threads
    if not isinstance(budget, str):
        return budget
    if options.plan is None:
        raise OptionError(
            "auto is chosen from a profile, when a plan is made; this run has no plan",
            where=options.named.get("threads", "the setting 'threads'"),
            hint="--plan PLAN, or --threads N",
        )
    return None


def _view(options: argparse.Namespace, terminal: Terminal) -> View | None:
    """Return who shows the run while it goes on; None when nobody is to, or there is no terminal.

    Raises
    ------
    MissingExtraError
    """
    if not options.live or terminal.quiet:
        return None
    from makespan.showing.live.view import view_of

    return view_of(True, color=terminal.colored(), leave=False)


def _read_plan(path: str | None, terminal: Terminal) -> Plan | None:
    if path is None:
        return None
    from makespan.plan import load_plan

    plan = load_plan(path)
    differences = plan.machine.differences(this_machine())
    if differences:
        terminal.warn(f"{path} was made for another machine ({'; '.join(differences)})")
    return plan


def _close(
    runs: list[Run], path: str, options: argparse.Namespace, terminal: Terminal, ctrl_c: HeardOnce
) -> int:
    """Show the failure before anything else can fail, then write the last record."""
    ended = runs[-1]
    status = ended.record.status
    if status == "failed" and ended.error is not None:
        from makespan.cli.tracebacks import users_traceback

        terminal.note(users_traceback(ended.error))
    if path != "-":
        ended.save(path, force=options.force)
    ctrl_c.deaf = status == "interrupted"  # what is left may wait for a reader: the first Ctrl-C ends that
    if options.json or path == "-":
        with suppress(ReaderGoneError):  # how the run went is told by the exit code all the same
            terminal.emit(_data(runs, options))
    else:
        terminal.say(ended.summary())
    if path != "-":
        terminal.say(f"wrote {path}")
    if status == "interrupted":
        terminal.note("makespan: interrupted")
        return Exit.INTERRUPTED
    if status == "timed out":
        for note in getattr(ended.error, "__notes__", ()):
            terminal.note(note)
        terminal.error(str(ended.error))
        return Exit.JUDGED
    if status == "failed":
        names = ", ".join(repr(failure.node) for failure in ended.record.failures)
        terminal.error(f"{'a node' if len(ended.record.failures) == 1 else 'nodes'} raised: {names}")
        return Exit.JUDGED
    return Exit.OK


def _data(runs: list[Run], options: argparse.Namespace) -> bytes:
    """Return the record, or with ``--repeat`` a list of records."""
    if options.repeat is None:
        return runs[0].record.to_json()
    return b"[" + b",\n".join(run.record.to_json().rstrip() for run in runs) + b"]\n"
