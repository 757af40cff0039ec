"""``makespan profile TARGET``: run the DAG one node at a time, and write profile.json."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makespan.cli import by_kind
from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.cli.ctrl_c import HeardOnce
from makespan.cli.from_table import add_from, read_table
from makespan.cli.inputs import Hints, add_inputs, checked_sets, given_sets, hooks
from makespan.cli.progress import Progress
from makespan.cli.reading import heed_profile_warnings, profile_there
from makespan.cli.target import load_target
from makespan.cli.terminal import ReaderGoneError, stdout_kept_clean
from makespan.errors import MakespanError, OptionError
from makespan.machine import this_machine
from makespan.plan import DagId
from makespan.profile import Profile

if TYPE_CHECKING:
    from makespan.cli.terminal import Terminal
    from makespan.graph import DAG
    from makespan_optimizer.measure.update import Update

EXAMPLES = (
    "makespan profile pipeline:news --args '[\"https://example.org\"]' -o profile.json",
    'makespan profile pipeline.py --args \'{"url": "https://example.org"}\' --runs 3 -f',
)


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    opt.add_target(parser)
    add_inputs(parser)
    parser.add_argument(
        "--runs",
        type=opt.runs,
        default=5,
        metavar="N",
        help="counted runs after those that warm up (default: 5)",
    )
    parser.add_argument(
        "--warm-ups",
        type=opt.warm_ups,
        default=1,
        metavar="N",
        help="runs before them that do not count: the first few of a fresh process are slower (default: 1)",
    )
    parser.add_argument(
        "--sampler",
        type=opt.sampler,
        default="auto",
        metavar="NAME",
        help=opt.SAMPLER_HELP,
    )
    parser.add_argument(
        "--hint",
        dest="hints",
        action=Hints,
        metavar="NODE=0.5s:io",
        help="do not run a node, but say what it takes: seconds, and a class (python, holds, native, "
        "parallel(x4), io, chatty, mixed); may be repeated",
    )
    add_trials(parser)
    parser.add_argument(
        "--no-pickling",
        action="store_false",
        dest="pickling",
        help="do not measure what it costs to pickle arguments and results (it runs their __reduce__)",
    )
    add_from(parser)
    by_kind.prepare_parser(parser)
    parser.add_argument(
        "--update",
        action="store_true",
        help="measure only nodes that are new or whose code changed; keep what the file says of the others",
    )
    opt.add_output(parser, "profile.json", "the profile")


def add_trials(parser: argparse.ArgumentParser) -> None:
    """Add what says whether, and for how long, nodes are tried side by side and with fewer native threads."""
    parser.add_argument(
        "--pairs",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="run nodes side by side after the counted runs, where they may hinder each other (default: "
        "yes); without, trials of native threads still call nodes again: --trials-limit 0 stops all",
    )
    parser.add_argument(
        "--trials-limit",
        type=opt.trials_limit,
        metavar="SECONDS",
        help="for all trials (side by side, native threads) together; 0: none (default: as long as "
        "the counted runs took, at most 30)",
    )


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Profile, save (merged with what is there), and say what each node does."""
    with HeardOnce() as ctrl_c:
        if options.source is not None:
            _write(read_table(options, terminal), options, terminal, ctrl_c)
            return Exit.OK
        return _measured(options, terminal, ctrl_c)


