"""Exports: tables that are read again, graphs with their attributes, drawings that no name can break."""

from __future__ import annotations

import csv
import io
import json
import re
import sys

import msgspec
import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import DAG, profile_from_table
from makespan.cli import main
from makespan.errors import MissingExtraError, OptionError
from makespan.exporting.dot import to_dot
from makespan.exporting.export import FORMS, export
from makespan.exporting.graphs import to_networkx, to_node_link
from makespan.exporting.mermaid import to_mermaid
from makespan.exporting.rows import every_field, sheet_of, to_frame
from makespan.exporting.table import joined, to_csv
from makespan.plan import PlanCluster, PlanGroup
from makespan_optimizer.optimize import optimize
from tests.builders import make_profile
from tests.cli_tools import PIPELINE
from tests.report_data import HOSTILE, failed_run, make_plan, make_record, node_plan, random_run

AFTER = {"load": [], "parse": ["load"], "draw": ["load"], "join": ["parse", "draw"]}
WRITABLE = [name for name in HOSTILE if "\ud800" not in name]


@pytest.fixture(scope="module")
def plan():
    return optimize(make_profile(AFTER, locks={"parse": ("pen",), "draw": ("pen",)}), 2)


def everything(plan):
    dag = DAG("sums")
    x = dag.input("x")
    first = dag.add(abs, x, name="first", lock="pen", hint_s=0.5)
    dag.add(print, first, after=[dag.add(print, name="before")], name="last", exclusive=True)
    return [dag, make_profile(AFTER), plan, random_run(20), failed_run()]


def shape_of(graph):
    return set(graph.nodes), set(graph.edges)


def drawn(text):
    """Read a drawing of ours again: labels by id, and edges; every line must be one that was meant."""
    labels, edges = {}, []
    head, *body, tail = text.splitlines()
    assert (head, tail) == ("digraph makespan {", "}")
    quoted = r'"(?:[^"\\]|\\.)*"'
    for line in body:
        if found := re.fullmatch(
            rf" (n\d+) \[label=({quoted}), tooltip={quoted}(?:, [a-z]+=[\w.\"#]+)*\]", line
        ):
            labels[found[1]] = found[2]
        elif found := re.fullmatch(r" (n\d+) -> (n\d+)(?: \[[a-z0-9=#,\" ]+\])?", line):
            edges.append((found[1], found[2]))
        else:
            assert re.fullmatch(rf" (graph|node|edge) \[(?:[^\"]|{quoted})*\]", line), line
    return labels, edges


def flowchart(text):
    """Read a flowchart of ours again, likewise."""
    labels, edges = {}, []
    head, title, *body = text.splitlines()
    assert head == "flowchart LR"
    assert title.startswith(" %% ")
    for line in body:
        if found := re.fullmatch(r' (n\d+)\["((?:[\w .,/·…\-]|#\d+;|<br/>)*)"\]', line):
            labels[found[1]] = found[2]
        elif found := re.fullmatch(r" (n\d+) (?:-->|==>|-\.->) (n\d+)", line):
            edges.append((found[1], found[2]))
        else:
            assert re.fullmatch(r" (classDef [a-z]+ [\w:#,\-]+|class [n\d,]+ [a-z]+)", line), line
    return labels, edges


def test_every_thing_in_every_form(plan):
    for thing in everything(plan):
        sheet = sheet_of(thing)
        wanted = {(before, row["name"]) for row in sheet.rows for before in row["after"]}
        names = [row["name"] for row in sheet.rows]
        assert {key for row in sheet.rows for key in row} <= every_field()
        assert len({tuple(row) for row in sheet.rows}) == 1
        graph = to_networkx(thing)
        assert shape_of(graph) == (set(names), wanted)
        read = nx.node_link_graph(json.loads(to_node_link(thing)), edges="edges")
        assert shape_of(read) == shape_of(graph)
        assert dict(read.nodes(data=True)) == dict(graph.nodes(data=True))
        for labels, edges in (drawn(to_dot(thing)), flowchart(to_mermaid(thing))):
            assert len(labels) == len(names)
            assert {(names[int(a[1:])], names[int(b[1:])]) for a, b in edges} == wanted
            assert len(edges) == len(wanted)
        table = list(csv.DictReader(io.StringIO(to_csv(thing), newline="")))
        assert [row["name"] for row in table] == names
        frame = to_frame(thing)
        assert list(frame.index) == names
        assert frame["after"].tolist() == [row["after"] for row in sheet.rows]


