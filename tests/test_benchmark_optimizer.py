"""The benchmark of the optimizer: rivals are what they say, and nothing wrong is believed."""

import json
import subprocess
import sys
from contextlib import closing
from itertools import permutations
from pathlib import Path

import pytest

from benchmarks import optimizer, rival_rules
from benchmarks.cases import Case, Known
from benchmarks.generated import generate
from benchmarks.referee import WrongError, rows_of, summary, table
from benchmarks.rival_solvers import SOLVERS, Answer, Process, Request, missing
from benchmarks.rivals import Method, Task, ask, elementary_bound, methods
from makespan_optimizer.model.solve import SolverProcess
from makespan_optimizer.rigid.check import violations
from makespan_optimizer.rigid.lists import list_schedule
from makespan_optimizer.rigid.problem import Resource

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(__file__).parent / "data" / "instances"

#   0 (3) → 2 (2)
#   1 (4) → 3 (2) ← 0;   0 and 1 hold a lock
SMALL = Case("x", "small", (3, 4, 2, 2), ((), (), (0,), (0, 1)), (Resource("lock", 1, (1, 1, 0, 0)),))


def task_of(case, threads=2, time_limit_s=0.5):
    return Task(case, threads, case.problem(threads), time_limit_s, 0, 1)


def end(problem, start):
    return max(s + w for s, w in zip(start, problem.wall, strict=True))


@pytest.fixture(scope="module")
def process():
    with closing(Process()) as its:
        yield its


# -- rules -------------------------------------------------------------------------------------------------


def test_rules_rank_as_their_tools_do():
    problem = Case("x", "x", (1, 9, 1, 1, 4), ((), (), (0,), (2,), ())).problem(1)
    assert rival_rules.critical_path(problem).index(0) == 1  # 9 before 4 before the chain of 3
    assert rival_rules.ninja(problem) == [0, 2, 1, 3, 4]  # the chain of three nodes first
    assert rival_rules.tawazi(problem) == [2, 0, 3, 4, 1]


def test_tawazi_counts_a_node_once_for_each_path():
    # 0 → 1 → 3 and 0 → 2 → 3: node 0 counts node 3 twice
    diamond = Case("x", "x", (1, 1, 1, 10, 15), ((), (0,), (0,), (1, 2), ())).problem(1)
    assert rival_rules.tawazi(diamond)[0] == 0  # 1 + 11 + 11 is more than 15; 1 + 1 + 1 + 10 would not be


@pytest.mark.parametrize("priority", [(1, 9, 1, 1, 4), (5, 1, 2, 7, 3)])
def test_tawazi_says_the_same(priority):
    tawazi = pytest.importorskip("tawazi")

    @tawazi.xn
    def node(*_):
        return 0

    preds = ((), (), (0,), (0, 2), (1,))

    @tawazi.dag
    def made():
        found = []
        for i, some in enumerate(preds):
            found.append(node(*[found[p] for p in some], twz_tag=str(i)))
        return found[-1], found[-2]

    def number(key):
        return int(key.partition("<<")[2].rstrip(">") or 0)

    graph = made.graph_ids
    for key in graph.nodes:
        graph.compound_priority[key] = priority[number(key)]
    graph.assign_compound_priority()
    said = {number(key): value for key, value in graph.compound_priority.items()}
    expected = sorted(range(5), key=lambda i: (-said[i], i))
    ranks = rival_rules.tawazi(Case("x", "x", priority, preds).problem(1))
    assert sorted(range(5), key=ranks.__getitem__) == expected


def test_fifo_starts_in_order_of_becoming_ready():
    case = Case("x", "x", (3, 1, 1, 1), ((), (), (1,), ()))
    assert rival_rules.fifo(case.problem(2)) == [0, 0, 2, 1]  # 3 was ready before 2
    assert rival_rules.fifo(SMALL.problem(2)) == [0, 3, 3, 7]


