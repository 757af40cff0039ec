"""The parser: one for the verbs, one for the verb that runs.

argparse does the work; what it lacks is added here: a wrong verb or option is answered with the nearest right
one, errors are `MakespanError` (so that they look like every other), options are never abbreviated (a new
option would make scripts ambiguous), and help ends with examples that can be pasted.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, cast

from makespan._version import __version__
from makespan.errors import MakespanError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from makespan.cli.terminal import Terminal

# verb: (module, what it does)
VERBS = {
    "profile": (
        "profile",
        "run the DAG one node at a time, measure what each node does; 'profile show' prints it",
    ),
    "optimize": ("optimize", "compute a plan from a profile: order, groups, makespan, lower bound"),
    "tune": ("tune", "profile, plan, run the DAG in several ways in turns, and keep the fastest as the plan"),
    "run": ("run", "run the DAG, with a plan or without, and record what happened"),
    "report": ("report", "draw the Gantt of a run, or of two: HTML, PNG, SVG, PDF, text, trace, JSON"),
    "what-if": ("what_if", "the makespan to expect with other thread budgets, faster nodes, no GIL"),
    "explain": ("explain", "why the plan is as it is, as a whole or for one node"),
    "compare": (
        "compare",
        "two plans, two runs, or a plan and a run: what differs, and why; a gate for CI",
    ),
    "export": ("export", "a plan for other programs: Tawazi, dask, CSV, networkx, Graphviz, Mermaid"),
    "check": ("check", "is a plan whole, and still for this DAG and this machine?"),
    "doctor": ("doctor", "what this machine can measure, and what spoils it"),
    "demo": ("demo", "all of it, on real input"),
}

# Two words that are a verb of their own; a target of the second word's name is written "show:attribute".
SUBVERBS = {
    "profile show": (
        "show",
        "print a profile as a table: what each node does with its time, and how sure that is",
    ),
}

_EXAMPLES = """\
examples:
  makespan demo
  makespan profile pipeline:news --args '["https://example.org"]' -o profile.json"""


class UsageError(MakespanError):
    """A wrong word on the command line."""


class HelpWanted(Exception):  # noqa: N818 (a request, not a fault)
    """``--help`` or ``--version``: the text to print on stdout."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)


class Verb(Protocol):
    """What a verb's module provides."""

    EXAMPLES: tuple[str, str]

    def prepare_parser(self, parser: argparse.ArgumentParser) -> None:
        """Add the verb's arguments."""

    def run(self, options: argparse.Namespace, terminal: Terminal) -> int:
        """Do it, and return the exit code."""
        raise NotImplementedError


class _Help(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=kwargs.get("help"))

    def __call__(self, parser: argparse.ArgumentParser, *_args: object) -> NoReturn:
        raise HelpWanted(parser.format_help())


class Parser(argparse.ArgumentParser):
    """An argparse parser that raises `UsageError`, and says what was probably meant."""

    def __init__(self, prog: str, description: str, examples: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=False,
            allow_abbrev=False,
        )
        self.color = False  # Python 3.14 would colour the help whatever --color says
        self.add_argument("-h", "--help", action=_Help, help="show this help")

    def error(self, message: str) -> NoReturn:
        """Raise instead of leaving the process."""
        raise UsageError(message.removeprefix("argument "), where=self.prog, hint=f"{self.prog} --help")

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse; refuse what is left over.

        `named` of the result tells which options stand on the command line, by destination, and with which
        word: a setting counts for verbs that may not use it, an option that has no effect is refused.

        Raises
        ------
        UsageError
            An unknown option, a wrong value, a word too many.
        HelpWanted
            ``--help`` stands among the words.
        """
        options, surplus = self.parse_known_intermixed_args(list(words))
        for word in surplus:
            if word.startswith("-") and word != "-":
                name = word.partition("=")[0]
                known = [option for option in self._option_string_actions if option.startswith("--")]
                raise UsageError(
                    f"unknown option {name!r}",
                    where=self.prog,
                    hint=did_you_mean(name, known) or f"{self.prog} --help",
                )
        if surplus:
            raise UsageError(f"a word too many: {surplus[0]!r}", where=self.prog, hint=f"{self.prog} --help")
        options.named = {}
        for word in words:
            if word == "--":
                break
            name = word.partition("=")[0] if word.startswith("--") else word
            if name in self._option_string_actions:
                options.named[self._option_string_actions[name].dest] = name
        return options


def top_parser() -> Parser:
    """Return the parser of ``makespan`` alone: its help lists the verbs."""
    width = max(map(len, VERBS))
    lines = [f"  {verb:{width}}  {about}" for verb, (_, about) in VERBS.items()]
    parser = Parser(
        "makespan",
        "Profile a DAG of Python functions, compute a near-optimal schedule for a few threads, run it,\n"
        "and see planned against actual.\n\nverbs:\n" + "\n".join(lines),
        "exit codes: 0 fine, 1 the judged thing failed, 2 bad input, 3 no plan in time, 130 Ctrl-C\n"
        "defaults:   [tool.makespan] in pyproject.toml < MAKESPAN_* variables < options\n\n" + _EXAMPLES,
    )
    parser.usage = "makespan VERB [options]     (makespan VERB --help says more)"
    parser.add_argument("--version", action=_Version, help="show the version")
    return parser


class _Version(_Help):
    def __call__(self, *_args: object) -> NoReturn:
        raise HelpWanted(f"makespan {__version__}\n")


def verb_of(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Split the words of a command line into the verb, one word or two, and the rest.

    >>> verb_of(["profile", "show", "p.json"]), verb_of(["run", "show"])
    (('profile show', ['p.json']), ('run', ['show']))
    """
    two = " ".join(words[:2])
    return (two, words[2:]) if two in SUBVERBS else (words[0], words[1:])


def verb_module(verb: str) -> Verb:
    """Import the module of one verb.

    Raises
    ------
    UsageError
        No such verb.
    """
    if verb in SUBVERBS:
        return cast("Verb", import_module(f"makespan.cli.{SUBVERBS[verb][0]}"))
    if verb not in VERBS:
        near = did_you_mean(verb, VERBS)
        raise UsageError(f"unknown verb {verb!r}", hint=near or f"verbs: {', '.join(VERBS)}")
    return cast("Verb", import_module(f"makespan.cli.{VERBS[verb][0]}"))


def verb_parser(verb: str, module: Verb) -> Parser:
    """Return the parser of one verb, common options last."""
    from makespan.cli.options import add_common

    about = (SUBVERBS if verb in SUBVERBS else VERBS)[verb][1]
    examples = "examples:\n" + "\n".join(f"  {line}" for line in module.EXAMPLES)
    stop = "" if about.endswith("?") else "."
    parser = Parser(f"makespan {verb}", f"{about[0].upper()}{about[1:]}{stop}", examples)
    module.prepare_parser(parser)
    add_common(parser)
    return parser
