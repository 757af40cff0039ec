"""The driver of a tuning: profile, ways, race, what is learnt, what is kept on disk.

The time limit holds for everything. The profile, its trials, searches and learning have shares of it
(`PROFILE`, `TRIALS`, `SEARCH`, `LEARN`), at most; what they leave belongs to the race. So many ways
take part as can be run `EACH` times in that. At the least the default and one plan are run once.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING, Any

import msgspec

from makespan.machine import this_machine
from makespan.plan import DagId
from makespan.preparing.fit import default_threads
from makespan.showing.words import plural, seconds
from makespan_optimizer.tuning import state as kept
from makespan_optimizer.tuning.candidates import candidates
from makespan_optimizer.tuning.learning import Learnt, learnt
from makespan_optimizer.tuning.outcome import Tuned, evidence_of, label
from makespan_optimizer.tuning.profiling import profiled
from makespan_optimizer.tuning.race import Entrant, Race
from makespan_optimizer.tuning.runner import TWICE, CannotRunError, Runner
from makespan_optimizer.tuning.ways import Way

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from makespan.graph import DAG
    from makespan.plan import Misjudged
    from makespan.profile import Profile
    from makespan_optimizer.measure.inputs import Inputs
    from makespan_optimizer.tuning.limit import TimeLimit
    from makespan_optimizer.tuning.options import Options

PROFILE, TRIALS, SEARCH, LEARN = 0.4, 0.15, 0.12, 0.12
"""Shares of the time limit: for the profile, of which for trials, for plans, for each round of feedback."""
EACH = 7
"""So often each way can be run, if all that take part are run to the end."""
LEAST_WAYS, MOST_WAYS = 4, 12
NEWCOMERS = 2  # plans of what was learnt, in each round
_LEARN_AT = 0.45  # of the race's time
_LEARN_TURNS = 3
_MEASURED = 0.1  # of the time that is left: for runs whose nodes are measured
_ROOM = 3  # turns: with time for fewer, a disturbed one is better than none
_LEFT = 0.15  # of the time limit: with less there is no point in learning
_SAVE_S = 1.0  # between writes of the state, where turns are shorter


class Tuning:
    """One tuning: the steps in the order in which they are made."""

    def __init__(
        self,
        dag: DAG[..., Any],
        raced: DAG[..., Any],
        inputs: Inputs,
        options: Options,
        time_limit: TimeLimit,
        say: Callable[[str], Any] | None,
        setup: Callable[[], Any] | None,
        teardown: Callable[[], Any] | None,
        state: str | os.PathLike[str] | None,
    ) -> None:
        self.dag = dag
        self.inputs = inputs
        self.options = options
        self.time = time_limit
        self.say = say or (lambda _: None)
        self._hooks: dict[str, Any] = {"setup": setup, "teardown": teardown}
        self.path = state
        self.runner = Runner(raced, inputs, options.threads)
        self.profile: Profile | None = None
        self.ways: list[Way] = []
        self.race = Race([])
        self.found: tuple[Misjudged, ...] = ()
        self.rounds = 0
        self.before_s = 0.0
        self._saved_at_s = -math.inf
        if state is not None:
            kept.ready(state)

    # -- before the race
    def resume(self) -> bool:
        """Go on from a race that is kept; False when there is none."""
        if self.path is None:
            return False
        its = self.options.kept(len(self.inputs))
        found = kept.load(self.path, DagId(self.dag.name, self.dag.fingerprint), its, self.dag)
        if found is None:
            return False
        self.profile, self.found, self.rounds = found.profile, found.misjudged, found.feedback
        self.before_s = found.used_s
        self.ways = [Way(way.name, way.plan, way.default) for way in found.ways]
        self._line_up()
        kept.restore(self.race, found)
        self.runner.load.before.extend(found.foreign)
        self.say(f"goes on after {plural(self.race.turns, 'turn')}")
        return True

    def begin(self, known: Profile | None, *, runs: int, hints: Any, target: str | None) -> None:
        """Profile, unless that was done, and choose the ways."""
        limit_s = self.options.time_limit_s
        if known is None:
            self.say(f"profile: one node at a time, once to warm up and {plural(runs, 'time')} to measure")
            self.profile = profiled(
                self.dag,
                self.inputs,
                self.time,
                share=PROFILE,
                trials_share=TRIALS,
                say=self.say,
                runs=runs,
                hints=hints,
                target=target,
                **self._hooks,
            )
        else:
            self.profile = known
            for differs in known.machine.differences(this_machine()):
                self.say(f"the profile is of another machine: {differs}")
        self.time.tell("plans")
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
                limit_s=max(0.5, min(SEARCH * limit_s, self.time.left_s / 3)),
                most=MOST_WAYS,
                say=lambda _done, _total, words: self.time.tell(f"search: {words}"),
            )
        except KeyboardInterrupt as stopped:
            stopped.partial = self.profile  # type: ignore[attr-defined]
            raise
        typical_s = sorted(way.plan.makespan_s for way in self.ways)[len(self.ways) // 2]
        room = int(self.time.left_s / max(1e-9, EACH * typical_s))
        self.ways = self.ways[: max(LEAST_WAYS, room)]
        self._line_up()
        self.say(f"race: {plural(len(self.ways), 'way')}, within {seconds(max(0.0, self.time.left_s))}")
        for way in self.ways:
            self.say(f"  {way.name}: {seconds(way.plan.makespan_s)} expected")

    def _line_up(self) -> None:
        most = len(self.ways) + NEWCOMERS * (self.options.rounds - self.rounds)
        options = self.options
        entrants = map(_entrant, self.ways)
        self.race = Race(entrants, options.confidence, most_ways=most, seed=options.seed)

    # -- the race
    def play(self) -> Tuned:
        """Race, learn, race on; Ctrl-C ends it with the best so far."""
        try:
            self._run_all()
        except KeyboardInterrupt as stopped:
            self._save()
            race = self.race
            if not race.turn_s and not all(i in race.first_s for i in race.live):
                stopped.partial = self.profile  # type: ignore[attr-defined]
                raise
            race.stop("interrupted")
            return self._tuned(interrupted=True)
        except BaseException:
            self._save()
            raise
        finally:
            self.runner.close()
        self._save()
        self.time.tell("done")
        return self._tuned(interrupted=False)

    def _run_all(self) -> None:
        race, runner = self.race, self.runner
        began_s, again, made_again = self.time.left_s, 0, 0
        while True:
            if race.between_turns and self._may_learn(began_s):
                self._learn()
            i = race.next(self.time.left_s)
            if i is None:
                if self._may_learn(began_s):
                    continue
                return
            turns = race.turns
            self.time.tell(label(race, self.ways, i))
            try:
                took_s = runner.run(self.ways[i], turns)
            except CannotRunError as error:
                self.say(f"{self.ways[i].name} cannot be run: {error}")
                race.fail(i, f"it cannot be run: {error}")
                continue
            race.record(i, took_s)
            if race.turns > turns:
                room = self.time.left_s > _ROOM * sum(race.turn_s[-1].values())
                spoiled = room and again < TWICE and made_again < 2 + race.turns / 4 and runner.disturbed()
                runner.turn_ends(counts=not spoiled)
                again, made_again = (again + 1, made_again + 1) if spoiled else (0, made_again)
                if spoiled:
                    race.retake()
                    self.say(f"turn {turns + 1} is made again: other processes took the cores")
                elif self.time.used_s > self._saved_at_s + _SAVE_S:
                    self._save()

    # -- learning
    def _may_learn(self, began_s: float) -> bool:
        if self.rounds >= self.options.rounds or self.time.left_s < _LEFT * self.options.time_limit_s:
            return False
        late = self.time.left_s <= began_s * (1 - _LEARN_AT)
        return self.race.turns >= 1 and (self.race.over or (late and self.race.turns >= _LEARN_TURNS))

    def _learn(self) -> None:
        """Measure again what the model had wrong, and let plans of that take part."""
        assert self.profile is not None
        race, options = self.race, self.options
        order = sorted(range(len(self.ways)), key=lambda i: race.over_default(i) or math.inf)
        each_s = median(race.in_common(race.leader)[0])
        self.runner.measure(self.ways[race.leader], race.turns, int(_MEASURED * self.time.left_s / each_s))
        try:
            found = learnt(
                self.dag,
                self.profile,
                [self.ways[i] for i in order],
                self.runner.records,
                leader=self.ways[race.leader],
                limit_s=min(LEARN * options.time_limit_s, self.time.left_s / 3),
                native_threads=options.native_threads,
                seed=options.seed + self.rounds + 1,
                inputs=[dict(values) for values in self.inputs.sets],
                hooks=self._hooks,
                say=self.say,
                tell=self.time.tell,
            )
        except KeyboardInterrupt as stopped:  # the round does not count: it is made when the race goes on
            self._keep(getattr(stopped, "partial", None) or Learnt(self.profile))
            raise
        self.rounds += 1
        self._keep(found)
        fresh = found.ways[:NEWCOMERS]
        if fresh:
            self.ways += fresh
            race.join(map(_entrant, fresh))
            for way in fresh:
                self.say(f"  {way.name}: {seconds(way.plan.makespan_s)} expected")

    # -- what is kept
    def _keep(self, found: Learnt) -> None:
        again = {its.nodes for its in found.misjudged}
        before = (its for its in self.found if its.nodes not in again)
        self.profile, self.found = found.profile, (*before, *found.misjudged)

    def _save(self) -> None:
        if self.path is None or self.profile is None:
            return
        ways, turns = kept.told(self.race, self.ways)
        kept.State(
            dag=DagId(self.dag.name, self.dag.fingerprint, self.dag.target),
            machine=this_machine(),
            options=self.options.kept(len(self.inputs)),
            profile=self.profile,
            ways=ways,
            turns=turns,
            used_s=self._used_s,
            feedback=self.rounds,
            misjudged=self.found,
            foreign=tuple(self.runner.load.before),
        ).save(self.path)
        self._saved_at_s = self.time.used_s

    @property
    def _used_s(self) -> float:
        return round(self.before_s + self.time.used_s, 3)

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
