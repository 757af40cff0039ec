"""profile.json: what each node did with its time, measured one node at a time.

The file holds the DAG's structure (so that a plan can be computed without the code), the machine, and for
each node the calls that were measured and what follows from them. The structure is read strictly; a
measurement that cannot be true (negative, infinite, of a wrong type) is dropped with a warning, and its node
counts as not measured. Neither argument values nor source text are ever kept.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from makespan.errors import DescribeError, ProfileError, did_you_mean
from makespan.files import ensure_replaceable, locked, read_bytes, write_atomic
from makespan.jsontext import convert, format_of, readable, strict_json
from makespan.machine import Machine
from makespan.measured_pairs import ProfileWarning, read_pairs
from makespan.measurement import (
    Call,
    Kind,
    NodeProfile,
    PairTrial,
    Quality,
    RunHeader,
    Spread,
)
from makespan.plan import DagId
from makespan.profile_shape import Shape, locks_of
from makespan.structure import Structure, build

if TYPE_CHECKING:
    import os
    from collections.abc import Container, Mapping, Sequence

    from makespan.plan import Plan
    from makespan_optimizer.questions.answers import Answer

__all__ = [
    "FORMAT",
    "MAX_CALLS",
    "Call",
    "Kind",
    "NodeProfile",
    "PairTrial",
    "Profile",
    "ProfileWarning",
    "Quality",
    "RunHeader",
    "Shape",
    "Spread",
    "load_profile",
    "parse_profile",
]

FORMAT: Literal["makespan-profile/1"] = "makespan-profile/1"
MAX_CALLS = 64  # kept for each node, or all of the newest run if it took several sets of inputs


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The measured behaviour of a DAG's nodes."""

    format: Literal["makespan-profile/1"] = FORMAT
    makespan_version: str
    dag: DagId
    machine: Machine
    runs: tuple[RunHeader, ...] = ()
    shape: tuple[Shape, ...]
    """The DAG's nodes in declaration order."""
    nodes: tuple[NodeProfile, ...]
    """Measurements, in the order of `shape`; a node may be missing."""
    pairs: tuple[PairTrial, ...] = ()
    """Nodes that were run together; the first of a pair stands first in `shape`."""
    dropped: tuple[str, ...] = ()
    """Names of nodes whose record was dropped while reading; never written."""

    def node(self, name: str) -> NodeProfile:
        """Return the measurements of one node.

        Raises
        ------
        ProfileError
            The DAG has no such node, or it was not measured.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        known = [shape.name for shape in self.shape]
        if name in known:
            raise ProfileError(f"node {name!r} was not measured", hint="profile again")
        raise ProfileError(f"the profile has no node {name!r}", hint=did_you_mean(name, known))

    def __repr__(self) -> str:
        return f"<Profile of {self.dag.name!r}: {len(self.nodes)} of {len(self.shape)} nodes measured>"

    def _repr_html_(self) -> str:
        """Return the table of share bars and the drawn DAG, for notebooks."""
        from makespan.showing.reprs.cards import profile_card

        return profile_card(self)

    def structure(self) -> Structure:
        """Return the DAG's structure, checked.

        Raises
        ------
        DescribeError
            Repeated names, unknown dependencies, a cycle.
        """
        return build(
            [shape.name for shape in self.shape],
            [shape.after for shape in self.shape],
            locks=locks_of(self.shape),
            exclusive=[shape.exclusive for shape in self.shape],
            places={shape.name: shape.place for shape in self.shape},
        )

    def optimize(self, threads: int | Literal["auto"] | None = None, **options: Any) -> Plan:
        """Compute a plan; see `makespan_optimizer.optimize.optimize` for the options.

        Raises
        ------
        OptionError
            An option has a value that it cannot have.
        ProfileError
            A node has no usable measurement.
        MissingExtraError
            OR-Tools is not installed.
        """
        from makespan_optimizer.optimize import optimize

        return optimize(self, threads=threads, **options)

    def what_if(self, threads: int | Sequence[int], **options: Any) -> list[Answer]:
        """Return the makespan to expect for each thread budget, and for changes that are asked about.

        See `makespan_optimizer.questions.what_if.what_if` for the options: ``nodes={"parse": 0.5}``,
        ``no_gil=True``, ``processes=1`` …

        Raises
        ------
        OptionError
            An option has a value that it cannot have.
        ProfileError
            A node has no usable measurement, or there is none of that name.
        """
        from makespan_optimizer.questions.what_if import what_if

        return what_if(self, threads, **options)

    def to_json(self) -> bytes:
        """Return the file's content, a line a node."""
        body = msgspec.to_builtins(self)
        del body["dropped"]
        return readable(body)

    def save(self, path: str | os.PathLike[str], *, force: bool = False, update: bool = False) -> Profile:
        """Write profile.json, merged with what is there (under a lock), and return what was written.

        Runs are united; with `update`, also those of the DAG before it changed, node by node.

        Raises
        ------
        OptionError
            The path cannot be written, or holds a file of another kind and `force` is not set.
        ProfileError
            The file is a profile of another DAG or machine and `force` is not set.
        """
        from pathlib import Path

        from makespan_optimizer.measure.merge import merge_profiles

        ensure_replaceable(path, "makespan-profile", force=force)
        with locked(path):
            merged = self
            if not force and Path(path).exists() and Path(path).stat().st_size:
                merged = merge_profiles(load_profile(path), self, where=str(path), update=update)
            write_atomic(path, merged.to_json())
        return merged

    def summary(self) -> str:
        """Return a table of the nodes, longest first."""
        from makespan.showing.text import profile_summary

        return profile_summary(self)

    def table(self, *, sort: str = "wall", limit: int | None = None, width: int | None = None) -> str:
        """Return all that is known of the nodes as a table of text; see ``makespan profile show``.

        Parameters
        ----------
        sort : {"wall", "gil", "native", "blocked", "name"}
        limit : int, optional
            So many rows.
        width : int, optional
            Columns of the terminal; as wide as it comes when omitted.

        Raises
        ------
        OptionError
            No such order.
        """
        from makespan.showing.profile_table import render

        return render(self, sort=sort, limit=limit, width=width)

    def scenarios(self) -> list[dict[str, float]]:
        """Return what each counted run took, a row a run: seconds by node, net of run delay.

        Nodes of one row were measured in the same run, with the same inputs; so nodes that are long together
        (a large input) are long in the same row. Runs of which some nodes have no record are left out, and
        nodes that were not measured (hints) stand in every row with their one figure.

        Where no run has all nodes (after an update), a row joins calls with the set of inputs of the same
        number, the latest of each node first: true as far as the sets were the same ones.
        """
        from makespan.showing.profile_rows import scenarios

        return scenarios(self)

    def to_frame(self) -> Any:
        """Return a ``pandas.DataFrame``, a row a node (measured or not), units in the columns' names.

        Raises
        ------
        MissingExtraError
            pandas is not installed.
        """
        from makespan.showing.profile_rows import to_frame

        return to_frame(self)


