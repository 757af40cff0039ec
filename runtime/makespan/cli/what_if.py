"""``makespan what-if PROFILE --threads 1..16``: say whether more threads, or faster nodes, would help.

A row tells what up to so many threads reach: one may always use fewer. With changes, each has a row beside
the DAG as it is. With one budget, what each node would save if it were twice as fast is told as well.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from makespan.cli import options as opt
from makespan.cli.codes import Exit
from makespan.cli.optimize import add_search, check_search, given, shower
from makespan.cli.pins import processes
from makespan.cli.progress import Progress
from makespan.cli.reading import read_profile
from makespan.errors import OptionError
from makespan.showing.words import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.cli.terminal import Terminal
    from makespan_optimizer.questions.sensitivity import Sensitivity
    from makespan_optimizer.questions.what_if import Answer

EXAMPLES = (
    "makespan what-if profile.json --threads 1..8",
    "makespan what-if profile.json --threads 4 --node parse=0.5x --node fetch=0.5x --no-gil",
)
_TOLD = 0.001  # a node that saves less of the makespan is not worth a row
_UNASKED_S = 2.0  # for what each node would save, when nobody asked for it


def prepare_parser(parser: argparse.ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "profile",
        nargs="?",
        default="profile.json",
        metavar="PROFILE",
        help="- is stdin (default: profile.json)",
    )
    parser.add_argument(
        "--threads",
        dest="budgets",
        type=opt.budgets,
        metavar="LIST",
        help="thread budgets: 1..16 or 1,2,4 (default: 1..8; with --each-node the cores, at least 2)",
    )
    parser.add_argument(
        "--node",
        dest="nodes",
        action="append",
        default=[],
        type=node_factor,
        metavar="NAME=FACTORx",
        help="a node that takes FACTOR times as long: parse=0.5x is twice as fast, parse=0x free",
    )
    parser.add_argument(
        "--process", action="append", default=[], metavar="NAME", help="a node in a process of its own"
    )
    parser.add_argument("--no-gil", action="store_true", help="free-threaded Python")
    parser.add_argument(
        "--processes",
        type=processes,
        default=0,
        metavar="N",
        help="up to N worker processes, with the nodes in them that gain most",
    )
    parser.add_argument(
        "--native-threads",
        action="store_true",
        help="the best number of native threads of each node, of those that were measured",
    )
    parser.add_argument(
        "--together", action="store_true", help="all changes at once, instead of each by itself"
    )
    parser.add_argument(
        "--each-node",
        action="store_true",
        help="what each node would save if it were twice as fast, or free: what to optimise next",
    )
    add_search(parser)


def node_factor(text: str) -> tuple[str, float]:
    """Convert ``NAME=FACTORx``; the name may hold ``=``, the factor stands after the last one.

    >>> node_factor("parse=0.5x"), node_factor("a=b=2")
    (('parse', 0.5), ('a=b', 2.0))
    """
    name, equals, word = text.rpartition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"a faster node is NAME=FACTORx, such as parse=0.5x, not {text!r}")
    factor = opt.number(f"the factor of {name!r}", 0, 1e6)
    return name, factor(word.strip().removesuffix("x"))


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    """Compute a row for each budget and change, and print them."""
    check_search(options)
    chooses = bool(options.processes or options.native_threads)
    changes = bool(options.nodes or options.process or options.no_gil or chooses)
    if options.together and not changes:
        hint = "--node, --process, --no-gil, --processes, --native-threads"
        raise OptionError("there is nothing to change", where="--together", hint=hint)
    if options.each_node and chooses:
        raise OptionError("does not go with --processes and --native-threads", where="--each-node")
    profile = read_profile(options.profile, terminal)
    from makespan_optimizer.options import check_budget
    from makespan_optimizer.questions.what_if import what_if

    asked = given(options, "cores", "seed", "first_call", "statistic")
    budgets = options.budgets or ([check_budget(None, profile)] if options.each_node else list(range(1, 9)))
    each = None
    if options.each_node and len(budgets) > 1:
        raise OptionError("takes one thread budget", where="--each-node", hint=f"--threads {budgets[-1]}")
    with Progress(terminal) as progress:
        rows = what_if(
            profile,
            budgets,
            nodes=options.nodes,
            process=options.process,
            no_gil=options.no_gil,
            processes=options.processes,
            native_threads=options.native_threads,
            together=options.together,
            **asked,
            progress=shower(progress),
        )
        if options.each_node or (len(budgets) == 1 and not changes and not options.json):
            from makespan_optimizer.questions.sensitivity import sensitivity

            if not options.each_node:
                asked["time_limit_s"] = min(asked["time_limit_s"], _UNASKED_S)
            change = rows[-1].change if options.together else rows[0].change
            each = sensitivity(profile, budgets[0], change=change, **asked, progress=shower(progress))
    _print(rows, each, options, terminal, changes=changes)
    return Exit.OK


def _print(
    rows: Sequence[Answer],
    each: Sensitivity | None,
    options: argparse.Namespace,
    terminal: Terminal,
    *,
    changes: bool,
) -> None:
    if options.json:
        found: list[dict[str, Any]] = [_as_json(row, rows[0]) for row in rows]
        if each is not None:
            found += [_as_json(row, rows[0]) for node in each.nodes for row in (node.half, node.free)]
        terminal.emit_json(found)
        return
    parts = [changes_table(rows) if changes else table(rows)]
    chosen = [line for row in rows if (line := chosen_words(row))]
    if chosen:
        parts.append("\n".join(chosen))
    if each is not None and each.nodes:
        parts.append(nodes_table(each))
    terminal.emit("\n\n".join(parts))
    terminal.say("each row: the best makespan expected with up to so many threads")
    if each is not None and not each.complete:
        more = "" if options.each_node else "; --each-node takes more time"
        tried = f"only the likeliest {each.tried:,}" if each.tried else "none"
        terminal.say(f"of {plural(each.of, 'node')} {tried} could be tried{more}")


def _gain(row: Answer, first: Answer) -> float:
    """Return the share of another row's makespan that this one saves."""
    return 1 - row.makespan_s / first.makespan_s if first.makespan_s else 0.0


