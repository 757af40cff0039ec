"""Instances made by seed, and files of them for other tools.

    python benchmarks/generated.py --sets generated/stg/50,generated/psplib/j30 --sample 48 --write DIR

=============================  ===================================================================
set                            what
=============================  ===================================================================
``generated/stg/50`` …         task graphs in the manner of Tobita & Kasahara (`benchmarks.stg_like`)
``generated/psplib/j30`` …     projects by ProGen's parameters (`benchmarks.progen`)
``generated/resources/100`` …  threads, GIL, cores and locks (`benchmarks.resource_dags`)
``wfchef/montage/500`` …       recipes of real workflows (`benchmarks.wfchef`); ``wfchef`` for all of them
=============================  ===================================================================

A sample goes evenly through the parameters of a set: the first of each combination, then the second.
Without one there are 16, 48 or 60, 10, and 5 a recipe. Projects are written as ``.sm``, task graphs as
``.stg``; of the others ``.stg`` would drop the resources, and they are refused.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run as a script: its neighbours

from benchmarks import progen, stg_like, wfchef
from benchmarks.cases import Case, InstanceError
from benchmarks.formats import WRITERS
from benchmarks.resource_dags import resource_dag

_RESOURCE_DAGS = 10
_WORKFLOWS = 5
_NAME = re.compile(r"generated/(?:(stg|resources)/(\d+)|psplib/j(\d+))")


def is_generated(group: str) -> bool:
    """Say whether a set is made here."""
    return group.split("/", maxsplit=1)[0] in {"generated", wfchef.PREFIX}


def generate(group: str, sample: int | None = None, seed: int = 0) -> list[Case]:
    """Return instances of a set.

    Raises
    ------
    InstanceError
        There is no such set, or what it needs is not installed.
    """
    if group.split("/", maxsplit=1)[0] == wfchef.PREFIX:
        return _workflows(group, sample, seed)
    match = _NAME.fullmatch(group)
    if match is None:
        raise InstanceError(
            f"there is no set {group!r}",
            hint="as generated/stg/50, generated/psplib/j30, generated/resources/100 or wfchef/montage",
        )
    size = int(match[2] or match[3])
    least = 9 if match[3] else 1
    if size < least:
        raise InstanceError(f"{group} should have at least {least} nodes")
    if match[1] == "resources":
        return [
            resource_dag(size, i, seed, group) for i in range(_RESOURCE_DAGS if sample is None else sample)
        ]
    count = len(stg_like.CELLS) if match[1] == "stg" else len(progen.cells(size))
    make = stg_like.stg_like if match[1] == "stg" else progen.psplib_like
    numbers = range(count if sample is None else sample)
    # A step that shares no factor with the number of cells: a small sample sees all parameters.
    step = next(step for step in range(7, 8 + count) if _coprime(step, count))
    return [make(size, i * step % count, seed + i // count, group) for i in numbers]


def _coprime(a: int, b: int) -> bool:
    while b:
        a, b = b, a % b
    return a == 1


def _workflows(group: str, sample: int | None, seed: int) -> list[Case]:
    match = re.fullmatch(rf"{wfchef.PREFIX}(?:/([a-z0-9]+?)(?:/(\d+))?)?", group)
    if match is None:
        raise InstanceError(
            f"there is no set {group!r}", hint="as wfchef, wfchef/montage or wfchef/montage/500"
        )
    recipes = [match[1]] if match[1] else list(wfchef.RECIPES)
    count = _WORKFLOWS * len(recipes) if sample is None else sample
    tasks = int(match[2] or wfchef.TASKS)
    return [
        wfchef.workflow(recipes[i % len(recipes)], tasks, seed + i // len(recipes), group)
        for i in range(count)
    ]


def write(cases: list[Case], folder: Path) -> list[Path]:
    """Write instances as ``.sm`` or ``.stg``; return the files.

    Raises
    ------
    InstanceError
        One of them has threads and resources, which neither format can tell, or a file cannot be written.
    """
    written = []
    for case in cases:
        if case.threaded and case.resources:
            raise InstanceError(
                "has threads and resources besides, which neither .sm nor .stg can tell",
                where=f"{case.group} {case.name}",
            )
        ending = ".stg" if case.threaded else ".sm"
        padded = case if _has_ends(case) else _with_ends(case)
        path = folder / case.group / f"{case.name}{ending}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(WRITERS[ending](padded), encoding="utf-8")
        except OSError as error:
            raise InstanceError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
        written.append(path)
    return written


def _has_ends(case: Case) -> bool:
    return len(case) > 1 and case.wall[0] == case.wall[-1] == 0 and not case.preds[0]


def _with_ends(case: Case) -> Case:
    """Return the same DAG with an entry and an exit of no duration; it has no resources."""
    followed = {p for some in case.preds for p in some}
    preds = [(), *(tuple(p + 1 for p in some) or (0,) for some in case.preds)]
    preds.append(tuple(i + 1 for i in range(len(case)) if i not in followed))
    return Case(case.group, case.name, (0, *case.wall, 0), tuple(preds), known=case.known)


def main() -> None:
    """Parse the command line, make instances, write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", required=True, help="names, comma-separated")
    parser.add_argument("--sample", type=int, help="how many of each set")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, metavar="DIR", required=True, help="a folder for the files")
    options = parser.parse_args()
    if options.sample is not None and options.sample < 1:
        parser.error("--sample should be at least 1")
    try:
        for group in options.sets.split(","):
            written = write(generate(group, options.sample, options.seed), options.write)
            print(f"{group}: {len(written)} files in {written[0].parent}")
    except InstanceError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
