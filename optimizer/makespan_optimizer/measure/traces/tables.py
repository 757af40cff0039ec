"""Tables as profiles: a CSV file, a pandas DataFrame, or dicts; a row a node.

============  ==========================================================================================
name          of the node, each once
seconds       alone: a number, or with a unit (``20ms``)
predecessors  names, separated by ``;`` or else by blanks; empty: none
class         python, holds, native, parallel(x4), io, chatty, mixed; empty: all seconds are counted as
              holding the GIL, as an upper bound (see `makespan_optimizer.measure.hints`)
lock          names of locks, separated likewise
exclusive     yes or no
tags          separated likewise
============  ==========================================================================================

Names in one cell may also be a JSON list. Only the first two columns are needed. Other columns are left out,
and named in a warning; a name that is nearly one of these is refused.
"""

from __future__ import annotations

import csv
import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.errors import ProfileError, did_you_mean
from makespan.exporting.rows import every_field
from makespan.files import read_bytes
from makespan.jsontext import strict_json
from makespan.profile import ProfileWarning
from makespan.showing.words import some
from makespan_optimizer.measure.hints import Hint, hinted, parse_kind, seconds_of
from makespan_optimizer.measure.traces.cells import checked, is_missing, names, number
from makespan_optimizer.measure.traces.chrome import is_chrome_trace
from makespan_optimizer.measure.traces.chrome import rows_of as slices_of
from makespan_optimizer.measure.traces.ninja import is_ninja_log
from makespan_optimizer.measure.traces.ninja import rows_of as commands_of
from makespan_optimizer.measure.traces.records import Row, profile_of
from makespan_optimizer.measure.traces.wfformat import is_wfformat, rows_of
from makespan_optimizer.options import check_cores

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from makespan.profile import Profile

NAMES: dict[str, tuple[str, ...]] = {
    "name": ("name", "node", "task"),
    "seconds": ("seconds", "alone_s", "duration_s", "wall_s", "wall_net_s", "duration"),
    "predecessors": (
        *("predecessors", "after", "depends_on", "parents"),
        *("dependencies", "deps", "needs", "requires", "upstream", "waits_for"),
    ),
    "class": ("class", "kind"),
    "lock": ("lock", "locks"),
    "exclusive": ("exclusive",),
    "tags": ("tags",),
}
# Of several columns that may tell the same, the one of the plain name counts; plans tell two durations.
_PLAIN = ("name", "seconds", "alone_s", "class")
# Edges the other way round: leaving them out would lose them.
_BACKWARDS = frozenset({"successors", "children", "dependents", "downstream", "next"})
# Columns of our own tables that need not be told again.
_OURS = every_field()
_WORDS = {"": False, "0": False, "no": False, "false": False, "1": True, "yes": True, "true": True}


class _Table(NamedTuple):
    """Rows of cells by column, each row with its place."""

    where: str
    rows: list[tuple[str, Mapping[str, Any]]]
    columns: Mapping[str, str]
    """What the table calls the columns that are used here."""
    left_out: Sequence[str]


