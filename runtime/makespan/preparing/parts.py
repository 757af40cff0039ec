"""Nodes that run as one: what a part is made of, as plain data for whoever makes its call.

See `makespan.preparing.contraction`, which makes parts from a program and puts their calls into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from makespan.engine.executor import Trace


class Values(list[Any]):
    """Slots that a call is handed as one list: ``call(*values)`` is ``call(values)``.

    So the caller of a part keeps no value alive that the part is done with.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[Any]:
        return iter((self,))

    def copy(self) -> Values:
        """Return fresh slots."""
        return Values(self[:])


class Given(NamedTuple):
    """An argument that comes from outside: at this position of the values that the part is called with."""

    slot: int


class Result(NamedTuple):
    """An argument that is the result of an earlier member, by its position among the members."""

    member: int


class Constant(NamedTuple):
    """An argument that is the same in every run."""

    value: Any


class Member(NamedTuple):
    """One node of a part: ``call(*arguments)``."""

    node: int
    name: str
    call: Callable[..., Any]
    arguments: tuple[Given | Result | Constant, ...]


class PartCode(NamedTuple):
    """What a part does.

    Attributes
    ----------
    members : tuple of Member
        In running order; `again` first.
    outside : tuple of int
        Positions of the members whose results the part returns, as a tuple in this order.
    slots : int
        How many values come from outside.
    bare : bool
        There is one result, which goes to other nodes only: the call may return it as it is, instead of in a
        tuple, if it says so (`Made.bare`).
    """

    members: tuple[Member, ...]
    outside: tuple[int, ...]
    slots: int
    bare: bool = False


class Made(NamedTuple):
    """The call of a part.

    Attributes
    ----------
    call : callable
        Called with one list, of the values from outside; returns the tuple of results. It takes values out
        of the list (puts None in their place) after their last use: nobody else holds them. A member that
        raises leaves it as `makespan.engine.failure.InMember`, with the member's node number.
    traced : callable
        Given a trace, returns a call that also notes the members' starts, ends and threads in it.
    bare : bool
        They return the one result as it is.
    """

    call: Callable[..., Any]
    traced: Callable[[Trace], Callable[..., Any]]
    bare: bool = False


class Part(NamedTuple):
    """Nodes to contract.

    Attributes
    ----------
    nodes : tuple of int
        In running order. The first one's number stands for all.
    make : callable
        Makes the call from the part's code.
    again : tuple of int
        Nodes outside that also run within the part, before its members, so that their results need not come
        from outside. They stay what they are elsewhere.
    """

    nodes: tuple[int, ...]
    make: Callable[[PartCode], Made]
    again: tuple[int, ...] = ()
