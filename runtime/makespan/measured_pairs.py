"""The pairs of a profile: what of them can be true, and what becomes of two profiles' pairs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from makespan.errors import ProfileError
from makespan.jsontext import convert
from makespan.measurement import PairTrial
from makespan.showing.words import some

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


class ProfileWarning(UserWarning):
    """Something in a profile was dropped, or should be looked at."""


def read_pairs(records: Any, number: Mapping[str, int], where: str) -> tuple[PairTrial, ...]:
    """Read the pairs of a profile; what cannot be true is dropped with a warning.

    Raises
    ------
    ProfileError
        They are no list.
    """
    if not isinstance(records, list):
        raise ProfileError("pairs is not a list", where=f"{where}#/pairs")
    kept: list[PairTrial] = []
    for i, record in enumerate(records):
        try:
            kept.append(_read(record, i, number, where))
        except ProfileError as error:
            warnings.warn(f"pair number {i} is dropped: {error}", ProfileWarning, stacklevel=4)
    return merged_pairs((), kept, number)


def _read(record: Any, i: int, number: Mapping[str, int], where: str) -> PairTrial:
    pair = convert(record, PairTrial, where, ProfileError, pointer=f"/pairs/{i}")
    fault = fault_of(pair, number)
    if fault is not None:
        raise ProfileError(fault, where=f"{where}#/pairs/{i}/nodes")
    return pair


def merged_pairs(
    old: Sequence[PairTrial],
    new: Sequence[PairTrial],
    order: Mapping[str, int],
    stale: Collection[str] = (),
) -> tuple[PairTrial, ...]:
    """Unite the pairs of two profiles: the later trial wins, but nothing measured gives way to a likeness.

    Parameters
    ----------
    old, new : sequences of PairTrial
    order : mapping of str to int
        Place of each node in the DAG; pairs of other nodes are dropped.
    stale : collection of str
        Nodes whose code has changed since the old trials: those say nothing any more.
    """
    kept: dict[tuple[object, ...], PairTrial] = {}
    stood = [pair for pair in old if not {*pair.nodes, *(pair.like or ())} & set(stale)]
    for pair in (*stood, *new):
        key = pair.nodes, pair.switch_interval_s, pair.native_threads
        if fault_of(pair, order) is not None:
            continue  # of a node that is gone
        if pair.like is not None and key in kept and kept[key].like is None:
            continue
        kept[key] = pair
    return sorted_pairs(kept.values(), order)


def sorted_pairs(pairs: Iterable[PairTrial], order: Mapping[str, int]) -> tuple[PairTrial, ...]:
    """Return pairs in the DAG's order, the longest switch interval first, then by limits of threads."""

    def key(its: PairTrial) -> tuple[float, ...]:
        limits = (m or 0 for m in its.native_threads)
        return order[its.nodes[0]], order[its.nodes[1]], -its.switch_interval_s, *limits

    return tuple(sorted(pairs, key=key))


def fault_of(pair: PairTrial, order: Mapping[str, int]) -> str | None:
    """Return what is wrong with a pair that was read from a file, or None."""
    a, b = pair.nodes
    unknown = [name for name in (*pair.nodes, *(pair.like or ())) if name not in order]
    if unknown:
        return f"{some(unknown)} is not in the DAG"
    if a == b:
        return f"{a!r} stands twice"
    if order[a] > order[b]:
        return f"{a!r} comes after {b!r} in the DAG"
    if not pair.repeats or not pair.switch_interval_s > 0:
        return "it was not measured"
    return None
