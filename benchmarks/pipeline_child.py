"""The process that runs one pipeline for ``pipelines.py``, with one setting of native threads.

Libraries read ``OMP_NUM_THREADS`` and its like when they are loaded: so each setting has a process of its
own, and so has makespan, which changes such settings while it runs. The parent says what to run next, a line
of JSON each time, and gets seconds back. What the pipeline prints goes to standard error.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.pipeline_engines import PEERS, default_threads, sequential, usable_peers, work_of
from benchmarks.pipeline_modules import load_module, pipeline_of
from benchmarks.pipeline_nodes import Reading
from benchmarks.pipeline_orders import as_dag, order_of
from makespan.errors import MakespanError
from makespan.machine import this_machine
from makespan_optimizer.measure.load import ForeignLoad

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from benchmarks.pipeline_nodes import Pipeline
    from makespan import DAG, Plan, Profile

_WARM_UPS = 3  # each way has run some times before the runs that count
_KEPT = 24  # prepared ways to run, each with a pool: the oldest goes first


class Child:
    """A pipeline that is loaded and set up, and everything that runs it."""

    def __init__(self, name: str, file: Path, *, one_native: bool) -> None:
        self.name, self.file, self.one_native = name, file, one_native
        self._ready: dict[str, tuple[Callable[[], Mapping[str, Any]], ExitStack]] = {}
        self._dags: dict[int, DAG[..., Any]] = {}
        self._profile: Profile | None = None
        self._wanted: set[str] = set()
        self._set_up = False
        self.module = load_module(name, file)
        self.pipeline: Pipeline

    def start(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Set up; run once, one node after the other, and see what the check reads."""
        self._set_up = True
        self.module.setup()
        self.pipeline = pipeline_of(self.name, self.module, self.file)
        self._narrow()
        run = sequential(work_of(self.pipeline, self._order(0)), None, ExitStack())
        results = Reading(run())
        self.pipeline.check(results)
        self._wanted = results.read & set(self.pipeline.nodes) or set(self.pipeline.nodes)
        self._narrow()  # libraries that were loaded by nodes
        del results
        gc.collect()
        gc.freeze()  # what is there for good is not looked at before each run
        began_s = time.perf_counter()
        run()
        peers = usable_peers(grouped=bool(self.pipeline.groups))
        return {
            "nodes": len(self.pipeline.nodes),
            "sequential_s": time.perf_counter() - began_s,
            "peers": peers,
            "defaults": {
                name: default_threads(name) if PEERS[name].default else None
                for name, lacks in peers.items()
                if not lacks
            },
            "cores": this_machine().cores,
            "cpu": this_machine().cpu,
            "python": this_machine().python,
        }

    def run(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Run once in the way that is asked for, and check what came; the check is not timed."""
        key = json.dumps([asked[part] for part in ("engine", "threads", "order", "plan")])
        known = self._ready.get(key)
        if known is None:
            while len(self._ready) >= _KEPT:
                self._ready.pop(next(iter(self._ready)))[1].close()
            stack = ExitStack()
            known = self._prepared(asked, stack), stack
            if asked.get("warm"):
                known[0]()
        self._ready.pop(key, None)
        self._ready[key] = known  # the newest is the last
        gc.collect()
        load = ForeignLoad()
        began_s = time.perf_counter()
        results = known[0]()
        seconds = time.perf_counter() - began_s
        share = load.share()
        self.pipeline.check(dict(results))
        return {"seconds": seconds, "load": share}

    def profile(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Profile the DAG in the order as written, in a process as warm as that in which it will be timed."""
        self._profile = self._dag(0).profile(
            *self.pipeline.args,
            runs=asked["runs"],
            warm_ups=_WARM_UPS,
            trials_limit_s=asked["trials_limit_s"],
        )
        return {}

    def optimize(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Compute a plan from the profile, and write it to a file."""
        assert self._profile is not None
        options = {"processes": asked["processes"], "native_threads": asked["native_threads"]}
        plan = self._profile.optimize(
            threads=asked["threads"], time_limit_s=asked["time_limit_s"], what_if=[], **options
        )
        return _written(plan, asked["file"])

    def tune(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Let makespan find its own best way, by races of its own."""
        plan = self._dag(0).tune(
            *self.pipeline.args,
            threads=asked["threads"],
            time_limit_s=asked["time_limit_s"],
            profile=self._profile,
        )
        return _written(plan, asked["file"])

    def end(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Close pools, and tear down."""
        for _run, stack in self._ready.values():
            stack.close()
        if self._set_up:
            getattr(self.module, "teardown", lambda: None)()
        return {}

    def _prepared(self, asked: Mapping[str, Any], stack: ExitStack) -> Callable[[], Mapping[str, Any]]:
        engine, threads, plan = asked["engine"], asked["threads"], asked["plan"]
        if engine in PEERS:
            return PEERS[engine].prepare(work_of(self.pipeline, self._order(asked["order"])), threads, stack)
        dag = self._dag(asked["order"])
        prepared = dag.prepare(plan=plan) if plan else dag.prepare(threads=threads)
        return lambda: prepared(*self.pipeline.args)

    def _order(self, order: int) -> list[str]:
        return order_of({name: deps for name, (_, deps) in self.pipeline.nodes.items()}, order)

    def _dag(self, order: int) -> DAG[..., Any]:
        if order not in self._dags:
            self._dags[order] = as_dag(self.pipeline, self._order(order), self._wanted)
        return self._dags[order]

    def _narrow(self) -> None:
        """Give one thread to the native libraries that read no environment variable."""
        if self.one_native:
            from makespan.around.native_pools import loaded_pools

            for pool in loaded_pools()[0]:
                pool.set(1)


def _written(plan: Plan, file: str) -> dict[str, Any]:
    plan.save(file, force=True)
    return {
        "plan": file,
        "threads": plan.threads,
        "predicted_s": plan.makespan_s,
        "default_predicted_s": plan.default_makespan_s,
        "bound_s": plan.lower_bound_s,
        "clusters": len(plan.clusters),
        "way": plan.evidence.winner if plan.evidence else plan.solver.winner,
    }


def main() -> None:
    """Do what is asked, a line each, until there is nothing more."""
    sys.path.remove(str(Path(__file__).resolve().parent))  # its files would hide a pipeline's own
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # the parent held it back while it started us
    name, file, native = sys.argv[1:4]
    asked_by, answered_to = os.dup(0), os.dup(1)  # these are not inherited
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    child: Child | None = None
    with open(asked_by, encoding="utf-8") as lines, open(answered_to, "w", encoding="utf-8") as out:  # noqa: PTH123
        for line in lines:
            asked = json.loads(line)
            try:
                if child is None:
                    child = Child(name, Path(file), one_native=native == "one")
                answer = {} if asked["do"] == "look" else getattr(child, asked["do"])(asked)
            except ModuleNotFoundError as error:
                answer = {"error": str(error), "lacks": error.name or ""}
            except MakespanError as error:
                answer = {"error": str(error), "kind": "makespan"}
            except Exception as error:
                _say_traceback()
                answer = {"error": f"{type(error).__name__}: {error}", "kind": type(error).__name__}
            out.write(json.dumps(answer) + "\n")
            out.flush()


def _say_traceback() -> None:
    import traceback

    traceback.print_exc()


if __name__ == "__main__":
    main()
