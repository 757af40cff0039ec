"""Options that several verbs share, and the conversion of their words into values.

A converter raises ``ArgumentTypeError`` with the value and its bounds; argparse adds the option's name.
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from makespan.describing.options import MAX_THREADS
from makespan.errors import DescribeError, OptionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.errors import MakespanError

AUTO = "auto"
MAX_SECONDS = 1e7
MAX_SEED = 2**31 - 1
SAMPLER_HELP = "auto takes the best that works; gil, canary, clocks: this one or an error (default: auto)"

# Options by the names that functions have for them; most differ in nothing but dashes.
_PLACES = {"hints": "--hint", "trials_limit_s": "--trials-limit", "time_limit_s": "--time-limit"} | {
    name: f"--{name}"
    for name in ("sampler", "runs", "inputs", "cores", "threads", "statistic", "seed", "workers", "gap")
}
_PLACES |= {name: f"--{name}" for name in ("processes", "confidence")}
_PLACES |= {"targets": "--target", "roots": "--root", "without": "--without"}


def whole(what: str, least: int, most: int) -> Callable[[str], int]:
    """Return a converter of whole numbers within bounds.

    >>> whole("a thread budget", 1, 1024)("4")
    4
    """

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{what} is a whole number from {least} to {most}, not {text!r}")
        return value

    return convert


def number(what: str, least: float, most: float, *, above: bool = False) -> Callable[[str], float]:
    """Return a converter of finite numbers within bounds (`above`: the least one excluded)."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (least < value <= most if above else least <= value <= most):
            bounds = f"above {least:g} up to {most:g}" if above else f"from {least:g} to {most:g}"
            raise argparse.ArgumentTypeError(f"{what} is a number {bounds}, not {text!r}")
        return value

    return convert


threads = whole("a thread budget", 1, MAX_THREADS)


def threads_or_auto(text: str) -> int | str:
    """Convert a thread budget, or the word for the optimizer's choice."""
    if text == AUTO:
        return AUTO
    try:
        return threads(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"a thread budget is a whole number from 1 to {MAX_THREADS} or {AUTO}, not {text!r}"
        ) from None


cores = number("the number of cores", 0.01, 100_000)
seconds = number("a time limit in seconds", 0, MAX_SECONDS, above=True)
seed = whole("a seed", 0, MAX_SEED)
workers = whole("the number of solver workers", 1, 256)
confidence = number("the confidence", 0.5, 0.9999)
gap = number("a gap", 0, 0.999999)
runs = whole("the number of counted runs", 1, 1000)
warm_ups = whole("the number of runs that warm up", 1, 1000)
repeats = whole("the number of repeats", 1, 1000)
limit = whole("the number of rows", 1, 1_000_000)


trials_limit = number("the time for trials in seconds", 0, MAX_SECONDS)
timeout = number("a time limit for the run in seconds", 0, MAX_SECONDS, above=True)


def share(text: str) -> float:
    """Convert a share in percent; a bare number could mean either, and is refused.

    >>> share("5%"), share("2.5 %")
    (0.05, 0.025)
    """
    try:
        value = float(text.removesuffix("%")) if text.endswith("%") else math.nan
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"a share is written as 5%, from 0% to 1000%, not {text!r}")
    return value / 100


def on_error(text: str) -> str:
    """Convert ``stop`` or ``continue``."""
    if text not in {"stop", "continue"}:
        raise argparse.ArgumentTypeError(f"after an error the run can stop or continue, not {text!r}")
    return text


def names(text: str) -> list[str]:
    """Convert names of nodes in an environment variable, divided by commas.

    >>> names("fetch, tag:io")
    ['fetch', 'tag:io']
    """
    return [name.strip() for name in text.split(",") if name.strip()]


class Repeated(argparse.Action):
    """An option that may be given several times; together they replace what a setting says."""

    def __call__(self, _: Any, namespace: argparse.Namespace, value: Any, *_args: Any) -> None:
        """Add one value."""
        found = getattr(namespace, self.dest, None)
        if not isinstance(found, _Values):
            found = _Values()
            setattr(namespace, self.dest, found)
        found.append(value)


class _Values(list[Any]):
    """Values that stand on the command line."""


