"""The dispatch core against a naive model, under any order of its events.

The model keeps sets of node numbers and works out from the definition what may start; see `Dispatch`.
"""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from makespan.dispatch import Dispatch, Rules
from makespan.structure import build

MOST = 7


class Core(RuleBasedStateMachine):
    """Drives a `Dispatch` and the model side by side."""

    @initialize(seed=st.integers(0, 2**32), go_on=st.booleans(), plain=st.integers(0, 3))
    def begin(self, seed, go_on, plain):
        """Draw a DAG and its rules; by a seed, since what Hypothesis draws itself has few edges."""
        rng = random.Random(seed)
        n = rng.randint(1, MOST)

        def some(share, *, of=n):
            return {i for i in range(of) if rng.random() < share}

        self.budget, self.go_on = rng.randint(1, 4), go_on
        self.vacant = some(rng.choice([0, 0, 0.2]))
        density = rng.choice([0.15, 0.4, 0.8])
        self.preds = [set() if i in self.vacant else some(density, of=i) - self.vacant for i in range(n)]
        locks, groups = [], []
        self.exclusive, self.callers = set(), set()
        if plain:  # else the short way through `advance`
            locks = [some(0.4) for _ in range(rng.randint(0, 2))]
            groups = [(some(0.5), rng.randint(1, 2)) for _ in range(rng.randint(0, 1))]
            self.exclusive = some(rng.choice([0, 0.2]))
            self.callers = some(rng.choice([0, 0.4])) - self.vacant
        self.limits = [(nodes, 1) for nodes in locks] + groups
        self.rank = dict(zip(rng.sample(range(n), n), range(n), strict=True))
        names = [f"n{i}" for i in range(n)]
        structure = build(
            names,
            [[names[p] for p in sorted(some)] for some in self.preds],
            locks=[[f"l{k}" for k, nodes in enumerate(locks) if i in nodes] for i in range(n)],
            exclusive=[i in self.exclusive for i in range(n)],
        )
        self.core = Dispatch(
            Rules(
                structure,
                [self.rank[i] for i in range(n)],
                self.budget,
                groups,
                vacant=frozenset(self.vacant),
                callers=frozenset(self.callers),
            ),
            go_on=go_on,
        )
        self.open = set(range(n)) - self.vacant  # neither started nor dropped
        self.running, self.given_up, self.finished, self.failed = set(), set(), set(), set()
        self.due = None
        self.stopped = False

    # -- the model ------------------------------------------------------------------------------------------

    def permitted(self):
        """The nodes that may start now, the first one first."""
        running = self.running
        if self.stopped or running & self.exclusive:
            return []
        if len(running) >= self.budget and running - self.given_up:
            return []
        found = []
        for i in sorted(self.open, key=self.rank.get):
            if not self.preds[i] <= self.finished or (i in self.callers and running & self.callers):
                continue
            if i in self.exclusive:
                return found if running else [*found, i]
            if all(len(nodes & running) < limit for nodes, limit in self.limits if i in nodes):
                found.append(i)
        return found

    def starts(self, *, helping):
        """Start the next node in the model and return it."""
        if self.due is not None and not helping and not self.stopped:
            i, self.due = self.due, None
            if self.full_or_alone():
                self.due = i
                return None
            return i
        while allowed := self.permitted():
            i = allowed[0]
            self.open.remove(i)
            self.running.add(i)
            if i not in self.callers or not helping:
                return i
            self.due = i
        return None

    def full_or_alone(self):
        """`next` is not asked of a full run: the calling thread takes its node with `take`."""
        full = len(self.running) >= self.budget and bool(self.running - self.given_up)
        return full or bool(self.running & self.exclusive)

    def descendants(self, i):
        found, ahead = set(), [i]
        while ahead:
            p = ahead.pop()
            for s, some in enumerate(self.preds):
                if p in some and s not in found:
                    found.add(s)
                    ahead.append(s)
        return found

    def lose(self, i):
        """Node `i` failed in the model; returns what is dropped."""
        self.failed.add(i)
        if not self.go_on:
            self.stops()
            return []
        dropped = self.descendants(i) & self.open
        self.open -= dropped
        return sorted(dropped)

    def stops(self):
        self.stopped = True
        if self.due is not None:
            self.running.remove(self.due)
            self.open.add(self.due)
            self.due = None

    def in_hand(self):
        """What runs, was not given up, and was taken by a thread."""
        return sorted(self.running - self.given_up - {self.due})

    # -- events ---------------------------------------------------------------------------------------------

    @rule(helping=st.booleans(), times=st.integers(1, 3))
    def next(self, helping, times):
        for _ in range(times):
            assert self.core.next(helping=helping) == self.starts(helping=helping)

    @precondition(lambda self: self.callers)
    @rule()
    def deal(self):
        """It deals what is next; behind a node that waits for a group, it may leave that to `next`."""
        ready = [i for i in self.open if self.preds[i] <= self.finished]
        allowed = self.permitted()
        self.core.deal()
        if not allowed or allowed[0] not in self.callers:
            return  # the invariants look at what is due
        if self.core.due is None:
            assert min(ready, key=self.rank.get) != allowed[0]
            return
        self.open.remove(allowed[0])
        self.running.add(allowed[0])
        self.due = allowed[0]

    @rule()
    def take(self):
        assert self.core.take() == self.due
        self.due = None

    @precondition(lambda self: self.in_hand())
    @rule(data=st.data(), then=st.sampled_from(["finish", "advance", "advance, helping"]))
    def finish(self, data, then):
        i = data.draw(st.sampled_from(self.in_hand()))
        self.running.remove(i)
        self.finished.add(i)
        if then == "finish":
            self.core.finish(i)
        else:
            helping = then != "advance"
            assert self.core.advance(i, helping=helping) == self.starts(helping=helping)

    @rule(picks=st.lists(st.integers(0, 3), min_size=1, max_size=8), helping=st.booleans())
    def go_on_for_a_while(self, picks, helping):
        """Start and finish several nodes: what comes later in a run is reached too."""
        for pick in picks:
            assert self.core.next(helping=helping) == self.starts(helping=helping)
            if hand := self.in_hand():
                i = hand[pick % len(hand)]
                self.running.remove(i)
                self.finished.add(i)
                self.core.finish(i)

    @precondition(lambda self: self.in_hand())
    @rule(data=st.data())
    def fail(self, data):
        i = data.draw(st.sampled_from(self.in_hand()))
        self.running.remove(i)
        assert self.core.fail(i) == self.lose(i)

    @precondition(lambda self: self.in_hand())
    @rule(data=st.data())
    def give_up(self, data):
        i = data.draw(st.sampled_from(self.in_hand()))
        self.given_up.add(i)
        assert self.core.give_up(i) == self.lose(i)

    @precondition(lambda self: self.given_up)
    @rule(data=st.data())
    def free(self, data):
        i = data.draw(st.sampled_from(sorted(self.given_up)))
        self.given_up.remove(i)
        self.running.remove(i)
        self.core.free(i)

    @precondition(lambda self: self.in_hand())
    @rule(data=st.data())
    def put_back(self, data):
        i = data.draw(st.sampled_from(self.in_hand()))
        self.running.remove(i)
        self.open.add(i)
        self.core.put_back(i)

    @precondition(lambda self: len(self.finished) > 3)
    @rule()
    def stop(self):
        self.core.stop()
        self.stops()

    # -- what holds at any time -----------------------------------------------------------------------------

    @invariant()
    def the_counts_are_those_of_the_model(self):
        if not hasattr(self, "core"):
            return
        core = self.core
        assert core.due == self.due
        assert core.stopped == self.stopped
        assert core.running == len(self.running)
        assert core.stuck == len(self.given_up)
        assert core.left == len(self.open) + len(self.running - self.given_up)
        over = self.stopped or not core.left
        assert core.done == (over and self.running == self.given_up)
        if self.permitted():
            assert core.may_start
        if not self.open or self.stopped:
            assert not core.may_start

    @invariant()
    def the_rules_hold(self):
        if not hasattr(self, "core"):
            return
        running = self.running
        assert len(running - self.given_up) <= max(self.budget, 1)
        assert len(running & self.callers) <= 1
        assert not running & self.exclusive or len(running) == 1
        assert all(len(running & nodes) <= limit for nodes, limit in self.limits)
        assert all(self.preds[i] <= self.finished for i in running | self.finished | self.failed)

    def teardown(self):
        """Whatever happened: when all that runs has ended, a run that is driven on comes to its end."""
        if not hasattr(self, "core"):
            return
        core = self.core
        for i in sorted(self.given_up):
            core.free(i)
        hand = set(self.in_hand())
        for _ in range(4 * MOST):
            while (i := core.take()) is not None or (i := core.next()) is not None:
                hand.add(i)
            if not hand:
                break
            core.finish(hand.pop())
        assert core.done


TestCore = Core.TestCase
TestCore.settings = settings(max_examples=350, stateful_step_count=30, deadline=None)
