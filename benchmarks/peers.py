"""Other tools that say something of the GIL, asked about the same workloads.

gilknocker (what dask uses for its GIL metric) asks for the GIL from a thread of its own, and counts how often
it has to wait: the share of the time in which *somebody* holds it. py-spy stops the process again and again
and looks who holds it; ``--gil`` counts those moments alone, so they are divided by the number of its looks.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

PY_SPY_HZ = 200
_KNOCK_S = 0.3
_KNOCKED_S = 0.1  # its thread may still ask for the lock, and must not while the interpreter ends
_KNOCK_US = {"polling_interval_micros": 1000, "sampling_interval_micros": 5000}


class Asked(NamedTuple):
    """What a tool says, and what it costs."""

    gil: float
    wall_s: float
    """Of a call while the tool is at work: the median."""


class PeerError(Exception):
    """A tool that does not work here; the message says why."""


def gilknocker_missing() -> str | None:
    """Say why gilknocker cannot be asked, or None."""
    return None if importlib.util.find_spec("gilknocker") else "gilknocker is not installed"


def gilknocker(fn: Callable[[], object]) -> Asked:
    """Return the share of a third of a second of calls in which gilknocker had to wait."""
    module = importlib.import_module("gilknocker")
    # Short pauses between its samples, so that a call of a tenth of a second has enough of them.
    knocker = module.KnockKnock(**_KNOCK_US, sleeping_interval_micros=1000)
    knocker.start()
    try:
        knocker.reset_contention_metric()
        until = time.perf_counter() + _KNOCK_S
        walls = _walls(fn, lambda: time.perf_counter() < until)
        return Asked(float(knocker.contention_metric), median(walls))
    finally:
        knocker.stop()
        time.sleep(_KNOCKED_S)


def py_spy_path() -> str | None:
    """Return where py-spy is, beside this interpreter first."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def py_spy(path: str, fn: Callable[[], object], seconds: int = 1) -> Asked:
    """Return the share of py-spy's looks at this process in which somebody held the GIL.

    Raises
    ------
    PeerError
        It may not look, or ends with an error.
    """
    with tempfile.TemporaryDirectory(prefix="makespan-benchmark-") as folder:
        out = Path(folder, "stacks")
        command = [path, "record", "--gil", "--format", "raw", "--output", str(out)]
        command += ["--pid", str(os.getpid()), "--rate", str(PY_SPY_HZ), "--duration", str(seconds)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
            try:
                walls = _walls(fn, lambda: child.poll() is None)
            except BaseException:
                child.terminate()
                raise
            assert child.stdout is not None
            said = child.stdout.read().decode(errors="replace").strip()
        if child.returncode and "No stack counts found" not in said:
            raise PeerError(said.splitlines()[-1] if said else f"exit code {child.returncode}")
        stacks = out.read_text() if out.exists() else ""
    return Asked(held_share(stacks, said, PY_SPY_HZ * seconds), median(walls))


def held_share(stacks: str, said: str, intervals: int) -> float:
    """Return the share of py-spy's looks that found a holder of the GIL.

    It ends after a number of intervals, however late they are, and looks once in each but the last. A look
    that failed says nothing. (The "Samples" that it prints are the stacks that it kept, not its looks.)

    >>> held_share("process;loop 98", "Samples: 98 Errors: 3", 200)
    0.5
    """
    held = sum(int(line.rpartition(" ")[2]) for line in stacks.splitlines() if line)
    failed = re.search(r"Errors: (\d+)", said)
    looks = intervals - 1 - (int(failed[1]) if failed else 0)
    return min(1.0, held / looks) if looks > 0 else 0.0


def _walls(fn: Callable[[], object], go_on: Callable[[], bool]) -> list[float]:
    """Call again and again, at least once; return the seconds of each call."""
    walls: list[float] = []
    while not walls or go_on():
        began = time.perf_counter()
        fn()
        walls.append(time.perf_counter() - began)
    return walls
