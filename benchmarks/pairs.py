"""What two nodes take that run at the same time: predicted from each alone, beside what they really took.

    python benchmarks/pairs.py                    a table, about five minutes
    python benchmarks/pairs.py --seconds 60       as many pairs as that allows
    python benchmarks/pairs.py --json             profiles, pairs, errors
    python benchmarks/pairs.py --from FILE        predict again from what --json printed; nothing is measured
    python benchmarks/pairs.py --from FILE --fit  the same, with constants chosen by the tuned half

The workloads are those of `workloads.py`. Each is profiled alone by ``DAG.profile``. Then pairs are run for
real: a alone, b alone, both from a common start, in turn, at least five times; medians count, without the
runs whose threads waited markedly longer for a core than those of the quietest one.

Three models of `makespan_optimizer.contention` predict when the later of the two ends: *none* (they do not
disturb each other), *sharing* (GIL and cores are shared without loss, `fluid`), *events* (`together`).
Every pair belongs to one of two halves by a hash of its names. Constants of a model may be chosen by the half
"tuned"; the half "held out" says how good it is. What is predicted is how much longer than alone: the
profile's seconds are scaled to what the workload took alone beside this very pair, so that a machine that
became slower meanwhile is not held against a model; the column "as profiled" goes without that.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import statistics
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from makespan import DAG, OptionError
from makespan_optimizer.measure.clocks import Stopwatch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.predictions import Constants, Measured, Session, fitted, overall, table
from benchmarks.workloads import missing, prepared, workloads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LEAST_REPEATS = 5
_QUIET = 0.03  # of the time; more delay than in the quietest run: other processes were at work
_PATIENCE_S = 2.0
_CALM = 3  # looks, 5 ms apart
_MOST_TIMES = 3  # as many repeats as asked for, until so many were quiet


class Run(NamedTuple):
    """One run: seconds to each end, and the share of time for which threads waited for a core."""

    ends_s: list[float]
    delayed: float


class Runner:
    """Two threads that begin at one moment; the first has the GIL, as in a run that starts nodes."""

    def __init__(self) -> None:
        self._starts = [threading.Semaphore(0), threading.Semaphore(0)]
        self._done = threading.Semaphore(0)
        self._fns: list[Callable[[], Any] | None] = [None, None]
        self._ends = [0.0, 0.0]
        self._delays_s = [0.0, 0.0]
        self._errors: list[BaseException] = []
        self._pair = False
        for i in range(2):
            threading.Thread(target=self._work, args=(i,), daemon=True).start()

    def _work(self, i: int) -> None:
        with Stopwatch() as watch:
            while True:
                self._starts[i].acquire()
                fn = self._fns[i]
                if fn is None:
                    return
                began = watch.begin()
                if i == 0 and self._pair:
                    self._starts[1].release()  # it is awake at once, and gets the GIL when this one gives way
                try:
                    fn()
                except BaseException as error:
                    self._errors.append(error)
                self._ends[i] = time.perf_counter()
                self._delays_s[i] = watch.end(began).run_delay_s
                self._done.release()

    def run(self, *fns: Callable[[], Any]) -> Run:
        """Call one or two functions together, when nobody else is at work."""
        k = len(fns)
        self._fns[:k] = fns
        gc.collect()
        wait_for_idle()
        began = time.perf_counter()
        self._pair = k > 1
        self._starts[0].release()
        for _ in fns:
            self._done.acquire()
        if self._errors:
            raise self._errors[0]
        ends_s = [end - began for end in self._ends[:k]]
        return Run(ends_s, sum(self._delays_s[:k]) / max(ends_s))

    def close(self) -> None:
        """End the threads."""
        self._fns = [None, None]
        for start in self._starts:
            start.release()


def wait_for_idle() -> None:
    """Wait, but not for long, until no other thread on this machine wants a core; Linux alone says so."""
    until = time.perf_counter() + _PATIENCE_S
    calm = 0
    while calm < _CALM and time.perf_counter() < until:
        try:
            with open("/proc/stat", encoding="ascii") as file:  # noqa: PTH123
                calm = calm + 1 if "procs_running 1\n" in file else 0
        except OSError:
            return
        if calm < _CALM:
            time.sleep(0.005)


def quiet(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that were delayed hardly more than the least delayed one."""
    least = min(run.delayed for run in runs)
    return [run for run in runs if run.delayed <= least + _QUIET]


def run_pair(
    runner: Runner, names: tuple[str, str], fns: tuple[Callable[[], Any], Callable[[], Any]], repeats: int
) -> Measured:
    """Run a pair for real, alone and together in turn, until enough runs of each kind were quiet."""
    kinds: list[tuple[Callable[[], Any], ...]] = [fns[:1], fns[1:], fns]
    found: list[list[Run]] = [[], [], []]
    for fn in kinds:
        runner.run(*fn)  # warms up
    for _ in range(_MOST_TIMES * repeats):
        for runs, fn in zip(found, kinds, strict=True):
            runs.append(runner.run(*fn))
        if min(len(quiet(runs)) for runs in found) >= repeats:
            break
    (a_s,), (b_s,), both_s = (
        [statistics.median(column) for column in zip(*(run.ends_s for run in quiet(runs)), strict=True)]
        for runs in found
    )
    ends = [max(run.ends_s) for run in quiet(found[2])]
    return Measured(
        names,
        (a_s, b_s),
        (both_s[0], both_s[1]),
        statistics.pstdev(ends) / statistics.fmean(ends),
        len(ends),
    )


