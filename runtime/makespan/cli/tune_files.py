"""The files of ``makespan tune``: the race beside the plan, and a profile; nobody's file is lost to them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from makespan.cli import options as opt
from makespan.errors import OptionError
from makespan.files import write_atomic
from makespan.machine import this_machine
from makespan.plan import DagId

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from makespan.cli.terminal import Terminal
    from makespan.graph import DAG

STATE_KIND = "makespan-tune"


def state_of(options: argparse.Namespace) -> Path | None:
    """Return where the race is kept; None where the plan is no file.

    Raises
    ------
    OptionError
        Another file is there, or there is nothing to resume.
    """
    path = Path(options.output)
    if options.output == "-" or (path.exists() and not path.is_file()):
        if options.resume:
            raise OptionError("needs a plan that is a file: the race is kept beside it", where="--resume")
        return None
    state = path.with_name(f"{path.stem}.tune.json")
    if options.resume and not state.is_file():
        raise OptionError(f"there is no race to go on with: {state} is missing", where="--resume")
    opt.ready_output(str(state), STATE_KIND, force=options.force and not options.resume)
    return state


def ready_profile(options: argparse.Namespace, state: Path | None) -> None:
    """Refuse a place for the profile that cannot be written, or is taken by the plan.

    Raises
    ------
    OptionError
    """
    path = options.save_profile
    if path is None:
        return
    if path == "-":
        raise OptionError("takes a file: stdout is for the plan", where="--save-profile")
    if Path(path).resolve() in {Path(options.output).resolve(), state and state.resolve()}:
        raise OptionError(f"{path} is where the plan goes, or the race", where="--save-profile")
    opt.ready_output(path, "makespan-profile", force=options.force)


def ensure_same_dag(dag: DAG[..., Any], options: argparse.Namespace) -> None:
    """Refuse to replace a profile of another DAG, as 'makespan profile' does.

    Raises
    ------
    ProfileError
        See `makespan_optimizer.measure.merge.ensure_mergeable`.
    """
    from makespan.cli.reading import profile_there

    path = options.save_profile
    if path is None or (there := profile_there(path, force=options.force)) is None:
        return
    from makespan_optimizer.measure.merge import ensure_mergeable

    ensure_mergeable(there, DagId(dag.name, dag.fingerprint), this_machine(), where=path)


@contextmanager
def begun(state: Path | None, options: argparse.Namespace, terminal: Terminal) -> Iterator[None]:
    """Say what becomes of an earlier race: without ``--resume`` it ends when another one has begun."""
    old: bytes | None = None
    if state is not None and state.is_file():
        if options.resume:
            terminal.say(f"going on with the race in {state}")
        else:
            terminal.say(f"beginning anew; --resume would have gone on with the race in {state}")
            old = state.read_bytes()
            state.unlink()
    try:
        yield
    finally:
        if old is not None and state is not None and sys.exc_info()[0] and not state.exists():
            write_atomic(state, old)
