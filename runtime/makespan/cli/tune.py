"""``makespan tune TARGET``: plan, run the DAG in several ways in turns, keep the fastest as plan.json.

Beside the plan lies a file of what was raced so far: ``--resume`` goes on from it. It stays as long as
another run could still change the outcome.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.cli.ctrl_c import HeardOnce
from makespan.cli.inputs import Hints, add_inputs, checked_sets, given_sets, hooks
from makespan.cli.pins import processes
from makespan.cli.progress import Progress
from makespan.cli.target import load_target
from makespan.cli.terminal import printable, stdout_kept_clean
from makespan.cli.tune_end import close, go_on
from makespan.cli.tune_files import begun, ensure_same_dag, ready_profile, state_of
from makespan.errors import OptionError, ProfileError
from makespan.plan import DagId

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from makespan.cli.terminal import Terminal
    from makespan.graph import DAG
    from makespan.profile import Profile
    from makespan_optimizer.tuning.tune import Tuned

EXAMPLES = (
    "makespan tune pipeline:news --args '[\"https://example.org\"]' --time-limit 4 -o tuned.json",
    "makespan tune pipeline.py --profile profile.json --threads 2 --time-limit 1 -o tuned.json -f",
)


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    opt.add_target(parser)
    add_inputs(parser)
    parser.add_argument(
        "--threads",
        type=opt.threads_or_auto,
        metavar="N",
        help="the most threads that may be used; the race decides how many (default: auto)",
    )
    parser.add_argument(
        "--processes",
        type=processes,
        metavar="N",
        help="worker processes at most, for plans that gain by them; 0: none (default: the cores, where "
        "functions can be sent to workers)",
    )
    parser.add_argument(
        "--native-threads",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="plans may limit the threads of native libraries (default: yes)",
    )
    parser.add_argument(
        "--time-limit",
        type=opt.seconds,
        default=60.0,
        metavar="S",
        help="wall seconds for all of it; it ends about one run later at most, where they are few a second "
        "or two later (default: 60)",
    )
    parser.add_argument(
        "--confidence",
        type=opt.confidence,
        default=0.95,
        metavar="SHARE",
        help="at which a way is left behind, and the winner is clear (default: 0.95)",
    )
    parser.add_argument(
        "--profile", metavar="PROFILE", help="a profile that is there already: nothing is profiled"
    )
    parser.add_argument(
        "--runs", type=opt.runs, default=3, metavar="N", help="counted runs of the profile (default: 3)"
    )
    parser.add_argument(
        "--hint",
        dest="hints",
        action=Hints,
        metavar="NODE=0.5s:io",
        help="do not profile a node, but say what it takes, as of 'makespan profile'; the race runs it",
    )
    parser.add_argument(
        "--run-all",
        action="store_true",
        help="run nodes that are declared profile=False, too, in the race; without, it sleeps for "
        "as long as their hints say",
    )
    parser.add_argument(
        "--seed", type=opt.seed, default=0, metavar="N", help="of search and turns (default: 0)"
    )
    parser.add_argument(
        "--save-profile", metavar="FILE", help="also write the profile, with what the race taught"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the race that was ended before it was settled"
    )
    opt.add_output(parser, "plan.json", "the plan")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Tune, save, and show what was raced."""
    sets = given_sets(options)
    if options.profile is not None and (options.hints or "runs" in options.named):
        which = "--hint" if options.hints else "--runs"
        raise OptionError("is for profiling, and --profile gives a profile", where=which)
    opt.ready_output(options.output, "makespan-plan", force=options.force)
    state = state_of(options)
    ready_profile(options, state)
    profile = _known(options, terminal)
    with HeardOnce() as ctrl_c:
        with stdout_kept_clean(wanted=True) as kept:
            dag = load_target(options.target)
            inputs, around = checked_sets(options, dag, sets), hooks(options)
            ensure_same_dag(dag, options)
            if profile is not None:
                _check_profile(dag, profile, str(options.profile), terminal)
            try:
                with begun(state, options, terminal):
                    tuned = _tuned(options, terminal, dag, inputs, around, profile, state)
                    ctrl_c.deaf = True  # until the files are written
            except BaseException as error:
                ctrl_c.deaf = True
                return _failed(error, options, terminal, state)
            if tuned.interrupted:
                terminal.out = kept.for_good()  # nodes in helper threads still run, and may print
        return close(tuned, options, terminal, state, ctrl_c)


