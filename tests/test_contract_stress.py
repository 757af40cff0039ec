"""Random DAGs in random ways under random delays, failures and switch intervals, many at once; seeded.

Longer, on a machine with nothing else to do: ``MAKESPAN_STRESS_S=600 pytest tests/test_contract_stress.py``.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
import threading
import time

import pytest

from makespan import DAG
from makespan.plan import PlanGroup
from makespan.testing import random_edges
from tests.ways import chains_of, plan_of

SECONDS = float(os.environ.get("MAKESPAN_STRESS_S", "3"))


class Planned(Exception):
    """A failure that a case wanted."""


class Case:
    """A random DAG, a random way to run it, and what must hold however it goes."""

    def __init__(self, seed):
        self.seed = seed
        self.rng = rng = random.Random(seed)
        n = rng.choice([1, 3, 8, 20, 60])
        self.preds = random_edges(n, degree=rng.choice([0.5, 1.2, 2.5]), seed=seed)
        self.locks = [
            rng.sample("abc", rng.choice([0, 0, 1, 2])) if rng.random() < 0.5 else [] for _ in range(n)
        ]
        self.alone = [rng.random() < 0.05 for _ in range(n)]
        if rng.random() < 0.5:
            self.locks, self.alone = [[]] * n, [False] * n
        # Of some the result is taken, for the others it only waits.
        self.taken = [[p for p in some if rng.random() < 0.8] for some in self.preds]
        self.delays = [rng.choice([None, None, 0, 1e-5, 2e-4, 1e-3]) for _ in range(n)]
        self.failing = {i for i in range(n) if rng.random() < 0.5 / n} if rng.random() < 0.4 else set()
        self.threads = rng.choice([1, 2, 3, 4, 8])
        self.go_on = rng.random() < 0.3
        self.clients = rng.choice([1, 1, 2, 5])
        self.made = built(self)
        settings = {"timeout_s": rng.choice([None, None, 600.0])}
        if self.go_on:
            settings["on_error"] = "continue"
        plan = None
        self.groups = []
        if rng.random() < 0.6:
            order = list(range(n))
            rng.shuffle(order)
            names = list(self.made.nodes)
            if rng.random() < 0.4:
                self.groups = [(set(rng.sample(range(n), rng.randint(1, n))), rng.randint(1, 3))]
            plan = plan_of(
                self.made,
                self.threads,
                ranks=order,
                chains=chains_of(self.made.check()) if rng.random() < 0.5 else (),
                groups=[
                    PlanGroup("some", tuple(names[i] for i in sorted(some)), limit, "gil")
                    for some, limit in self.groups
                ],
                duration_s=rng.choice([1e-6, 1e-3, 1.0]),
            )
        self.fast = self.made.prepare(plan, None if plan else self.threads, **settings)
        self.traced = rng.random() < 0.5

    def run(self):
        """Run it once and check all that can be checked."""
        run = OneRun(self)
        error = None
        try:
            if self.traced:
                found = self.fast.run(run)
                error, result = found.error, found._result
            else:
                result = self.fast(run)
        except BaseException as raised:
            error = raised
        assert not run.now, "a node runs after the end"
        run.over = True
        errors = [] if error is None else getattr(error, "exceptions", [error])
        assert all(isinstance(one, Planned) for one in errors), errors
        assert {one.args[0] for one in errors} == run.failed
        started = set(run.order)
        assert len(run.order) == len(started), "started twice"
        assert run.most <= self.threads
        position = {i: at for at, i in enumerate(run.order)}
        for i in started:
            assert all(position[p] < position[i] for p in self.preds[i])
            assert not run.failed & set(self.preds[i])
        for i, j in run.beside:
            assert not set(self.locks[i]) & set(self.locks[j])
            assert not self.alone[i]
            assert not self.alone[j]
            assert not any(limit == 1 and {i, j} <= some for some, limit in self.groups)
        reach = {i for i in range(len(self.preds)) if not self.upstream(i) & self.failing}
        if self.go_on:
            assert started == {
                i for i in range(len(self.preds)) if not (self.upstream(i) - {i}) & self.failing
            }
        elif not self.failing:
            assert started == reach
        else:
            assert run.failed
        if error is None:
            last = set(range(len(self.preds))) - {p for some in self.preds for p in some}
            assert result == {f"n{i}": (i, *self.taken[i]) for i in last}

    def upstream(self, i):
        found, ahead = {i}, [i]
        while ahead:
            for p in self.preds[ahead.pop()]:
                if p not in found:
                    found.add(p)
                    ahead.append(p)
        return found


class OneRun:
    """What happens in one run of a case."""

    def __init__(self, case):
        self.case = case
        self.lock = threading.Lock()
        self.order, self.now, self.beside, self.failed = [], set(), set(), set()
        self.most = 0
        self.over = False

    def node(self, i, got):
        with self.lock:
            assert not self.over
            self.order.append(i)
            self.beside |= {(i, j) for j in self.now}
            self.now.add(i)
            self.most = max(self.most, len(self.now))
        delay = self.case.delays[i]
        if delay is not None:
            time.sleep(delay)
        with self.lock:
            self.now.remove(i)
            if i in self.case.failing:
                self.failed.add(i)
        if i in self.case.failing:
            raise Planned(i)
        assert [value[0] for value in got] == self.case.taken[i]
        return (i, *(value[0] for value in got))


def built(case):
    """Build the DAG of a case; its input is the run that its nodes tell what they do."""
    made = DAG("stress")
    run = made.input("run")
    results = []
    for i, some in enumerate(case.preds):
        results.append(
            made.add(
                lambda run, *got, i=i: run.node(i, got),
                run,
                *[results[p] for p in case.taken[i]],
                after=[results[p] for p in some],
                name=f"n{i}",
                lock=case.locks[i],
                exclusive=case.alone[i],
                timeout_s=600.0 if case.rng.random() < 0.1 else None,
            )
        )
    return made


@pytest.fixture
def switching():
    """Threads take turns as often as is drawn."""
    before = sys.getswitchinterval()
    yield lambda rng: sys.setswitchinterval(rng.choice([1e-6, 1e-5, 1e-4, 5e-3]))
    sys.setswitchinterval(before)


def test_random_runs_keep_the_rules(switching):
    """Until the time is over, and 20 cases at least."""
    begun, faults = time.monotonic(), []
    first = random.randrange(10**6) if "MAKESPAN_STRESS_S" in os.environ else 0
    for seed in itertools.count(first):
        case = Case(seed)
        switching(case.rng)

        def client(case=case):
            try:
                for _ in range(2):
                    case.run()
            except BaseException as error:
                faults.append((case.seed, error))

        clients = [threading.Thread(target=client, daemon=True) for _ in range(case.clients)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join(60)
            assert not thread.is_alive(), f"seed {seed} hangs"
        if faults:
            raise AssertionError(f"seed {faults[0][0]}") from faults[0][1]
        if time.monotonic() - begun > SECONDS and seed > first + 20:
            return
