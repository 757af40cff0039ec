"""A DAG to race: nodes that are not to be run again and again are stood in for, and caches are its own.

``@node(profile=False)`` says of a node that it is not to be run only to be measured: it sends mail, or costs
money. A race would run it dozens of times. So it sleeps for as long as its hint says, and gives the result of
its stand-in (or None, which nobody takes: that was made sure). Hints of other classes than ``io`` are slept
for, too: what such a node costs its neighbours is not in the race.

Nodes with a cache would find their results in every run but the first, and the race would be about the rest
of the DAG. So a raced DAG has caches of its own, which are emptied before each run: what is compared is a run
that finds nothing, as the profile has it, and what the user's DAG keeps stays as it is.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import msgspec

from makespan_optimizer.measure.scope import scope_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from makespan.describing.options import StandIn
    from makespan.graph import DAG


class Sleeper:
    """Called in the place of a function: sleeps, and returns the stand-in's result."""

    def __init__(self, fn: Callable[..., Any], seconds: float, stand_in: StandIn | None) -> None:
        self.__wrapped__ = fn  # the DAG's fingerprint stays what it is
        self.seconds = seconds
        self.value = None if stand_in is None else stand_in.value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Sleep."""
        time.sleep(self.seconds)
        return self.value(*args, **kwargs) if callable(self.value) else self.value


def own_caches(dag: DAG[..., Any]) -> tuple[DAG[..., Any], tuple[str, ...]]:
    """Return a DAG with caches of its own, and the names of nodes with one; the DAG itself if none."""
    names = tuple(name for name, node in dag.nodes.items() if node.options.cache is not None)
    if not names:
        return dag, ()
    copy = _copy(dag)
    copy._caches = {}  # noqa: SLF001
    return copy, names


def _copy(dag: DAG[..., Any]) -> DAG[..., Any]:
    copy = type(dag).__new__(type(dag))
    copy.__dict__.update(dag.__dict__)
    copy._prepared = {}  # noqa: SLF001
    return copy


def standing_in(
    dag: DAG[..., Any], hints: Mapping[str, Any] | None = None
) -> tuple[DAG[..., Any], tuple[str, ...]]:
    """Return a DAG in which nodes under ``profile=False`` sleep, and their names; the DAG itself if none.

    Parameters
    ----------
    dag : DAG
    hints : mapping of str to hint, optional
        For nodes that declare none.

    Raises
    ------
    OptionError
        A hint that cannot be read.
    ProfileError
        Such a node has no hint, or another one takes its result and it has no stand-in; with the names.
    """
    names = tuple(name for name, node in dag.nodes.items() if not node.options.profile)
    if not names:
        return dag, ()
    given = hints or {}
    said = scope_of(dag, {name: given[name] for name in names if name in given}).hints
    copy = _copy(dag)
    copy._nodes = {  # noqa: SLF001
        name: msgspec.structs.replace(node, fn=Sleeper(node.fn, said[name].wall_s, node.options.stand_in))
        if name in names
        else node
        for name, node in dag.nodes.items()
    }
    return copy, names
