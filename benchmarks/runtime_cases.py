"""What a runtime costs beside the microseconds of a node: latency, memory, failures, features, processes.

Each measure takes engines that are prepared already, in turn with the others, and returns rows.
"""

from __future__ import annotations

import gc
import statistics
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.runtime_engines import ENGINES, plan_of
from makespan import DAG
from makespan.testing import dag_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.runtime_peers import Edges, Function, Run
    from makespan.describing.options import Mode

    Row = dict[str, Any]
    Say = Callable[[str], None]

CALL: Edges = [[], [0], [0], [1], [1, 2], [2], [3], [4], [5], [6, 7], [8], [9, 10]]
"""The small DAG of a service."""
CHAIN_BYTES = 10_000_000


def nothing(*_: Any) -> int:
    """Do nothing: the node of most cases."""
    return 1


def prepared(
    preds: Edges, threads: int, function: Function, engines: Sequence[str], stack: ExitStack, say: Say
) -> dict[str, Run]:
    """Prepare engines; what is not installed or too slow for so many nodes is named and left out."""
    found: dict[str, Run] = {}
    for name in engines:
        engine = ENGINES[name]
        if len(preds) > engine.most or (engine.sequential and threads > 1):
            continue
        try:
            found[name] = engine.prepare(preds, threads, function, stack)
        except ImportError as error:
            say(f"{name} is not installed and is left out ({error})")
        except ValueError:  # not a chain
            continue
    return found


