"""``--args``: the inputs of a DAG as JSON. A list gives them by position, an object by name.

Several sets of inputs are several ``--args``, or what the function of ``--inputs`` yields.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from makespan.errors import DescribeError, OptionError
from makespan.files import read_bytes
from makespan.jsontext import strict_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.graph import DAG

WHERE = "--args"
MOST_SETS = 1000


def read_args(given: str | list[Any] | dict[str, Any] | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return positional and keyword arguments.

    Parameters
    ----------
    given : str, list, dict or None
        JSON; ``@FILE`` names a file that holds it, ``@-`` is stdin. Lists and dicts come from pyproject.toml.

    Raises
    ------
    OptionError
        Not JSON, or neither a list nor an object.

    >>> read_args('["a", 2]')
    (('a', 2), {})
    >>> read_args('{"url": "a"}')
    ((), {'url': 'a'})
    """
    if given is None:
        return (), {}
    value: Any = given
    if isinstance(given, str):
        where = WHERE
        data = given.encode("utf-8", "surrogatepass")
        if given.startswith("@"):
            where = f"{WHERE} {given}"
            data = read_bytes(given[1:], OptionError)
        value = strict_json(data, where, OptionError)
    if isinstance(value, list):
        return tuple(value), {}
    if isinstance(value, dict):
        return (), value
    raise OptionError(
        f"is a JSON list or object, not {value!r}", where=WHERE, hint="""one text: --args '["text"]'"""
    )


class Hints(argparse.Action):
    """``--hint NODE=0.5s:io``, as often as there are nodes to hint at."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        _option: str | None = None,
    ) -> None:
        """Add a hint to those of the words before it."""
        name, equals, hint = str(values).rpartition("=")
        if not equals or not name:
            raise argparse.ArgumentError(self, f"a hint is NODE=0.5s:io, not {values!r}")
        before = getattr(namespace, self.dest) or {}
        if name in before:
            raise argparse.ArgumentError(self, f"two hints for {name!r}")
        setattr(namespace, self.dest, {**before, name: hint})


class Repeated(argparse.Action):
    """An option whose words are collected; the first one on the command line replaces a default."""

    def __call__(
        self,
        _parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        _option: str | None = None,
    ) -> None:
        """Add a word."""
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, Words([*before, values] if isinstance(before, Words) else [values]))


class Words(list[str]):
    """The words of an option that was given several times."""


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add what says with which inputs, and between which hooks, the DAG is run."""
    parser.add_argument(
        "--args",
        action=Repeated,
        metavar="JSON",
        help="inputs: a JSON list (by position) or object (by name); @FILE reads a file, @- stdin; "
        "repeated: counted runs take the sets in turn",
    )
    parser.add_argument(
        "--inputs",
        metavar="MODULE:FUNCTION",
        help="a function that yields sets of inputs, instead of --args; called once: all runs get the same "
        "objects, and counted runs are rounded up so that each set is run equally often",
    )
    parser.add_argument("--setup", metavar="MODULE:FUNCTION", help="called before each run of the DAG")
    parser.add_argument(
        "--teardown", metavar="MODULE:FUNCTION", help="called after each run, whatever came of it"
    )


def read_sets(given: Any) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Return a set of arguments for each ``--args``; one for a default, or for none at all.

    Raises
    ------
    OptionError
        See `read_args`.
    """
    return [read_args(one) for one in given] if isinstance(given, Words) else [read_args(given)]


def given_sets(options: argparse.Namespace) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Return the sets of arguments of ``--args``, before the target is loaded.

    Raises
    ------
    OptionError
        ``--inputs`` stands beside them; else see `read_args`.
    """
    if options.inputs is not None and isinstance(options.args, Words):
        raise OptionError("give --args or --inputs, not both", where="--inputs")
    return read_sets(options.args)


def checked_sets(
    options: argparse.Namespace, dag: DAG[..., Any], sets: list[tuple[tuple[Any, ...], dict[str, Any]]]
) -> list[Any]:
    """Return the sets of inputs, checked as far as their words are the command line's.

    Raises
    ------
    DescribeError, TargetError
        See `check_args` and `yielded_sets`.
    """
    if options.inputs is not None:
        return yielded_sets(options.inputs)
    for args, kwargs in sets:
        check_args(dag, args, kwargs)
    return list(sets)


def hooks(options: argparse.Namespace) -> tuple[Callable[[], Any] | None, Callable[[], Any] | None]:
    """Return what is called before and after each run.

    Raises
    ------
    TargetError
        No such function.
    """
    from makespan.cli.target import load_function

    setup, teardown = (
        None if name is None else load_function(name, option)
        for name, option in ((options.setup, "--setup"), (options.teardown, "--teardown"))
    )
    return setup, teardown


def yielded_sets(name: str) -> list[Any]:
    """Call the function that ``--inputs`` names, and return the sets of arguments that it yields.

    Raises
    ------
    TargetError
        No such function, or it raised.
    """
    from itertools import islice

    from makespan.cli.target import ImportFailedError, load_function
    from makespan.cli.tracebacks import users_traceback

    function = load_function(name, "--inputs")
    try:
        given = function()
        found = list(islice(given, MOST_SETS + 1)) if _is_listing(given) else None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ImportFailedError(
            f"{name!r} raised {type(error).__name__}: {error}",
            where="--inputs",
            hint=None,
            traceback_tail=users_traceback(error),
        ) from error
    if found is None:
        raise OptionError(
            f"{name!r} returns a {type(given).__name__}, not sets of inputs",
            where="--inputs",
            hint="yield a tuple, a dict or ((…), {…}) for each",
        )
    return found


def _is_listing(value: Any) -> bool:
    return hasattr(value, "__iter__") and not isinstance(value, str | bytes | dict)


def check_args(dag: DAG[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuse inputs that the DAG does not take, in the words of the command line.

    Raises
    ------
    DescribeError
        An input is missing, unknown or given twice.
    """
    from makespan.describing.inline import bind

    try:
        bind(dag, args, kwargs)
    except DescribeError as error:
        hint = error.hint or f"its inputs: {', '.join(dag.inputs) or 'none'}"
        raise DescribeError(error.problem, where=WHERE, hint=hint) from error
