"""Profiles of Ninja's log and of Chrome traces: no dependency is lost, and what is not told is refused."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import profile_from_table
from makespan.cli import main
from makespan.errors import ProfileError
from makespan.exporting.export import FORMS
from makespan.profile import ProfileWarning, load_profile
from makespan_optimizer.measure.traces.chrome import rows_of
from makespan_optimizer.measure.traces.tables import NAMES
from tests.report_data import random_run

DATA = Path(__file__).parent / "data"
LOG, GRAPH = DATA / "ninja.log", DATA / "ninja.dot"


def edges_of(profile):
    return {its.name: set(its.after) for its in profile.shape}


def walls(profile):
    return {its.name: its.wall_net_s.median for its in profile.nodes}


# Ninja. The two files are of a real build: a rule with two outputs, order-only and implicit inputs, phony.


def test_a_build():
    found = profile_from_table(LOG, graph=GRAPH, cores=8)
    assert edges_of(found) == {
        "a.h": set(),
        "a.o": {"a.h"},
        "b.o": {"a.h"},
        "with space.o": set(),
        "app": {"a.o", "b.o", "with space.o"},
        "app2": {"b.o", "app"},
    }
    assert walls(found) == {
        "a.h": 0.158,
        "a.o": 0.105,
        "b.o": 0.105,
        "with space.o": 0.106,
        "app": 0.205,
        "app2": 0.205,
    }
    assert all(node.kind == "native" and node.gil_s == 0 for node in found.nodes)
    assert found.machine.cores == 8
    # four commands one after the other, whatever the cores
    assert found.optimize(threads=8).makespan_s == pytest.approx(0.158 + 0.105 + 0.205 + 0.205)


def write(tmp_path, log, graph):
    (tmp_path / "log").write_bytes(log)
    (tmp_path / "graph").write_bytes(graph)
    return tmp_path / "log", tmp_path / "graph"


def test_the_last_build_counts_and_a_torn_line_does_not(tmp_path):
    log = LOG.read_bytes() + b"0\t1000\t7\ta.o\tcf0a4b873621837c\n5\t90"
    path, _ = write(tmp_path, log, b"")
    found = profile_from_table(path, graph=GRAPH)
    assert walls(found)["a.o"] == 1.0


@pytest.mark.parametrize("version", [5, 6, 7])
def test_versions_of_the_log(tmp_path, version):
    log, _ = write(tmp_path, LOG.read_bytes().replace(b"v5", b"v%d" % version), b"")
    assert len(profile_from_table(log, graph=GRAPH).nodes) == 6


def test_outputs_outside_of_the_graph_are_named(tmp_path):
    log, _ = write(tmp_path, LOG.read_bytes() + b"0\t9\t7\tother.o\tabc\n", b"")
    with pytest.warns(ProfileWarning, match=r"1 output not in the graph, left out: other\.o"):
        found = profile_from_table(log, graph=GRAPH)
    assert len(found.nodes) == 6


@pytest.mark.parametrize(
    ("log", "graph", "said"),
    [
        (lambda log: log.replace(b"v5", b"v4"), None, r"log of version 4; versions 5 to 7"),
        (lambda log: log.replace(b"\tapp2\t", b"\tapp3\t"), None, r"tells no time of 1 command.*app2"),
        (lambda log: log.replace(b"263\t468", b"263\t1"), None, r"line 7: 'app' ends before it starts"),
        (lambda log: log.replace(b"263\t468", b"x\t1"), None, r"line 7: is not a line of Ninja's log"),
        (lambda log: log.split(b"\n")[0] + b"\n", None, "tells of no command"),
        (lambda log: log + b"\xff\n", None, "is not UTF-8"),
        (None, lambda dot: b"digraph other {\n}\n", "is not what 'ninja -t graph' prints"),
        (None, lambda dot: dot[: len(dot) // 2], "cut off"),
        (None, lambda dot: dot.replace(b"all", b'a"ll'), r"line 5: is not a line that"),
        (
            None,
            lambda dot: dot.replace(b'"0x4630" [label="app"]', b""),
            "joins what is not|cut off|makes nothing",
        ),
    ],
)
def test_builds_that_are_refused(tmp_path, log, graph, said):
    files = LOG.read_bytes(), GRAPH.read_bytes()
    made = write(
        tmp_path,
        *(change(data) if change else data for change, data in zip((log, graph), files, strict=True)),
    )
    with pytest.raises(ProfileError, match=said):
        profile_from_table(made[0], graph=made[1])


def test_a_log_without_a_graph_and_a_graph_without_a_log(tmp_path):
    with pytest.raises(ProfileError, match=r"tells no dependencies \(ninja -t graph"):
        profile_from_table(LOG)
    table = tmp_path / "t.csv"
    table.write_text("name,seconds\na,1\n", encoding="utf-8")
    for source in (table, [{"name": "a", "seconds": 1}]):
        with pytest.raises(ProfileError, match="goes with Ninja's log only"):
            profile_from_table(source, graph=GRAPH)


@st.composite
def builds(draw):
    """A random build: rules with inputs among earlier files, several outputs, some phony; and its truth."""
    n = draw(st.integers(1, 8))
    rules, made = [], []
    for k in range(n):
        inputs = draw(st.lists(st.sampled_from([*made, f"src{k}"]), min_size=1, max_size=4, unique=True))
        outputs = [f"out{k}.{j}" for j in range(draw(st.integers(1, 2)))]
        phony = draw(st.booleans()) and k < n - 1
        rules.append((inputs, outputs, phony))
        made += outputs
    return rules


def drawing(rules):
    """What ninja -t graph prints for all files of a build (src/graphviz.cc)."""
    lines, files = [], {}
    for inputs, outputs, _ in rules:
        for path in (*inputs, *outputs):
            files.setdefault(path, f'"0x{len(files):x}"')
    lines += [f'{its} [label="{path}"]' for path, its in files.items()]
    for k, (inputs, outputs, phony) in enumerate(rules):
        rule = "phony" if phony else "cc"
        if len(inputs) == len(outputs) == 1:
            lines.append(f'{files[inputs[0]]} -> {files[outputs[0]]} [label=" {rule}"]')
            continue
        lines.append(f'"0xe{k}" [label="{rule}", shape=ellipse]')
        lines += [f'"0xe{k}" -> {files[path]}' for path in outputs]
        for j, path in enumerate(inputs):
            lines.append(f'{files[path]} -> "0xe{k}" [arrowhead=none{" style=dotted" if j % 2 else ""}]')
    return "\n".join(["digraph ninja {", 'rankdir="LR"', *lines, "}", ""]).encode()


@settings(deadline=None, max_examples=60)
@given(builds())
def test_random_builds_keep_every_dependency(rules):
    from makespan_optimizer.measure.traces.ninja import rows_of as commands_of

    maker = {path: k for k, (_, outputs, _) in enumerate(rules) for path in outputs}

    def before(k):
        found = set()
        for path in rules[k][0]:
            if path in maker:
                j = maker[path]
                found |= before(j) if rules[j][2] else {rules[j][1][0]}
        return found

    lines = [
        f"0\t{k + 1}\t1\t{path}\t{k:x}\n"
        for k, (_, outputs, phony) in enumerate(rules)
        if not phony
        for path in outputs
    ]
    log = ("# ninja log v5\n" + "".join(lines)).encode()
    found = commands_of(log, drawing(rules), "log", "graph")
    wanted = {outputs[0]: before(k) for k, (_, outputs, phony) in enumerate(rules) if not phony}
    assert {row.node.name: set(row.after) for row in found} == wanted
    assert all(
        row.node.wall_net_s.median == (int(row.node.name[3:].split(".")[0]) + 1) / 1e3 for row in found
    )


# Chrome traces.


def x(name, start, length, tid=1, **args):
    return {"ph": "X", "name": name, "ts": start, "dur": length, "pid": 1, "tid": tid, "args": args}


def flow(ph, ts, tid=1, id=1, **more):  # noqa: A002
    return {"ph": ph, "ts": ts, "pid": 1, "tid": tid, "id": id, "cat": "c", "name": "flow"} | more


def read(events):
    return {row.node.name: set(row.after) for row in rows_of(events, "trace")}


PAIR = [x("a", 0, 10), x("b", 20, 10, tid=2)]


@pytest.mark.parametrize(
    "flows",
    [
        [flow("s", 5), flow("f", 20, tid=2)],  # to the next slice
        [flow("s", 10), flow("f", 12, tid=2)],  # from its end, to the next slice
        [flow("s", 0), flow("f", 25, tid=2, bp="e")],  # to the slice around it
        [flow("s", 5, id="x"), flow("f", 20, tid=2, bp="e", id="x")],
        [flow("f", 20, tid=2), flow("s", 5)],  # any order in the file
    ],
)
def test_how_flows_bind(flows):
    assert read([*PAIR, *flows]) == {"a": set(), "b": {"a"}}
    assert read({"traceEvents": [*flows, *PAIR], "displayTimeUnit": "ms"}["traceEvents"]) == {
        "a": set(),
        "b": {"a"},
    }


def test_steps_fans_and_ids_that_come_again():
    events = [*PAIR, x("c", 40, 5, tid=3), x("d", 60, 5)]
    steps = [flow("s", 5), flow("t", 25, tid=2), flow("f", 40, tid=3)]
    assert read([*events[:3], *steps]) == {"a": set(), "b": {"a"}, "c": {"b"}}
    fan = [flow("s", 5), flow("f", 20, tid=2), flow("f", 40, tid=3)]
    assert read([*events[:3], *fan]) == {"a": set(), "b": {"a"}, "c": {"a"}}
    again = [flow("s", 5), flow("f", 20, tid=2), flow("s", 45, tid=3), flow("f", 60)]
    assert read([*events, *again]) == {"a": set(), "b": {"a"}, "c": set(), "d": {"c"}}
    other = [flow("s", 5), flow("s", 25, tid=2, cat="d"), flow("f", 40, tid=3), flow("f", 60, cat="d")]
    assert read([*events, *other]) == {"a": set(), "b": set(), "c": {"a"}, "d": {"b"}}


def test_pairs_of_events_and_seconds():
    events = [
        {"ph": "B", "name": "a", "ts": 0, "pid": 1, "tid": 1, "args": {"class": "io"}},
        {"ph": "E", "ts": 2_500_000, "pid": 1, "tid": 1},
        x("a", 3_000_000, 1_000_000, **{"class": "parallel(x4)"}),
        x("a_2", 5_000_000, 1_000_000, **{"class": "some other tool's"}),
        flow("s", 1000),
        flow("f", 3_000_000),
    ]
    with pytest.warns(ProfileWarning, match="1 task without flows, taken to wait for nothing: a_2"):
        found = rows_of(events, "trace")
    assert [(row.node.name, row.node.wall_net_s.median, row.node.kind) for row in found] == [
        ("a", 2.5, "io"),
        ("a_3", 1.0, "parallel"),
        ("a_2", 1.0, "unknown"),
    ]


def test_a_worker_around_its_tasks_is_left_out_and_calls_within_tasks_are_not_tasks():
    events = [
        x("worker", -5, 100),
        *PAIR,
        x("inner", 2, 3),
        x("loose", 40, 5),
        flow("s", 6),
        flow("f", 20, tid=2),
    ]
    with pytest.warns(ProfileWarning) as warned:
        assert read(events) == {"a": set(), "b": {"a"}, "loose": set()}
    said = " ".join(str(one.message) for one in warned)
    assert "slices around tasks, left out: worker" in said
    assert "1 task without flows, taken to wait for nothing: loose" in said


def test_asynchronous_events_are_left_out_and_told_of():
    task = {"name": "request", "cat": "net", "id": 7, "pid": 1, "tid": 1}
    events = [*PAIR, flow("s", 6), flow("f", 20, tid=2), {"ph": "b", "ts": 1, **task}]
    with pytest.warns(ProfileWarning, match="2 asynchronous events"):
        assert read([*events, {"ph": "e", "ts": 3, **task}]) == {"a": set(), "b": {"a"}}


def test_a_flow_between_two_slices_is_of_the_one_that_is_over():
    events = [x("a", 0, 10), x("next", 10, 30), x("b", 20, 10, tid=2), flow("s", 10), flow("f", 20, tid=2)]
    with pytest.warns(ProfileWarning, match="without flows"):
        assert read(events) == {"a": set(), "next": set(), "b": {"a"}}
    within = [x("worker", 0, 100), x("a", 0, 10), x("b", 20, 10, tid=2), flow("s", 10), flow("f", 20, tid=2)]
    with pytest.warns(ProfileWarning, match="around tasks, left out: worker"):
        assert read(within) == {"a": set(), "b": {"a"}}


def test_slices_that_say_their_flows_themselves():
    out, into = {"bind_id": "1", "flow_out": True}, {"bind_id": "1", "flow_in": True}
    events = [x("c", 40, 5) | into, x("a", 0, 10) | out, x("b", 20, 10, tid=2) | into]
    assert read(events) == {"a": set(), "b": {"a"}, "c": {"a"}}
    events[2] = events[2] | out
    assert read(events) == {"a": set(), "b": {"a"}, "c": {"b"}}
    both = [*PAIR, x("c", 40, 5) | into, flow("s", 5), flow("f", 20, tid=2)]
    both[1] = both[1] | out
    assert read(both) == {"a": set(), "b": {"a"}, "c": {"b"}}


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([x("a", 0, 1) | {"bind_id": 1, "flow_out": True}], "never ends"),
        ([x("a", 0, 1) | {"bind_id": 1, "flow_in": True}], "has not begun"),
        ([x("a", 0, 1) | {"flow_in": True}], "without a bind_id"),
        ([x("a", 0, 1), {"ph": "i", "ts": 0, "bind_id": 1, "flow_in": True}], "what is no slice"),
        (PAIR, "has no flow events"),
        ([{"ph": "M", "name": "thread_name"}], "tells of nothing"),
        ([*PAIR, flow("s", 15), flow("f", 20, tid=2)], "#/2: a flow begins outside of all slices"),
        ([*PAIR, flow("s", 5), flow("f", 40, tid=2)], "#/3: a flow ends where no slice of its thread begins"),
        ([*PAIR, flow("s", 5), flow("f", 15, tid=2, bp="e")], "#/3: a flow ends outside of all slices"),
        ([*PAIR, flow("s", 5), flow("f", 20, tid=3)], "#/3: a flow ends where no slice"),
        ([*PAIR, flow("f", 20, tid=2)], "a flow goes on that has not begun"),
        ([*PAIR, flow("s", 5)], "#/2: a flow begins here and never ends"),
        ([*PAIR, flow("s", 5), flow("s", 6), flow("f", 20, tid=2)], "#/2: a flow begins here and never ends"),
        ([*PAIR, flow("s", 5, id=None), flow("f", 20, tid=2)], "a flow without an id"),
        ([*PAIR, flow("s", 5), flow("f", 20.5, tid=2)], "may be for it or for the next slice"),
        (
            [x("a", 0, 10), x("b", 5, 10, tid=2), flow("s", 2), flow("f", 5, tid=2)],
            "began before that was over",
        ),
        (
            [x("a", 0, 10), x("c", 10, 5), x("b", 20, 1, tid=2), flow("s", 10), flow("f", 20, tid=2)],
            "a flow may be of 'c' or 'a': both fit",
        ),
        (
            [
                *PAIR,
                x("a1", 2, 5),
                flow("s", 3),
                flow("f", 20, tid=2),
                flow("s", 9, id=2),
                flow("f", 20, tid=2, id=2),
            ],
            "'a1' runs within 'a'; flows bind to both",
        ),
        ([*PAIR, x("b1", 20, 3, tid=2), flow("s", 5), flow("f", 20, tid=2)], "where 'b' and 'b1' begin"),
        ([*PAIR, x("b1", 20, 3, tid=2), flow("s", 5), flow("f", 20, tid=2, bp="e")], "may be for either"),
        ([*PAIR, x("a1", 5, 5), flow("s", 10), flow("f", 20, tid=2)], "'a1' or 'a': both fit"),
        ([*PAIR, x("a1", 0, 5), flow("s", 0), flow("f", 20, tid=2)], "'a1' or 'a': both fit"),
        ([x("a", 0, 10), x("b", 5, 10)], "'b' begins within 'a' and ends after it"),
        ([{"ph": "B", "name": "a", "ts": 0, "pid": 1, "tid": 1}], "begins and never ends"),
        ([{"ph": "E", "ts": 0, "pid": 1, "tid": 1}], "ends what has not begun"),
        ([x("", 0, 1)], "has no name"),
        ([x("a", 0, -1)], "ends before it begins"),
        ([x("a", "0", 1)], "its 'ts' is '0'"),
        ([{"ph": "X", "name": "a", "ts": 0, "pid": 1, "tid": 1}], "its 'dur' is None"),
        ([{"ph": "X", "name": "a", "ts": 0, "dur": 1}], "tells no process and thread"),
        ([3], "is not an event"),
    ],
)
def test_traces_that_are_refused(events, said):
    with pytest.raises(ProfileError, match=said):
        read(events)


@st.composite
def schedules(draw, gap=2, length=1):
    """A random DAG on random lanes: starts, lengths, edges; whole microseconds, gaps of at least `gap`."""
    n = draw(st.integers(2, 12))
    tasks, free = [], [0, 0, 0]
    for k in range(n):
        after = draw(st.sets(st.integers(0, k - 1), max_size=3)) if k else set()
        lane = draw(st.integers(0, 2))
        start = free[lane] + draw(st.integers(gap, 9))
        start = max([start, *(tasks[p][0] + tasks[p][1] for p in after)])
        its = draw(st.integers(length, 50))
        free[lane] = start + its
        tasks.append((start, its, lane, after))
    return tasks


def as_events(tasks, random, *, pairs, enclosing, at_the_end):
    events = []
    for k, (start, length, lane, _) in enumerate(tasks):
        if pairs:
            begin = {"ph": "B", "name": f"n{k}", "ts": start, "pid": 1, "tid": lane}
            events += [begin, begin | {"ph": "E", "ts": start + length}]
        else:
            events.append(x(f"n{k}", start, length, tid=lane))
    count = 0
    for start, _, lane, after in tasks:
        for p in after:
            count += 1
            before, its_length, its_lane, _ = tasks[p]
            events.append(flow("s", before + (its_length if at_the_end else 0), tid=its_lane, id=count))
            events.append(flow("f", start, tid=lane, id=count, **({"bp": "e"} if enclosing else {})))
    random.shuffle(events)
    return events


def truth(tasks):
    return {f"n{k}": {f"n{p}" for p in after} for k, (_, _, _, after) in enumerate(tasks)}


@settings(deadline=None, max_examples=50)
@given(schedules(), st.booleans(), st.booleans(), st.booleans(), st.randoms())
def test_random_schedules_keep_every_dependency(tasks, pairs, enclosing, at_the_end, random):
    events = as_events(tasks, random, pairs=pairs, enclosing=enclosing, at_the_end=at_the_end)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not any(after for _, _, _, after in tasks):
            with pytest.raises(ProfileError, match="no flow events"):
                read(events)
        else:
            assert read(events) == truth(tasks)


@settings(deadline=None, max_examples=60)
@given(schedules(gap=0), st.booleans(), st.booleans(), st.booleans(), st.randoms())
def test_slices_without_a_gap_are_read_right_or_refused(tasks, pairs, enclosing, at_the_end, random):
    events = as_events(tasks, random, pairs=pairs, enclosing=enclosing, at_the_end=at_the_end)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = read(events)
        except ProfileError:
            return
    assert found == truth(tasks)


# The command line.


def test_a_trace_of_our_own_is_refused_and_the_run_is_read_instead(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = random_run(12)
    run.save("run.json")
    assert main(["report", "run.json", "--format", "trace", "-o", "trace.json", "-q"]) == 0
    assert main(["profile", "--from", "trace.json", "-q"]) == 2
    assert "makespan export run.json --to csv" in capsys.readouterr().err
    assert main(["export", "run.json", "--to", "csv", "-o", "run.csv", "-q"]) == 0
    assert main(["profile", "--from", "run.csv", "-q", "-f"]) == 0
    assert edges_of(load_profile("profile.json")) == {its.name: set(its.after) for its in run.nodes}


def test_from_a_trace_to_a_plan(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    events = [x("a", 0, 1e6), x("b", 2e6, 1e6, tid=2), x("c", 2e6, 1e6), flow("s", 5), flow("f", 2e6, tid=2)]
    events += [flow("s", 5, id=2), flow("f", 2e6, id=2)]
    for body in ({"traceEvents": events}, events):
        (tmp_path / "t.json").write_text(json.dumps(body), encoding="utf-8")
        assert main(["profile", "--from", "t.json", "--cores", "2", "-f", "-q"]) == 0
        assert edges_of(load_profile("profile.json")) == {"a": set(), "b": {"a"}, "c": {"a"}}
    assert main(["optimize", "profile.json", "--threads", "2", "-q"]) == 0
    assert main(["what-if", "profile.json", "--threads", "1..2"]) == 0
    assert main(["export", "plan.json", "--to", "dot", "-o", "plan.dot", "-q"]) == 0


def test_from_a_build_to_a_plan(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["profile", "--from", str(LOG), "--graph", str(GRAPH), "-q"]) == 0
    assert main(["optimize", "profile.json", "--threads", "2", "-q"]) == 0
    assert main(["what-if", "profile.json", "--threads", "1..3", "-q"]) == 0
    assert main(["explain", "plan.json", "app", "-q"]) == 0
    assert main(["report", "plan.json", "--format", "text", "-o", "report.txt", "-q"]) == 0
    assert "planned 673 ms" in (tmp_path / "report.txt").read_text(encoding="utf-8")
    assert main(["profile", "--from", str(LOG), "-q"]) == 2
    assert "--graph graph.dot" in capsys.readouterr().err
    assert main(["profile", "--from", "-", "--graph", "-", "-q"]) == 2
    assert "only one of the two" in capsys.readouterr().err


def test_the_page_about_tables_and_exports_is_true(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (DATA.parents[1] / "docs" / "tables_and_exports.md").read_text(encoding="utf-8")
    names: dict = {}
    for language, code in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL):
        if language == "python":
            exec(compile(code, "the page", "exec"), names)
        elif language == "bash":  # our verbs in this process: each of them would take a second to start
            verbs = [line for line in code.splitlines() if line.startswith("makespan ")]
            rest = "\n".join(line for line in code.splitlines() if line not in verbs)
            subprocess.run(["bash", "-euc", rest], check=True)
            assert [main(shlex.split(verb)[1:]) for verb in verbs] == [0] * len(verbs), code
    assert (tmp_path / "report.html").stat().st_size
    for form in FORMS:
        assert f"| `{form}` |" in text
    for column in NAMES:
        assert f"`{column}`" in text
