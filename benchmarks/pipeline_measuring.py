"""Measure one pipeline: three stages, three processes, turns in drawn order, bad repeats done again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from benchmarks.pipeline_engines import PEERS
from benchmarks.pipeline_processes import ChildError, LostChildError, PipelineProcess
from benchmarks.pipeline_rows import DEFAULT, OURS, PLANNED, TUNED, Promise, Row, Sample, Way, rows_of
from benchmarks.pipeline_stages import contenders, every, finalists, turn_of, typical, worth
from makespan_optimizer.measure.load import LOAD_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_AGAIN = 2  # times that a run beside others' load is repeated, at most
_AGAIN_SHARE = 0.5  # of all runs of a stage, at most
_PATIENCE = 40  # times a run of one node after the other, at least a minute: then it hangs
_SLOW = 3.0  # times the best: repeated less often where time is short
_IN_VAIN = 5  # times that no repeat was quiet: others are here to stay
_FEW = 5  # repeats that an interval needs


class Asked(NamedTuple):
    """What the command line says."""

    threads: tuple[int, ...] = tuple(range(1, 9))
    repeats: int = 10
    orders: int = 3
    profile_runs: int = 5
    trials_limit_s: float = 20.0
    plan_limit_s: float = 3.0
    tune_limit_s: float = 60.0


class Measuring:
    """One pipeline, being measured.

    Parameters
    ----------
    name, file
        The pipeline.
    asked : Asked
    folder : path
        Where plans are kept meanwhile.
    until_s : float
        The moment of `time.monotonic` at which it should be over.
    say, changed : callable
        Told in words what goes on; told that there are new samples.
    """

    def __init__(
        self,
        name: str,
        file: Path,
        asked: Asked,
        folder: Path,
        until_s: float,
        say: Callable[[str], object],
        changed: Callable[[Measuring], object],
    ) -> None:
        self.name, self.file, self.asked = name, file, asked
        self.samples: list[Sample] = []
        self.promises: dict[Way, Promise] = {}
        self.failed: dict[Way, str] = {}
        self.notes: list[str] = []
        self.facts: dict[str, Any] = {}
        self._bounds_s: list[float] = []
        self._plans: dict[Way, str] = {}
        self._folder = folder
        self._began_s = self._planned_s = time.monotonic()
        self._until_s = until_s
        self._say = say
        self._changed = changed
        self._children: dict[str, PipelineProcess] = {}
        self._patience_s = 600.0
        self._again = self._in_vain = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for child in self._children.values():
            child.close(kindly=kind is None)

    @property
    def bound_s(self) -> float | None:
        """The smallest of all plans' lower bounds."""
        return min(self._bounds_s, default=None)

    def rows(self) -> list[Row]:
        """Return what is known so far."""
        return rows_of(self.name, self.samples, self.promises, self.failed, self.bound_s)

    def measure(self) -> None:
        """Do everything.

        Raises
        ------
        ChildError
            The pipeline itself does not work.
        """
        for role in ("makespan", "one", "default"):
            self._tell(f"setting up ({role})")
            self.facts = self._open(role)
        self._patience_s = max(60.0, _PATIENCE * self.facts["sequential_s"])
        self._plan()
        self._planned_s = time.monotonic()
        self._explore()
        self._compare()
        self._finals()
        self._tell("done")

    def _open(self, role: str) -> dict[str, Any]:
        """Start a process and set up the pipeline in it; `role` says what runs there."""
        self._children[role] = PipelineProcess(self.name, self.file, "one" if role == "one" else "default")
        return self._children[role].ask("start", self._patience_s)

    def _plan(self) -> None:
        """Profile, plan for each budget, tune. What fails is told, and the rest goes on."""
        child, asked = self._children["makespan"], self.asked
        cores = max(1, round(self.facts["cores"]))
        whole_s = self._until_s - self._began_s
        trials_s = min(asked.trials_limit_s, 0.1 * whole_s)
        try:
            self._tell(f"profiling {self.facts['nodes']} nodes")
            child.ask("profile", 3600, runs=asked.profile_runs, trials_limit_s=trials_s)
        except ChildError as error:
            self.notes.append(f"{self.name}: no profile, no plan: {error}")
            if isinstance(error, LostChildError):
                self._reopen("makespan")
            return
        plain: dict[str, Any] = {"processes": 0, "native_threads": False}
        every_mode: dict[str, Any] = {"processes": cores, "native_threads": True}
        ways: list[tuple[Way, int | None, dict[str, Any]]]
        ways = [(Way(PLANNED, k, "planned"), k, every_mode) for k in asked.threads]
        ways.append((Way(PLANNED, max(2, cores), "planned", default=True), None, plain))
        for way, threads, modes in ways:
            self._tell(way.text())
            limit_s = min(asked.plan_limit_s, 0.1 * whole_s / len(ways))
            self._promise(way, "optimize", threads=threads, time_limit_s=limit_s, **modes)
        tune_s = min(asked.tune_limit_s, 0.2 * whole_s)
        self._tell(f"tuning, for {tune_s:.0f} s at most")
        self._promise(
            Way(TUNED, max(asked.threads), "planned", default=True),
            "tune",
            threads=max(asked.threads),
            time_limit_s=tune_s,
        )

    def _promise(self, way: Way, do: str, **options: Any) -> None:
        file = str(
            self._folder / f"{self.name}-{way.engine}-{way.threads}-{way.default}.json".replace(" ", "-")
        )
        try:
            found = self._children["makespan"].ask(do, 3600, file=file, **options)
        except ChildError as error:
            self.failed[way] = str(error)
            self.notes.append(f"{self.name}: {way.text()}: {error}")
            if isinstance(error, LostChildError):
                self._reopen("makespan")
            return
        if do == "tune":
            way = msgspec.structs.replace(way, threads=found["threads"])
        self._plans[way] = file
        self._bounds_s.append(found["bound_s"])
        self.promises[way] = Promise(found["predicted_s"], found["way"])
        if way.engine == PLANNED:
            plain = Way(DEFAULT, way.threads, "default", default=way.default)
            self.promises[plain] = Promise(found["default_predicted_s"], "")

    def _reopen(self, role: str) -> None:
        self._children.pop(role).close(kindly=False)
        self._open(role)

    def _explore(self) -> None:
        """Stage 1: every setting once."""
        threaded = {name: PEERS[name].threads for name in self.facts["defaults"]}
        cores = max(1, round(self.facts["cores"]))
        ways = every(self.facts["defaults"], threaded, self.asked.threads, cores) + list(self._plans)
        known: dict[Way, float] = {}
        self._may_repeat(len(ways))
        late = left_out = 0
        for number, way in enumerate(ways):
            planned = way.engine in (PLANNED, TUNED)
            if not planned and not worth(way, known, self.asked.threads, cores):
                left_out += 1
            elif not planned and self._short_of(0.35) and sum(it.engine == way.engine for it in known) > 2:
                late += 1
            else:
                self._tell(f"1 of 3, {number + 1} of {len(ways)}: {way.text()}")
                known |= self._quietly(way, stage=1, turn=0)
        for count, why in ((left_out, "are surely not the best"), (late, "were not tried for want of time")):
            if count:
                self.notes.append(f"{self.name}: {count} of {len(ways)} ways {why}")
        self._changed(self)

    def _compare(self) -> None:
        """Stage 2: the best of each engine, and all orders, twice."""
        ways = contenders(self.samples, self.asked.orders)
        known = typical(self.samples)
        plan = min((way for way in known if way.engine == PLANNED), key=known.__getitem__, default=None)
        self._may_repeat(2 * len(ways))
        for turn in range(2):
            if turn:  # of plans that only show their prediction, the run of stage 1 is the other one
                ways = [way for way in ways if way.engine != PLANNED or way.order or way == plan]
            for number, way in enumerate(ways if turn % 2 == 0 else ways[::-1]):
                if self._short_of(0.5) and (turn or way.order or way.engine not in OURS):
                    continue
                self._tell(f"2 of 3, turn {turn + 1} of 2, {number + 1} of {len(ways)}: {way.text()}")
                self._quietly(way, stage=2, turn=turn)
        self._changed(self)

    def _finals(self) -> None:
        """Stage 3: finals, in turns of drawn order."""
        ways = finalists(self.samples)
        known = typical(self.samples)
        best_s = min((known[way] for way in ways), default=0.0)
        self._may_repeat(len(ways) * self.asked.repeats)
        for turn in range(self.asked.repeats):
            if turn and self._short_of(1.0):
                self.notes.append(f"{self.name}: {turn} turns of {self.asked.repeats}, for want of time")
                break
            rest_s = sum(known[way] for way in ways) * (self.asked.repeats - turn)
            hurry = turn >= _FEW and time.monotonic() + rest_s > self._until_s
            for way in turn_of(ways, turn):
                if not (hurry and known[way] > _SLOW * best_s):
                    self._tell(f"3 of 3, turn {turn + 1} of {self.asked.repeats}: {way.text()}")
                    self._quietly(way, stage=3, turn=turn)
            self._changed(self)

    def _may_repeat(self, runs: int) -> None:
        """Allow a share of a stage's runs to be done again."""
        self._again, self._in_vain = int(_AGAIN_SHARE * runs), 0

    def _quietly(self, way: Way, stage: int, turn: int) -> dict[Way, float]:
        """Run until others leave the cores alone, within limits; keep the quietest run."""
        tries: list[Sample] = []
        for _ in range(1 + min(_AGAIN, self._again)):
            before = len(self.samples)
            self._run(way, stage, turn)
            tries += self.samples[before:]
            del self.samples[before:]
            if not tries or (tries[-1].load or 0.0) <= LOAD_LIMIT:
                break
        if way in self.failed or not tries:
            return {}
        quietest = min(tries, key=lambda its: its.load or 0.0)
        self.samples.append(quietest)
        self._again -= len(tries) - 1
        if len(tries) > 1:
            self._in_vain = 0 if (quietest.load or 0.0) <= LOAD_LIMIT else self._in_vain + 1
            if self._in_vain == _IN_VAIN:
                self._again = 0
                self.notes.append(
                    f"{self.name}: others never left the cores alone: runs were kept as they are"
                )
        return {way: quietest.seconds}

    def _run(self, way: Way, stage: int, turn: int) -> None:
        if way in self.failed:
            return
        role = "makespan" if way.engine in OURS else way.native
        written = msgspec.structs.replace(way, order=0)
        told: dict[str, Any] = {
            "engine": way.engine,
            "threads": None if way.default else way.threads,
            "order": way.order,
            "plan": self._plans.get(written),
            "warm": stage > 1 or way.engine in OURS,
        }
        try:
            found = self._children[role].ask("run", self._patience_s, **told)
        except ChildError as error:
            self.failed[way] = str(error)
            self.notes.append(f"{self.name}: {way.text()}: {error}")
            self.samples = [its for its in self.samples if its.way != way]
            if isinstance(error, LostChildError):
                self._reopen(role)
            return
        self.samples.append(Sample(way, stage, turn, found["seconds"], found["load"]))

    def _short_of(self, share: float) -> bool:
        """Say whether so much of the time for runs is used up."""
        return time.monotonic() > self._planned_s + share * (self._until_s - self._planned_s)

    def _tell(self, text: str) -> None:
        self._say(f"{time.monotonic() - self._began_s:4.0f} s  {self.name}: {text}")
