"""``makespan demo``: the whole path on real input, written to a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.cli.progress import Progress
from makespan.cli.terminal import stdout_kept_clean
from makespan.errors import MakespanError

if TYPE_CHECKING:
    import argparse

    from makespan.cli.terminal import Terminal

EXAMPLES = ("makespan demo", "makespan demo -o makespan-demo --threads 2 --repeats 5 -f")


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "-o",
        "--output",
        default="makespan-demo",
        metavar="FOLDER",
        help="where everything goes (default: makespan-demo)",
    )
    parser.add_argument(
        "--threads",
        type=opt.threads_or_auto,
        default=opt.AUTO,
        metavar="N",
        help="thread budget; auto: the fewest expected to be within 1 %% of the best (default: auto)",
    )
    parser.add_argument(
        "--repeats",
        type=opt.repeats,
        default=5,
        metavar="N",
        help="interleaved runs of each order (default: 5)",
    )
    parser.add_argument("--time-limit", type=opt.seconds, metavar="S", help="wall seconds for the search")
    opt.add_force(parser)


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run the demo, and say what was gained."""
    from makespan_optimizer.demo import demo

    more = {} if options.time_limit is None else {"time_limit_s": options.time_limit}
    begun = False
    with Progress(terminal) as progress, stdout_kept_clean(options.json):

        def say(text: str) -> None:
            nonlocal begun
            begun = True
            progress.clear()
            terminal.say(text)

        try:
            result = demo(
                options.output,
                threads=None if options.threads == opt.AUTO else options.threads,
                repeats=options.repeats,
                progress=progress.count,
                say=say,
                force=options.force,
                **more,
            )
        except MakespanError as error:
            # Bad input has a type of its own, or is found before the first step.
            if type(error) is not MakespanError or not begun:
                raise
            progress.clear()
            terminal.error(f"a result differs from the sequential one: {error}")
            return Exit.JUDGED
    if options.json:
        terminal.emit_json(result)
    else:
        terminal.emit(result.text())
    return Exit.OK
