"""Measuring single nodes and pairs again, and what becomes of a profile by that."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING, Any

import msgspec

from makespan.around.native_limits import Limited
from makespan.measured_pairs import ProfileWarning, merged_pairs
from makespan_optimizer.measure.hints import Hint
from makespan_optimizer.measure.inputs import read_inputs
from makespan_optimizer.measure.isolate import profile as measured_again
from makespan_optimizer.measure.load import LOAD_LIMIT
from makespan_optimizer.measure.merge import merge_profiles
from makespan_optimizer.measure.scope import scope_of
from makespan_optimizer.measure.trials.beside import Beside, PairSession
from makespan_optimizer.measure.trials.native import ThreadSession, pooled
from makespan_optimizer.measure.trials.pairs import reachable, runnable
from makespan_optimizer.measure.trials.pools import find_pools
from makespan_optimizer.measure.walk import ancestors
from makespan_optimizer.tuning.stretched import stretched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from makespan.graph import DAG
    from makespan.measurement import NodeProfile
    from makespan.plan import Misjudged, Plan
    from makespan.profile import Profile

_RUNS = 3
_SAME = 0.05  # durations closer than that are the same
_LEAST_S = 1e-4
_MOST_STRETCHED = 10.0


class Again:
    """Measures again; `profile` is what is known by now."""

    def __init__(
        self,
        dag: DAG[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        profile: Profile,
        plan: Plan | None,
        inputs: Any,
        setup: Callable[[], Any] | None,
        teardown: Callable[[], Any] | None,
    ) -> None:
        self.profile = profile
        self._dag, self._args, self._kwargs, self._inputs = dag, args, kwargs, inputs
        self._hooks = {"setup": setup, "teardown": teardown}
        self._hints = {
            node.name: Hint(node.wall_net_s.median, node.kind, max(1.0, node.cores_peak))
            for node in profile.nodes
            if node.origin != "measured"
        }
        self._program = scope_of(dag, self._hints).program
        self._structure = self._program.structure
        self._number = {name: i for i, name in enumerate(self._structure.names)}
        self._walked = runnable(profile, self._structure)
        self._limits = {
            node.name: node.native_threads for node in (plan.nodes if plan else ()) if node.native_threads
        }
        self._away = {node.name for node in (plan.nodes if plan else ()) if node.mode == "process"}
        self._away |= {shape.name for shape in profile.shape if shape.process}
        self._before = {node.name: node for node in profile.nodes}

    def possible(self, pairs: Sequence[tuple[str, ...]]) -> list[tuple[int, int]]:
        """Return the pairs (numbers, ascending) that may be run side by side, each once.

        What two nodes do to each other in threads says nothing of one in a worker process.
        """
        s = self._structure
        kept: dict[tuple[int, int], None] = {}
        for names in pairs:
            if not all(name in self._number and name not in self._away for name in names):
                continue
            a, b = sorted(self._number[name] for name in names)
            reach = reachable(s, [a, b])
            apart = b in reach[a] or a in reach[b] or set(s.locks[a]) & set(s.locks[b])
            if a != b and {a, b} <= self._walked and not apart and not (s.exclusive[a] or s.exclusive[b]):
                kept[a, b] = None
        return list(kept)

    def guarded(self, what: str, measure: Callable[[], None]) -> None:
        """Measure; a node that raises ends that, and no more."""
        try:
            measure()
        except Exception as error:
            notes = (str(note) for note in getattr(error, "__notes__", ()))
            where = next((f" {note}" for note in notes if note.startswith("in node ")), "")
            text = f"measuring {what} again ended early: {type(error).__name__}{where}"
            warnings.warn(text, ProfileWarning, stacklevel=4)

    def nodes(
        self, names: Sequence[str], until: float, progress: Callable[[int, int, str], None] | None
    ) -> None:
        """Measure nodes alone, as many as there is time for."""
        able = [name for name in names if self._number.get(name) in self._walked]
        limited = [name for name in able if name in self._limits]
        free = [name for name in able if name not in self._limits]
        while free and self._cost_s(free) * (_RUNS + 1) > until - time.monotonic():
            free.pop()
        if free:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ProfileWarning)  # of load: it was said when it was profiled
                found = measured_again(
                    self._dag,
                    self._args,
                    self._kwargs,
                    runs=_RUNS,
                    progress=progress,
                    only=free,
                    hints=self._hints,
                    inputs=self._inputs,
                    trials=False,
                    pickling=False,
                    setup=self._hooks["setup"],
                    teardown=self._hooks["teardown"],
                )
            self._take(found, free)
        for name in limited:
            self._native(name, until, progress)

    def _cost_s(self, names: Sequence[str]) -> float:
        only = ancestors(self._program, [self._number[name] for name in names]) & self._walked
        walls_s = self._walls_s()
        return sum(walls_s[i] for i in only)

    def _walls_s(self) -> list[float]:
        known = {node.name: node.wall_net_s.median for node in self.profile.nodes}
        return [known.get(name, 0.0) for name in self._structure.names]

    def _take(self, found: Profile, names: Sequence[str]) -> None:
        """Unite the profiles; where they disagree, the new figures alone count."""
        new = {node.name: node for node in found.nodes}
        stale = {name for name in names if name in new and not _alike(self._before[name], new[name])}
        kept = tuple(node for node in self.profile.nodes if node.name not in stale)
        only = tuple(node for node in found.nodes if node.name in names)
        found = msgspec.structs.replace(found, nodes=only, shape=self.profile.shape, dag=self.profile.dag)
        merged = merge_profiles(msgspec.structs.replace(self.profile, nodes=kept), found, update=True)
        nodes = tuple(
            _with_known(node, self._before[node.name]) if node.name in stale else node
            for node in merged.nodes
        )
        self.profile = msgspec.structs.replace(merged, nodes=nodes)

    def _native(self, name: str, until: float, progress: Callable[[int, int, str], None] | None) -> None:
        i, limit = self._number[name], self._limits[name]
        session = ThreadSession(
            self._program, lambda: self._given().run(0), [i], [limit], find_pools(), self._walked
        )
        session.run(until, self._walls_s(), progress)
        trials = session.trials().get(i)
        if trials is None:
            return
        nodes = []
        for node in self.profile.nodes:
            if node.name == name and node.native_threads is not None:
                others = [its for its in node.native_threads.tried if its.threads != limit]
                # Ratios to the default of their own session: those of another one are taken over as such.
                ratio = trials.default.wall_s / (node.native_threads.default.wall_s or trials.default.wall_s)
                others = [msgspec.structs.replace(its, wall_s=its.wall_s * ratio) for its in others]
                tried = tuple(sorted([*others, *trials.tried], key=lambda its: its.threads))
                new = msgspec.structs.replace(trials, tried=tried)
                node = msgspec.structs.replace(node, native_threads=new)  # noqa: PLW2901
            nodes.append(node)
        self.profile = msgspec.structs.replace(self.profile, nodes=tuple(nodes))

    def believe(self, singles: Sequence[Misjudged]) -> None:
        """Stretch nodes to what the runs showed, where measuring them again does not explain it.

        Not while other processes take cores: what a profile holds is net of that, and what runs show is not.
        """
        load = self.profile.runs[-1].load_share if self.profile.runs else None
        if load is not None and load > LOAD_LIMIT:
            return
        told: dict[str, float] = {}
        now = {node.name: node for node in self.profile.nodes}
        for its in singles:
            (name,) = its.nodes
            before, node = self._before.get(name), now.get(name)
            if before is None or node is None or its.planned_s <= _LEAST_S or its.actual_s <= _LEAST_S:
                continue
            known = self._alone_s(node) / self._alone_s(before) if self._alone_s(before) > 0 else 1.0
            factor = its.actual_s / its.planned_s / known
            if abs(factor - 1) > _SAME and 1 / _MOST_STRETCHED <= factor <= _MOST_STRETCHED:
                told[name] = factor
        if not told:
            return
        nodes = tuple(
            stretched(node, told[node.name]) if node.name in told else node for node in self.profile.nodes
        )
        runs = self.profile.runs
        if runs:
            said = ", ".join(f"{name} x{factor:.2f}" for name, factor in told.items())
            notes = (*runs[-1].notes, f"stretched to what runs of a plan showed: {said}")
            runs = (*runs[:-1], msgspec.structs.replace(runs[-1], notes=notes))
        self.profile = msgspec.structs.replace(self.profile, nodes=nodes, runs=runs)

    def _alone_s(self, node: NodeProfile) -> float:
        trials, limit = node.native_threads, self._limits.get(node.name)
        if limit is None or trials is None or trials.default.wall_s <= 0:
            return node.wall_net_s.median
        tried = next((its.wall_s for its in trials.tried if its.threads == limit), trials.default.wall_s)
        return node.wall_net_s.median * tried / trials.default.wall_s

    def pairs(
        self,
        pairs: Sequence[tuple[int, int]],
        until: float,
        progress: Callable[[int, int, str], None] | None,
    ) -> None:
        """Measure pairs, with the limits of native threads that the plan sets."""
        if not pairs:
            return
        names = self._structure.names
        usual_s = self.profile.machine.switch_interval_s or 0.005
        calls = [
            Limited(call, self._limits[name]) if name in self._limits else call
            for name, call in zip(names, self._program.calls, strict=True)
        ]
        session = PairSession(
            self._program._replace(calls=calls),
            lambda: self._given().run(0),
            [Beside(pair, usual_s) for pair in pairs],
            self._walls_s(),
            self._walked,
            spinning=pooled(self.profile, self._walked),
        )
        try:
            session.run(until, progress)
        finally:
            trials = [
                msgspec.structs.replace(
                    trial, native_threads=tuple(self._limits.get(name) for name in trial.nodes)
                )
                for trial in session.trials()
            ]
            if trials:
                united = merged_pairs(self.profile.pairs, trials, self._number)
                self.profile = msgspec.structs.replace(self.profile, pairs=united)

    def _given(self) -> Any:
        return read_inputs(self._dag, self._args, self._kwargs, self._inputs, **self._hooks)


def _alike(old: NodeProfile, new: NodeProfile) -> bool:
    before_s, now_s = old.wall_net_s.median, new.wall_net_s.median
    return abs(now_s - before_s) <= max(_LEAST_S, _SAME * before_s)


def _with_known(new: NodeProfile, old: NodeProfile) -> NodeProfile:
    """Return new figures with what was not measured again."""
    return msgspec.structs.replace(
        new,
        first_s=old.first_s,
        out_bytes=old.out_bytes,
        args_pickling=old.args_pickling,
        result_pickling=old.result_pickling,
        native_threads=old.native_threads,
        threads_used=max((its.threads_used or 0 for its in (old, new)), default=0) or None,
    )