def _failed(error: BaseException, options: argparse.Namespace, terminal: Terminal, state: Path | None) -> int:
    """Say what ended it before there was a plan; what is not the user's is raised again."""
    from makespan.cli.tracebacks import users_traceback, whose

    if isinstance(error, KeyboardInterrupt):
        _save_partial(error, options, terminal)
        terminal.note(f"makespan: interrupted before every way was run: no plan was written{go_on(state)}")
        return Exit.INTERRUPTED
    if not (culprit := whose(error)):
        raise error
    terminal.note(users_traceback(error))
    _save_partial(error, options, terminal)
    terminal.error(f"{culprit} raised; no plan was written{go_on(state)}")
    return Exit.JUDGED


def _known(options: argparse.Namespace, terminal: Terminal) -> Profile | None:
    from makespan.cli.reading import heed_profile_warnings, read_profile

    heed_profile_warnings()
    return None if options.profile is None else read_profile(options.profile, terminal)


def _check_profile(dag: DAG[..., Any], profile: Profile, path: str, terminal: Terminal) -> None:
    """Refuse a profile of another DAG; say of which nodes it is not true any more.

    The race measures them as they are.

    Raises
    ------
    ProfileError
        It is of another DAG.
    """
    from makespan_optimizer.measure.merge import stale_nodes
    from makespan_optimizer.measure.shapes import shapes

    if profile.dag.fingerprint != dag.fingerprint:
        raise ProfileError(
            f"is of another DAG, or of another state of it ({profile.dag.name!r})",
            where=path,
            hint="makespan profile -f, or no --profile",
        )
    if changed := stale_nodes(profile, DagId(dag.name, dag.fingerprint), shapes(dag)):
        from makespan.showing.words import some

        terminal.warn(f"{path}: the code of {some(sorted(changed))} changed since: predictions may be wrong")


def _tuned(
    options: argparse.Namespace,
    terminal: Terminal,
    dag: DAG[..., Any],
    inputs: Sequence[Any],
    around: tuple[Callable[[], Any] | None, Callable[[], Any] | None],
    profile: Profile | None,
    state: Path | None,
) -> Tuned:
    from makespan_optimizer.tuning.tune import tune

    with Progress(terminal) as progress:

        def say(text: str) -> None:
            progress.clear()
            for line in text.splitlines():
                terminal.say(printable(line))

        def show(done: int, total: int, label: str) -> None:
            progress.until(done / 100, total / 100, label)

        return tune(
            dag,
            threads=None if options.threads == opt.AUTO else options.threads,
            processes=options.processes,
            native_threads=options.native_threads,
            time_limit_s=options.time_limit,
            confidence=options.confidence,
            profile=profile,
            runs=options.runs,
            hints=options.hints,
            inputs=inputs,
            setup=around[0],
            teardown=around[1],
            state=state,
            seed=options.seed,
            run_all=options.run_all,
            target=options.target,
            say=say,
            progress=show,
        )


def _save_partial(error: BaseException, options: argparse.Namespace, terminal: Terminal) -> None:
    """Keep the runs that were profiled before the end, where a profile is wanted."""
    from makespan.profile import Profile

    partial = getattr(error, "partial", None)
    if options.save_profile is not None and isinstance(partial, Profile):
        partial.save(options.save_profile, force=options.force)
        terminal.say(f"wrote {options.save_profile}: the complete runs")
