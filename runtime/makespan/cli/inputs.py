"""``--args``: the inputs of a DAG as JSON. A list gives them by position, an object by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.errors import DescribeError, OptionError
from makespan.files import read_bytes
from makespan.jsontext import strict_json

if TYPE_CHECKING:
    from makespan.graph import DAG

WHERE = "--args"


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
        data = given.encode("utf-8", "surrogateescape")
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


def check_args(dag: DAG[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Refuse inputs that the DAG does not take, in the words of the command line.

    Raises
    ------
    DescribeError
        An input is missing, unknown or given twice.
    """
    from makespan.inline import bind

    try:
        bind(dag, args, kwargs)
    except DescribeError as error:
        hint = error.hint or f"its inputs: {', '.join(dag.inputs) or 'none'}"
        raise DescribeError(error.problem, where=WHERE, hint=hint) from error
