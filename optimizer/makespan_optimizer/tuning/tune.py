"""Tune: profile, plan, race, learn where the model was wrong, race on; the fastest is the plan.

::

    profile ─▶ ways ─▶ race ──────────────▶ race on ─▶ plan with evidence
                         └▶ misjudged ─▶ measured again ─▶ new plans join ┘

The time limit holds for everything. Trials of the profiler, searches and learning have shares of it
(`TRIALS`, `SEARCH`, `LEARN`); what the profile's runs leave belongs to the race. So many ways take part as
can be run `EACH` times in that. At the least the default and one plan are run once.
"""

from __future__ import annotations

import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from makespan.describing.options import check_threads
from makespan.errors import MakespanError, OptionError, ProfileError
from makespan.machine import this_machine, usable_cores
from makespan.plan import DagId
from makespan.preparing.fit import default_threads
from makespan.profile import Profile, load_profile
from makespan.showing.words import plural, some
from makespan_optimizer.measure.inputs import read_inputs
from makespan_optimizer.modes.choose import MOST_PROCESSES
from makespan_optimizer.options import flag, positive, whole
from makespan_optimizer.tuning import state as kept
from makespan_optimizer.tuning.candidates import Way, candidates, planned_again
from makespan_optimizer.tuning.feedback import fed_back, remeasured
from makespan_optimizer.tuning.misjudged import misjudged
from makespan_optimizer.tuning.outcome import evidence_of
from makespan_optimizer.tuning.race import Entrant, Race
from makespan_optimizer.tuning.runner import TWICE, CannotRunError, Runner
from makespan_optimizer.tuning.standing_in import standing_in

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from makespan.graph import DAG
    from makespan.plan import Evidence, Misjudged, Plan
    from makespan_optimizer.measure.inputs import Inputs

TRIALS, SEARCH, LEARN = 0.15, 0.15, 0.12
"""Shares of the time limit: for trials of the profiler, for plans, for each round of feedback."""
EACH = 5
"""So often each way can be run, if all that take part are run to the end."""
LEAST_WAYS, MOST_WAYS = 3, 12
NEWCOMERS = 2  # plans of what was learnt, in each round
_LEARN_AT = 0.45  # of the race's time
_LEARN_TURNS = 3
_LEFT = 0.15  # of the time limit: with less there is no point in learning


class Tuned(NamedTuple):
    """What came of it.

    Attributes
    ----------
    plan : Plan
        The way that won, with its evidence.
    profile : Profile
        With what was learnt on the way.
    evidence : Evidence
        That of the plan.
    interrupted : bool
        Ctrl-C ended the race: the plan is the best so far.
    """

    plan: Plan
    profile: Profile
    evidence: Evidence
    interrupted: bool


def tune(
    dag: DAG[..., Any],
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    threads: int | None = None,
    processes: int | None = None,
    native_threads: bool = True,
    time_limit_s: float = 60.0,
    confidence: float = 0.95,
    profile: Profile | str | os.PathLike[str] | None = None,
    runs: int = 3,
    hints: Mapping[str, Any] | None = None,
    inputs: Any = None,
    setup: Callable[[], Any] | None = None,
    teardown: Callable[[], Any] | None = None,
    state: str | os.PathLike[str] | None = None,
    seed: int = 0,
    rounds_of_feedback: int = 1,
    run_all: bool = False,
    target: str | None = None,
    say: Callable[[str], Any] | None = None,
    progress: Callable[[int, int, str], Any] | None = None,
) -> Tuned:
    """Run a DAG in several ways, in turns, and return the fastest as a plan; see `DAG.tune`.

    Parameters
    ----------
    dag : DAG
    args, kwargs
        Its inputs.
    hints, target
        As of `makespan_optimizer.measure.isolate.profile`.
    run_all : bool
        The race runs nodes under ``profile=False`` too; else they sleep, as long as their hint says.
    say : callable, optional
        Called with a line of prose at each stage.
    progress : callable, optional
        Called as ``progress(done, total, label)``, in hundredths of seconds of the time limit.

    Raises
    ------
    DescribeError, OptionError, ProfileError, MissingExtraError
        Before anything ran.
    Exception
        A node raised: its own exception; the race so far is kept in `state`.
    KeyboardInterrupt
        Ctrl-C before each way was run once. Its attribute `partial` holds the profile, if there is one.
    """
    begun = time.monotonic()
    if threads is not None:
        check_threads(threads)
    if processes is not None:
        whole("processes", processes, 0, MOST_PROCESSES)
    sure = positive("confidence", confidence)
    if sure >= 1:
        raise OptionError(f"must be a number above 0 and below 1, not {confidence!r}", where="confidence")
    options = Options(
        threads,
        _workers() if processes is None else processes,
        flag("native_threads", native_threads),
        positive("time_limit_s", time_limit_s, 1e9),
        sure,
        whole("seed", seed, 0, 2**31 - 1),
        whole("rounds_of_feedback", rounds_of_feedback, 0, 10),
        flag("run_all", run_all),
    )
    whole("runs", runs, 1, 1000)
    given = read_inputs(dag, args, dict(kwargs or {}), inputs, setup=setup, teardown=teardown)
    raced, asleep = (dag, ()) if options.run_all else standing_in(dag, hints)
    tuning = Tuning(dag, raced, given, options, begun, say, progress, setup, teardown, state)
    if asleep:
        tuning.say(f"not run, but slept for as long as was said: {some(asleep, 5)}")
    known = _given(dag, profile)
    if not tuning.resume():
        tuning.begin(known, runs=runs, hints=hints, target=target)
    return tuning.play()