def load_profile(path: str | os.PathLike[str]) -> Profile:
    """Read profile.json (``-`` reads standard input).

    Bad measurements are dropped, each with a `ProfileWarning` that names node and place.

    Raises
    ------
    ProfileError
        Not a profile, or its structure is not consistent; with file and JSON pointer.
    """
    return parse_profile(read_bytes(path, ProfileError), str(path))


def parse_profile(data: bytes, where: str = "profile") -> Profile:
    """Read a profile from bytes; see `load_profile`."""
    body: Any = strict_json(data, where, ProfileError, typed=True)
    format_of(body, FORMAT, where, ProfileError)
    body.pop("dropped", None)
    records = body.get("nodes")
    if not isinstance(records, list):
        raise ProfileError("has no list of nodes", where=f"{where}#/nodes")
    profile = convert({**body, "nodes": (), "pairs": ()}, Profile, where, ProfileError)
    try:
        number = {name: i for i, name in enumerate(profile.structure().names)}
    except DescribeError as error:
        raise ProfileError(f"its DAG is not consistent: {error}", where=f"{where}#/shape") from error
    kept: dict[str, NodeProfile] = {}
    dropped: list[str] = []
    for i, record in enumerate(records):
        said = record.get("name") if isinstance(record, dict) else None
        name = said if isinstance(said, str) else f"number {i}"
        try:
            kept[name] = _measured(record, i, number, kept, where)
        except ProfileError as error:
            dropped.append(name)
            warnings.warn(f"the record of node {name!r} is dropped: {error}", ProfileWarning, stacklevel=3)
    nodes = tuple(sorted(kept.values(), key=lambda node: number[node.name]))
    pairs = read_pairs(body.get("pairs", []), number, where)
    return msgspec.structs.replace(profile, nodes=nodes, pairs=pairs, dropped=tuple(dropped))


def _measured(
    record: Any, i: int, number: Mapping[str, int], kept: Container[str], where: str
) -> NodeProfile:
    node = convert(record, NodeProfile, where, ProfileError, pointer=f"/nodes/{i}")
    if node.name not in number:
        raise ProfileError(f"{node.name!r} is not in the DAG", where=f"{where}#/nodes/{i}/name")
    if node.name in kept:
        raise ProfileError(f"{node.name!r} stands twice", where=f"{where}#/nodes/{i}/name")
    return node
