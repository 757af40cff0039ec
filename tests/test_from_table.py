"""Profiles of tables and of WfCommons instances: read, refused by place, and planned."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import profile_from_table
from makespan.cli import main
from makespan.errors import OptionError, ProfileError
from makespan.machine import this_machine
from makespan.profile import ProfileWarning, load_profile
from makespan_optimizer.measure.traces.tables import NAMES
from makespan_optimizer.optimize import optimize
from makespan_optimizer.questions.what_if import what_if
from tests.builders import make_profile

INSTANCE = Path(__file__).parent / "data" / "wfformat.json"
CSV = """\
name,seconds,predecessors,class,lock,exclusive,tags
load,0.5,,io,,,
parse,20ms,load,python,,,fast
draw,1.5,load,,pen;ink,no,
big sum,2,parse draw,parallel(x4),,yes,a b
"""


def write(tmp_path, text, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_csv_file(tmp_path):
    found = profile_from_table(write(tmp_path, CSV), cores=8)
    assert [its.name for its in found.nodes] == ["load", "parse", "draw", "big sum"]
    assert [its.wall_net_s.median for its in found.nodes] == [0.5, 0.02, 1.5, 2.0]
    assert [its.kind for its in found.nodes] == ["io", "python", "unknown", "parallel"]
    assert {its.origin for its in found.nodes} == {"trace"}
    assert [its.after for its in found.shape] == [(), ("load",), ("load",), ("parse", "draw")]
    assert found.shape[2].locks == ("ink", "pen")
    assert found.shape[3].exclusive
    assert found.shape[3].tags == ("a", "b")
    assert found.node("big sum").cores_peak == 4.0
    assert found.dag.name == "t"
    assert found.machine.cores == 8
    assert found.runs == ()
    path = tmp_path / "p.json"
    found.save(path)
    assert load_profile(path) == found


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_marks_and_line_ends(tmp_path, delimiter):
    lines = ["Name,Seconds,After", "a,1,", '"b, c",2,a', "", "d,3,a"]
    text = "\r\n".join(line.replace(",", delimiter) for line in lines)
    found = profile_from_table(write(tmp_path, b"\xef\xbb\xbf" + text.encode()))
    assert [its.name for its in found.nodes] == ["a", f"b{delimiter} c", "d"]
    assert found.shape[2].after == ("a",)


def test_dicts_and_json(tmp_path):
    rows = [{"name": "a b", "seconds": 1}, {"name": "c", "seconds": 2.0, "predecessors": ["a b"]}]
    found = profile_from_table(rows, name="mine")
    assert found.shape[1].after == ("a b",)
    assert found.dag.name == "mine"
    again = profile_from_table(write(tmp_path, json.dumps(rows), "t.json"))
    assert again.dag.fingerprint == found.dag.fingerprint
    assert profile_from_table(iter(rows[::-1])).dag.fingerprint == found.dag.fingerprint
    other = profile_from_table([{"name": "a b", "seconds": 1}, {"name": "c", "seconds": 2.0}])
    assert other.dag.fingerprint != found.dag.fingerprint
    assert profile_from_table([{"name": "a", "seconds": 1, "after": "x;y z"}, *map(named, ["x", "y z"])])


@pytest.mark.parametrize("column", NAMES["predecessors"])
def test_ways_to_call_the_predecessors(column):
    rows = [{"name": "a", "seconds": 1}, {"name": "b", "seconds": 1, column.upper(): "a"}]
    assert profile_from_table(rows).shape[1].after == ("a",)


def named(name):
    return {"name": name, "seconds": 0}


def test_a_data_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "name": ["a", "b"],
            "seconds": pandas.array([1, 2], dtype="int64"),
            "predecessors": [None, "a"],
            "class": [float("nan"), "io"],
            "exclusive": [True, False],
        }
    )
    found = profile_from_table(frame)
    assert [its.kind for its in found.nodes] == ["unknown", "io"]
    assert found.shape[1].after == ("a",)
    assert [its.exclusive for its in found.shape] == [True, False]


def test_cells_that_pandas_leaves_empty_and_lists_of_names():
    pandas = pytest.importorskip("pandas")
    numpy = pytest.importorskip("numpy")
    frame = pandas.DataFrame(
        {
            "name": pandas.array(["a", "b", "c"], dtype="string"),
            "seconds": pandas.array([1, 2, 3], dtype="Float64"),
            "predecessors": [pandas.NA, ["a"], numpy.array(["a", "b"])],
            "class": pandas.array([pandas.NA, "io", pandas.NA], dtype="string"),
            "lock": [numpy.array([], dtype=str), [], numpy.float32("nan")],
            "tags": [pandas.NaT, None, ""],
            "exclusive": pandas.array([pandas.NA, True, False], dtype="boolean"),
        }
    )
    found = profile_from_table(frame)
    assert [its.after for its in found.shape] == [(), ("a",), ("a", "b")]
    assert {type(name) for its in found.shape for name in its.after} == {str}
    assert [its.kind for its in found.nodes] == ["unknown", "io", "unknown"]
    assert [its.locks for its in found.shape] == [(), (), ()]
    assert [its.exclusive for its in found.shape] == [False, True, False]


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ("name", "is not a name"),
        ("seconds", "is not a duration"),
        ("predecessors", "is not names"),
        ("class", "class"),
    ],
)
def test_an_array_where_none_belongs_is_refused_by_row_and_column(column, problem):
    numpy = pytest.importorskip("numpy")
    row = {"name": "a", "seconds": 1.0, column: numpy.array([1.0, 2.0])}
    with pytest.raises(ProfileError, match=problem) as refused:
        profile_from_table([row])
    assert refused.value.where == f"table, row 1, column {column!r}"


def test_an_empty_cell_of_pandas_is_no_name_and_no_duration():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(ProfileError, match="has no name"):
        profile_from_table([{"name": pandas.NA, "seconds": 1}])
    with pytest.raises(ProfileError, match="no seconds are told of 'a'"):
        profile_from_table([{"name": "a", "seconds": pandas.NA}])


def test_a_frame_of_a_profile_is_a_table():
    pytest.importorskip("pandas")
    made = make_profile({"a": [], "b": ["a"]}, [1.0, 2.0], ["python", "io"], locks={"a": ["pen"]})
    found = profile_from_table(made.to_frame())
    assert [its.kind for its in found.nodes] == ["python", "io"]
    assert found.node("b").blocked_total_s == 2.0
    assert [(its.after, its.locks) for its in found.shape] == [((), ("pen",)), (("a",), ())]


def test_what_follows_takes_such_a_profile(tmp_path):
    found = profile_from_table(write(tmp_path, CSV), cores=8)
    plan = optimize(found, 2, time_limit_s=2)
    assert plan.makespan_s == pytest.approx(4.02)  # both may hold the GIL
    assert what_if(found, [1])[0].makespan_s == pytest.approx(4.02)
    assert "trace" in found.table()
    assert found.machine.differences(this_machine()) == (
        [] if this_machine().cores == 8 else [f"usable cores: 8.0 there, {this_machine().cores} here"]
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "has no column 'name'"),
        ("name,seconds\n", "has no rows"),
        ("name,seconds,children\na,1,\n", "column 'children' tells what comes after a node (a column 'pre"),
        ("name,seconds,dependancies\na,1,\n", "'dependancies' (did you mean 'dependencies'?)"),
        ("name,second\na,1\n", "has no column 'seconds' (did you mean 'seconds'?)"),
        ("nam,seconds\na,1\n", "has no column 'name' (did you mean 'name'?)"),
        ("name,seconds,predecesors\na,1,\n", "unknown column 'predecesors' (did you mean 'predecessors'?)"),
        ("name,seconds,name\na,1,b\n", "two columns are named 'name'"),
        ("name,seconds,after,parents\na,1,,\n", "both 'after' and 'parents' tell the predecessors"),
        ("name,seconds,lock,locks\na,1,x,y\n", "both 'lock' and 'locks' tell the lock"),
        ("name,duration,wall_s\na,1,2\n", "both 'duration' and 'wall_s' tell the seconds"),
        ("name,Seconds,seconds\na,1,2\n", "both 'Seconds' and 'seconds' tell the seconds"),
        (
            "name,seconds,pred\na,1,\nb,1,\nc,1,a;b\n",
            "t.csv: column 'pred' holds names of nodes, and no column tells the predecessors (call it",
        ),
        ("name,seconds,after\na,1,\nb,1,['a'\n", "line 3, column 'after': \"['a'\" is not names"),
        ("name,seconds,after\na,1,\nb,1,['a'; 3]\n", "line 3, column 'after'"),
        ('{"format": "makespan-run/1"}', "nor a trace (makespan export t.csv --to csv makes a table of it)"),
        ("name,seconds\na,1,2\n", "t.csv, line 2: has 3 cells for 2 columns"),
        ("name,seconds\na\n", "t.csv, line 2, column 'seconds': no seconds are told of 'a'"),
        ("name,seconds\n,1\n", "t.csv, line 2, column 'name': has no name"),
        ("name,seconds\na,quick\n", "t.csv, line 2, column 'seconds': 'quick' is not a duration"),
        ("name,seconds\na,-1\n", "is not a duration"),
        ("name,seconds\na,nan\n", "is not a duration"),
        ("name,seconds\na,1e300\n", "is not a duration from 0 to"),
        (
            "name,seconds,class\na,1,pyton\n",
            "line 2, column 'class': 'pyton' is not a class (did you mean 'py",
        ),
        ("name,seconds,exclusive\na,1,maybe\n", "line 2, column 'exclusive': 'maybe' is neither yes nor no"),
        ("name,seconds\na,1\nb,2\na,3\n", "t.csv, line 4: 'a' stands twice (first: t.csv, line 2)"),
        (
            "name,seconds,after\nfetch,1,\nb,1,fetsch\n",
            "line 3, column 'after': 'b' waits for 'fetsch', which has no row (did you mean 'fetch'?)",
        ),
        (
            "name,seconds,after\na,1,b\nb,1,c\nc,1,a\n",
            "t.csv: the nodes wait for each other in a circle: a → ",
        ),
        ("name,seconds,after\na,1,a\n", "in a circle: a → a"),
        ('name,seconds\n"a,1\n', "is not CSV"),
        (b"name,seconds\n\xff,1\n", "is not UTF-8 text (byte 13)"),
        ("{}", "neither a table, a workflow instance"),
        ("[1]", "row 1: is a int, not a dict"),
        ('[{"name": 1, "seconds": 1}]', "row 1, column 'name': 1 is not a name"),
        ('[{"name": "a", "seconds": true}]', "True is not a duration"),
        ('[{"name": "a", "seconds": 1, "after": [1]}]', "row 1, column 'after': [1] is not names"),
        ('[{"name": "a", "seconds": 1, "after": 7}]', "7 is not names"),
        ("[", "is not JSON"),
    ],
)
def test_what_is_wrong_is_told_by_row_and_column(tmp_path, monkeypatch, capfd, text, problem):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, text)
    with pytest.raises(ProfileError) as caught:
        profile_from_table("t.csv")
    assert problem in str(caught.value)
    assert main(["profile", "--from", "t.csv"]) == 2
    out, err = capfd.readouterr()
    assert (out, problem in err) == ("", True)
    assert not Path("profile.json").exists()


@pytest.mark.parametrize("source", [3, None, b"x", {"name": "a"}, [3], "nothing.csv", Path("nothing.csv")])
def test_what_is_no_table(source):
    with pytest.raises(ProfileError):
        profile_from_table(source)


def test_cores_are_checked():
    with pytest.raises(OptionError, match="cores"):
        profile_from_table([named("a")], cores=0)


def test_of_two_columns_the_one_of_the_plain_name_counts(tmp_path):
    text = "duration,node,kind,class,name,seconds\n7,here,x,io,a,1\n"
    with pytest.warns(ProfileWarning, match="columns left out: duration, node, kind"):
        found = profile_from_table(write(tmp_path, text))
    (node,) = found.nodes
    assert (node.name, node.kind, node.wall_net_s.median) == ("a", "io", 1.0)


def test_a_column_of_names_beside_the_predecessors_is_only_named(tmp_path):
    text = "name,seconds,leader,after\na,1,,\nb,1,a,a\n"
    with pytest.warns(ProfileWarning, match="columns left out: leader"):
        assert profile_from_table(write(tmp_path, text)).shape[1].after == ("a",)
    text = "name,seconds,function\na,1,a\nb,1,b\n"  # names, but each its own
    with pytest.warns(ProfileWarning, match="columns left out: function"):
        assert profile_from_table(write(tmp_path, text)).shape[1].after == ()


def test_lists_as_pandas_writes_them_into_a_file(tmp_path):
    pandas = pytest.importorskip("pandas")
    rows = [("a", []), ("b's", ["a"]), ("c", ["a", "b's"])]
    frame = pandas.DataFrame([{"name": name, "seconds": 1, "after": after} for name, after in rows])
    found = profile_from_table(write(tmp_path, frame.to_csv(index=False)))
    assert [(its.name, list(its.after)) for its in found.shape] == rows


def test_a_cell_of_many_names_is_read(tmp_path):
    import csv

    before = csv.field_size_limit()
    names = [f"node number {k:06}" for k in range(8000)]
    lines = [*(f"{name},1," for name in names), f"last,1,{';'.join(names)}"]
    found = profile_from_table(write(tmp_path, "\n".join(["name,seconds,after", *lines])))
    assert len(found.shape[-1].after) == 8000
    assert csv.field_size_limit() == before


def test_columns_left_out_are_named(tmp_path):
    with pytest.warns(ProfileWarning, match="columns left out: note"):
        profile_from_table(write(tmp_path, "name,seconds,note\na,1,x\n"))


@given(st.text(max_size=200))
@settings(deadline=None, max_examples=100)
def test_any_text_is_read_or_refused(text):
    from makespan_optimizer.measure.traces.tables import _from_csv, _read

    try:
        _read(_from_csv(text.encode("utf-8", "surrogatepass"), "t"))
    except ProfileError:
        pass
    except Warning:
        pass


# -- WfFormat ------------------------------------------------------------------------------------------------


def test_a_workflow_instance():
    found = profile_from_table(INSTANCE)
    assert found.dag.name == "thumbnails"
    assert [its.name for its in found.shape] == ["split_1", "scale_1", "scale_2", "join_1"]
    assert [its.after for its in found.shape] == [(), ("split_1",), ("split_1",), ("scale_2", "scale_1")]
    assert [its.kind for its in found.nodes] == ["io", "parallel", "parallel", "native"]
    split, scale, scale_2, join = found.nodes
    assert (split.cpu_s, split.blocked_total_s) == (0.2, 0.8)
    assert (scale.cpu_s, scale.other_cpu_s) == pytest.approx((4.0, 3.2))
    assert (scale_2.cpu_s, scale_2.other_cpu_s) == (3.0, 3.0)
    assert (join.cpu_s, join.class_confidence) == (2.4, 1.0)
    assert all(its.gil_s == 0 for its in found.nodes)
    assert found.machine.cores == 4
    assert profile_from_table(INSTANCE, cores=2).machine.cores == 2
    assert optimize(found, 2, time_limit_s=2).makespan_s == pytest.approx(7.5)


def remove(body, *path):
    for key in path[:-1]:
        body = body[key]
    del body[path[-1]]


def put(body, value, *path):
    for key in path[:-1]:
        body = body[key]
    body[path[-1]] = value


TASKS = ("workflow", "specification", "tasks")
RAN = ("workflow", "execution", "tasks")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda b: put(b, "1.3", "schemaVersion"),
            "#/schemaVersion: has schemaVersion '1.3'; this version reads",
        ),
        (lambda b: remove(b, "schemaVersion"), "has schemaVersion None"),
        (lambda b: remove(b, "workflow", "execution"), "#/workflow: tells no execution"),
        (lambda b: remove(b, *TASKS), "missing required field `tasks`"),
        (lambda b: remove(b, *TASKS, 1, "id"), "#/workflow/specification/tasks/1: "),
        (
            lambda b: put(b, ["split_2"], *TASKS, 1, "parents"),
            "tasks/1/parents: there is no task 'split_2' (did",
        ),
        (lambda b: put(b, ["x"], *TASKS, 0, "children"), "tasks/0/children: there is no task 'x'"),
        (lambda b: put(b, "scale_1", *TASKS, 2, "id"), "specification/tasks/1/id: 'scale_1' stands twice"),
        (lambda b: put(b, ["join_1"], *TASKS, 0, "parents"), "in a circle: "),
        (lambda b: remove(b, *RAN, 2), "no runtime is told of: scale_2"),
        (lambda b: put(b, "scale_1", *RAN, 2, "id"), "execution/tasks/2/id: 'scale_1' stands twice"),
        (lambda b: put(b, "x", *RAN, 2, "id"), "execution/tasks/2/id: there is no task 'x'"),
        (
            lambda b: put(b, -1, *RAN, 0, "runtimeInSeconds"),
            "tasks/0/runtimeInSeconds: -1.0 is not a runtime",
        ),
        (lambda b: put(b, "1", *RAN, 0, "runtimeInSeconds"), "runtimeInSeconds"),
        (lambda b: put(b, -5, *RAN, 0, "avgCPU"), "tasks/0/avgCPU: -5.0 is not a CPU utilization"),
        (lambda b: put(b, 0, *RAN, 0, "coreCount"), "tasks/0/coreCount: 0.0 is not a number of cores"),
    ],
)
def test_what_is_wrong_with_an_instance_is_told_by_its_place(tmp_path, change, problem):
    body = copy.deepcopy(json.loads(INSTANCE.read_bytes()))
    change(body)
    with pytest.raises(ProfileError) as caught:
        profile_from_table(write(tmp_path, json.dumps(body), "w.json"))
    assert problem in str(caught.value)


# -- the verb ------------------------------------------------------------------------------------------------


def test_from_a_file_to_a_plan(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, CSV)
    assert main(["profile", "--from", "t.csv", "--cores", "4"]) == 0
    told = capfd.readouterr().err
    assert "wrote profile.json" in told
    assert "1 node without a class" in told
    assert main(["optimize", "--threads", "2", "--time-limit", "2"]) == 0
    assert main(["what-if", "--threads", "1..2"]) == 0
    assert main(["explain", "plan.json", "draw"]) == 0
    assert main(["report", "plan.json", "-o", "report.html"]) == 0
    assert main(["report", "plan.json", "--format", "text", "-o", "-"]) == 0
    assert main(["profile", "show"]) == 0
    out, err = capfd.readouterr()
    assert "big sum" in out
    assert "CPU" not in err
    write(tmp_path, CSV.replace("draw,1.5,load", "draw,1.5,"))
    there = Path("profile.json").read_bytes()
    assert main(["profile", "--from", "t.csv"]) == 2
    err = capfd.readouterr().err
    assert "is a profile of another DAG" in err
    assert "(-f replaces it)" in err
    assert "kept in" not in err
    assert Path("profile.json").read_bytes() == there
    assert main(["profile", "--from", "t.csv", "-f"]) == 0
    assert main(["profile", "--from", str(INSTANCE), "-o", "-"]) == 0
    assert json.loads(capfd.readouterr().out)["dag"]["name"] == "thumbnails"


def test_what_was_only_said_is_not_rescued(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, CSV)

    def full(*_args, **_options):
        raise OptionError("cannot write: No space left on device", where="profile.json")

    monkeypatch.setattr("makespan.profile.write_atomic", full)
    assert main(["profile", "--from", "t.csv"]) == 2
    err = capfd.readouterr().err
    assert "No space left on device" in err
    assert "kept in" not in err


def test_a_setting_for_the_optimizer_is_not_the_other_machines_cores(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, CSV)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.makespan]\ncores = 77\nruns = 3\npairs = false\nsampler = "gil"\n'
    )
    assert main(["profile", "--from", "t.csv"]) == 0
    assert load_profile("profile.json").machine.cores == this_machine().cores
    assert main(["profile", "--from", "t.csv", "--cores", "77", "-f"]) == 0
    assert load_profile("profile.json").machine.cores == 77
    assert main(["profile", "nothing:there", "--cores", "4"]) == 2
    assert "--cores: is for --from" in capfd.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--hint", "a=1s"],
        ["--args", "[]"],
        ["--inputs", "a:b"],
        ["--setup", "a:b"],
        ["--teardown", "a:b"],
        ["--update"],
        ["--runs", "5"],
        ["--sampler", "auto"],
        ["--pairs"],
        ["--no-pairs"],
        ["--trials-limit", "3"],
        ["--no-pickling"],
    ],
)
def test_what_runs_nothing_takes_no_words_about_running(tmp_path, monkeypatch, capfd, words):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, CSV)
    assert main(["profile", "--from", "t.csv", *words]) == 2
    assert f"--from: runs nothing, and does not go with {words[0]}" in capfd.readouterr().err
    assert not Path("profile.json").exists()


def test_nodes_without_a_class_are_told_of(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "name,seconds,class\na,1,\nb,1,io\nc,0,\n")
    assert main(["profile", "--from", "t.csv"]) == 0
    assert "1 node without a class: taken to hold the GIL all the time" in capfd.readouterr().err


@pytest.mark.parametrize("verb", ["to_dicts", "to_pylist"])
def test_frames_of_other_libraries(verb):
    """polars and pyarrow: rows as dicts by a method of their own."""

    class Frame:
        columns = ("name", "seconds", "after")

    rows = [{"name": "a", "seconds": 1.5, "after": None}, {"name": "b", "seconds": 2, "after": ["a"]}]
    setattr(Frame, verb, lambda self: rows)
    found = profile_from_table(Frame())
    assert [(its.name, its.after) for its in found.shape] == [("a", ()), ("b", ("a",))]