def profile_from_table(
    source: Any,
    *,
    cores: float | None = None,
    name: str | None = None,
    graph: str | os.PathLike[str] | None = None,
    where: str = "table",
) -> Profile:
    """Return a profile of a table or of another tool's file; nothing is run.

    Parameters
    ----------
    source : path, DataFrame, or iterable of mappings
        A file is CSV, JSON (a list of objects), a WfCommons instance (WfFormat 1.5), a trace of Chrome's
        format with flow events, or Ninja's log; ``-`` is stdin.
    cores : float, optional
        Cores of the machine; those that the file tells, else those of this machine.
    name : str, optional
        Of the DAG.
    graph : path, optional
        With Ninja's log: what ``ninja -t graph`` prints.

    Raises
    ------
    ProfileError
        The table lacks a column, a cell cannot be read, names do not fit together; with row and column.
    OptionError
        A number of cores that cannot be.
    """
    cores = check_cores(cores)
    if isinstance(source, str | os.PathLike):
        where = os.fspath(source)
        data = read_bytes(source, ProfileError)
        stem = name or ("trace" if where == "-" else Path(where).stem.lstrip(".") or "trace")
        if is_ninja_log(data):
            if graph is None:
                raise ProfileError(
                    "tells no dependencies",
                    where=where,
                    hint="ninja -t graph > graph.dot, then --graph graph.dot",
                )
            found = commands_of(data, read_bytes(graph, ProfileError), where, os.fspath(graph))
            return profile_of(found, name=stem, cores=cores, where=where)
        if graph is not None:
            raise ProfileError("a graph goes with Ninja's log only", where=os.fspath(graph))
        if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}:
            body = strict_json(data.removeprefix(b"\xef\xbb\xbf"), where, ProfileError)
            if is_chrome_trace(body):
                return profile_of(slices_of(body, where), name=stem, cores=cores, where=where)
            if isinstance(body, dict):
                if not is_wfformat(body):
                    ours = str(body.get("format", "")).startswith("makespan-")
                    raise ProfileError(
                        "is neither a table, a workflow instance of WfFormat 1.5 nor a trace",
                        where=where,
                        hint=f"makespan export {where} --to csv makes a table of it" if ours else None,
                    )
                said, rows, there = rows_of(body, where)
                return profile_of(rows, name=name or said, cores=cores or there, where=where)
            table = _from_dicts(body, where)
        else:
            table = _from_csv(data, where)
        return profile_of(_read(table), name=stem, cores=cores, where=where)
    if graph is not None:
        raise ProfileError("a graph goes with Ninja's log only", where=os.fspath(graph))
    table = _from_frame(source, where) if hasattr(source, "columns") else _from_dicts(source, where)
    return profile_of(_read(table), name=name or "trace", cores=cores, where=where)


def _from_csv(data: bytes, where: str) -> _Table:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProfileError(f"is not UTF-8 text (byte {error.start})", where=where) from error
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    rows: list[tuple[str, Mapping[str, Any]]] = []
    longest = csv.field_size_limit(max(len(text), csv.field_size_limit()))  # a cell of 10,000 predecessors
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        columns = [cell.strip() for cell in next(reader, [])]
        for cells in reader:
            place = f"{where}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(columns):
                raise ProfileError(f"has {len(cells)} cells for {len(columns)} columns", where=place)
            rows.append((place, dict(zip(columns, cells, strict=False))))
    except csv.Error as error:
        raise ProfileError(f"is not CSV: {error}", where=where) from error
    finally:
        csv.field_size_limit(longest)
    for column in columns:
        if columns.count(column) > 1:
            raise ProfileError(f"two columns are named {column!r}", where=where)
    return _Table(where, rows, *_columns(columns, where))


def _from_frame(frame: Any, where: str) -> _Table:
    if "name" not in frame.columns and getattr(getattr(frame, "index", None), "name", None) == "name":
        frame = frame.reset_index()
    for rows in ("to_dicts", "to_pylist"):  # polars, pyarrow
        if hasattr(frame, rows):
            return _from_dicts(getattr(frame, rows)(), where)
    return _from_dicts(frame.to_dict("records"), where)


def _from_dicts(source: Iterable[Any], where: str) -> _Table:
    try:
        if isinstance(source, bytes | dict):
            raise TypeError  # noqa: TRY301 (reported as any other)
        records = list(source)
    except TypeError:
        raise ProfileError(
            f"is a {type(source).__name__}, not a table: a path, a DataFrame or dicts", where=where
        ) from None
    rows: list[tuple[str, Mapping[str, Any]]] = []
    for i, record in enumerate(records, 1):
        place = f"{where}, row {i}"
        if not isinstance(record, dict):
            raise ProfileError(f"is a {type(record).__name__}, not a dict", where=place)
        rows.append((place, {str(key): value for key, value in record.items()}))
    keys = list(dict.fromkeys(key for _, row in rows for key in row))
    return _Table(where, rows, *(_columns(keys, where) if rows else ({}, [])))


