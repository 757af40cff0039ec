"""Ninja's build log and its graph as a profile: what a build would take on other numbers of cores.

::

    ninja                                   writes .ninja_log: start, end (ms), restat, output, hash
    ninja -t graph > graph.dot              files (boxes) and the rules (ellipses) that make them
    makespan profile --from .ninja_log --graph graph.dot

A node is one command: a rule's ellipse, or the edge of a rule with one input and one output. It is called by
its first output that something needs. It waits for the commands that make its inputs, order-only ones too;
``phony`` rules take no time and are passed through. Of an output that the log tells several times, the last
build counts.

Commands are processes of their own: none holds this process's GIL, and each is taken to keep one core busy.
Neither log nor graph tells of pools; say limits with a table. Layout of both files as of Ninja 1.11 to 1.13
(``src/build_log.cc``, ``src/graphviz.cc``); logs of version 5 to 7.
"""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, NamedTuple

from makespan.errors import ProfileError
from makespan.profile import ProfileWarning
from makespan.showing.words import plural, some
from makespan_optimizer.measure.traces.records import Row, process_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HEADER = re.compile(rb"# ninja log v(\d+)\r?\n")
VERSIONS = range(5, 8)
_FILE = re.compile(r'"([^"]+)" \[label="([^"]*)"\]')
_RULE = re.compile(r'"([^"]+)" \[label="([^"]*)", shape=ellipse\]')
_EDGE = re.compile(r'"([^"]+)" -> "([^"]+)"(?: \[(label=" ([^"]*)"|arrowhead=none(?: style=dotted)?)\])?')
_HEAD = re.compile(r"digraph ninja \{|rankdir=\"LR\"|(?:node|edge) \[[^\]]*\]|\}|")


class Logged(NamedTuple):
    """How long a command took."""

    wall_s: float
    command: str
    """Hash of the command line."""
    line: int


class Command(NamedTuple):
    """A rule at work: what it needs and makes."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    where: str


def is_ninja_log(data: bytes) -> bool:
    """Say whether a file begins as Ninja's log does."""
    return HEADER.match(data) is not None


def rows_of(log: bytes, graph: bytes, where: str, where_graph: str) -> list[Row]:
    """Return the commands of a build, with their seconds and what they wait for.

    Parameters
    ----------
    log : bytes
        ``.ninja_log``.
    graph : bytes
        What ``ninja -t graph`` prints.
    where, where_graph : str
        The two files, for errors.

    Raises
    ------
    ProfileError
        Not of that layout; a command of the graph that the log does not tell; with file and line.
    """
    logged = read_log(log, where)
    commands, names = read_graph(graph, where_graph)
    maker: dict[str, int] = {}
    for k, command in enumerate(commands):
        for output in command.outputs:
            if output in maker:
                raise ProfileError(f"two rules make {names.get(output, output)!r}", where=command.where)
            maker[output] = k
    rows, missing, told = [], [], set()
    for command in commands:
        if command.rule == "phony":
            continue
        outputs = [names[output] for output in command.outputs if output in names]
        told.update(outputs)
        found = [logged[output] for output in outputs if output in logged]
        if not found:
            missing.append(outputs[0])
            continue
        last = max(found, key=lambda its: its.line)
        rows.append(
            Row(
                process_of(outputs[0], last.wall_s),
                tuple(_name(commands[k], names) for k in _before(command, commands, maker)),
                where=f"{where}, line {last.line}",
                where_after=command.where,
            )
        )
    if missing:
        raise ProfileError(
            f"tells no time of {plural(len(missing), 'command')} of the graph: {some(missing, 8)}",
            where=where,
            hint="build all of it once, or draw what was built: ninja -t graph TARGET",
        )
    known = {logged[output].command for output in told if output in logged}
    if surplus := sorted(output for output in logged.keys() - told if logged[output].command not in known):
        outside = plural(len(surplus), "output")
        warnings.warn(
            f"{where}: {outside} not in the graph, left out: {some(surplus, 8)}", ProfileWarning, stacklevel=4
        )
    return rows


def _name(command: Command, names: Mapping[str, str]) -> str:
    return next(names[output] for output in command.outputs if output in names)


