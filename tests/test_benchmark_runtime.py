"""The runtime's benchmark: its engines give right results, its output holds together."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks import runtime_cases
from benchmarks.runtime import Case, cases, main, measure, table
from benchmarks.runtime_engines import ENGINES, OURS
from benchmarks.runtime_peers import levels_of, sinks_of

OUR = ["makespan", "makespan short nodes", "makespan no plan", "makespan traced", "makespan run()"]
SIMPLE = [*OUR, "graphlib+ThreadPoolExecutor", "plain loop"]


def test_cases_are_what_they_are_called():
    made = {(case.name, len(case.preds)) for case in cases([10, 1000])}
    assert made == {("random", 10), ("random", 1000), ("chain", 1000), ("fan", 1000)}
    assert levels_of([[], [0], [0], [1, 2]]) == [[0], [1, 2], [3]]
    assert sinks_of([[], [0], [0]]) == [1, 2]
    assert {name for name in ENGINES if name.startswith("makespan")} == set(OURS)


@pytest.mark.parametrize("engine", [*SIMPLE, "dask.threaded"])
def test_an_engine_runs_a_dag_again_and_again(engine):
    preds = [[], [0], [0], [1, 2], [1]]
    called = []

    def function(*got):
        called.append(got)
        return sum(got) + 1

    said = []
    with ExitStack() as stack:
        runs = runtime_cases.prepared(preds, 1, function, [engine], stack, said.append)
        if not runs:
            assert "is not installed" in said[0]
            pytest.skip(said[0])
        for _ in range(3):
            called.clear()
            assert runs[engine]() == [5, 3]
            assert len(called) == 5


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tawazi", None)
    said = []
    with ExitStack() as stack:
        engines = ["tawazi", "plain loop"]
        assert list(runtime_cases.prepared([[]], 1, len, engines, stack, said.append)) == ["plain loop"]
    assert "tawazi is not installed" in said[0]


def test_rows_and_their_table():
    case = Case("chain", [[], [0], [1]])
    rows = measure(case, 1, [*SIMPLE, "makespan chain"], 1, lambda _: None)
    assert [row["engine"] for row in rows] == [*SIMPLE, "makespan chain"]
    assert all(row["us_per_node"] > 0 and row["n"] == 3 for row in rows)
    rows += runtime_cases.latency(["makespan", "plain loop"], 1, 2, 0.02, lambda _: None)
    assert rows[-1]["p50_us"] <= rows[-1]["p99_us"]
    lines = table(rows).splitlines()
    assert len(lines) == 1 + len(rows)
    assert lines[1].split()[-1] == "1.00"
    assert "calls/s" in lines[-1]


def test_memory_is_counted_in_arrays_and_failures_are_timed():
    (ours, loop) = runtime_cases.memory(["makespan", "plain loop"], 1, lambda _: None)
    assert (ours["live_arrays"], loop["live_arrays"]) == (2, 50)
    rows = runtime_cases.errors(["makespan"], 2, 1, lambda _: None)
    assert [row["case"] for row in rows] == ["error beside", "error queued"]
    assert all(row["error_us"] > 0 for row in rows)


def test_json_holds_together(capsys):
    few = ["--threads", "1", "--engines", "makespan,plain loop", "--repeats", "1", "--seconds", "0.05"]
    main(["--json", "--cases", "chain,call", *few])
    rows = json.loads(capsys.readouterr().out)
    assert {"case", "n", "threads", "engine", "us_per_node"} <= set(rows[0])
    assert {"p50_us", "p99_us", "calls_per_s", "clients"} <= set(rows[-1])


@pytest.mark.parametrize("argv", [["--engines", "nobody"], ["--cases", "nonsense"]])
def test_a_wrong_option_is_refused(argv, capsys):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "known: " in capsys.readouterr().err


def test_it_runs_as_a_script():
    script = Path(__file__).parents[1] / "benchmarks" / "runtime.py"
    ran = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True)
    assert "live_arrays" in ran.stdout