def test_the_recorded_order_of_dask_is_used():
    problem = Case("x", "x", (1, 1), ((), ())).problem(1)
    assert list_schedule(problem, rival_rules.dask(problem, (1, 0))) == [1, 0]


@pytest.mark.parametrize("group", ["generated/stg/20", "generated/psplib/j30", "generated/resources/40"])
def test_all_rules_make_feasible_schedules(group):
    for case in generate(group, 3, seed=1):
        problem = case.problem(2 if case.threaded else None)
        assert not violations(problem, rival_rules.fifo(problem))
        for rule in (rival_rules.critical_path, rival_rules.ninja, rival_rules.tawazi):
            ranks = rule(problem)
            assert sorted(ranks) == list(range(len(problem)))
            start = list_schedule(problem, ranks)
            assert not violations(problem, start)
            assert end(problem, start) >= elementary_bound(problem)


# -- solvers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_solvers_agree_with_every_order_tried(solver, process):
    if missing(solver):
        pytest.skip(missing(solver))
    for case in (SMALL, *generate("generated/stg/4", 3, seed=3)):
        task = task_of(case, time_limit_s=10.0)
        answer = ask(process, solver, task)
        problem = task.problem
        orders = permutations(range(len(case)))
        best = min(end(problem, list_schedule(problem, order)) for order in orders)
        assert not violations(problem, answer.start)
        assert answer.bound == end(problem, answer.start) <= best


def test_a_solver_that_fails_is_an_answer_too(process):
    request = Request("cp-sat", (1,), ((5,),), (), (0,), 1.0, 1, 0)  # waits for a node that is not there
    assert process.ask(request).note.startswith("IndexError")
    assert process.ask(request._replace(preds=((),))).bound == 1


@pytest.mark.parametrize(
    ("code", "note"),
    [("import time; time.sleep(60)", "stopped after 0.1 s"), ("raise SystemExit", "its process died")],
)
def test_a_solver_that_hangs_or_dies_is_an_answer_too(code, note, monkeypatch):
    monkeypatch.setattr("benchmarks.rival_solvers.GRACE_S", 0.1)
    with closing(Process(code)) as its:
        for _ in range(2):
            answer = its.ask(Request("cp-sat", (1,), ((),), (), (0,), 0.0, 1, 0))
            assert answer == Answer(None, None, answer.seconds, note)


# -- the referee -------------------------------------------------------------------------------------------

GOOD = Answer((0, 3, 3, 7), 9, 0.1)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"a": GOOD, "b": Answer((0, 0, 3, 4), 6, 0.1)}, "the schedule of b does not hold: lock: 2 of 1"),
        ({"a": GOOD, "b": Answer(None, 10, 0.1)}, "the bound 10 of b is above the makespan 9 of a"),
        ({"a": Answer((0, 3, 3), 9, 0.1)}, "the schedule of a does not hold: 3 starts for 4 nodes"),
    ],
)
def test_what_cannot_be_true_is_not_believed(answers, said):
    with pytest.raises(WrongError, match=said):
        rows_of(task_of(SMALL), answers)


def test_a_table_may_contradict_too():
    for known, said in (
        (Known(10, 11), r"10 of \(table\)"),
        (Known(0, 8), r"bound 9 of a .* 8 of \(table\)"),
    ):
        case = Case("x", "x", SMALL.wall, SMALL.preds, SMALL.resources, known={2: known})
        with pytest.raises(WrongError, match=said):
            rows_of(task_of(case), {"a": GOOD})


def test_rows_tell_what_was_found():
    longer = Answer((0, 3, 7, 7), None, 0.2)
    first, second, third = rows_of(
        task_of(SMALL), {"a": GOOD, "b": longer._replace(start=(4, 0, 7, 7)), "c": Answer(None, None, 0.3)}
    )
    assert {key: first[key] for key in ("makespan", "bound", "best_known", "proven", "threads")} == {
        "makespan": 9,
        "bound": 9,
        "best_known": 9,
        "proven": True,
        "threads": 2,
    }
    assert (second["proven"], second["best_from"], third["makespan"]) == (False, "a", None)
    its = {row["method"]: row for row in summary([first, second, third])}
    assert (its["a"]["over_best"], its["c"]["over_best"], its["c"]["found"]) == (0.0, None, 0.0)
    assert "100.0%" in table([first, second, third])


