"""A race on disk: written whole after each turn, so that one that was ended goes on where it stood.

The file holds the profile, the ways as plans, and the seconds of every turn. It is read strictly, and only
goes on as what it was: the same DAG, machine and options.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from makespan.errors import OptionError
from makespan.files import ensure_replaceable, read_bytes, write_atomic
from makespan.jsontext import convert, format_of, readable, strict_json
from makespan.machine import Machine, this_machine
from makespan.plan import Misjudged, Plan
from makespan.plan_check import check_plan
from makespan.plan_parts import DagId, Seconds
from makespan.profile import Profile
from makespan.showing.words import some
from makespan_optimizer.measure.merge import stale_nodes
from makespan_optimizer.measure.shapes import shapes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from makespan.graph import DAG
    from makespan_optimizer.tuning.race import Race
    from makespan_optimizer.tuning.ways import Way

FORMAT: Literal["makespan-tune/1"] = "makespan-tune/1"
KIND = "makespan-tune"
_AGAIN = "delete it, or begin anew with another file"


class SavedWay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way, and how it did."""

    name: str
    plan: Plan
    default: bool = False
    first_s: Seconds | None = None
    left: str = ""


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a race that goes on has to know."""

    format: Literal["makespan-tune/1"] = FORMAT
    dag: DagId
    machine: Machine
    options: dict[str, int | float | bool | str | None]
    profile: Profile
    ways: Annotated[tuple[SavedWay, ...], Meta(min_length=1)]
    turns: tuple[dict[str, Seconds], ...] = ()
    """Seconds by the name of the way."""
    used_s: Seconds = 0.0
    feedback: Annotated[int, Meta(ge=0)] = 0
    """Rounds of it that were made."""
    misjudged: tuple[Misjudged, ...] = ()
    foreign: tuple[Annotated[float, Meta(ge=0, le=1)], ...] = ()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it, whole or not at all."""
        body = msgspec.to_builtins(self)
        del body["profile"]["dropped"]
        write_atomic(path, readable(body))


def ready(path: str | os.PathLike[str]) -> None:
    """Refuse a path that cannot be written, or where somebody's own file is.

    Raises
    ------
    OptionError
    """
    ensure_replaceable(path, KIND)


def load(
    path: str | os.PathLike[str],
    dag: DagId,
    options: Mapping[str, int | float | bool | str | None],
    now: DAG[..., Any] | None = None,
) -> State | None:
    """Return the race that is kept in a file; None when there is none.

    Parameters
    ----------
    path : path
    dag : DagId
    options : mapping of str to value
        Those that have to be the same.
    now : DAG, optional
        The code of its nodes has to be the same, too: seconds of other code are not comparable.

    Raises
    ------
    OptionError
        The file is damaged, or its race is of another DAG, machine or other options: what differs is told.
    """
    where = os.fspath(path)
    if not Path(path).exists():
        return None
    body: Any = strict_json(read_bytes(path, OptionError), where, OptionError)
    format_of(body, FORMAT, where, OptionError)
    state = convert(body, State, where, OptionError)
    _refuse_inconsistent(state, where)
    differs = []
    if state.dag.fingerprint != dag.fingerprint:
        differs.append(f"it is of another DAG or of another state of it ({state.dag.name!r})")
    elif now is not None and (changed := stale_nodes(state.profile, dag, shapes(now))):
        differs.append(f"the code of {some(changed)} changed")
    differs += state.machine.differences(this_machine())
    for name in dict.fromkeys([*state.options, *options]):
        there, here = state.options.get(name), options.get(name)
        if there != here:
            differs.append(f"{name}: {there} there, {here} here")
    if differs:
        raise OptionError(f"this race cannot go on: {'; '.join(differs)}", where=where, hint=_AGAIN)
    return state


def told(race: Race, ways: Sequence[Way]) -> tuple[tuple[SavedWay, ...], tuple[dict[str, float], ...]]:
    """Return ways and turns of a race as they are kept; a turn under way is not."""
    names = [way.name for way in ways]
    saved = tuple(
        SavedWay(way.name, way.plan, way.default, race.first_s.get(i), race.left.get(i, ""))
        for i, way in enumerate(ways)
    )
    return saved, tuple({names[i]: seconds for i, seconds in turn.items()} for turn in race.turn_s)


def restore(race: Race, state: State) -> None:
    """Bring a race of the same ways to where it stood."""
    number = {way.name: i for i, way in enumerate(state.ways)}
    race.restore(
        {number[way.name]: way.first_s for way in state.ways if way.first_s is not None},
        [{number[name]: seconds for name, seconds in turn.items()} for turn in state.turns],
        {number[way.name]: way.left for way in state.ways if way.left},
    )


def _refuse_inconsistent(state: State, where: str) -> None:
    names = [way.name for way in state.ways]
    if len(set(names)) < len(names) or [way.default for way in state.ways] != [
        True,
        *[False] * (len(names) - 1),
    ]:
        raise OptionError("its ways are not the default and others, each once", where=where, hint=_AGAIN)
    for k, turn in enumerate(state.turns):
        if not turn.keys() <= set(names) or names[0] not in turn:
            raise OptionError(
                "a turn is not one of the default and of known ways",
                where=f"{where}#/turns/{k}",
                hint=_AGAIN,
            )
    for k, way in enumerate(state.ways):
        check_plan(way.plan, f"{where}#/ways/{k}/plan")
        if way.plan.dag.fingerprint != state.dag.fingerprint:
            raise OptionError("a way is a plan for another DAG", where=f"{where}#/ways/{k}/plan", hint=_AGAIN)
