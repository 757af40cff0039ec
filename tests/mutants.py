"""Faults put into the engine on purpose: does the suite see them?

::

    python tests/mutants.py                       # all of them; exit 1 when fewer than nine in ten are killed
    python tests/mutants.py --only "lock,chain"   # those with such a word in their names
    python tests/mutants.py --list                # what there is, and whether it still fits the code

Each mutant replaces one text, which must stand exactly once in the modules of the engine (else it is *stale*,
which counts as a survivor), in a copy of the project; the tests that are about it run there until the first
failure. A hang is a kill, and is told. Not collected by pytest, and not for a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "runtime/makespan"
CONTRACT = ("tests/test_contract.py",)
DISPATCH = ("tests/test_dispatch.py", "tests/test_dispatch_machine.py", *CONTRACT)
LIMITS = (*CONTRACT, "tests/test_contract_limits.py", "tests/test_executor.py")
ENGINE = (
    *CONTRACT,
    "tests/test_executor.py",
    "tests/test_contract_stress.py",
    "tests/test_contract_outside.py",
)
PARTS = (*CONTRACT, "tests/test_contraction.py", "tests/test_straight.py", "tests/test_program.py")
TIMEOUT_S = 150


class Mutant(NamedTuple):
    """A fault: `old` becomes `new`, and one of the `tests` should fail."""

    name: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    # -- the dispatch core
    Mutant(
        "dispatch: one more than the budget",
        "return self.running >= self.budget and",
        "return self.running > self.budget and",
        DISPATCH,
    ),
    Mutant(
        "dispatch: an exclusive node beside others",
        "if self.running:\n                    return None  # the others drain, then it starts",
        "if self.running > 1:\n                    return None",
        DISPATCH,
    ),
    Mutant(
        "dispatch: others beside an exclusive node",
        "                self._alone = True",
        "                self._alone = False",
        DISPATCH,
    ),
    Mutant(
        "dispatch: a full group calls nobody else back",
        "                    if free[other]:\n                        self._call_back(other)",
        "                    pass",
        DISPATCH,
    ),
    Mutant(
        "dispatch: a lock that is never given back",
        "            self._free[g] += 1\n            self._call_back(g)",
        "            self._call_back(g)",
        DISPATCH,
    ),
    Mutant(
        "dispatch: nobody is called back",
        "            self._free[g] += 1\n            self._call_back(g)",
        "            self._free[g] += 1",
        DISPATCH,
    ),
    Mutant(
        "dispatch: the first group of a node is not taken",
        "        for g in need:\n            free[g] -= 1",
        "        for g in need[1:]:\n            free[g] -= 1",
        DISPATCH,
    ),
    Mutant(
        "dispatch: it goes on after a failure",
        "        if not self.go_on:\n            self.stop()\n            return []",
        "        if not self.go_on:\n            return []",
        DISPATCH,
    ),
    Mutant(
        "dispatch: only the next ones of a failed node are dropped",
        "                    found.append(s)\n                    ahead.append(s)",
        "                    found.append(s)",
        DISPATCH,
    ),
    Mutant(
        "dispatch: over while a node runs",
        "return self.running == self.stuck and (self.stopped or not self.left)",
        "return self.stopped or not self.left",
        DISPATCH,
    ),
    # -- rules and tables
    Mutant(
        "rules: the largest rank first among the first",
        "self.roots = sorted(",
        "self.roots = list(",
        DISPATCH,
    ),
    Mutant(
        "rules: groups have the limit 1",
        "            self.limits.append(limit)",
        "            self.limits.append(1)",
        DISPATCH,
    ),
    Mutant(
        "tables: a value for all is taken for the only argument",
        "if self.waiting[c] == 1 and slot == 1 and",
        "if slot == 1 and",
        ENGINE,
    ),
    Mutant(
        "tables: what only waits is not counted",
        "            for consumer in orders[k]:\n                waiting[consumer] += 1",
        "            for consumer in orders[k]:\n                waiting[consumer] += 0",
        ENGINE,
    ),
    # -- the engines
    Mutant(
        "plain: the order is that of becoming ready",
        "k = heappushpop(ready, first)",
        "k = first",
        ENGINE,
    ),
    Mutant(
        "plain: the argument list is kept while the node runs",
        "        slots[k] = None\n        if ready and run.spare",
        "        if ready and run.spare",
        ENGINE,
    ),
    Mutant(
        "plain: nobody is called for what is ready",
        "        if ready and run.spare and (worth is None or worth[k] or worth[ready[0]]):",
        "        if ready and run.spare and False:",
        ENGINE,
    ),
    Mutant(
        "general: the result is held while the next node runs",
        "        fresh = False\n        value = None\n        try:",
        "        fresh = False\n        try:",
        ENGINE,
    ),
    Mutant(
        "general: nobody is called for what is ready",
        "        if run.spare and core.may_start and (worth is None or worth[i] or worth[core.head]):",
        "        if run.spare and core.may_start and False:",
        ENGINE,
    ),
    Mutant(
        "shared: a falsy exception is none",
        "        else:\n            self.failures.append((node, error))",
        "        elif error:\n            self.failures.append((node, error))",
        ENGINE,
    ),
    Mutant(
        "shared: the plain engine goes on after a failure",
        "self._failed(node, error)\n                self._stop()\n",
        "self._failed(node, error)\n",
        ENGINE,
    ),
    Mutant(
        "workers: over before the last helper is done",
        "        if over and (self.core is not None or not self.active):",
        "        if over:",
        ENGINE,
    ),
    Mutant(
        "workers: helpers take no room",
        "            self._room -= 1\n            self.active += 1",
        "            self.active += 1",
        ENGINE,
    ),
    Mutant(
        "workers: values of an abandoned run stay",
        "            self.slots.clear()  # the frames of a traceback hold the same list",
        "            pass",
        LIMITS,
    ),
    Mutant(
        "workers: a run that is over holds itself",
        "self._cancels.rearm = nobody_waits\n        self._forget()\n        if self.wanted:\n"
        "            self._crew.withdraw(self)\n        if self.core",
        "self._forget()\n        if self.wanted:\n"
        "            self._crew.withdraw(self)\n        if self.core",
        LIMITS,
    ),
    Mutant(
        "executor: the budget counts anew in a node",
        "1 if around else rules.budget",
        "rules.budget",
        ENGINE,
    ),
    Mutant(
        "executor: all nodes share one context",
        "        self.base = base = copy_context()",
        "        self.base = base = copy_context()\n        base.copy = lambda: base",
        ENGINE,
    ),
    Mutant(
        "crew: a helper does not go on to the next run",
        "                if self._queue:\n                    helper.work = self._queue.popleft()",
        "                if self._queue and False:\n                    helper.work = self._queue.popleft()",
        ENGINE,
    ),
    Mutant(
        "crew: as many helpers as are called",
        "if (must or self._size < self.most + self._aside) and self._start(work):",
        "if self._start(work):",
        ENGINE,
    ),
    Mutant(
        "crew: a child uses the helpers of its parent",
        "    crew.__init__()  # type: ignore[misc]",
        "    pass",
        ENGINE,
    ),
    Mutant(
        "crew: a helper holds its last run",
        "            with self._lock:\n                helper.work = None\n",
        "            with self._lock:\n",
        ENGINE,
    ),
    Mutant(
        "deadlines: a run has all the time",
        "        self.until = math.inf if timeout_s is None else monotonic() + timeout_s",
        "        self.until = math.inf",
        ("tests/test_contract_limits.py",),
    ),
    Mutant(
        "deadlines: nobody looks at the clock again",
        "        return until < self.looks_at\n\n    def again",
        "        return False\n\n    def again",
        ("tests/test_contract_limits.py", "tests/test_executor.py"),
    ),
    Mutant(
        "failure: a note for every run",
        '        if note not in getattr(error, "__notes__", ()):\n            error.add_note(note)',
        "        error.add_note(note)",
        CONTRACT,
    ),
    Mutant(
        "failure: the order in which they came",
        "sorted(failures, key=lambda failure: failure[0])",
        "failures",
        ENGINE,
    ),
    Mutant(
        "failure: one exception twice", "unique.setdefault(id(error), error)", "unique[i] = error", CONTRACT
    ),
    # -- chains, straight-line code, contraction
    Mutant(
        "straight code: a constant for another one",
        '            self._known[id(value)] = name = f"{prefix}{len(self._known)}"',
        '            self._known[id(value)] = name = f"{prefix}{len(self._known) % 3}"',
        PARTS,
    ),
    Mutant(
        "straight code: a variable is used again too early",
        "            if self._last.get(key) == at:",
        "            if self._last.get(key, -1) <= at + 1:",
        PARTS,
    ),
    Mutant(
        "straight code: values stay until the end",
        "            after.append(f\"del {', '.join(gone)}\")",
        '            after.append("0")',
        PARTS,
    ),
    Mutant(
        "straight: the order is that of declaration",
        "            self._order = tuple(order)",
        "            self._order = tuple(sorted(order))",
        (*PARTS, "tests/test_contract_stress.py"),
    ),
    Mutant(
        "straight: the failed run keeps its values",
        "slots.clear()  # the frames of the traceback hold the same list",
        "pass",
        PARTS,
    ),
    Mutant(
        "straight: a falsy exception is none",
        "            self.failures.append((node, error))\n        finally:",
        "            if error:\n                self.failures.append((node, error))\n        finally:",
        PARTS,
    ),
    Mutant(
        "chains: members share one context",
        "        return run(copy_context().copy, values)",
        "        one = copy_context()\n        return run(lambda: one, values)",
        PARTS,
    ),
    Mutant(
        "contraction: what is needed outside stays inside",
        "if pushes[i] or keeps[i])",
        "if keeps[i] or i == part.nodes[-1])",
        PARTS,
    ),
    Mutant(
        "contraction: locks of the first member only",
        "        locks[first] = tuple(sorted({name for i in part.nodes for name in structure.locks[i]}))",
        "        locks[first] = structure.locks[first]",
        PARTS,
    ),
    Mutant(
        "contraction: the members may start before what they wait for",
        "        after[owner[i]] |= {owner[p] for p in some}",
        "        after[owner[i]] |= {owner[p] for p in some if owner[i] == i}",
        PARTS,
    ),
    Mutant(
        "program: the first of several takers gets the value",
        "        [tuple(some) for some in pushes],",
        "        [tuple(some[:2]) for some in pushes],",
        PARTS,
    ),
)


def place_of(mutant: Mutant, folder: Path) -> Path | None:
    """Return the module that has the text of a mutant; None when none has, or it stands twice."""
    found = []
    for path in sorted((folder / PACKAGE).rglob("*.py")):
        found += [path] * path.read_text().count(mutant.old)
    return found[0] if len(found) == 1 else None


def copied(folder: Path) -> None:
    """Make a copy of what the tests of the engine need."""
    leave = shutil.ignore_patterns("__pycache__", ".hypothesis")
    for name in ("runtime", "optimizer", "tests", "examples", "benchmarks"):
        shutil.copytree(ROOT / name, folder / name, ignore=leave)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder / name)


def outcome(folder: Path, tests: tuple[str, ...]) -> str:
    """Run tests in a copy until one fails; return ``passed``, ``hang``, or the test that failed."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(folder / name) for name in ("runtime", "optimizer", ".")),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=no"]
    command += ["--hypothesis-profile=no shrinking"]
    ran = subprocess.Popen(
        [*command, *tests],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = ran.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(ran.pid, signal.SIGKILL)
        ran.communicate()
        return "hang"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(ran.pid, signal.SIGKILL)  # what a mutant may have left behind
    if ran.returncode == 0:
        return "passed"
    failed = [line.split(" - ")[0] for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0] if failed else f"pytest ended with {ran.returncode}"


def tried(mutant: Mutant, folder: Path) -> str:
    """Return ``stale``, or how the tests ended with the mutant in the copy, which is as before afterwards."""
    path = place_of(mutant, folder)
    if path is None:
        return "stale"
    before = path.read_text()
    try:
        path.write_text(before.replace(mutant.old, mutant.new))
        return outcome(folder, mutant.tests)
    finally:
        path.write_text(before)


def main() -> int:
    """Try the mutants; return the exit status."""
    parser = argparse.ArgumentParser(
        description="Faults put into the engine on purpose: does the suite see them?"
    )
    parser.add_argument(
        "--only", metavar="WORDS", help="those with one of these words (comma) in their names"
    )
    parser.add_argument("--list", action="store_true", help="say what there is, and whether it fits the code")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    asked = parser.parse_args()
    words = asked.only.split(",") if asked.only else [""]
    chosen = [mutant for mutant in MUTANTS if any(word in mutant.name for word in words)]
    if asked.list:
        for mutant in chosen:
            place = place_of(mutant, ROOT)
            print(f"{place.stem if place else 'STALE':14} {mutant.name}")
        return 0
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        folder = Path(scratch).resolve()
        copied(folder)
        if asked.only is None:
            sound = outcome(folder, tuple(dict.fromkeys(test for m in chosen for test in m.tests)))
            if sound != "passed":
                print(f"the suite fails without any mutant: {sound}", file=sys.stderr)
                return 2
        for mutant in chosen:
            begun = time.monotonic()
            found[mutant.name] = said = tried(mutant, folder)
            verdict = {"passed": "SURVIVED", "stale": "STALE"}.get(said, "killed")
            if not asked.json:
                how = "" if verdict != "killed" else f" ← {said}"
                print(f"{verdict:9} {time.monotonic() - begun:5.1f} s  {mutant.name}{how}", flush=True)
    killed = [name for name, said in found.items() if said not in {"passed", "stale"}]
    rate = len(killed) / len(found) if found else 1.0
    if asked.json:
        print(json.dumps({"mutants": found, "killed": len(killed), "of": len(found), "rate": rate}, indent=1))
    else:
        hangs = sum(said == "hang" for said in found.values())
        print(f"{len(killed)} of {len(found)} killed ({rate:.0%}), {hangs} of them by a hang")
    return 0 if rate >= 0.9 else 1


if __name__ == "__main__":
    sys.exit(main())