def test_a_plan_as_a_frame(plan):
    frame = plan.to_frame()
    assert frame["rank"].tolist() == [0, 1, 2, 3]
    for node in plan.nodes:
        row = frame.loc[node.name]
        assert (row["start_s"], row["duration_s"]) == (node.start_s, node.duration_s)
        assert row["end_s"] == node.start_s + node.duration_s
        assert (row["lane"], row["critical"], row["class"]) == (node.lane, node.critical, node.kind)
        assert row["locks"] == list(node.locks)
    assert frame.loc["parse", "groups"] == ["lock pen (at most 1)"] or frame.loc["parse", "groups"]


def test_a_run_as_a_frame():
    run = random_run(6)
    frame = run.to_frame()
    assert frame["duration_s"].tolist() == [its.duration_s for its in run.nodes]
    assert frame["planned_duration_s"].tolist() == [run.plan.node(its.name).duration_s for its in run.nodes]
    frame = failed_run().to_frame()
    assert set(frame["status"]) >= {"failed"}
    assert len(frame) >= len(failed_run().nodes)


def test_the_public_names():
    import makespan

    found = [getattr(makespan, name) for name in ("to_csv", "to_dot", "to_mermaid", "to_networkx")]
    assert found == [to_csv, to_dot, to_mermaid, to_networkx]


def test_edges_for_the_order_only_are_told():
    dag = DAG("d")
    first = dag.add(abs, 1, name="first")
    dag.add(abs, first, name="second")
    dag.add(abs, 2, after=[first], name="third")
    graph = to_networkx(dag)
    assert graph.edges["first", "second"]["order_only"] is False
    assert graph.edges["first", "third"]["order_only"] is True
    assert "n0 -> n2 [style=dashed]" in to_dot(dag)
    assert "n0 -.-> n2" in to_mermaid(dag)
    pinned = make_plan([node_plan("a", 0, 0.0, 1.0, 0), node_plan("b", 1, 1.0, 1.0, 0, starts_after=("a",))])
    assert to_networkx(pinned).edges["a", "b"]["order_only"] is True


def test_what_a_form_cannot_carry_is_said():
    nodes = [node_plan(name, k, 0.0, 1.0, 0) for k, name in enumerate("abc")]
    group = PlanGroup("gil", ("a", "b"), 1, "gil")
    cluster = PlanCluster("of-b", ("b", "c"))
    found = export(make_plan(nodes, groups=(group,), clusters=(cluster,), switch_interval_s=0.001), "csv")
    assert len(found.lost) == 3
    assert "'gil' at most 1 at once" in found.lost[0]
    chain = {f"n{k}": [f"n{k - 1}"] if k else [] for k in range(600)}
    found = export(make_profile(chain), "mermaid")
    assert found.lost[0].startswith("599 edges; Mermaid draws 500")


@pytest.mark.parametrize("form", ["csv", "dot", "mermaid"])
def test_what_a_run_without_a_plan_does_not_tell_is_said(form):
    assert not export(failed_run(), form).lost
    alone = msgspec.structs.replace(failed_run(), plan=None)
    locks, edges = export(alone, form).lost
    assert locks.startswith("locks and exclusive nodes")
    assert edges.startswith("what c, d would have waited for")


def test_a_frame_of_a_plan_tells_seconds_alone():
    """Not those that the plan expects beside other nodes."""
    plan = make_plan([msgspec.structs.replace(node_plan("a", 0, 0.0, 3.0, 0), alone_s=2.0)])
    for again in (profile_from_table(to_frame(plan)), profile_from_table(written(to_csv(plan)))):
        assert again.nodes[0].wall_net_s.median == 2.0


@pytest.mark.parametrize("kind", ["python", "holds", "native", "io", "chatty", "mixed", "unknown"])
def test_a_table_is_read_again(kind):
    rows = [
        {"name": "a", "seconds": 0.125, "class": kind, "lock": ["p q", "r"], "tags": ["x"]},
        {
            "name": "b;c",
            "seconds": 1 / 3,
            "class": "parallel(x3.5)",
            "predecessors": ["a"],
            "exclusive": True,
        },
        {"name": 'd "e"', "seconds": 0, "predecessors": ["b;c", "a"]},
    ]
    profile = profile_from_table(rows, cores=4)
    again = profile_from_table(written(to_csv(profile)), cores=4, name="trace")
    assert again == profile


