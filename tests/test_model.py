"""The CP-SAT model, and the process in which it is solved."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time

import msgspec
import pytest
from hypothesis import given, settings

from makespan.errors import MissingExtraError
from makespan.structure import build
from makespan_optimizer.instance import instance_from
from makespan_optimizer.model import solve as parent
from makespan_optimizer.model.request import Event, Request, request_of
from makespan_optimizer.model.solve import SolverProcess
from makespan_optimizer.model.worker import solve_request
from makespan_optimizer.rigid.check import violations
from makespan_optimizer.rigid.problem import Resource, problem_from
from makespan_optimizer.schedule import rigid_problem, rigid_schedule
from tests.oracles import best_schedule
from tests.strategies import cases
from tests.test_simulate import contended

DONE = msgspec.json.encode(Event("done", (0,), 1, 1, "OPTIMAL")).decode()


def request(instance, budget, *, rigid=False):
    start = rigid_schedule(instance, list(range(len(instance))), budget)
    problem = rigid_problem(instance, budget, contended=rigid)
    return request_of(problem, start, wall_s=10.0, workers=1)


def solved(asked: Request) -> list[Event]:
    """Solve in this process: quicker, and covered."""
    events: list[Event] = []
    solve_request(asked, events.append)
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
    assert last.makespan == last.bound == best


@settings(deadline=None, max_examples=20)
@given(contended())
def test_the_resources_model_never_shares_the_gil(drawn):
    case, instance, _ = drawn
    last = solved(request(instance, case.budget, rigid=True))[-1]
    assert violations(rigid_problem(instance, case.budget, contended=True), last.start) == []
    for t in last.start:
        now = [i for i, s in enumerate(last.start) if s <= t < s + case.wall[i]]
        assert sum(instance.gil[i] for i in now) <= 1000
        assert len(now) <= case.budget


def test_five_equal_nodes_have_tiny_domains():
    five = tiny(("", "a", "a", "a", "cd"), [250_000] * 5)
    asked = request(five, 2)
    assert asked.unit == 250_000
    assert solved(asked)[-1].makespan == 750_000


def test_the_child_answers():
    asked = request(tiny(("", "a", "a", "a", "cd"), [4] * 5), 2)
    heard: list[Event] = []

    def hear(event: Event) -> bool:
        heard.append(event)
        return False

    outcome = parent.solve(asked, deadline=time.monotonic() + 60, hear=hear)
    assert (outcome.killed, outcome.trouble) == (False, None)
    assert outcome.events == heard
    assert (outcome.events[-1].kind, outcome.events[-1].makespan) == ("done", 12)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def pid_of(event_start: tuple[int, ...]) -> int:
    return event_start[0]


# Says its own process id as a solution, then what the test wants.
SAYS_PID = 'import os, sys, time; print(\'{"kind":"solution","start":[%d]}\' % os.getpid(), flush=True); '


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def has_ended(pid: int) -> bool:
    """Say whether a process runs no more; whoever has inherited it may not have buried it yet."""
    if is_gone(pid):
        return True
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return is_gone(pid)


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


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def soon() -> float:
    return time.monotonic() + 60


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts open files the Linux way")
def test_one_child_answers_many_requests_and_leaves_nothing():
    before = descriptors()
    with SolverProcess() as process:
        pids = set()
        for wall in range(1, 6):
            five = tiny(("", "a", "a", "a", "cd"), [wall] * 5)
            outcome = process.solve(request(five, 2), deadline=soon())
            assert outcome.last is not None
            assert outcome.last.makespan == 3 * wall
            assert process._child is not None
            pids.add(process._child.pid)
        assert process.starts == len(pids) == 1
    assert is_gone(pids.pop())
    assert descriptors() == before


def test_a_child_that_overran_or_crashed_is_replaced():
    # Hangs at the first request of its life if the file is there, and takes it away; else it answers.
    with tempfile.TemporaryDirectory() as folder:
        note = os.path.join(folder, "hang")
        code = (
            f"import os, sys, time\nprint('here', flush=True)\n"
            f"for line in sys.stdin:\n  if os.path.exists({note!r}):\n"
            f"    os.remove({note!r}); time.sleep(600)\n  print({DONE!r}, flush=True); break\n"
        )
        open(note, "w").close()
        with SolverProcess(python(code)) as process:
            assert process.solve(request(tiny(), 1), deadline=time.monotonic() + 0.5).killed
            for starts in (2, 3):  # it ends after an answer: the next request needs another
                assert process.solve(request(tiny(), 1), deadline=soon()).last is not None
                assert process.starts == starts
                process._child.wait()


def test_a_search_that_is_no_longer_wanted_ends_and_the_child_lives_on():
    n = 60
    hard = problem_from(
        [5 + 7 * i * i % 23 for i in range(n)],
        [[j for j in (i - 7, i - 11) if j >= 0] for i in range(n)],
        [Resource(f"r{k}", 9, tuple(1 + (i * i + k * i) % 5 for i in range(n))) for k in range(3)],
    )
    start = [0] * n
    for i in range(1, n):
        start[i] = start[i - 1] + hard.wall[i - 1]
    with SolverProcess() as process:
        asked = request_of(hard, start, wall_s=100)
        first = process.solve(asked, deadline=soon(), hear=lambda event: event.kind == "solution")
        assert first.last is None
        again = process.solve(request(tiny(), 1), deadline=soon())
        assert again.last is not None
        assert again.last.makespan == 5
        assert process.starts == 1


def test_a_child_that_does_not_read_cannot_block_its_parent():
    n = 3000
    large = problem_from([1] * n, [[]] * n, [Resource(f"r{k}", 1, (1,) * n) for k in range(40)])
    begun = time.monotonic()
    with SolverProcess(python("import time; time.sleep(600)")) as process:
        asked = request_of(large, range(n), wall_s=1)
        assert process.solve(asked, deadline=begun + 0.5).killed
    assert time.monotonic() - begun < 30


def test_the_child_ends_with_its_parent():
    code = (
        "import os, sys; from makespan_optimizer.model.solve import SolverProcess; "
        "process = SolverProcess(); process.start(); print(process._child.pid, flush=True); os._exit(0)"
    )
    done = subprocess.run(
        python(code), stdout=subprocess.PIPE, text=True, check=True, env=parent._environment()
    )
    until = soon()
    while not has_ended(int(done.stdout)):
        assert time.monotonic() < until
        time.sleep(0.05)


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