def test_a_table_is_the_best_known():
    case = Case("x", "x", SMALL.wall, SMALL.preds, SMALL.resources, known={2: Known(9, 9)})
    (row,) = rows_of(task_of(case), {"b": Answer((4, 0, 7, 7), None, 0.2)})
    assert (row["best_known"], row["best_from"]) == (9, "table")


def test_every_method_that_can_run_solves_the_small_case(process):
    task = task_of(SMALL)
    with SolverProcess() as solver:
        answers = {m.name: m.run(task) for m in methods(process, solver).values() if not m.missing()}
    assert all(row["makespan"] == 9 for row in rows_of(task, answers))


# -- the command -------------------------------------------------------------------------------------------


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/optimizer.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_prints_a_row_an_instance_and_method():
    sets = "psplib/small,stg/3,wf,dask"
    done = run(
        "--instances", str(DATA), "--sets", sets, "--threads", "1,2", "--methods", "list,fifo", "--json"
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == 2 * (1 + 2 + 4 + 2)
    assert {
        "set",
        "instance",
        "threads",
        "method",
        "makespan",
        "bound",
        "best_known",
        "proven",
        "seconds",
    } <= {*rows[0]}
    known = {
        (row["instance"], row["threads"]): row["best_known"] for row in rows if row["best_from"] == "table"
    }
    assert known == {("small1_1", None): 9, ("fork", 1): 10, ("fork", 2): 7}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sets", "stg/50"], "the set 'stg/50' needs --instances DIR"),
        (["--methods", "magic"], "unknown methods magic"),
        (["--threads", "0"], "--threads should be at least 1"),
        (["--time-limit", "nan"], "--time-limit should be at least"),
        (["--sets", "generated/stg"], "there is no set 'generated/stg'"),
    ],
)
def test_bad_options_are_refused(arguments, said):
    done = run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def with_method(monkeypatch, run_it):
    """Let the command know one method only."""
    fake = {"fake": Method("fake", run_it, lambda: None)}
    monkeypatch.setattr(optimizer, "methods", lambda *_: fake)
    monkeypatch.setattr(optimizer, "warm_up", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["optimizer.py", "--instances", str(DATA), "--sets", "stg/3", "--json"])


def test_a_wrong_schedule_ends_the_run_loudly(monkeypatch, capsys):
    with_method(monkeypatch, lambda task: Answer((0,) * len(task.problem), 0, 0.0))
    with pytest.raises(SystemExit) as left:
        optimizer.main()
    assert left.value.code == 1
    assert "WRONG: stg/3 fork, 2 threads: the schedule of fake does not hold" in capsys.readouterr().err


def test_ctrl_c_prints_what_is_done(monkeypatch, capsys):
    asked = []

    def stopped(task):
        asked.append(task)
        if len(asked) > 2:
            raise KeyboardInterrupt
        start = list_schedule(task.problem, rival_rules.critical_path(task.problem))
        return Answer(tuple(start), None, 0.0)

    with_method(monkeypatch, stopped)
    with pytest.raises(SystemExit) as left:
        optimizer.main()
    assert left.value.code == 130
    said = capsys.readouterr()
    assert len(json.loads(said.out)) == 2
    assert "stopped" in said.err


def test_a_long_run_is_the_reference(process):
    fifo = Method("fifo", lambda task: Answer(tuple(rival_rules.fifo(task.problem)), None, 0.0), lambda: None)
    case = Case("x", "x", (2, 2, 4), ((),) * 3)
    ((first, reference),) = optimizer.run([task_of(case)], [fifo], process, 5.0, lambda _: None)
    assert (first["method"], reference["method"]) == ("fifo", "reference")
    assert first["makespan"] > first["best_known"] == reference["makespan"] == 4
