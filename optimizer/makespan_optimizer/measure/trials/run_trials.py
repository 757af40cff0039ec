"""Trials after the counted runs: native threads, nodes beside each other, switch intervals; within a time.

What runs best alone says little about a run in parallel. Three questions are put to the machine itself, the
largest lever first: how long nodes with native pools take with fewer threads, which nodes hinder each other,
and whether a shorter switch interval helps those that must take the GIL again and again. None of it is
needed for a profile: when the time is over, or a node raises, what was measured until then is kept.
"""

from __future__ import annotations

import time
import warnings
from contextlib import suppress
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from makespan.measured_pairs import merged_pairs
from makespan.profile import ProfileWarning
from makespan.showing.words import plural
from makespan_optimizer.measure.merge import merge_profiles
from makespan_optimizer.measure.trials.beside import Beside, PairSession
from makespan_optimizer.measure.trials.in_parallel import parallel_s
from makespan_optimizer.measure.trials.likeness import likenesses
from makespan_optimizer.measure.trials.limit import left_out
from makespan_optimizer.measure.trials.native import ThreadSession, choices, pooled
from makespan_optimizer.measure.trials.pairs import candidates, chattiest, runnable
from makespan_optimizer.measure.trials.pools import Pools, find_pools
from makespan_optimizer.measure.trials.verdicts import PARALLEL_DEFAULT, PARALLEL_ONE, oversubscription

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from makespan.measurement import PairTrial, ThreadTrials
    from makespan.preparing.program import Program
    from makespan.profile import Profile
    from makespan_optimizer.measure.sampling.sampler import Sampler
    from makespan_optimizer.measure.trials.together import Inputs

SWITCH_INTERVALS_S = (0.001, 0.0002)  # beside the one that is set
_POOLS_SHARE = 0.6  # of the time, when there are pairs to try as well
_MOST_PARALLEL = 3


def run_trials(
    profile: Profile,
    program: Program,
    inputs: Inputs,
    sampler: Sampler | None = None,
    *,
    limit_s: float,
    asked: bool = True,
    progress: Callable[[int, int, str], None] | None = None,
    walked: Collection[int] | None = None,
    pairs: bool = True,
    skipped: frozenset[int] = frozenset(),
    fed_s: Mapping[int, float] | None = None,
    known: Profile | None = None,
) -> Profile:
    """Return the profile with what the trials found.

    Parameters
    ----------
    profile : Profile
        Of the counted runs.
    program : Program
        The DAG that it is of.
    inputs : mapping, or callable that returns a context manager with one
        What it is run with; the context manager is entered around each run.
    sampler : Sampler, optional
        Its CPU time is not foreign load.
    limit_s : float
        For everything together; a pass that would not end in time is not begun.
    asked : bool
        The user said so: then a limit that is too short for any trial is a warning, else a note.
    progress : callable, optional
        Called as ``progress(done, total, words)`` before each pass.
    walked : collection of int, optional
        The nodes that may be run; by default those that need nothing that was only hinted at.
    pairs : bool
        Whether nodes are tried side by side; without, none ever runs beside another.
    skipped : frozenset of int
        Nodes that did not run in every counted run: they are not tried, for they may not run in the trial.
    fed_s : mapping of int to float, optional
        Seconds of nodes (numbers) that the profile does not hold, and that run for what others take.
    known : Profile, optional
        What the profile is an update of: its nodes are tried beside those measured anew, with its figures.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C. Its attribute `partial`, and that of whatever else is raised (a warning that is an error),
        holds the profile with what was found until then.

    Warns
    -----
    ProfileWarning
        Native pools oversubscribe; a node raised during a trial; the time is too short for any trial.
    """
    result = profile
    try:
        trials = _Trials(
            profile, program, inputs, sampler, progress, walked, pairs, skipped, fed_s or {}, known
        )
        trials.asked = asked
        try:
            trials.run(limit_s)
        finally:
            result = trials.result()
        advice = oversubscription(result)
        for text in (*trials.warnings, *([advice.text] if advice is not None else ())):
            warnings.warn(text, ProfileWarning, stacklevel=4)  # where the user called DAG.profile
    except BaseException as stopped:
        with suppress(Exception):  # an exception of the user's need not take attributes
            stopped.partial = result  # type: ignore[attr-defined]
        raise
    return result