def written(text):
    """The rows of a CSV text, as its reader takes them."""
    return [
        {key: cell for key, cell in row.items() if cell}
        for row in csv.DictReader(io.StringIO(text, newline=""))
    ]


def test_a_plan_is_a_table_to_plan_from(plan, tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text(to_csv(plan), encoding="utf-8")
    again = profile_from_table(path)
    assert {its.name: its.after for its in again.shape} == {its.name: its.after for its in plan.nodes}
    assert {its.name: its.wall_net_s.median for its in again.nodes} == {
        its.name: its.alone_s for its in plan.nodes
    }
    assert {its.name: its.locks for its in again.shape} == {its.name: its.locks for its in plan.nodes}


def test_a_frame_of_a_profile_is_a_table():
    profile = make_profile(AFTER, locks={"draw": ("pen",)})
    again = profile_from_table(profile.to_frame())
    assert [(its.name, its.after, its.locks) for its in again.shape] == [
        (its.name, its.after, its.locks) for its in profile.shape
    ]


names = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
        lambda s: s == s.strip()
    ),
    min_size=1,
    max_size=6,
    unique=True,
)


@settings(deadline=None, max_examples=50)
@given(names)
def test_names_in_one_cell_come_back(found):
    from makespan_optimizer.measure.traces.cells import names

    assert names(joined(found), "cell") == tuple(found)


@settings(deadline=None, max_examples=60)
@given(names)
def test_any_names_as_a_table(found):
    found = [name for name in found if "\x00" not in name]
    rows = [
        {"name": name, "seconds": k, "predecessors": found[:k], "lock": found[k:]}
        for k, name in enumerate(found)
    ]
    if rows:
        profile = profile_from_table(rows, cores=2)
        assert profile_from_table(written(to_csv(profile)), cores=2) == profile


def test_hostile_names_break_no_drawing():
    nodes = [
        node_plan(name, k, float(k), 1.0, 0, after=tuple(HOSTILE[:k]), locks=(name,), critical=k % 2 == 0)
        for k, name in enumerate(HOSTILE)
    ]
    plan = make_plan(nodes, groups=(PlanGroup(HOSTILE[0], HOSTILE, 1, "gil"),), binding=HOSTILE[3])
    for labels, edges in (drawn(to_dot(plan)), flowchart(to_mermaid(plan))):
        assert len(labels) == len(HOSTILE)
        assert len(edges) == len(HOSTILE) * (len(HOSTILE) - 1) // 2
    to_dot(plan).encode()
    to_mermaid(plan).encode()
    assert "<script" not in to_mermaid(plan)
    read = nx.node_link_graph(json.loads(to_node_link(plan)), edges="edges")
    assert set(read.nodes) == set(HOSTILE)
    to_node_link(plan).encode("ascii")


@pytest.mark.parametrize("name", [" a", "a\n", "half \ud800 pair"])
def test_names_that_no_table_can_hold_are_refused(name):
    plan = make_plan([node_plan(name, 0, 0.0, 1.0, 0)])
    with pytest.raises(OptionError, match=r"blanks|half a character"):
        to_csv(plan)


def test_priorities_for_a_dask_cluster(plan):
    found = export(plan, "dask")
    body = json.loads(found.text)
    by_rank = [its.name for its in sorted(plan.nodes, key=lambda its: its.rank)]
    assert sorted(body["priority"], key=body["priority"].__getitem__, reverse=True) == by_rank
    assert body["resources"] == {"parse": {"lock:pen": 1}, "draw": {"lock:pen": 1}}
    assert any("--resources 'lock:pen=1'" in sentence for sentence in found.lost)
    nodes = [
        node_plan("a", 0, 0.0, 1.0, 0, exclusive=True, native_threads=2),
        node_plan("b", 1, 1.0, 1.0, 0, starts_after=("a",)),
    ]
    assert len(export(make_plan(nodes), "dask").lost) == 3


def test_a_run_exports_the_plan_that_it_followed(plan):
    run = random_run(5)
    assert export(run, "dask").text == export(run.plan, "dask").text
    for form in ("dask", "tawazi"):
        with pytest.raises(OptionError, match="takes a plan, not a Profile"):
            export(make_profile(AFTER), form)
        with pytest.raises(OptionError, match="takes a plan, not a RunRecord"):
            export(make_record([]), form)