def measure(wanted: Sequence[str], repeats: int, seconds: float, say: Callable[[str], None]) -> Session:
    """Profile each workload alone, then run as many pairs as time allows."""
    began = time.perf_counter()
    with ExitStack() as stack:
        fns: dict[str, list[Callable[[], Any]]] = {}
        for workload in workloads():
            if wanted and workload.name not in wanted:
                continue
            lacks = missing(workload)
            if lacks:
                say(f"{workload.name} needs {', '.join(lacks)} and is left out")
                continue
            say(f"preparing {workload.name}")
            ready = stack.enter_context(prepared(workload))
            twin = workload.setup(ready.size, stack)  # beside itself it needs inputs of its own
            fns[workload.name] = [ready.fn, twin]
        profile = _profile({name: both[0] for name, both in fns.items()}, say)
        pairs = [(a, b) for i, a in enumerate(fns) for b in list(fns)[i:]]
        pairs.sort(key=lambda names: hashlib.sha256(f"order {names}".encode()).digest())
        runner = Runner()
        stack.callback(runner.close)
        measured: list[Measured] = []
        for names in pairs:
            if time.perf_counter() - began > seconds:
                say(f"{len(measured)} of {len(pairs)} pairs in the time given")
                break
            a, b = names
            say(f"{len(measured) + 1} of {len(pairs)}: {a} beside {b}")
            measured.append(run_pair(runner, names, (fns[a][0], fns[b][1]), repeats))
    run = profile.runs[-1]
    return Session(
        cores=profile.machine.cores,
        hand_off_s=run.calibration.get("hand_off_s", 50e-6),
        switch_interval_s=profile.machine.switch_interval_s,
        python=profile.machine.python,
        nodes=tuple(msgspec.structs.replace(node, calls=()) for node in profile.nodes),
        pairs=tuple(measured),
    )


def _profile(fns: Mapping[str, Callable[[], Any]], say: Callable[[str], None]) -> Any:
    made = DAG("workloads")
    made.returns([made.add(fn, name=name) for name, fn in fns.items()])
    return made.profile(
        runs=LEAST_REPEATS,
        trials=False,
        pickling=False,
        progress=lambda done, total, name: say(f"{done}/{total} {name}"),
    )


def read_session(path: str) -> Session:
    """Read what ``--json`` printed.

    Raises
    ------
    OptionError
        The file cannot be read, or is another one.
    """
    try:
        found = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise OptionError(f"cannot be read: {error.strerror or error}", where=path) from error
    except (ValueError, RecursionError) as error:
        raise OptionError(f"is not JSON: {error}", where=path) from error
    try:
        session = msgspec.convert(found["session"] if isinstance(found, dict) else found, Session)
    except (KeyError, msgspec.ValidationError) as error:
        raise OptionError(f"is not what --json prints here: {error}", where=path) from error
    unknown = {name for pair in session.pairs for name in pair.names} - {node.name for node in session.nodes}
    if unknown:
        raise OptionError(f"tells nothing of {', '.join(sorted(unknown))} alone", where=path)
    return session


def main() -> None:
    """Parse the command line, measure or read, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", default="", help="names, comma-separated; all by default")
    parser.add_argument("--repeats", type=int, default=LEAST_REPEATS)
    parser.add_argument("--seconds", type=float, default=300.0, help="begin no pair after so many")
    parser.add_argument("--json", action="store_true", help="print what was measured, and the errors")
    parser.add_argument("--from", dest="file", help="a file that --json printed")
    parser.add_argument("--fit", action="store_true", help="choose the constants by the tuned half")
    options = parser.parse_args()
    known = {workload.name for workload in workloads()}
    wanted = [name for name in options.workloads.split(",") if name]
    if not set(wanted) <= known:
        parser.error(f"workloads are {', '.join(sorted(known))}")
    if options.repeats < LEAST_REPEATS:
        parser.error(f"at least {LEAST_REPEATS} repeats")
    if options.file:
        try:
            session = read_session(options.file)
        except OptionError as error:
            parser.error(f"--from {error}")
    else:
        session = measure(
            wanted, options.repeats, options.seconds, lambda text: print(text, file=sys.stderr, flush=True)
        )
    constants = fitted(session) if options.fit else Constants(session.hand_off_s)
    if options.json:
        found = {
            "session": msgspec.to_builtins(session),
            "constants": constants._asdict(),
            "errors": overall(session, constants),
        }
        print(json.dumps(found, indent=1))
    else:
        print(table(session, constants))
        print("constants:", ", ".join(f"{name} {value:g}" for name, value in constants._asdict().items()))


if __name__ == "__main__":
    main()
