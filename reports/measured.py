"""The benchmarks' tables, with machine and date, from what the benchmarks print with ``--json``."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]

if TYPE_CHECKING:
    from collections.abc import Callable

BENCHMARKS: dict[str, tuple[str, ...]] = {
    "runtime": ("--sizes", "1000,10000", "--threads", "1,2,4"),
    "describe": (),
    "optimizer": ("--sample", "8"),
    "list_scheduling": (),
    "profiler": (),
    "pairs": (),
    "reality": (),
    "tawazi_before_after": (),
}
"""Which there are, and what each is asked for when it is measured for the gallery."""
_AGAIN = ("pairs", "reality")
"""These print their table from a file that they wrote."""


def measure(name: str, folder: Path) -> Path:
    """Run a benchmark, and return the file that has what it printed.

    Raises
    ------
    subprocess.CalledProcessError
        It failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    command = [sys.executable, f"benchmarks/{name}.py", *BENCHMARKS[name], "--json"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    path.write_bytes(done.stdout)
    return path


def page(path: Path) -> str:
    """Return a page in Markdown: what was asked, on which machine, when, and the table.

    Raises
    ------
    KeyError
        The file is not named after a benchmark.
    ValueError
        It is not JSON.
    """
    name = path.stem
    said = " ".join(BENCHMARKS[name])
    asked = f"python benchmarks/{name}.py {said}".rstrip()
    made = json.loads(path.read_text(encoding="utf-8"))
    doc = (import_module(f"benchmarks.{name}").__doc__ or "").split("\n\n")
    return "\n".join(
        [
            f"# {doc[0].strip()}",
            "",
            f"`{asked}`, {_date(path)}, on {_machine(made)}.",
            "",
            "```",
            table(name, made, path).rstrip(),
            "```",
            "",
            *(text.strip("\n") + "\n" for text in doc[2:]),
        ]
    )


def table(name: str, made: Any, path: Path) -> str:
    """Return the benchmark's own table of what it measured."""
    if name in _AGAIN:
        command = [sys.executable, f"benchmarks/{name}.py", "--from", str(path.resolve())]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return _TABLES[name](made)


def _of_rows(name: str) -> Callable[[Any], str]:
    return lambda made: str(import_module(f"benchmarks.{name}").table(made))


def _of_profiler(made: Any) -> str:
    its = import_module("benchmarks.profiler")
    return f"{its.table(made['rows'])}\n\n{its.summary_table(made['summary'])}"


def _of_tawazi(made: Any) -> str:
    return str(import_module("benchmarks.tawazi_before_after").table(made["rows"], made["facts"]))


_TABLES: dict[str, Callable[[Any], str]] = {
    **{name: _of_rows(name) for name in ("runtime", "describe", "optimizer", "list_scheduling")},
    "profiler": _of_profiler,
    "tawazi_before_after": _of_tawazi,
}


def _date(path: Path) -> str:
    return datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC).date().isoformat()


def _machine(made: Any) -> str:
    """Say which machine it was: as the file has it, else this one."""
    from makespan.machine import this_machine

    its = made.get("machine") if isinstance(made, dict) else None
    if not isinstance(its, dict) or "cpu" not in its:
        here = this_machine()
        its = {"cpu": here.cpu, "cores": here.cores, "python": here.python}
    return f"{its['cpu']}, {its['cores']:g} cores, {its['python']}"
