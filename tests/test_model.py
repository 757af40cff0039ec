"""The CP-SAT model, and the process in which it is solved."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time

import msgspec
import pytest
from hypothesis import given, settings

from makespan.errors import MissingExtraError
from makespan.structure import build
from makespan_optimizer.instance import instance_from
from makespan_optimizer.model import solve as parent
from makespan_optimizer.model.request import (
    Event,
    Model,
    Request,
    contended_resources,
    request_of,
    thread_resource,
    unit_of,
)
from makespan_optimizer.model.worker import solve_model
from makespan_optimizer.schedule import rigid_schedule
from makespan_optimizer.simulate import simulate
from tests.oracles import best_schedule
from tests.strategies import cases
from tests.test_simulate import contended

DONE = msgspec.json.encode(Event("done", "threads", (0,), 1, 1, "OPTIMAL")).decode()


def request(instance, budget, ranks=None, *, rigid=False):
    ranks = ranks or list(range(len(instance)))
    unit = unit_of(instance)
    if rigid:
        hint, resources = rigid_schedule(instance, ranks, budget), contended_resources(instance)
    else:
        start = simulate(instance.without_contention(), ranks, budget).start
        hint, resources = [int(t) for t in start], ()
    model = Model(
        "resources" if rigid else "threads",
        (thread_resource(instance, budget), *resources),
        0,
        tuple(t // unit for t in hint),
        10.0,
    )
    return request_of(instance, [model], seed=0, workers=1, gap=0.0)


def solved(asked: Request) -> list[Event]:
    """Solve in this process: quicker, and covered."""
    events: list[Event] = []
    for model in asked.models:
        solve_model(asked, model, events.append)
    return events


def tiny(after=("",), walls=(5,)):
    return instance_from(build("abcdefgh"[: len(after)], after), walls)


@settings(deadline=None, max_examples=40)
@given(cases(6))
def test_the_threads_model_finds_the_optimum_and_its_bound_meets_it(case):
    instance = case.instance()
    last = solved(request(instance, case.budget))[-1]
    best = best_schedule(case.wall, case.preds, case.budget, case.locks, case.exclusive)
    assert last.status == "OPTIMAL"
    assert last.makespan is not None
    assert last.bound is not None
    assert last.makespan * unit_of(instance) == last.bound * unit_of(instance) == best


@settings(deadline=None, max_examples=20)
@given(contended())
def test_the_resources_model_never_shares_the_gil(drawn):
    case, instance, _ = drawn
    last = solved(request(instance, case.budget, rigid=True))[-1]
    wall = [w // unit_of(instance) for w in case.wall]
    for t in last.start:
        now = [i for i, s in enumerate(last.start) if s <= t < s + wall[i]]
        assert sum(instance.gil[i] for i in now) <= 1000
        assert len(now) <= case.budget


def test_five_equal_nodes_have_tiny_domains():
    five = tiny(("", "a", "a", "a", "cd"), [250_000] * 5)
    asked = request(five, 2)
    assert asked.wall == (1,) * 5
    assert solved(asked)[-1].makespan == 3


def test_the_child_answers():
    asked = request(tiny(("", "a", "a", "a", "cd"), [4] * 5), 2)
    heard: list[Event] = []

    def hear(event: Event) -> bool:
        heard.append(event)
        return False

    outcome = parent.solve(asked, deadline=time.monotonic() + 60, hear=hear)
    assert (outcome.killed, outcome.trouble) == (False, None)
    assert outcome.events == heard
    assert (outcome.events[-1].kind, outcome.events[-1].makespan) == ("done", 3)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def pid_of(event_start: tuple[int, ...]) -> int:
    return event_start[0]


# Says its own process id as a solution, then what the test wants.
SAYS_PID = (
    "import os, sys, time; "
    'print(\'{"kind":"solution","model":"threads","start":[%d]}\' % os.getpid(), flush=True); '
)


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_solver_that_hangs_is_killed_in_time():
    begun = time.monotonic()
    outcome = parent.solve(
        request(tiny(), 1), deadline=begun + 0.5, command=python(SAYS_PID + "time.sleep(600)")
    )
    assert time.monotonic() - begun < 5
    assert outcome.killed
    assert outcome.trouble is None
    assert is_gone(pid_of(outcome.events[0].start))


def test_a_solver_that_closes_its_output_and_hangs_is_killed_too():
    begun = time.monotonic()
    outcome = parent.solve(
        request(tiny(), 1),
        deadline=begun + 0.5,
        command=python("import os, time; os.close(1); time.sleep(600)"),
    )
    assert time.monotonic() - begun < 5
    assert outcome.killed


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_whatever_is_raised_meanwhile_the_child_is_killed(error):
    pids = []

    def hear(event: Event) -> bool:
        pids.append(pid_of(event.start))
        raise error

    with pytest.raises(error):
        parent.solve(
            request(tiny(), 1),
            deadline=time.monotonic() + 60,
            hear=hear,
            command=python(SAYS_PID + "time.sleep(600)"),
        )
    assert is_gone(pids[0])


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise SystemExit('out of luck')", "out of luck"),
        ("import os; os.kill(os.getpid(), 11)", "exit code -11"),
        ("import nothing_of_this_name", "No module named 'nothing_of_this_name'"),
    ],
)
def test_a_crash_is_told_and_no_more(code, reason):
    outcome = parent.solve(request(tiny(), 1), deadline=time.monotonic() + 60, command=python(code))
    assert outcome.trouble is not None
    assert reason in outcome.trouble
    assert not outcome.killed


def test_a_crash_after_the_last_word_is_none():
    outcome = parent.solve(
        request(tiny(), 1),
        deadline=time.monotonic() + 60,
        command=python(f"print({DONE!r}, flush=True); raise SystemExit(3)"),
    )
    assert outcome.trouble is None
    assert outcome.events[0].status == "OPTIMAL"


def test_a_program_that_cannot_be_started():
    outcome = parent.solve(request(tiny(), 1), deadline=time.monotonic() + 9, command=["/nowhere/python"])
    assert outcome.trouble == "its process could not be started: No such file or directory"


def test_lines_that_are_not_ours_are_passed_over():
    code = f"print('warning: something'); print('{{}}'); print({DONE!r}); print('half a li', end='')"
    outcome = parent.solve(request(tiny(), 1), deadline=time.monotonic() + 60, command=python(code))
    assert [event.kind for event in outcome.events] == ["done"]


def test_hearing_enough_ends_the_search():
    outcome = parent.solve(
        request(tiny(), 1),
        deadline=time.monotonic() + 60,
        hear=lambda _: True,
        command=python(f"import time; print({DONE!r}, flush=True); time.sleep(600)"),
    )
    assert (outcome.killed, outcome.trouble) == (False, None)


def test_the_child_finds_itself_in_a_hostile_folder(tmp_path, monkeypatch):
    for name in ("optimizer.py", "makespan_optimizer.py", "ortools.py", "msgspec.py"):
        (tmp_path / name).write_text("raise SystemExit('hostile')")
    monkeypatch.chdir(tmp_path)
    outcome = parent.solve(request(tiny(), 1), deadline=time.monotonic() + 60)
    assert outcome.trouble is None
    assert outcome.events[-1].kind == "done"


def test_the_parent_does_not_import_the_solver():
    code = "import sys, makespan_optimizer.optimize; print('ortools' in sys.modules)"
    done = subprocess.run(
        [*python(code)], capture_output=True, text=True, check=True, env=parent._environment()
    )
    assert done.stdout.strip() == "False"


def test_without_ortools_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"needs OR-Tools \(pip install 'makespan\[optimize\]'\)"):
        parent.ensure_solver()
