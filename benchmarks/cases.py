"""One DAG to schedule, however it came about: durations, edges, what limits it, and what is known of it.

Times are whole units of the case's own: those of its file, or the finest power of ten of a second with which
all nodes one after the other stay below a thousand million (`ticks`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from makespan.errors import MakespanError
from makespan_optimizer.rigid.problem import THREADS, Resource, problem_from

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from makespan_optimizer.rigid.problem import Problem

_MOST_TICKS = 10**9
_FINEST = 9  # nanoseconds


class InstanceError(MakespanError):
    """A file of instances that cannot be read as what it should be, or a set that is not there."""


class Known(NamedTuple):
    """What others found: no schedule is shorter than `lower`, and one of `upper` is known."""

    lower: int
    upper: int | None


@dataclass(frozen=True, slots=True)
class Case:
    """An instance without its number of threads.

    Attributes
    ----------
    group : str
        The set that it was asked for by, as ``stg/50``.
    name : str
    wall : tuple of int, shape (n,)
    preds : tuple of tuple of int, shape (n, *)
    resources : tuple of Resource
        Those that it has besides threads.
    threaded : bool
        Whether each node takes one of a number of threads; a project of the PSPLIB knows none.
    known : mapping of int or None to Known
        For a number of threads; None where there are none.
    order : tuple of int, shape (n,), or empty
        The rank that dask itself gave each node: smaller ones first.
    """

    group: str
    name: str
    wall: tuple[int, ...]
    preds: tuple[tuple[int, ...], ...]
    resources: tuple[Resource, ...] = ()
    threaded: bool = True
    known: Mapping[int | None, Known] = field(default_factory=dict)
    order: tuple[int, ...] = ()

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self.wall)

    def problem(self, threads: int | None) -> Problem:
        """Return the problem with a number of threads, of which each node takes one.

        Raises
        ------
        InstanceError
            Its edges make a circle, or a node demands more than there is.
        """
        limits = [Resource(THREADS, threads, (1,) * len(self))] if threads is not None else []
        try:
            return problem_from(self.wall, self.preds, [*limits, *self.resources])
        except (MakespanError, ValueError) as error:
            raise InstanceError(str(error), where=f"{self.group} {self.name}") from error


def ticks(seconds: Sequence[float]) -> tuple[int, ...]:
    """Return durations in the finest power of ten of a second that keeps their sum small.

    >>> ticks([0.5, 2.25])
    (50000000, 225000000)
    >>> ticks([0.0, 1e9])
    (0, 100000000)
    """
    total = math.fsum(seconds)
    power = _FINEST
    while total * 10.0**power >= _MOST_TICKS:
        power -= 1
    return tuple(round(second * 10.0**power) for second in seconds)


def at(path: Path, line: int | None = None) -> str:
    """Return the place of an error: the file, and the line if one is meant."""
    return str(path) if line is None else f"{path}:{line}"


def whole(text: str, what: str, where: str, least: int = 0) -> int:
    """Return a whole number that stands in a file.

    Raises
    ------
    InstanceError
        It is none, or smaller than `least`.
    """
    try:
        number = int(text)
    except ValueError:
        raise InstanceError(f"{what} should be a whole number, not {text!r}", where=where) from None
    if number < least:
        raise InstanceError(f"{what} should be at least {least}, not {number}", where=where)
    return number


def text_of(path: Path) -> str:
    """Return what a file holds.

    Raises
    ------
    InstanceError
        It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InstanceError(f"cannot be read: {error.strerror or error}", where=str(path)) from error


def ranked(values: Iterable[float]) -> tuple[int, ...]:
    """Return the place of each value among all, the smallest first; the earlier of two equals first.

    >>> ranked([3.0, 1.0, 1.0])
    (2, 0, 1)
    """
    listed = list(values)
    ranks = [0] * len(listed)
    for rank, i in enumerate(sorted(range(len(listed)), key=listed.__getitem__)):
        ranks[i] = rank
    return tuple(ranks)