class Options(NamedTuple):
    """Checked options."""

    threads: int | None
    processes: int
    native_threads: bool
    time_limit_s: float
    confidence: float
    seed: int
    rounds: int
    run_all: bool

    def kept(self, sets: int) -> dict[str, float | bool | str | None]:
        """Return what has to be the same for a race to go on."""
        return {
            "threads": self.threads,
            "processes": self.processes,
            "native_threads": self.native_threads,
            "confidence": self.confidence,
            "seed": self.seed,
            "run_all": self.run_all,
            "sets of inputs": sets,
        }


def _workers() -> int:
    return max(1, round(usable_cores())) if find_spec("cloudpickle") is not None else 0


def _given(dag: DAG[..., Any], profile: Any) -> Profile | None:
    """Return a profile that was measured before.

    Raises
    ------
    ProfileError
        It is of another DAG.
    """
    if profile is None:
        return None
    known = profile if isinstance(profile, Profile) else load_profile(profile)
    if known.dag.fingerprint != dag.fingerprint:
        where = "profile" if isinstance(profile, Profile) else str(profile)
        raise ProfileError(
            f"is of another DAG, or of another state of it ({known.dag.name!r})",
            where=where,
            hint="profile again",
        )
    return known


class Tuning:
    """One tuning: the steps in the order in which they are made."""

    def __init__(
        self,
        dag: DAG[..., Any],
        raced: DAG[..., Any],
        inputs: Inputs,
        options: Options,
        begun: float,
        say: Callable[[str], Any] | None,
        progress: Callable[[int, int, str], Any] | None,
        setup: Callable[[], Any] | None,
        teardown: Callable[[], Any] | None,
        state: str | os.PathLike[str] | None,
    ) -> None:
        self.dag = dag
        self.inputs = inputs
        self.options = options
        self.begun = begun
        self.say = say or _silent
        self._progress = progress or _silent
        self._hooks: dict[str, Any] = {"setup": setup, "teardown": teardown}
        self.path = state
        self.runner = Runner(raced, inputs, options.threads)
        self.profile: Profile | None = None
        self.ways: list[Way] = []
        self.race = Race([])
        self.found: tuple[Misjudged, ...] = ()
        self.rounds = 0
        self.before_s = 0.0
        if state is not None:
            kept.ready(state)

    # -- time
    @property
    def left_s(self) -> float:
        """Seconds until the time limit."""
        return self.begun + self.options.time_limit_s - time.monotonic()

    def tell(self, label: str) -> None:
        """Report progress."""
        total = self.options.time_limit_s
        done = min(total, max(0.0, total - self.left_s))
        self._progress(round(100 * done), round(100 * total), label)

    # -- before the race
    def resume(self) -> bool:
        """Go on from a race that is kept; False when there is none."""
        if self.path is None:
            return False
        its = self.options.kept(len(self.inputs))
        found = kept.load(self.path, DagId(self.dag.name, self.dag.fingerprint), its)
        if found is None:
            return False
        self.profile, self.found, self.rounds = found.profile, found.misjudged, found.feedback
        self.before_s = found.used_s
        self.ways = [Way(way.name, way.plan, way.default) for way in found.ways]
        self._line_up()
        number = {way.name: i for i, way in enumerate(self.ways)}
        self.race.restore(
            {number[way.name]: way.first_s for way in found.ways if way.first_s is not None},
            [{number[name]: seconds for name, seconds in turn.items()} for turn in found.turns],
            {number[way.name]: way.left for way in found.ways if way.left},
        )
        self.runner.load.before.extend(found.foreign)
        self.say(f"goes on after {plural(self.race.turns, 'turn')}")
        return True

    def begin(self, known: Profile | None, *, runs: int, hints: Any, target: str | None) -> None:
        """Profile, unless that was done, and choose the ways."""
        limit_s = self.options.time_limit_s
        if known is None:
            self.say(f"profile: one node at a time, once to warm up and {plural(runs, 'time')} to measure")
            self.profile = self._profiled(runs, hints, target)
        else:
            self.profile = known
            for differs in known.machine.differences(this_machine()):
                self.say(f"the profile is of another machine: {differs}")
        self.tell("plans")
        options = self.options
        try:
            self.ways = candidates(
                self.profile,
                default_threads=self.dag.default_threads or default_threads(),
                most_threads=options.threads,
                processes=options.processes,
                native_threads=options.native_threads,
                hints_s=[node.options.hint_s for node in self.dag.nodes.values()],
                seed=options.seed,
                limit_s=max(0.5, min(SEARCH * limit_s, self.left_s / 3)),
                most=MOST_WAYS,
                say=lambda _done, _total, words: self.tell(f"search: {words}"),
            )
        except KeyboardInterrupt as stopped:
            stopped.partial = self.profile  # type: ignore[attr-defined]
            raise
        typical_s = sorted(way.plan.makespan_s for way in self.ways)[len(self.ways) // 2]
        room = int(self.left_s / max(1e-9, EACH * typical_s))
        self.ways = self.ways[: max(LEAST_WAYS, room)]
        self._line_up()
        self.say(f"race: {plural(len(self.ways), 'way')}, within {max(0.0, self.left_s):.0f} s")
        for way in self.ways:
            self.say(f"  {way.name}: {way.plan.makespan_s:.3g} s expected")

    def _profiled(self, runs: int, hints: Any, target: str | None) -> Profile:
        from makespan_optimizer.measure.isolate import profile

        return profile(
            self.dag,
            (),
            {},
            inputs=self._sets,
            hints=hints,
            target=target,
            runs=runs,
            trials_limit_s=TRIALS * self.options.time_limit_s,
            progress=lambda done, total, node: self.tell(f"profile: {node} ({done} of {total})"),
            **self._hooks,
        )

    @property
    def _sets(self) -> list[dict[str, Any]]:
        return [dict(values) for values in self.inputs.sets]

    def _line_up(self) -> None:
        most = len(self.ways) + NEWCOMERS * (self.options.rounds - self.rounds)
        self.race = Race(
            [_entrant(way) for way in self.ways],
            self.options.confidence,
            most_ways=most,
            seed=self.options.seed,
        )

    # -- the race
    def play(self) -> Tuned:
        """Race, learn, race on; Ctrl-C ends it with the best so far."""
        try:
            self._run_all()
        except KeyboardInterrupt as stopped:
            self._save()
            race = self.race
            if not all(i in race.first_s for i in race.live):
                stopped.partial = self.profile  # type: ignore[attr-defined]
                raise
            race.stop("interrupted")
            return self._tuned(interrupted=True)
        except BaseException:
            self._save()
            raise
        self._save()
        self.tell("done")
        return self._tuned(interrupted=False)

    def _run_all(self) -> None:
        race, runner = self.race, self.runner
        began_s, again = self.left_s, 0
        while True:
            if race.between_turns and self._may_learn(began_s):
                self._learn()
            i = race.next(self.left_s)
            if i is None:
                if self._may_learn(began_s):
                    continue
                return
            first = i not in race.first_s
            turns = race.turns
            self.tell(self._label(i, first=first))
            try:
                seconds = runner.run(self.ways[i], turns)
            except CannotRunError as error:
                self.say(f"{self.ways[i].name} cannot be run: {error}")
                race.fail(i, f"it cannot be run: {error}")
                continue
            race.record(i, seconds)
            if race.turns > turns:
                if runner.disturbed() and again < TWICE and self.left_s > 0.3 * began_s:
                    again += 1
                    race.retake()
                    self.say(f"turn {turns + 1} is made again: other processes took the cores")
                else:
                    again = 0
                    self._save()

    def _label(self, i: int, *, first: bool) -> str:
        race = self.race
        what = "first run" if first else f"turn {race.turns + 1}"
        best = ""
        if race.turns:
            its_s, default_s = race.in_common(race.leader)
            best = f"; best {self.ways[race.leader].name}, {_median(its_s):.3g} s"
            best += f" (default {_median(default_s):.3g} s)" if race.leader else ""
        return f"race: {what} of {len(race.live)} ways, {self.ways[i].name}{best}"

    # -- learning
    def _may_learn(self, began_s: float) -> bool:
        if self.rounds >= self.options.rounds or self.left_s < _LEFT * self.options.time_limit_s:
            return False
        late = self.left_s <= began_s * (1 - _LEARN_AT)
        return self.race.turns >= 1 and (self.race.over or (late and self.race.turns >= _LEARN_TURNS))

    def _learn(self) -> None:
        """Measure again what the model had wrong, and let plans of that take part."""
        self.rounds += 1
        assert self.profile is not None
        limit_s = min(LEARN * self.options.time_limit_s, self.left_s / 3)
        best = self.ways[self.race.leader]
        runs = list(self.runner.records.get(best.name, ()))
        others = [
            record
            for name, records in self.runner.records.items()
            if name != best.name
            for record in list(records)[-2:]
        ]
        try:
            found = misjudged(self.profile, best.plan, runs, others=others)
            if not found:
                self.say("the model was right about what decides")
                return
            for its in found:
                self.say(f"{' beside '.join(its.nodes)}: {its.why}")
            before = self.profile
            self.profile = fed_back(
                self.dag,
                (),
                {},
                before,
                found,
                limit_s / 2,
                lambda done, total, words: self.tell(f"measured again: {words} ({done} of {total})"),
                plan=best.plan,
                inputs=self._sets,
                **self._hooks,
            )
            self.found = remeasured(found, before, self.profile)
            if self.profile is before:
                return
            new = planned_again(
                self.profile,
                self._like(),
                seed=self.options.seed,
                limit_s=limit_s / 2,
                native_threads=self.options.native_threads,
            )
        except MakespanError as error:
            self.say(f"nothing was learnt: {error}")
            return
        fresh = [way._replace(name=f"{way.name}, measured again") for way in new[:NEWCOMERS]]
        taken = {way.name for way in self.ways}
        fresh = [way for way in fresh if way.name not in taken]
        if fresh:
            self.ways += fresh
            self.race.join([_entrant(way) for way in fresh])
            for way in fresh:
                self.say(f"  {way.name}: {way.plan.makespan_s:.3g} s expected")

    def _like(self) -> Sequence[Plan]:
        """Return the plans to make anew: the best, and the best of the other kind."""
        order = sorted(range(1, len(self.ways)), key=lambda i: self.race.over_default(i) or 9.9)
        plans = [self.ways[i] for i in order if not self.ways[i].plain]
        unlike = [way for way in plans if bool(way.processes) != bool(plans[0].processes)]
        return [way.plan for way in (*plans[:1], *(unlike or plans[1:])[:1])]

    # -- what is kept
    def _save(self) -> None:
        if self.path is None or self.profile is None:
            return
        race, names = self.race, [way.name for way in self.ways]
        kept.State(
            dag=DagId(self.dag.name, self.dag.fingerprint, self.dag.target),
            machine=this_machine(),
            options=self.options.kept(len(self.inputs)),
            profile=self.profile,
            ways=tuple(
                kept.SavedWay(way.name, way.plan, way.default, race.first_s.get(i), race.left.get(i, ""))
                for i, way in enumerate(self.ways)
            ),
            turns=tuple({names[i]: seconds for i, seconds in turn.items()} for turn in race.turn_s),
            used_s=self._used_s,
            feedback=self.rounds,
            misjudged=self.found,
            foreign=tuple(self.runner.load.before),
        ).save(self.path)

    @property
    def _used_s(self) -> float:
        return round(self.before_s + time.monotonic() - self.begun, 3)

    def _tuned(self, *, interrupted: bool) -> Tuned:
        assert self.profile is not None
        evidence = evidence_of(
            self.race,
            self.ways,
            confidence=self.options.confidence,
            used_s=self._used_s,
            foreign_load=self.runner.foreign_load,
            misjudged=self.found,
        )
        plan = msgspec.structs.replace(self.ways[self.race.winner].plan, evidence=evidence)
        return Tuned(plan, self.profile, evidence, interrupted)


def _entrant(way: Way) -> Entrant:
    slow = bool(way.processes)
    return Entrant(way.name, (way.processes, way.plan.threads), slow, way.plan.makespan_s)


def _median(values: Sequence[float]) -> float:
    from statistics import median

    return median(values) if values else 0.0


def _silent(*_: object) -> None:
    pass
