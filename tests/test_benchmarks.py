"""The profiler's benchmark: its workloads run, its arithmetic is right, its output holds together."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import workloads as sizing
from benchmarks.peers import held_share
from benchmarks.profiler import main, shares_of
from benchmarks.scores import Seen, row, same_call, same_call_table, summarize, summary_table, table
from benchmarks.turns import blocks, taking_turns
from benchmarks.uprobe_events import Exact, exact, shares, total
from benchmarks.uprobes import Tracer, TracingUnavailableError, symbol_offsets
from benchmarks.workloads import (
    TARGET_S,
    ManyHashes,
    Parts,
    Ready,
    Truth,
    Workload,
    missing,
    prepared,
    workloads,
)
from makespan.measurement import Call, NodeProfile, Spread

CHEAP = [
    "loop",
    "json_dumps",
    "sort_strings",
    "regex",
    "zlib",
    "sha256_big",
    "sqlite",
    "sleep_many",
    "threads",
]
linux = pytest.mark.skipif(sys.platform != "linux", reason="measured on Linux")


# -- workloads ---------------------------------------------------------------------------------------------


def test_there_are_enough_workloads_each_with_its_own_name():
    names = [workload.name for workload in workloads()]
    assert len(set(names)) == len(names) >= 24
    assert all(workload.classes for workload in workloads())


@linux
@pytest.mark.parametrize(
    "name", [*CHEAP, "sleep", "lock_wait", "loop_sleep", "json_zlib", "file_warm", "file_cold"]
)
def test_a_workload_runs_and_can_be_called_again(name):
    (workload,) = [each for each in workloads() if each.name == name]
    with prepared(workload._replace(size=max(1, workload.size // 10)), target_s=0.002) as ready:
        ready.fn()
        assert ready.size >= 1
        assert ready.seconds > 0


@linux
@pytest.mark.parametrize("name", ["socket_slow", "socket_chatty", "child"])
def test_a_workload_with_a_child_process_leaves_nothing_behind(name):
    (workload,) = [each for each in workloads() if each.name == name]
    with prepared(workload._replace(size=3, fixed=True)) as ready:
        ready.fn()


def test_a_missing_package_is_named():
    workload = Workload(
        "x", lambda size, stack: lambda: None, 1, frozenset({"io"}), packages=("json", "no_such")
    )
    assert missing(workload) == ("no_such",)


def test_a_workload_is_sized_until_it_is_long_enough():
    sizes = []

    def setup(size, stack):
        sizes.append(size)
        stack.callback(sizes.append, "undone")
        return lambda: sum(range(size))

    with prepared(Workload("x", setup, 1, frozenset({"python"})), target_s=0.005) as ready:
        assert ready.size == sizes[-1] > 1
    assert sizes.count("undone") == len(sizes) / 2


def test_slow_first_calls_do_not_make_a_workload_small(monkeypatch):
    now_s = [0.0]
    monkeypatch.setattr(sizing, "time", SimpleNamespace(perf_counter=lambda: now_s[0]))

    def setup(size, stack):
        factors = iter([20, 20])  # slow: the first two calls of each size

        def call():
            now_s[0] += size * 1e-4 * next(factors, 1)

        return call

    for start in (1, 1_000, 100_000):
        with prepared(Workload("x", setup, start, frozenset({"io"}))) as ready:
            assert ready.size * 1e-4 == pytest.approx(TARGET_S, rel=0.4)
            assert ready.seconds == pytest.approx(ready.size * 1e-4)


def test_the_share_of_a_mix_follows_from_its_parts():
    parts = Parts((lambda: None, 1.0), (lambda: None, 0.0))
    assert parts.gil is None
    parts.took_s = [0.03, 0.01]
    assert parts.gil == pytest.approx(0.75)
    assert 0 <= ManyHashes(200).gil < 1


# -- scores ------------------------------------------------------------------------------------------------


def rows():
    truth = Truth(gil=1.0, blocked=0.0, cpu=1.0)
    calls = [Seen(1.0, 0.0, 1.0, "python"), Seen(0.7, 0.1, 0.9, "holds"), Seen(1.0, 0.0, 1.0, "python")]
    good = row(
        "loop", "a", calls, truth, truth_from="trace", classes=frozenset({"python", "holds"}), ratio=1.02
    )
    io = [Seen(0.2, 0.5, 0.3, "io"), Seen(0.1, 0.9, 0.1, "mixed"), Seen(0.3, 0.8, 0.2, "io")]
    bad = row(
        "sleep", "a", io, Truth(0.0, 1.0, 0.0), truth_from="trace", classes=frozenset({"io"}), ratio=0.98
    )
    blind = row("sleep", "b", [Seen(0.5)], Truth(), truth_from="none", ratio=None)
    return [good, bad, blind]


def test_a_row_holds_medians_against_the_truth():
    good, bad, blind = rows()
    assert (good["gil"], good["gil_error"]) == (1.0, 0.0)
    assert good["gil_call_error"] == pytest.approx(0.1)
    assert (good["right"], good["kinds"]) == (3, {"holds": 1, "python": 2})
    assert (bad["gil_error"], bad["blocked_error"], bad["cpu_error"]) == (0.2, -0.2, 0.2)
    assert (bad["right"], bad["calls"]) == (2, 3)
    several = row("x", "a", [Seen(0.5, gil_calls=(0.4, 0.8))], Truth(gil=0.5), truth_from="trace")
    assert several["gil_call_error"] == pytest.approx(0.2)
    many = row("x", "a", [Seen(0.5, gil_calls=None)], Truth(gil=0.2), truth_from="trace")
    assert (many["gil_error"], many["gil_call_error"], many["gil_calls"]) == (0.3, None, [])
    assert (blind["gil"], blind["gil_error"], blind["right"], blind["blocked"]) == (0.5, None, None, None)


def test_a_summary_tells_the_worst_and_what_was_wrong():
    first, second = summarize(rows())
    assert first["source"] == "a"
    assert first["gil_mae_call"] == pytest.approx((0.1 + 0.2) / 2)
    assert first["gil_mae_median"] == pytest.approx(0.1)
    assert first["gil_worst"] == ("sleep", 0.2)
    assert first["blocked_median"] == pytest.approx(0.1)
    assert first["blocked_worst"] == ("sleep", 0.2)
    assert first["cpu_mae"] == pytest.approx(0.1)
    assert (first["right_always"], first["wrong"]) == (0.5, ["sleep"])
    assert first["overhead"] == pytest.approx(0.0)
    assert (
        second["gil_mae_call"] is second["gil_worst"] is second["overhead"] is second["right_always"] is None
    )


def test_tables_show_every_row_and_mark_wrong_classes():
    text = table(rows())
    assert len(text.splitlines()) == 4
    assert [line.endswith("← wrong") for line in text.splitlines()] == [False, False, True, False]
    assert "sleep" in summary_table(summarize(rows()))


def test_shares_of_a_node_are_of_its_wall():
    node = NodeProfile(
        "x", 1, Spread(2.0, 2.0, 2.0), cpu_s=1.0, gil_s=0.5, native_s=0.5, blocked_s={"io": 1.0}, kind="mixed"
    )
    assert shares_of(node) == Seen(0.25, 0.5, 0.5, "mixed")
    nothing = NodeProfile("x", 1, Spread(0.0, 0.0, 0.0), cpu_s=0.0, gil_s=0.0, native_s=0.0)
    assert shares_of(nothing) == Seen(None)


def test_the_same_calls_are_held_against_their_trace():
    call = Call("x", wall_s=1.1, cpu_s=0.5, run_delay_s=0.1, gil_share=0.5, blocked_s={"io": 0.5})
    trace = Exact(2.2, 0.6, 0.4, 0.0, 0.0, 1.0, 0.2, 4)
    same = same_call("x", [call, call], trace, [call, call], trace)
    assert (same["gil"], same["gil_truth"]) == (0.25, 0.3)
    assert (same["blocked"], same["blocked_truth"], same["cpu"], same["cpu_truth"]) == (0.5, 0.5, 0.5, 0.5)
    assert "0.050" in same_call_table([same])
    assert same_call_table([]) == "no call was traced"


def test_where_probes_change_what_they_look_at_the_gil_share_is_not_compared():
    call = Call("x", wall_s=1.0, cpu_s=1.0, gil_share=0.5)
    trace = Exact(1.0, 0.6, 0.4, 0.0, 0.0, 0.0, 0.0, 100_000)
    same = same_call("x", [call], trace, [call], trace)
    assert (same["gil"], same["gil_truth"], same["cpu"]) == (None, None, 1.0)
    assert "GIL" not in same_call_table([same])


# -- other tools, and what the profiler takes ----------------------------------------------------------------


def test_looks_are_counted_not_supposed():
    stacks = "process 1;loop (x.py:1) 60\nprocess 1;dumps (x.py:2) 39\n\n"
    assert held_share(stacks, "Wrote raw flamegraph data. Samples: 99 Errors: 0", 199) == pytest.approx(0.5)
    assert held_share(stacks, "Wrote raw flamegraph data. Samples: 99 Errors: 33", 199) == pytest.approx(0.6)
    assert held_share("", "Error: No stack counts found", 199) == 0.0
    assert held_share("", "Samples: 0 Errors: 199", 199) == 0.0


@pytest.mark.parametrize("repeats", [1, 2, 5, 20])
def test_blocks_take_turns(repeats):
    made = blocks(repeats)
    for profiled in (True, False):
        assert sum(count for its, count in made if its is profiled) == repeats
    assert all(one[0] is not other[0] for one, other in pairwise(made))
    if repeats == 20:
        assert len(made) > 4


def test_nothing_of_the_profiler_is_there_in_calls_without_it(monkeypatch):
    from makespan_optimizer.measure.sampling import sampler as samplers

    found, is_open = [], []
    before = len(gc.callbacks)

    class Fake(samplers.NoSampler):
        def __init__(self):
            is_open.append(self)

        def close(self):
            is_open.remove(self)

    monkeypatch.setattr(samplers, "open_sampler", lambda wanted: (Fake(), ()))

    def fn():
        found.append((len(is_open), len(gc.callbacks) - before))
        sum(range(1000))

    turns = taking_turns({"x": Ready("x", fn, 1, 0.0)}, 5, lambda text: None)
    assert found == [(0, 0)] + 3 * [(0, 0)] + 5 * [(1, 1)] + 2 * [(0, 0)]
    assert len(turns.clocked["x"]) == 5
    assert turns.ratios["x"] > 0
    assert not is_open


# -- truth by tracing --------------------------------------------------------------------------------------

SWITCH = (
    "sched_switch: prev_comm=a b prev_pid={} prev_prio=120 prev_state={} ==> "
    "next_comm=c next_pid={} next_prio=120"
)


def traced(*events):
    """Lines of a trace: (milliseconds, thread, core, text)."""
    return [
        f"   a b-{thread}   (   {70 if thread else '----'}) [{core:03}] d..2. {1 + at / 1000:.6f}: {text}"
        for at, thread, core, text in events
    ]


def test_a_trace_is_divided_exactly():
    made = exact(
        traced(
            (0, 70, 0, "tracing_mark_write: makespan begin"),
            (0, 70, 0, "take_in: (0x1)"),
            (1, 70, 0, "take_out: (0x1 <- 0x2)"),
            (11, 70, 0, SWITCH.format(70, "R", 5)),  # loses its core for 4 ms, with the lock
            (15, 5, 0, SWITCH.format(5, "S", 70)),
            (20, 70, 0, "drop_in: (0x3)"),  # held for 10 + 5 ms on a core
            (50, 70, 0, SWITCH.format(70, "S", 0)),  # native for 30 ms, then blocked
            (80, 0, 1, "sched_wakeup: comm=a b pid=70 prio=120 target_cpu=000"),  # the core is idle: no delay
            (81, 0, 0, SWITCH.format(0, "R", 70)),
            (82, 70, 0, "tracing_mark_write: makespan end"),
        ),
        tid=70,
        pid=70,
    )
    assert made.wall_s == pytest.approx(0.082)
    assert made.taking_s == pytest.approx(0.001)
    assert made.held_s == pytest.approx(0.015)
    assert made.run_delay_s == pytest.approx(0.004)
    assert made.native_s == pytest.approx(0.032)
    assert made.blocked_s == pytest.approx(0.030)
    assert made.longest_s == pytest.approx(0.019)
    assert (made.takes, made.gil_wait_s, made.others_held_s) == (1, 0.0, 0.0)


def test_waiting_for_the_lock_is_not_being_blocked_and_other_threads_count():
    made = exact(
        traced(
            (0, 70, 0, "tracing_mark_write: makespan begin"),
            (0, 71, 1, "take_out: (0x1 <- 0x2)"),
            (1, 70, 0, "take_in: (0x1)"),
            (2, 70, 0, SWITCH.format(70, "S", 0)),
            (10, 71, 1, "drop_in: (0x3)"),
            (10, 71, 1, "sched_wakeup: comm=a b pid=70 prio=120 target_cpu=001"),
            (13, 71, 1, SWITCH.format(71, "S", 70)),  # the core was not idle: 3 ms of delay
            (14, 70, 1, "take_out: (0x1 <- 0x2)"),
            (20, 70, 1, "drop_in: (0x3)"),
            (20, 70, 1, "tracing_mark_write: makespan end"),
        ),
        tid=70,
        pid=70,
    )
    assert made.gil_wait_s == pytest.approx(0.008)
    assert made.blocked_s == 0
    assert made.run_delay_s == pytest.approx(0.003)
    assert made.held_s == pytest.approx(0.006)
    assert made.others_held_s == pytest.approx(0.010)
    assert (made.takes, made.others_takes) == (1, 1)


def test_a_lost_way_in_is_not_taken_for_a_delay():
    made = exact(
        traced(
            (0, 70, 0, "tracing_mark_write: makespan begin"),
            (10, 70, 1, SWITCH.format(70, "S", 0)),
            (30, 0, 0, "sched_wakeup: comm=a b pid=70 prio=120 target_cpu=007"),
            (50, 70, 7, SWITCH.format(70, "S", 0)),
            (60, 5, 0, "tracing_mark_write: makespan end"),
        ),
        tid=70,
        pid=70,
    )
    assert made.native_s == pytest.approx(0.030)
    assert made.run_delay_s == 0


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([(0, 70, 0, "take_in: (0x1)")], "begin and end"),
        ([(0, 70, 0, "tracing_mark_write: makespan begin")], "begin and end"),
        (
            [(0, 70, 0, "tracing_mark_write: makespan begin"), (1, 70, 0, "drop_in: (0x3)")],
            "without having taken it",
        ),
    ],
)
def test_a_trace_with_losses_is_refused(events, words):
    with pytest.raises(ValueError, match=words):
        exact(traced(*events), tid=70, pid=70)


def test_truth_takes_off_what_probes_take():
    plain = Exact(2.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0)
    probed = Exact(3.0, 0.3, 0.9, 0.2, 0.1, 0.9, 0.6, 100)
    told = shares(plain, probed, probe_s=0.001)
    assert told.cpu == pytest.approx(0.5)
    assert told.gil == pytest.approx(0.5 * 0.2 / 1.0)
    assert told.gil_wait == pytest.approx(0.05)
    assert told.blocked == pytest.approx(0.45)
    assert told.corrected == pytest.approx(0.5 * 0.3 / 1.2 - 0.1)


def test_a_node_whose_other_threads_have_the_lock_but_no_core_is_delayed():
    plain = Exact(1.2, 0.0, 0.0, 0.0, 0.0, 1.0, 0.2, 0)
    probed = Exact(1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0, others_held_s=0.5, others_stalled_s=0.5)
    told = shares(plain, probed, probe_s=0.0)
    assert told.gil == pytest.approx(1.0)
    assert told.blocked == pytest.approx(1.0)


def test_traces_add_up():
    one = Exact(1.0, 0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 3, longest_s=0.2)
    both = total([one, one._replace(longest_s=0.3)])
    assert (both.wall_s, both.held_s, both.takes, both.longest_s) == (2.0, 1.0, 6, 0.3)


def test_without_root_nothing_is_traced_and_the_reason_is_told(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(TracingUnavailableError, match="root"), Tracer():
        pass


@linux
def test_functions_are_found_in_this_interpreters_file():
    file = Path(sys.executable).resolve()
    assert symbol_offsets(file.read_bytes(), ["no_such_function"]) == {}
    assert symbol_offsets(b"#!/bin/sh\n", ["main"]) == {}


# -- the command -------------------------------------------------------------------------------------------


@linux
def test_json_holds_together():
    script = Path(__file__).parents[1] / "benchmarks" / "profiler.py"
    command = [sys.executable, str(script), "--only", "loop,sleep", "--repeats", "1", "--json", "--no-trace"]
    command += ["--peers", "clocks"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    made = json.loads(ran.stdout)
    assert "sleep: profile 1 of 1" in ran.stderr
    assert (made["repeats"], made["load"], len(made["samplers"])) == (1, False, 1)
    of = {(each["workload"], each["source"]): each for each in made["rows"]}
    assert {("loop", "makespan"), ("sleep", "makespan"), ("loop", "clocks"), ("sleep", "clocks")} <= set(of)
    assert set(of["loop", "makespan"]) == set(rows()[0])
    sleep = of["sleep", "makespan"]
    assert sleep["truth"] == "construction"
    assert sleep["blocked"] > 0.8
    assert sleep["gil"] < 0.2
    assert sleep["kinds"] == {"io": 1}
    assert sleep["gil_call_error"] is not None
    if ("sleep", "gilknocker") in of:
        assert of["sleep", "gilknocker"]["gil_call_error"] is None
    assert [each["source"] for each in made["summary"]][:2] == ["makespan", "clocks"]


@pytest.mark.parametrize("argv", [["--only", "nonsense"], ["--peers", "nobody"], ["--repeats", "0"]])
def test_a_wrong_option_is_refused_before_anything_runs(argv, capsys):
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    assert "workloads are loop" in capsys.readouterr().err