class _Trials:
    """The sessions, and what becomes of the profile."""

    def __init__(
        self,
        profile: Profile,
        program: Program,
        inputs: Inputs,
        sampler: Sampler | None,
        progress: Callable[[int, int, str], None] | None,
        walked: Collection[int] | None,
        pairs: bool,
        skipped: frozenset[int],
        fed_s: Mapping[int, float],
        known: Profile | None,
    ) -> None:
        self.warnings: list[str] = []
        self.notes: list[str] = []
        self.asked = True
        self._profile = profile
        self._program = program
        self._inputs = inputs
        self._own_cpu_s = sampler.cpu_s if sampler is not None else float
        self._progress = progress
        self._number = {name: i for i, name in enumerate(program.structure.names)}
        self._old = known.pairs if known is not None else ()
        # All that is known of the nodes; the profile itself, but for an update.
        self._known = profile if known is None else merge_profiles(known, profile, update=True)
        self._walls_s = [0.0] * len(self._number)
        for node in self._known.nodes:
            self._walls_s[self._number[node.name]] = node.wall_net_s.median
        for i, seconds in fed_s.items():
            self._walls_s[i] = seconds
        able = runnable(self._known, program.structure)
        self._walked = able if walked is None else frozenset(walked) | (able if known is not None else set())
        self._side = pairs
        found = candidates(self._known, program.structure, self._walked) if pairs else []
        self._alike = [its for its in found if skipped.isdisjoint(its.nodes)]
        names = program.structure.names
        told = {pair.nodes for pair in self._known.pairs if not pair.limited}
        self._pairs = [its for its in self._alike if (names[its.nodes[0]], names[its.nodes[1]]) not in told]
        self._pooled = [i for i in pooled(profile, self._walked) if i not in skipped]
        self._spinning = pooled(self._known, self._walked)
        self._threads: ThreadSession | None = None
        self._ended = False  # the trial of native threads, by itself
        self._beside: PairSession | None = None
        self._parallel: dict[str, list[float]] = {PARALLEL_DEFAULT: [], PARALLEL_ONE: []}

    def run(self, limit_s: float) -> None:
        """Put the questions, one after the other."""
        until = time.monotonic() + limit_s
        if limit_s <= 0 or not (self._pairs or self._pooled):
            return
        if self._pooled:
            share = _POOLS_SHARE if self._pairs else 1.0
            self._guarded("native threads", lambda: self._native(until - (1 - share) * limit_s, until))
        if self._pairs:
            self._guarded("nodes side by side", lambda: self._side_by_side(until))
        tried, names = self._native_trials(), self._program.structure.names
        left = [names[i] for i in self._pooled if names[i] not in tried] if self._ended else []
        if text := left_out(limit_s, left, found=self._found()):
            (self.warnings if self.asked and not tried else self.notes).append(text)

    def _guarded(self, what: str, run: Callable[[], None]) -> None:
        try:
            run()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            note = next(
                (str(n) for n in getattr(error, "__notes__", ()) if str(n).startswith("in node ")), ""
            )
            self.warnings.append(
                f"the trial of {what} ended early: {type(error).__name__}{' ' + note if note else ''}"
            )

    def _native(self, until: float, at_last: float) -> None:
        """Try native threads until a moment; the first round, the largest lever of all, may take all time."""
        pools = find_pools()
        for name, why in sorted(pools.missed.items()):
            self.notes.append(f"threads of {name} were not limited: {why}")
        cores = self._profile.machine.cores
        alone_s = sum(self._walls_s)
        whole = len(self._walked) == len(self._walls_s)
        parallel = self._side and whole and len(self._walls_s) > 1 and round(cores) > 1
        spare_s = 2 * alone_s if parallel else 0.0
        stakes_s = {self._number[node.name]: node.other_cpu_s for node in self._profile.nodes}
        self._threads = ThreadSession(
            self._program, self._inputs, self._pooled, choices(cores), pools, self._walked, stakes_s
        )
        self._threads.run(until - spare_s, self._walls_s, self._progress, at_last=at_last)
        self._ended = True
        if parallel:
            self._in_parallel(until, round(cores), pools)

    def _in_parallel(self, until: float, budget: int, pools: Pools) -> None:
        expected_s = sum(self._walls_s)
        for k in range(_MOST_PARALLEL):
            sides = [(PARALLEL_DEFAULT, None), (PARALLEL_ONE, 1)]
            began = time.monotonic()
            if began + 2 * expected_s > until:
                return
            passed: dict[str, float] = {}
            for name, limit in sides if k % 2 == 0 else sides[::-1]:
                if time.monotonic() + (expected_s if passed else 0.0) > until:
                    return
                if self._progress is not None:
                    words = "in parallel, " + ("own threads" if limit is None else "one native thread")
                    self._progress(2 * k + len(passed), 2 * _MOST_PARALLEL, words)
                passed[name] = parallel_s(self._program, self._inputs, self._walls_s, budget, limit, pools)
            for name, passed_s in passed.items():
                self._parallel[name].append(passed_s)
            expected_s = (time.monotonic() - began) / 2

    def _side_by_side(self, until: float) -> None:
        usual_s = self._profile.machine.switch_interval_s
        wanted = [Beside(pair.nodes, usual_s) for pair in self._pairs]
        chatty = chattiest(self._known, self._pairs, self._program.structure)
        if chatty is not None:
            wanted = [its for its in wanted if its.nodes != chatty]
            wanted[:0] = [Beside(chatty, its) for its in (usual_s, *SWITCH_INTERVALS_S) if its <= usual_s]
        self._beside = PairSession(
            self._program, self._inputs, wanted, self._walls_s, self._walked, self._own_cpu_s, self._spinning
        )
        self._beside.run(until, self._progress)
        if self._beside.spoiled:
            self.notes.append(
                f"side by side: {self._beside.spoiled} of {self._beside.passes} passes while other processes "
                "took cores"
            )
        names = self._program.structure.names
        for its, error in self._beside.failed.items():
            a, b = (names[i] for i in its.nodes)
            self.warnings.append(
                f"{error} was raised when {a!r} and {b!r} ran side by side; no trial of them"
            )

    def _found(self) -> bool:
        beside = self._beside is not None and (self._beside.trials() or self._beside.failed)
        return bool(beside or self._native_trials() or all(self._parallel.values()) or self.warnings)

    def _native_trials(self) -> dict[str, ThreadTrials]:
        found = self._threads.trials() if self._threads is not None else {}
        return {self._program.structure.names[i]: its for i, its in found.items()}

    def _dropped(self, found: Sequence[PairTrial]) -> tuple[str, ...]:
        """Say how many pairs an update loses: their nodes changed, and they were not tried again."""
        there = {(pair.nodes, pair.switch_interval_s) for pair in (*self._known.pairs, *found)}
        gone = [
            pair
            for pair in self._old
            if (pair.nodes, pair.switch_interval_s) not in there and self._number.keys() >= set(pair.nodes)
        ]
        return (f"{plural(len(gone), 'pair')} of changed nodes dropped, not tried again",) if gone else ()

    def result(self) -> Profile:
        """Return the profile with what was found so far."""
        profile = self._profile
        native = self._native_trials()
        nodes = tuple(
            msgspec.structs.replace(node, native_threads=native.get(node.name, node.native_threads))
            for node in profile.nodes
        )
        pairs = self._beside.trials() if self._beside is not None else []
        failed = [its.nodes for its in self._beside.failed] if self._beside is not None else []
        tried = [pair for pair in self._alike if pair.nodes not in failed]
        usual_s = profile.machine.switch_interval_s
        own = [pair for pair in self._known.pairs if pair.like is None and not pair.limited]
        pairs += likenesses(tried, [*pairs, *own], self._program.structure.names, self._walls_s, usual_s)
        united = merged_pairs(profile.pairs, pairs, self._number)
        runs = profile.runs
        if runs:
            figures = {name: median(some) for name, some in self._parallel.items() if some}
            header = msgspec.structs.replace(
                runs[-1],
                calibration={**runs[-1].calibration, **figures},
                notes=(*runs[-1].notes, *self.notes, *self.warnings, *self._dropped(united)),
            )
            runs = (*runs[:-1], header)
        return msgspec.structs.replace(profile, nodes=nodes, pairs=united, runs=runs)
