"""Rows as CSV, that spreadsheets read and ``makespan profile --from`` reads again.

The columns that such a table needs come first (name, seconds, predecessors, class, lock, exclusive, tags),
then all other figures. Names in one cell are separated by ``;``; a cell whose names hold one is a JSON list.
A name that no table can hold is refused: a table that silently joins two nodes is worse than none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from makespan.errors import OptionError
from makespan.exporting.rows import sheet_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FIRST = ("name", "seconds", "predecessors", "class", "lock", "exclusive", "tags")
# Told by the columns that come first.
_TOLD = frozenset({"name", "class", "after", "locks", "exclusive", "tags"})
_SECONDS = {"profile": "wall_net_s", "plan": "alone_s", "run": "duration_s", "DAG": "hint_s"}


def to_csv(thing: Any) -> str:
    """Return a DAG, profile, plan or run as CSV.

    Raises
    ------
    OptionError
        It is none of these, or a name cannot stand in a table.
    """
    sheet = sheet_of(thing)
    rest = [field for field in (sheet.rows[0] if sheet.rows else ()) if field not in _TOLD]
    lines = [",".join([*_FIRST, *rest])]
    for row in sheet.rows:
        first = (
            _checked(row["name"]),
            _cell(row[_SECONDS[sheet.what]]),
            _cell(row["after"]),
            kind_of(row),
            _cell(row.get("locks")),
            _cell(row.get("exclusive")),
            _cell(row.get("tags")),
        )
        lines.append(",".join(map(quoted, [*first, *(_cell(row[field]) for field in rest)])))
    return "\n".join(lines) + "\n"


def quoted(cell: str) -> str:
    """Write a cell; Python's own writer (before 3.13) leaves a lone carriage return without quotes.

    >>> print(quoted("a"), quoted('5" by 4"'))
    a "5"" by 4\"\"\"
    """
    return '"' + cell.replace('"', '""') + '"' if any(mark in cell for mark in ',"\r\n') else cell


def _checked(name: str) -> str:
    if name != name.strip():
        raise OptionError(
            "begins or ends with blanks, which a table loses", where=repr(name), hint="rename it"
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise OptionError("holds half a character (a lone surrogate)", where=repr(name)) from None
    return name


def kind_of(row: Mapping[str, Any]) -> str:
    """Return the class as a table tells it: with the cores of a parallel one.

    >>> kind_of({"class": "parallel", "alone_s": 2.0, "gil_s": 0.5, "native_s": 6.5})
    'parallel(x3.5)'
    """
    kind = row.get("class") or ""
    if kind != "parallel":
        return str(kind)
    wall_s = row.get("alone_s") or row.get("wall_net_s") or 0.0
    busy_s = (row.get("gil_s") or 0.0) + (row.get("native_s") or 0.0)
    return f"parallel(x{max(1.0, busy_s / wall_s):.4g})" if wall_s else "parallel"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list):
        return joined([_checked(item) for item in value])
    return str(value)


def joined(names: Sequence[str]) -> str:
    """Write names into one cell.

    >>> joined(["a", "b"]), joined(["a b"]), joined(["a;b", "c"])
    ('a;b', 'a b;', '["a;b", "c"]')
    """
    if any(";" in name for name in names) or (names and names[0].startswith(('["', "['", "[]"))):
        return json.dumps(list(names), ensure_ascii=False)
    text = ";".join(names)
    return f"{text};" if len(names) == 1 and text.split() != [text] else text