def _measured(options: argparse.Namespace, terminal: Terminal, ctrl_c: HeardOnce) -> int:
    if "cores" in options.named:
        raise OptionError("is for --from: what is run here has the cores of this machine", where="--cores")
    sets = given_sets(options)
    if options.update and (options.force or options.output == "-"):
        other = "-f, which replaces the file" if options.force else "-o -"
        raise OptionError(f"needs a file that it keeps, and does not go with {other}", where="--update")
    by_kind.settle(options)
    opt.ready_output(options.output, "makespan-profile", force=options.force)
    heed_profile_warnings()
    to_stdout = options.output == "-" or options.json
    with stdout_kept_clean(to_stdout):
        dag = load_target(options.target)
        inputs = checked_sets(options, dag, sets)
        setup, teardown = hooks(options)
        from makespan_optimizer.measure import isolate

        update = _compared(options, dag)
        if update is not None and not update.only:
            terminal.say(update.told())

        stopped = ""
        profile: Profile | None = None
        try:
            with Progress(terminal) as progress:
                profile = isolate.profile(
                    dag,
                    (),
                    {},
                    inputs=inputs,
                    hints=options.hints if update is None else update.hints,
                    only=None if update is None else update.only,
                    setup=setup,
                    teardown=teardown,
                    runs=options.runs,
                    warm_ups=options.warm_ups,
                    trials="auto" if options.pairs else "native",
                    trials_limit_s=options.trials_limit,
                    sampler=options.sampler,
                    target=options.target,
                    pickling=options.pickling,
                    progress=progress.count,
                    known=None if update is None else update.old,
                )
                ctrl_c.deaf = True  # until the file is written
        except KeyboardInterrupt as interrupt:
            ctrl_c.deaf = True
            partial: Profile | None = getattr(interrupt, "partial", profile)
            if partial is None:
                terminal.note("makespan: interrupted before a counted run was complete: nothing to keep")
                return Exit.INTERRUPTED
            profile = partial
            stopped = "interrupted"
        except BaseException as error:
            ctrl_c.deaf = True
            from makespan.cli.tracebacks import users_traceback, whose

            if not (culprit := whose(error)):  # one of our own types may still be a node's
                if isinstance(partial := getattr(error, "partial", None), Profile):
                    _write(partial, options, terminal, ctrl_c)
                raise
            terminal.note(users_traceback(error))
            partial = getattr(error, "partial", None)
            if not isinstance(partial, Profile):
                terminal.error(f"{culprit} raised; nothing was written")
                return Exit.JUDGED
            profile = partial
            stopped = f"{culprit} raised"
    if options.by_kind:
        profile = by_kind.pooled(profile, terminal)
    _write(profile, options, terminal, ctrl_c, interrupted=stopped == "interrupted")
    if update is not None and update.only:
        terminal.say(update.told())
    if stopped == "interrupted":
        terminal.note("makespan: interrupted; the complete runs were kept")
        return Exit.INTERRUPTED
    if stopped:
        terminal.error(f"{stopped}; the complete runs before that were kept")
        return Exit.JUDGED
    return Exit.OK


def _write(
    profile: Profile,
    options: argparse.Namespace,
    terminal: Terminal,
    ctrl_c: HeardOnce,
    *,
    interrupted: bool = False,
) -> None:
    ctrl_c.deaf = True
    if options.output != "-":
        try:
            profile = profile.save(options.output, force=options.force, update=options.update)
        except MakespanError as error:
            # A profile without runs is all said: nothing of it would be lost.
            if profile.runs and (kept := _rescued(profile)) is not None:
                raise type(error)(
                    f"{error.problem}; what was measured was kept in {kept}",
                    where=error.where,
                    hint=error.hint,
                ) from error
            raise
    ctrl_c.deaf = interrupted  # what is left may wait for a reader: the first Ctrl-C ends that
    if options.json or options.output == "-":
        with suppress(ReaderGoneError):  # an interrupted profile is one, read or not
            terminal.emit(profile.to_json())
    else:
        terminal.say(profile.summary())
        _advise(profile, terminal)
    if options.output != "-":
        terminal.say(f"wrote {options.output}")


def _rescued(profile: Profile) -> str | None:
    """Write a profile that cannot go where it should into the folder for temporary files."""
    import tempfile

    try:
        descriptor, name = tempfile.mkstemp(prefix="makespan-profile-", suffix=".json")
    except OSError:
        return None
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 (a descriptor)
            file.write(profile.to_json())
    except OSError:
        Path(name).unlink(missing_ok=True)
        return None
    return name


def _advise(profile: Profile, terminal: Terminal) -> None:
    """Say what the trials found; that native pools oversubscribe was warned of already."""
    from makespan_optimizer.measure.trials.verdicts import beside_advices

    for advice in beside_advices(profile):
        terminal.say(advice.text)


def _compared(options: argparse.Namespace, dag: DAG[..., Any]) -> Update | None:
    """Say before the measurement, not after it, that the file there cannot take it.

    Returns what is to be measured anew, if the file is to be updated and is there.

    Raises
    ------
    ProfileError
        It is a profile of another DAG or another machine, or not readable.
    """
    there = profile_there(options.output, force=options.force)
    if there is None:
        return None
    from makespan_optimizer.measure.merge import ensure_mergeable
    from makespan_optimizer.measure.update import update_of

    if options.update:
        return update_of(dag, there, options.hints, where=options.output)
    ensure_mergeable(there, DagId(dag.name, dag.fingerprint), this_machine(), where=options.output)
    return None
