"""Public instances from a folder: a set is a folder below it, and its first word says how to read its files.

======================  ====================================================  =========================
set                     files                                                 what is known of them
======================  ====================================================  =========================
``psplib/j30`` …        ``.sm`` of the PSPLIB (Kolisch & Sprecher 1997)       ``*optimum*.csv``
``stg/50`` …            ``.stg`` of the Standard Task Graph Set               ``certified.csv``
``wf``                  ``.json``, WfFormat 1.4 or 1.5 of WfCommons           nothing
``dask``                ``.json``, tasks of a dask graph, each timed once     nothing (dask's own order)
======================  ====================================================  =========================

Tables of what is known stand in the set's folder, in ``optimum/`` below it, or in the folder above.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from benchmarks.cases import InstanceError
from benchmarks.formats import read_sm, read_stg
from benchmarks.knowledge import read_certified, read_optima
from benchmarks.traces import read_dask, read_wf
from makespan.showing.words import some

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from benchmarks.cases import Case
    from benchmarks.knowledge import Table

T = TypeVar("T")

_KINDS: dict[str, tuple[str, Callable[[Path, str], Case]]] = {
    "psplib": (".sm", read_sm),
    "stg": (".stg", read_stg),
    "wf": (".json", read_wf),
    "dask": (".json", read_dask),
}


def read_set(root: Path, group: str, sample: int | None = None, seed: int = 0) -> list[Case]:
    """Read the instances of a set, or a sample of them, in the order of their names.

    Raises
    ------
    InstanceError
        There is no such set or no file in it, one of them cannot be read, or a table is of other instances.
    """
    kind = group.split("/", maxsplit=1)[0]
    if kind not in _KINDS:
        raise InstanceError(
            f"there is no set {group!r}",
            hint=f"sets in a folder begin with {', '.join(_KINDS)}; others with generated/ or wfchef/",
        )
    ending, reader = _KINDS[kind]
    folder = _folder_of(root, group)
    files = sorted(folder.rglob(f"*{ending}"), key=lambda path: natural(str(path.relative_to(folder))))
    if not files:
        raise InstanceError(f"holds no {ending} file", where=str(folder))
    tables = _tables(folder, kind)
    cases = []
    for path in chosen(files, sample, seed):
        case = reader(path, group)
        said = tables.get((path.parent.name, case.name)) or tables.get(("", case.name))
        cases.append(replace(case, known=said) if said else case)
    here = [name for place, name in tables if place in {"", folder.name}]  # tables tell of other sets, too
    if here and not any(case.known for case in cases):
        raise InstanceError(
            f"the tables there know none of them: they tell of {some(here, 3)}", where=str(folder)
        )
    return cases


def chosen(items: Sequence[T], sample: int | None, seed: int) -> list[T]:
    """Return a sample in the order of the items; all of them when it is None or large.

    >>> len(chosen("abcdef", 3, seed=1)), chosen("ab", None, seed=1)
    (3, ['a', 'b'])
    """
    if sample is None or sample >= len(items):
        return list(items)
    return [items[i] for i in sorted(random.Random(seed).sample(range(len(items)), sample))]


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key by which numbers in names are ordered as numbers.

    >>> sorted(["j301_10.sm", "j301_2.sm"], key=natural)
    ['j301_2.sm', 'j301_10.sm']
    """
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)]


def _folder_of(root: Path, group: str) -> Path:
    for folder in (root / group, root / "instances" / group):
        if folder.is_dir():
            return folder
    raise InstanceError(
        f"has no folder {group!r}", where=str(root), hint="--instances names the folder that holds the sets"
    )


def _tables(folder: Path, kind: str) -> Table:
    found: Table = {}
    for place in (folder.parent, folder, folder / "optimum"):  # the nearer one counts
        if kind == "psplib":
            for path in sorted(place.glob("*optimum*.csv")):
                found |= read_optima(path)
        elif kind == "stg" and (path := place / "certified.csv").is_file():
            found |= read_certified(path)
    return found
