"""Pins: what the user wants of a plan, whatever the optimizer thinks of it; as objects or as words.

What they mean for one DAG is worked out in `makespan_optimizer.pins.pinned`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from makespan.errors import OptionError
from makespan_optimizer.pins.words import quoted, read_words


class _Pin(msgspec.Struct, frozen=True):
    @property
    def words(self) -> str:
        """The pin as it is said on the command line."""
        raise NotImplementedError


class StartsAfter(_Pin, frozen=True):
    """The nodes start when the others have finished."""

    nodes: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def words(self) -> str:  # noqa: D102
        return f"{_listed(self.nodes)} after {_listed(self.after)}"


class InOrder(_Pin, frozen=True):
    """The nodes start in this order, unless a declared lock or an exclusive node holds one of them back."""

    nodes: tuple[str, ...]

    @property
    def words(self) -> str:  # noqa: D102
        return f"{_listed(self.nodes)} in order"


class Priority(_Pin, frozen=True):
    """How urgent nodes are; larger is sooner, 0 where nothing is said; infinite: first or last of all."""

    nodes: tuple[str, ...]
    level: float

    @property
    def words(self) -> str:  # noqa: D102
        if math.isinf(self.level):
            return f"{_listed(self.nodes)} {'first' if self.level > 0 else 'last'}"
        return f"{_listed(self.nodes)} priority={self.level:g}"


class SharedLock(_Pin, frozen=True):
    """Of these nodes, and all others that hold the lock, one runs at a time."""

    nodes: tuple[str, ...]
    lock: str

    @property
    def words(self) -> str:  # noqa: D102
        return f"{_listed(self.nodes)} lock={quoted(self.lock)}"


class Mode(_Pin, frozen=True):
    """Where nodes run: ``process``, ``thread``, or ``once``: never again in a worker process."""

    nodes: tuple[str, ...]
    mode: str

    @property
    def words(self) -> str:  # noqa: D102
        return f"{_listed(self.nodes)} {self.mode}"


class NativeThreads(_Pin, frozen=True):
    """How many threads the native libraries of nodes may use."""

    nodes: tuple[str, ...]
    threads: int

    @property
    def words(self) -> str:  # noqa: D102
        return f"{_listed(self.nodes)} native={self.threads}"


Pin: TypeAlias = StartsAfter | InOrder | Priority | SharedLock | Mode | NativeThreads


class Pins(msgspec.Struct, frozen=True):
    """Several pins; they hold together, or they are refused.

    >>> Pins.of(["b after a", Priority(("c",), 2)]).words
    ('b after a', 'c priority=2')
    """

    pins: tuple[Pin, ...] = ()

    @staticmethod
    def of(values: Pins | Iterable[Pin | str] | Pin | str | None) -> Pins:
        """Return pins from what a caller may give: pins, their words, or a list of either.

        Raises
        ------
        OptionError
            It is neither, or its words do not follow the grammar.
        """
        if values is None:
            return Pins()
        if isinstance(values, Pins):
            return values
        one = isinstance(values, str | _Pin) or not isinstance(values, Iterable)
        some: list[Any] = [values] if one else list(values)  # type: ignore[arg-type]
        return Pins(tuple(_pin(value) for value in some))

    @property
    def words(self) -> tuple[str, ...]:
        """The pins as they are said on the command line."""
        return tuple(pin.words for pin in self.pins)

    def __len__(self) -> int:
        """Return the number of pins."""
        return len(self.pins)


def _pin(value: Any) -> Pin:
    if isinstance(value, StartsAfter | InOrder | Priority | SharedLock | Mode | NativeThreads):
        return value
    if not isinstance(value, str):
        raise OptionError(f"a pin is a string or one of the pin types, not {value!r}", where="pins")
    said = read_words(value)
    where = f"pin {value!r}"
    if said.verb == "after":
        return StartsAfter(said.nodes, said.others)
    if said.verb == "order":
        if len(said.nodes) < 2:
            raise OptionError("an order needs two nodes or more", where=where)
        return InOrder(said.nodes)
    if said.verb in ("first", "last"):
        return Priority(said.nodes, math.inf if said.verb == "first" else -math.inf)
    if said.verb == "lock":
        return SharedLock(said.nodes, said.value)
    if said.verb in ("process", "thread", "once"):
        return Mode(said.nodes, said.verb)
    least, most = (1, 1024) if said.verb == "native" else (-(10**6), 10**6)
    try:
        number = int(said.value)
    except ValueError:
        number = most + 1
    if not least <= number <= most:
        raise OptionError(
            f"{said.verb}= is a whole number from {least} to {most}, not {said.value!r}", where=where
        )
    return NativeThreads(said.nodes, number) if said.verb == "native" else Priority(said.nodes, number)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))
