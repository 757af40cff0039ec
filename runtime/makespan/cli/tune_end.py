"""The end of ``makespan tune``: what is written, what is shown, how to go on."""

from __future__ import annotations

import shlex
from contextlib import suppress
from typing import TYPE_CHECKING

from makespan.cli.codes import Exit
from makespan.cli.terminal import ReaderGoneError, printable

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from makespan.cli.ctrl_c import HeardOnce
    from makespan.cli.terminal import Terminal
    from makespan.plan import Evidence
    from makespan_optimizer.tuning.tune import Tuned


def close(
    tuned: Tuned, options: argparse.Namespace, terminal: Terminal, state: Path | None, ctrl_c: HeardOnce
) -> int:
    """Write plan and profile, show what was raced, say how to go on."""
    plan, evidence = tuned.plan, tuned.evidence
    if options.output != "-":
        plan.save(options.output, force=options.force)
    if options.save_profile is not None:
        tuned.profile.save(options.save_profile, force=True)  # what is there was checked before the race
    settled = evidence.clear and not tuned.interrupted
    if settled and state is not None:
        state.unlink(missing_ok=True)
    ctrl_c.deaf = tuned.interrupted  # what is left may wait for a reader: the first Ctrl-C ends that
    with suppress(ReaderGoneError):  # the plan is written, and how the race ended is told, all the same
        if options.json or options.output == "-":
            terminal.emit(plan.to_json())
        elif not options.quiet:
            terminal.emit("\n".join(map(printable, told(evidence))))
    _say_what_comes_next(options, terminal)
    if tuned.interrupted:
        terminal.note(f"makespan: interrupted; the best so far was kept{go_on(state)}")
        return Exit.INTERRUPTED
    if not settled and state is not None and state.is_file():
        terminal.say(f"not settled{go_on(state)}")
    return Exit.OK


def told(evidence: Evidence) -> list[str]:
    """Return table, headline, and what the model had wrong."""
    from makespan.showing.evidence import headline, misjudged_lines, race_table, race_words

    table = race_table(evidence).splitlines()
    return [*table, "", headline(evidence), race_words(evidence), *misjudged_lines(evidence)]


def _say_what_comes_next(options: argparse.Namespace, terminal: Terminal) -> None:
    for path in (options.output, options.save_profile):
        if path not in (None, "-"):
            terminal.say(f"wrote {path}")
    if options.output != "-":
        where = shlex.quote(options.output)
        target = f" {shlex.quote(options.target)}" if options.target else ""
        terminal.say(f"next: makespan run{target}{_inputs(options)} --plan {where}")
        terminal.say(f"      makespan explain {where}")


def _inputs(options: argparse.Namespace) -> str:
    """Return the first set of inputs as words of a command."""
    if "args" not in options.named or not options.args:
        return ""
    return f" --args {shlex.quote(options.args[0])}"


def go_on(state: Path | None) -> str:
    """Say how the race goes on, where there is one to go on with."""
    return "" if state is None or not state.is_file() else "; the same command with --resume goes on"
