"""Cells of a table: what is missing, a number, names; a wrong one is told by its row and column."""

from __future__ import annotations

from typing import Any

from makespan.errors import MakespanError, OptionError, ProfileError
from makespan.jsontext import strict_json
from makespan_optimizer.measure.hints import seconds_of


def is_missing(value: Any) -> bool:
    """Say whether a cell is empty: no text, or what pandas and numpy put there (NaN, NaT, NA)."""
    if value is None or isinstance(value, str):
        return not value
    if hasattr(value, "__len__"):  # names in a list or an array: compared, they have no truth value
        return False
    try:
        return bool(value != value)  # noqa: PLR0124 (NaN and NaT differ from themselves)
    except (TypeError, ValueError):  # NA neither differs nor not
        return True


def number(value: Any, where: str) -> float:
    """Return a number of any kind (numpy's too) as seconds."""
    if isinstance(value, bool) or not hasattr(value, "__float__") or hasattr(value, "__len__"):
        raise OptionError(f"{value!r} is not a duration", where=where)
    return seconds_of(repr(float(value)), where)


def names(value: Any, where: str) -> tuple[str, ...]:
    """Return the names in a cell: a list, or text separated by ``;`` or blanks."""
    if value is None or (isinstance(value, str) and value == "[]"):
        return ()
    if isinstance(value, str) and value.startswith('["'):
        value = strict_json(value.encode(errors="surrogatepass"), where, ProfileError)
    elif isinstance(value, str) and value.startswith("['"):  # a list that pandas wrote into a CSV file
        value = _listed(value, where)
    elif isinstance(value, str):
        parts = value.split(";") if ";" in value else value.split()
        return tuple(part.strip() for part in parts if part.strip())
    if hasattr(value, "__iter__") and not isinstance(value, bytes | dict):
        parts = list(value)
        if all(isinstance(part, str) and part for part in parts):
            return tuple(map(str, parts))  # numpy's texts too
    raise ProfileError(f"{value!r} is not names", where=where, hint="separate them by ; or by blanks")


def _listed(text: str, where: str) -> Any:
    from ast import literal_eval

    try:
        return literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise ProfileError(f"{text!r} is not names", where=where, hint="separate them by ;") from error


def checked(read: Any) -> Any:
    """Read a cell; what is wrong with it is wrong with the table."""
    try:
        return read()
    except MakespanError as error:
        raise ProfileError(error.problem, where=error.where, hint=error.hint) from error