TAWAZI = """\
import time
from tawazi import dag, xn

@xn
def fetch(): time.sleep(0.002); return 1
@xn
def long(x): time.sleep(0.01); return x
@xn
def short(x): return x
@xn
def join(a, b): return a + b
@dag
def pipeline():
    page = fetch()
    return join(short(page), long(page))
"""


def test_a_plan_goes_back_to_tawazi(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tawazi")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "twz_pipe.py").write_text(TAWAZI, encoding="utf-8")
    assert main(["profile", "twz_pipe:pipeline", "--runs", "1", "--no-pairs", "-q"]) == 0
    assert main(["optimize", "profile.json", "--threads", "2", "-q"]) == 0
    capsys.readouterr()
    assert main(["export", "plan.json", "--to", "tawazi", "-o", "tawazi.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["not_carried"]
    config = json.loads((tmp_path / "tawazi.json").read_text(encoding="utf-8"))
    assert set(config["nodes"]) >= {"fetch", "long", "short", "join"}
    assert config["max_concurrency"] == 2
    from twz_pipe import pipeline

    pipeline.config_from_json(str(tmp_path / "tawazi.json"))
    assert pipeline() == 2
    assert main(["export", "plan.json", "--to", "tawazi", "-o", "tawazi.json", "-q"]) == 0  # replaced


def test_nothing_to_export():
    with pytest.raises(OptionError, match="is a int, not a DAG"):
        to_csv(3)
    with pytest.raises(OptionError, match="did you mean 'mermaid'"):
        export(make_record([]), "mermaids")
    for form in FORMS:
        if form != "tawazi":
            assert export(make_plan([]), form).text
            assert form == "dask" or export(make_record([]), form).text


def test_what_is_not_installed_is_named(monkeypatch, plan):
    for package in ("pandas", "networkx"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match="needs pandas"):
        plan.to_frame()
    with pytest.raises(MissingExtraError, match="needs networkx"):
        to_networkx(plan)
    assert to_node_link(plan)


# The command line.


def test_the_verb(tmp_path, monkeypatch, capsys, plan):
    monkeypatch.chdir(tmp_path)
    plan.save("plan.json")
    make_profile(AFTER).save("profile.json")
    (tmp_path / "pipeline.py").write_text(PIPELINE, encoding="utf-8")
    assert main(["export", "--to", "csv"]) == 0
    assert capsys.readouterr().out == to_csv(plan)
    assert main(["export", "profile.json", "--to", "dot", "-o", "d.dot"]) == 0
    assert (tmp_path / "d.dot").read_text(encoding="utf-8") == to_dot(make_profile(AFTER))
    assert main(["export", "pipeline:news", "--to", "mermaid", "-o", "d.mmd", "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out) == {"to": "mermaid", "output": "d.mmd", "not_carried": []}
    assert 'n0["fetch' in (tmp_path / "d.mmd").read_text(encoding="utf-8")
    for form in ("csv", "dot", "mermaid", "networkx", "dask"):  # twice: a file of the same kind is replaced
        assert main(["export", "--to", form, "-o", form, "-q"]) == 0
        assert main(["export", "--to", form, "-o", form, "-q"]) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan.json"], "a form is needed"),
        (["plan.json", "--to", "mermade"], "did you mean 'mermaid'"),
        (["nothing.json", "--to", "csv"], "nothing.json: cannot be read"),
        (["--to", "csv", "-o", "plan.json"], "holds something other than a csv file"),
        (["--to", "csv", "--json"], "stdout takes what is exported"),
        (["other:dag", "--to", "dot"], "other"),
        (["plan.json", "--to", "tawazi"], "the plan does not say where its DAG is"),
    ],
)
def test_what_the_verb_refuses(tmp_path, monkeypatch, capsys, plan, words, said):
    monkeypatch.chdir(tmp_path)
    plan.save("plan.json")
    before = (tmp_path / "plan.json").read_bytes()
    assert main(["export", *words]) == 2
    assert said in capsys.readouterr().err
    assert (tmp_path / "plan.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_large_graphs_are_exported_whole():
    chain = {f"n{k}": [f"n{k - 1}"] if k else [] for k in range(3_000)}
    profile = msgspec.structs.replace(make_profile(chain), pairs=())
    assert to_csv(profile).count("\n") == 3_001
    assert to_dot(profile).count(" -> ") == 2_999