def latency(engines: Sequence[str], threads: int, clients: int, seconds: float, say: Say) -> list[Row]:
    """Call a DAG of 12 nodes again and again from one or several threads: percentiles and calls a second."""
    rows = []
    with ExitStack() as stack:
        engines = [name for name in engines if clients == 1 or ENGINES[name].shared]
        runs = prepared(CALL, threads, nothing, engines, stack, say)
        took: dict[str, list[float]] = {name: [] for name in runs}
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(5):
            for name, run in runs.items():
                run()
                calls, wall_s = _hammered(run, clients, seconds / 5)
                took[name] += calls
                rates[name].append(len(calls) / wall_s)
        for name, calls in took.items():
            calls.sort()
            rows.append(
                {
                    "case": "call",
                    "n": len(CALL),
                    "threads": threads,
                    "engine": name,
                    "clients": clients,
                    "p50_us": round(calls[len(calls) // 2] * 1e6, 2),
                    "p99_us": round(calls[int(len(calls) * 0.99)] * 1e6, 2),
                    "calls_per_s": round(statistics.median(rates[name])),
                    "us_per_node": round(calls[len(calls) // 2] / len(CALL) * 1e6, 3),
                }
            )
    return rows


def _hammered(run: Run, clients: int, seconds: float) -> tuple[list[float], float]:
    """Return the seconds of each call, and those of all together."""
    found: list[list[float]] = [[] for _ in range(clients)]

    def call(mine: list[float]) -> None:
        clock, end = time.perf_counter, time.perf_counter() + seconds
        begun = clock()
        while begun < end:
            run()
            now = clock()
            mine.append(now - begun)
            begun = now

    threads = [threading.Thread(target=call, args=(mine,)) for mine in found[1:]]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    call(found[0])
    for thread in threads:
        thread.join()
    return [each for mine in found for each in mine], time.perf_counter() - begun


def memory(engines: Sequence[str], threads: int, say: Say) -> list[Row]:
    """Run a chain of 50 nodes that return 10 MB each: how many arrays are alive at most."""
    alive = most = 0

    class Array(bytearray):
        """Ten megabytes that say when they go."""

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def make(*_: Any) -> Array:
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        return Array(CHAIN_BYTES)

    preds: Edges = [[], *([i] for i in range(49))]
    rows = []
    with ExitStack() as stack:
        for name, run in prepared(preds, threads, make, engines, stack, say).items():
            gc.collect()
            most = alive
            run()
            rows.append({"case": "memory", "n": 50, "threads": threads, "engine": name, "live_arrays": most})
    return rows


def errors(engines: Sequence[str], threads: int, repeats: int, say: Say) -> list[Row]:
    """From a node's raise to the caller's except: beside a node of 50 ms, and before 1,000 queued ones."""
    raised_at = 0.0
    count = 0

    def beside(*_: Any) -> int:
        nonlocal raised_at, count
        count += 1
        if count % 2:
            time.sleep(0.05)
            return 1
        raised_at = time.perf_counter()
        raise ArithmeticError

    def before(*_: Any) -> int:
        nonlocal raised_at, count
        count += 1
        if count == 1:
            raised_at = time.perf_counter()
            raise ArithmeticError
        return 1

    rows = []
    for case, preds, function in (
        ("error beside", [[], [], [0, 1]], beside),
        ("error queued", [[] for _ in range(1000)], before),
    ):
        with ExitStack() as stack:
            for name, run in prepared(preds, threads, function, engines, stack, say).items():
                late: list[float] = []
                for _ in range(repeats):
                    count = 0
                    try:
                        run()
                    except Exception:  # peers wrap it
                        late.append(time.perf_counter() - raised_at)
                if late:
                    us = round(statistics.median(late) * 1e6, 1)
                    rows.append(
                        {"case": case, "n": len(preds), "threads": threads, "engine": name, "error_us": us}
                    )
    return rows


def features(threads: int, repeats: int) -> list[Row]:
    """Give one node of 1,000 a feature: what the other 999 pay for it."""
    n = 1000
    preds: Edges = [[], *([i // 2] for i in range(n - 1))]
    variants: dict[str, dict[str, Any]] = {
        "none": {},
        "lock": {"lock": "a"},
        "retries": {"retries": 1},
        "cache": {"cache": lambda *_: 0},
        "timeout": {"timeout_s": 1000.0},
    }
    runs: dict[str, Any] = {}
    for name, options in variants.items():
        made: DAG[..., Any] = DAG("features")
        found: list[Any] = []
        for i, some in enumerate(preds):
            its = options if i == n // 2 else {}
            found.append(made.add(nothing, *[found[p] for p in some], name=f"n{i}", **its))
        runs[name] = made.prepare(plan_of_locks(made, threads))
    took: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats * 3 + 2):
        for name, run in runs.items():
            begun = time.perf_counter()
            run()
            if repeat > 1:
                took[name].append(time.perf_counter() - begun)
    return [
        {
            "case": "feature",
            "n": n,
            "threads": threads,
            "engine": f"makespan + {name}",
            "us_per_node": round(statistics.median(each) / n * 1e6, 3),
        }
        for name, each in took.items()
    ]


def plan_of_locks(made: DAG[..., Any], threads: int) -> Any:
    """Return a plan in which every node is worth a hand-off, with the DAG's own locks."""
    import msgspec

    plan = plan_of(made, threads, duration_s=1e-3)
    locks = {name: node.options.locks for name, node in made.nodes.items()}
    nodes = tuple(msgspec.structs.replace(node, locks=locks[node.name]) for node in plan.nodes)
    return msgspec.structs.replace(plan, nodes=nodes)


def sleeping(threads: int) -> list[Row]:
    """Profile, optimize and run 60 nodes that sleep 2 to 20 ms: executed beside planned."""
    from makespan.testing import random_edges
    from makespan_optimizer.measure.isolate import profile
    from makespan_optimizer.optimize import optimize

    def sleeper(i: int) -> Callable[..., None]:
        return lambda *_: time.sleep(0.002 + (i * 7919 % 19) * 0.001)

    made = dag_of(random_edges(60, 1.5, seed=3), sleeper)
    plan = optimize(profile(made, (), {}, runs=3, sampler="clocks"), threads=threads)
    fast = made.prepare(plan)
    executed_s = statistics.median(fast.run().makespan_s for _ in range(5))
    return [
        {
            "case": "sleeping",
            "n": 60,
            "threads": threads,
            "engine": "makespan",
            "planned_s": round(plan.makespan_s, 4),
            "executed_s": round(executed_s, 4),
            "ratio": round(executed_s / plan.makespan_s, 4),
        }
    ]


def burn(n: int) -> int:
    """Hold the GIL for a while."""
    total = 0
    for i in range(n):
        total += i * i % 7
    return total


def processes(repeats: int) -> list[Row]:
    """Run two pure-Python nodes of about 500 ms beside each other: in threads, in worker processes."""
    begun = time.perf_counter()
    burn(1_000_000)
    size = round(0.5 / (time.perf_counter() - begun) * 1_000_000)
    modes: tuple[Mode, ...] = ("thread", "process")
    seconds: dict[str, list[float]] = {mode: [] for mode in modes}
    fast: dict[str, Any] = {}
    for mode in modes:
        made: DAG[..., Any] = DAG(mode)
        for i in range(2):
            made.add(burn, size, name=f"burn_{i}", mode=mode)
        fast[mode] = made.prepare(threads=2)
        fast[mode]()  # workers start once
    for _ in range(repeats):
        for name, run in fast.items():
            begun = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begun)
    thread_s = statistics.median(seconds["thread"])
    rows = []
    for name, took in seconds.items():
        wall_s = statistics.median(took)
        rows.append(
            {
                "case": "processes",
                "n": 2,
                "threads": 2,
                "engine": f"makespan {name}",
                "executed_s": round(wall_s, 4),
                "ratio": round(wall_s / thread_s, 4),
            }
        )
    return rows