def _columns(columns: Sequence[str], where: str) -> tuple[dict[str, str], list[str]]:
    """Tell columns by their names; refuse a table without names or seconds, and names nearly known."""
    chosen: dict[str, str] = {}
    for column, aliases in NAMES.items():
        found = [alias for alias in columns if alias.lower() in aliases]
        plain = [alias for name in _PLAIN for alias in found if alias.lower() == name]
        if len(found) > 1 and (not plain or [its.lower() for its in plain].count(plain[0].lower()) > 1):
            raise ProfileError(f"both {found[0]!r} and {found[1]!r} tell the {column}", where=where)
        if found:
            chosen[column] = (plain or found)[0]
        elif column in {"name", "seconds"}:
            near = next((n for c in columns if (n := did_you_mean(c.lower(), aliases))), None)
            hint = near or f"columns here: {some(columns, 12) or 'none'}"
            raise ProfileError(f"has no column {column!r}", where=where, hint=hint)
    unknown = [column for column in columns if column not in chosen.values()]
    known = _OURS | {alias for its in NAMES.values() for alias in its}
    for column in unknown:
        if column.lower() in _BACKWARDS:
            raise ProfileError(
                f"column {column!r} tells what comes after a node",
                where=where,
                hint="a column 'predecessors' tells what it waits for",
            )
        if (
            near := did_you_mean(column.lower(), (*NAMES, *NAMES["predecessors"]))
        ) and column.lower() not in known:
            raise ProfileError(f"has an unknown column {column!r}", where=where, hint=near)
    return chosen, [column for column in unknown if column and column.lower() not in _OURS]


def _read(table: _Table) -> list[Row]:
    rows = [_row(record, place, table.columns) for place, record in table.rows]
    if "predecessors" not in table.columns:
        _refuse_edges_left_out(table, [row.node.name for row in rows])
    if table.left_out:
        told = f"{table.where}: columns left out: {some(table.left_out, 12)}"
        warnings.warn(told, ProfileWarning, stacklevel=4)
    return rows


def _refuse_edges_left_out(table: _Table, nodes: Sequence[str]) -> None:
    """Refuse a column of some other name whose cells all name other nodes: dependencies, as it seems."""
    known = set(nodes)
    for column in table.left_out:
        told = False
        for name, (_, record) in zip(nodes, table.rows, strict=True):
            cell = record.get(column)
            try:
                found = () if is_missing(cell) else names(cell, column)
            except ProfileError:
                break
            if name in found or not known.issuperset(found):
                break
            told = told or bool(found)
        else:
            if told:
                raise ProfileError(
                    f"column {column!r} holds names of nodes, and no column tells the predecessors",
                    where=table.where,
                    hint="call it 'predecessors', or take it out",
                )


def _row(record: Mapping[str, Any], place: str, columns: Mapping[str, str]) -> Row:
    def cell(column: str) -> tuple[Any, str]:
        key = columns.get(column, column)
        value = record.get(key)
        return None if is_missing(value) else value, f"{place}, column {key!r}"

    name, at = cell("name")
    if not isinstance(name, str) or not (name := name.strip()):
        raise ProfileError(
            "has no name" if name is None or isinstance(name, str) else f"{name!r} is not a name", where=at
        )
    said, at = cell("seconds")
    if said is None:
        raise ProfileError(f"no seconds are told of {name!r}", where=at)
    wall_s = checked(lambda: seconds_of(said, at) if isinstance(said, str) else number(said, at))
    word, at = cell("class")
    hint = Hint(wall_s)
    if word is not None:
        hint = Hint(wall_s, *checked(lambda: parse_kind(str(word), at)))
    after, where_after = names(*cell("predecessors")), cell("predecessors")[1]
    exclusive, at = cell("exclusive")
    yes = _WORDS.get(str(exclusive if exclusive is not None else "").strip().lower())
    if yes is None:
        raise ProfileError(f"{exclusive!r} is neither yes nor no", where=at)
    return Row(
        hinted(name, hint, origin="trace"),
        after,
        names(*cell("lock")),
        yes,
        names(*cell("tags")),
        place,
        where_after,
    )
