"""``main``: from the words of a command line to an exit code.

Every way out of a verb ends here: its own exit code, bad input (2, one line), no plan in time (3), Ctrl-C
(130), a reader of stdout that has gone (0, unless the verb judges), and a fault of makespan (70, with its
traceback).
"""

from __future__ import annotations

import signal
import sys
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from makespan.cli.codes import Exit
from makespan.cli.parser import HelpWanted, UsageError, top_parser, verb_module, verb_of, verb_parser
from makespan.cli.terminal import ReaderGoneError, Terminal
from makespan.errors import MakespanError, NoPlanError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from makespan.cli.parser import Verb


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after ``makespan``; those of this process when omitted.
    """
    code = _main(list(sys.argv[1:] if argv is None else argv))
    if argv is None and code == Exit.INTERRUPTED:  # the process ends now: one more must not change how
        with suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


def _main(words: list[str]) -> int:
    terminal = Terminal(verbose="-v" in words or "--verbose" in words)
    try:
        try:
            module, options = _read(words)
            terminal = Terminal(color=options.color, quiet=options.quiet, verbose=options.verbose)
            with warnings.catch_warnings():
                _speak_warnings(terminal)
                return int(module.run(options, terminal))
        except HelpWanted as wanted:
            terminal.emit(wanted.text)
            return Exit.OK
    except ReaderGoneError:
        return Exit.OK
    except KeyboardInterrupt:
        terminal.note("makespan: interrupted")
        return Exit.INTERRUPTED
    except MakespanError as error:
        if terminal.verbose:
            terminal.note(_traceback(error))
        elif isinstance(tail := getattr(error, "traceback_tail", None), str):
            terminal.note(tail)
        from makespan.cli.options import spoken

        terminal.error(str(spoken(error)))
        return Exit.NO_PLAN if isinstance(error, NoPlanError) else Exit.USAGE
    except Exception as error:
        terminal.note(_traceback(error))
        terminal.error(f"a fault of makespan itself: {type(error).__name__}: {error}")
        return Exit.INTERNAL


def _read(words: list[str]) -> tuple[Verb, argparse.Namespace]:
    if not words or words[0].startswith("-"):
        parser = top_parser()
        parser.read(words)
        raise UsageError("a verb is needed", hint="makespan --help")
    from makespan.cli.config import settings

    verb, rest = verb_of(words)
    module = verb_module(verb)
    parser = verb_parser(verb, module)
    if not {"-h", "--help"} & set(words):  # help is given even when a setting is wrong
        parser.set_defaults(**settings(parser))
    return module, parser.read(rest)


def _speak_warnings(terminal: Terminal) -> None:
    """Turn our own warnings into lines; those of the user's code go their usual way."""
    shown = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        if category.__name__ == "ProfileWarning":  # by name: importing it would make `run` heavier
            terminal.warn(str(message))
        else:
            shown(message, category, *rest, **more)

    replacement: Callable[..., None] = show
    warnings.showwarning = replacement


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(error)).rstrip()