def _before(command: Command, commands: list[Command], maker: Mapping[str, int]) -> Iterable[int]:
    """Return the commands whose outputs one needs, through phony ones, each once."""
    found: dict[int, None] = {}
    passed: set[int] = set()
    left = [*reversed(command.inputs)]
    while left:
        k = maker.get(left.pop())
        if k is None or k in passed:
            continue
        passed.add(k)
        if commands[k].rule == "phony":
            left += reversed(commands[k].inputs)
        else:
            found[k] = None
    return found


def read_log(data: bytes, where: str) -> dict[str, Logged]:
    """Return when each output was made last.

    A line that was cut off at the end is passed over, as Ninja does.

    Raises
    ------
    ProfileError
        Another version, or a line that is none.
    """
    head = HEADER.match(data)
    if head is None:
        raise ProfileError("is not a log of Ninja (# ninja log v…)", where=where)
    if int(head[1]) not in VERSIONS:
        raise ProfileError(
            f"is a log of version {int(head[1])}; versions {VERSIONS[0]} to {VERSIONS[-1]} are read",
            where=where,
            hint="ninja -t recompact writes the version of the Ninja that is installed",
        )
    found: dict[str, Logged] = {}
    for number, line in enumerate(_text(data, where).split("\n")[1:-1], 2):
        place = f"{where}, line {number}"
        fields = line.removesuffix("\r").split("\t")
        if line.startswith("#"):
            continue
        if len(fields) != 5 or not (fields[0].isdecimal() and fields[1].isdecimal() and fields[3]):
            raise ProfileError("is not a line of Ninja's log", where=place)
        start_ms, end_ms = int(fields[0]), int(fields[1])
        if end_ms < start_ms:
            raise ProfileError(f"{fields[3]!r} ends before it starts", where=place)
        found[fields[3].replace("\\", "/")] = Logged((end_ms - start_ms) / 1e3, fields[4], number)
    if not found:
        raise ProfileError("tells of no command", where=where, hint="build first")
    return found


def read_graph(data: bytes, where: str) -> tuple[list[Command], dict[str, str]]:
    """Return the commands of a graph, and the paths of its files by their ids.

    Raises
    ------
    ProfileError
        A line that ``ninja -t graph`` does not print: a path with a quote, another tool's drawing.
    """
    names: dict[str, str] = {}
    rules: dict[str, tuple[str, str]] = {}
    inputs: dict[str, list[str]] = {}
    outputs: dict[str, list[str]] = {}
    simple: list[Command] = []
    lines = _text(data, where).splitlines()
    if not lines or lines[0].strip() != "digraph ninja {":
        raise ProfileError("is not what 'ninja -t graph' prints", where=where)
    if lines[-1].strip() != "}":
        raise ProfileError("is cut off: its last line is not }", where=where)
    edges = []
    for number, line in enumerate(lines, 1):
        place = f"{where}, line {number}"
        text = line.strip()
        if match := _FILE.fullmatch(text):
            names[match[1]] = match[2]
        elif match := _RULE.fullmatch(text):
            rules[match[1]] = match[2], place
        elif match := _EDGE.fullmatch(text):
            edges.append((match[1], match[2], match[4], place))
        elif not _HEAD.fullmatch(text):
            raise ProfileError("is not a line that 'ninja -t graph' prints", where=place)
    for begin, end, rule, place in edges:
        if rule is not None and begin in names and end in names:
            simple.append(Command(rule, (begin,), (end,), place))
        elif begin in rules and end not in rules:  # a file that nothing needs is drawn without its name
            outputs.setdefault(begin, []).append(end)
        elif begin in names and end in rules:
            inputs.setdefault(end, []).append(begin)
        else:
            raise ProfileError("joins what is not in the graph", where=place)
    for its, (rule, place) in rules.items():
        if not any(output in names for output in outputs.get(its, ())):
            raise ProfileError(f"the rule {rule!r} makes nothing", where=place)
    several = [
        Command(rule, tuple(inputs.get(its, ())), tuple(outputs[its]), place)
        for its, (rule, place) in rules.items()
    ]
    # The drawing begins at the targets: what is made first comes last.
    return [*simple, *several][::-1], names


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProfileError(f"is not UTF-8 text (byte {error.start})", where=where) from error