def budgets(text: str) -> list[int]:
    """Convert a list of thread budgets: ``1..16``, ``1,2,4`` or ``1..4,8``; each once, ascending.

    >>> budgets("1..3,8")
    [1, 2, 3, 8]
    """
    if text == AUTO:
        raise argparse.ArgumentTypeError(
            "what-if answers for given budgets, such as 1..8; optimize chooses one with --threads auto"
        )
    found: set[int] = set()
    for part in text.split(","):
        first, dots, last = part.strip().partition("..")
        low = threads(first)
        high = threads(last) if dots else low
        if high < low:
            raise argparse.ArgumentTypeError(f"the range {part.strip()!r} is empty")
        found.update(range(low, high + 1))
    return sorted(found)


def switch(text: str) -> bool:
    """Convert a yes or no of an environment variable."""
    word = text.strip().lower()
    if word not in {"1", "true", "yes", "on", "0", "false", "no", "off"}:
        raise argparse.ArgumentTypeError(f"a yes or no is one of true, false, not {text!r}")
    return word in {"1", "true", "yes", "on"}


def color(text: str) -> str:
    """Convert ``auto``, ``always`` or ``never``."""
    if text not in {"auto", "always", "never"}:
        raise argparse.ArgumentTypeError(f"colours are auto, always or never, not {text!r}")
    return text


def statistic(text: str) -> str:
    """Convert the name of a statistic."""
    if text not in {"median", "mean", "p90"}:
        raise argparse.ArgumentTypeError(f"a statistic is median, mean or p90, not {text!r}")
    return text


def sampler(text: str) -> str:
    """Convert the name of a sampler."""
    if text not in {"auto", "gil", "canary", "clocks"}:
        raise argparse.ArgumentTypeError(f"a sampler is auto, gil, canary or clocks, not {text!r}")
    return text


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every verb has."""
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    group.add_argument(
        "-q", "--quiet", action="store_true", help="no prose, no progress: only warnings and errors"
    )
    group.add_argument(
        "-v", "--verbose", action="store_true", help="show tracebacks, and progress without a terminal"
    )
    group.add_argument(
        "--color",
        type=color,
        default="auto",
        metavar="WHEN",
        help="auto, always or never (NO_COLOR is honoured)",
    )


def add_output(parser: argparse.ArgumentParser, default: str, what: str) -> None:
    """Add ``-o`` and ``-f``."""
    parser.add_argument(
        "-o",
        "--output",
        default=default,
        metavar="FILE",
        type=output,
        help=f"where {what} goes; - is stdout (default: {default})",
    )
    add_force(parser)


def add_force(parser: argparse.ArgumentParser) -> None:
    """Add ``-f``."""
    parser.add_argument("-f", "--force", action="store_true", help="overwrite whatever file is there")


def output(text: str) -> str:
    """Convert the name of an output; ``/dev/stdout`` is stdout, not a file to be replaced."""
    if not text:
        raise argparse.ArgumentTypeError("a file is needed")
    return "-" if text == "/dev/stdout" else text


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add TARGET."""
    parser.add_argument(
        "target",
        nargs="?",
        metavar="TARGET",
        help="module:attribute or path/to/file.py:attribute; a module's only DAG needs no attribute",
    )


def add_args(parser: argparse.ArgumentParser) -> None:
    """Add ``--args``."""
    parser.add_argument(
        "--args",
        metavar="JSON",
        help="inputs of the DAG: a JSON list (by position) or object (by name); @FILE reads a file, @- stdin",
    )


def spoken(error: MakespanError) -> MakespanError:
    """Return an error whose place is told in the words of the command line.

    >>> str(spoken(OptionError("cannot be had", where="sampler")))
    '--sampler: cannot be had'
    """
    if not isinstance(error, OptionError | DescribeError) or error.where is None:
        return error
    head, comma, rest = error.where.partition(", set ")
    where = head
    if head.startswith("hint of "):
        where = f"--hint {head.removeprefix('hint of ')}"
    elif comma or isinstance(error, OptionError):  # a node may be called like an option
        where = _PLACES.get(head, head)
    where += comma + rest
    return error if where == error.where else type(error)(error.problem, where=where, hint=error.hint)


def ready_output(path: str, kind: str, *, force: bool) -> None:
    """Refuse an output that cannot be written, before the long work.

    Raises
    ------
    OptionError
        See `makespan.files.ensure_replaceable`.
    """
    from makespan.files import ensure_replaceable

    if path != "-":
        ensure_replaceable(path, kind, force=force)