def _as_json(row: Answer, first: Answer) -> dict[str, Any]:
    return {
        "threads": row.threads,
        "makespan_s": row.makespan_s,
        "lower_bound_s": row.lower_bound_s,
        "gain": round(_gain(row, first), 6),
        "binding": row.binding,
        "change": row.change,
        "clusters": row.clusters,
        "native_threads": row.native_threads,
    }


def table(rows: Sequence[Answer]) -> str:
    """Return the rows for people; the gain is against the first row."""
    from makespan.showing.words import clean, percent, seconds, table

    cells = [
        [
            str(row.threads),
            seconds(row.makespan_s),
            seconds(row.lower_bound_s),
            percent(_gain(row, rows[0])) if row is not rows[0] else "–",
            clean(row.binding, 40),
        ]
        for row in rows
    ]
    return table(["threads", "makespan", "bound", "gain", "binds"], cells, ">>>><")


def changes_table(rows: Sequence[Answer]) -> str:
    """Return a row for each budget and change; the gain is against the DAG as it is, on the same budget."""
    from makespan.showing.words import percent, seconds, table

    cells = []
    base = rows[0]
    for row in rows:
        as_it_is = row.change == rows[0].change
        base = row if as_it_is else base
        cells.append(
            [
                str(row.threads) if as_it_is else "",
                row.change.name,
                seconds(row.makespan_s),
                "–" if as_it_is else percent(_gain(row, base)),
                seconds(row.lower_bound_s),
                row.binding,
            ]
        )
    return table(["threads", "what if", "makespan", "gain", "bound", "binds"], cells, "><>>><")


def chosen_words(row: Answer) -> str:
    """Say which modes stand behind an answer; empty when none were chosen."""
    from makespan.showing.words import clean, some

    told = [f"{{{some(cluster.nodes)}}} in process {cluster.worker + 1}" for cluster in row.clusters]
    told += [
        f"{clean(name, 40)} with {plural(count, 'native thread')}"
        for name, count in row.native_threads.items()
    ]
    return f"{row.change.name}, {plural(row.threads, 'thread')}: {', '.join(told)}" if told else ""


def nodes_table(each: Sensitivity) -> str:
    """Return the nodes that are worth making faster."""
    from makespan.showing.words import clean, percent, seconds, table

    cells = [
        [
            clean(its.name, 40),
            seconds(its.wall_s),
            seconds(its.half.makespan_s),
            percent(its.half_saves_s / each.base.makespan_s if each.base.makespan_s else 0.0),
            seconds(its.free.makespan_s),
            its.half.binding,
        ]
        for its in each.nodes
        if its.free_saves_s > _TOLD * each.base.makespan_s
    ]
    if not cells:
        if not each.complete:
            return "none of the nodes that were tried would shorten it"
        return f"no single node would shorten it: {each.base.binding} binds"
    header = ["what to optimise next", "takes", "twice as fast", "gain", "free", "binds then"]
    return table(header, cells, "<>>>><")
