"""Readers of public instances: small files in their formats, and what is wrong with others."""

from pathlib import Path

import pytest

from benchmarks.cases import InstanceError, Known
from benchmarks.formats import read_sm, read_stg, sm_text, stg_text
from benchmarks.instances import read_set
from benchmarks.knowledge import read_certified, read_optima
from benchmarks.traces import read_dask, read_wf

DATA = Path(__file__).parent / "data" / "instances"


def file(folder, text, name="x.sm"):
    path = folder / name
    path.write_text(text)
    return path


def test_a_project_is_read_with_what_is_known():
    (case,) = read_set(DATA, "psplib/small")
    assert (case.name, case.wall) == ("small1_1", (0, 3, 4, 2, 0))
    assert case.preds == ((), (0,), (0,), (1,), (2, 3))
    assert [(r.name, r.capacity, r.demand) for r in case.resources] == [
        ("R1", 2, (0, 2, 1, 0, 0)),
        ("R2", 2, (0, 0, 1, 2, 0)),
    ]
    assert not case.threaded
    assert case.known == {None: Known(9, 9)}
    assert [r.name for r in case.problem(None).resources] == ["R1", "R2"]


def test_a_task_graph_is_read_with_what_is_known():
    (case,) = read_set(DATA, "stg/3")
    assert case.wall == (0, 4, 3, 3, 0)
    assert case.preds == ((), (0,), (1,), (1,), (2, 3))
    assert case.known == {1: Known(10, 10), 2: Known(7, 7)}
    assert [(r.name, r.capacity) for r in case.problem(2).resources] == [("threads", 2)]


def test_both_versions_of_wfformat_are_read():
    newer, older = read_set(DATA, "wf")
    assert newer.preds == ((), (0,))
    assert older.preds == ((), (0,), (0,))  # edges by name and by id
    assert [wall / older.wall[0] for wall in older.wall] == pytest.approx([1, 1.5, 4 / 1.5])


def test_a_graph_of_dask_brings_its_own_order(tmp_path):
    (case,) = read_set(DATA, "dask")
    assert case.preds == ((), (), (0, 1))
    assert case.order == (0, 1, 2)
    other = file(
        tmp_path, '{"tasks": {"a": {"duration": 1, "deps": ["b"]}, "b": {"duration": 2, "deps": []}}}'
    )
    case = read_dask(other, "dask")
    assert (case.preds, case.order) == (((1,), ()), ())


def test_a_folder_of_instances_may_be_named_from_above(tmp_path):
    (tmp_path / "instances").symlink_to(DATA)
    assert [case.name for case in read_set(tmp_path, "stg/3")] == ["fork"]


def test_what_is_written_is_read_again(tmp_path):
    (project,) = read_set(DATA, "psplib/small")
    again = read_sm(file(tmp_path, sm_text(project)), "x")
    assert (again.wall, again.preds, again.resources) == (project.wall, project.preds, project.resources)
    (graph,) = read_set(DATA, "stg/3")
    again = read_stg(file(tmp_path, stg_text(graph)), "x")
    assert (again.wall, again.preds) == (graph.wall, graph.preds)


def test_a_sample_is_the_same_each_time(tmp_path):
    (tmp_path / "stg").mkdir()
    for i in range(12):
        file(tmp_path / "stg", (DATA / "stg/3/fork.stg").read_text(), f"g{i}.stg")
    names = [case.name for case in read_set(tmp_path, "stg", 5, seed=3)]
    assert names == [case.name for case in read_set(tmp_path, "stg", 5, seed=3)]
    assert len(names) == 5
    assert names == sorted(names, key=lambda name: int(name[1:]))


SM = (DATA / "psplib/small/small1_1.sm").read_text()
OLDER = '{"schemaVersion": "1.4", "workflow": {"tasks": [{%s}]}}'
TASK = '{"name": "a", "seconds": 1, "after": []}'
TWICE = f'{{"tasks": [{TASK}, {TASK}]}}'
STG = (DATA / "stg/3/fork.stg").read_text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing", "x.sm: has no section PRECEDENCE RELATIONS"),
        (SM.replace("4   \n", ""), None),
        (SM.replace("   2        1  ", "   2        2  "), "x.sm:15: job 2 has 2 modes"),
        (SM.replace("1           4", "2           4"), "x.sm:15: job 2 should have 2 successors, and has 1"),
        (SM.replace("1           4", "1           9"), "x.sm:15: job 2 is followed by 9"),
        (SM.replace("  3      1     4 ", "  3      1   4.5 "), "x.sm:25: a number should be a whole number"),
        (SM.replace("  4      1     2       0    2", "  4      1     2       0"), "x.sm:26: job 4 demands"),
        (SM.replace("  2      1     3       2    0\n", ""), "x.sm:24: should tell of job 2, not of 3"),
    ],
)
def test_a_broken_project_is_refused(text, said, tmp_path):
    if said is None:
        assert read_sm(file(tmp_path, text), "x").wall == (0, 3, 4, 2, 0)
        return
    with pytest.raises(InstanceError, match=said.replace("(", r"\(")):
        read_sm(file(tmp_path, text), "x")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.stg:1: should begin with the number of tasks"),
        (STG.replace("          3\n", "          4\n", 1), "x.stg: has 5 tasks; its first line promises 4"),
        (
            STG.replace(" 2          3          1 ", " 7          3          1 "),
            "x.stg:4: should tell of task 2",
        ),
        (STG.replace("2          2          3", "3          2          3"), "x.stg:6: should be `id"),
        (STG.replace("2          2          3", "2          2          8"), "x.stg:6: waits for task 8"),
        (STG.replace("1          4 ", "1          x "), "x.stg:3: a number should be a whole"),
        (STG.replace("1          4 ", "1         -4 "), "x.stg:3: a number should be at least 0, not -4"),
    ],
)
def test_a_broken_task_graph_is_refused(text, said, tmp_path):
    with pytest.raises(InstanceError, match=said):
        read_stg(file(tmp_path, text, "x.stg"), "x")


@pytest.mark.parametrize(
    ("reader", "text", "said"),
    [
        (read_wf, "[]", "should be a JSON object"),
        (read_wf, '{\n"a"', "x.sm:2: is not JSON"),
        (read_wf, '{"schemaVersion": "1.3"}', "schemaVersion: has schemaVersion '1.3'"),
        (read_wf, '{"schemaVersion": "1.4"}', "should be a list of tasks"),
        (read_wf, OLDER % '"name": "a"', "tasks/0/runtimeInSeconds: None is not"),
        (read_wf, OLDER % '"runtime": 1', "has neither name nor id"),
        (read_dask, "{}", "has no list `tasks`"),
        (read_dask, '{"tasks": [{"name": "a"}]}', "#/tasks/0: tells no seconds: it has name"),
        (read_dask, '{"tasks": [{"name": "a", "seconds": "1", "after": []}]}', "'1' is not a time"),
        (read_dask, '{"tasks": [{"name": "a", "seconds": 1, "after": ["b"]}]}', "'a' waits for 'b'"),
        (read_dask, TWICE, "stands twice"),
    ],
)
def test_a_broken_trace_is_refused(reader, text, said, tmp_path):
    with pytest.raises(InstanceError, match=said):
        reader(file(tmp_path, text), "x")


def test_a_circle_is_refused(tmp_path):
    a, b = (f'{{"name": "{x}", "seconds": 1, "after": ["{y}"]}}' for x, y in ("ab", "ba"))
    text = f'{{"tasks": [{a}, {b}]}}'
    with pytest.raises(InstanceError, match="in a circle"):
        read_dask(file(tmp_path, text), "x").problem(2)


def test_optima_may_be_intervals():
    assert read_optima(DATA / "psplib/small_optimum.csv") == {
        ("", "small1_1"): {None: Known(9, 9)},
        ("", "small1_2"): {None: Known(4, 5)},
        ("", "small1_3"): {None: Known(0, 7)},
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [("problem,optimum\nj1.sm,x", ":2: should be"), ("j1.sm,12..9", ":1: the bound 12 is above")],
)
def test_broken_optima_are_refused(text, said, tmp_path):
    with pytest.raises(InstanceError, match=said):
        read_optima(file(tmp_path, text))


def test_certified_bounds_may_stand_in_columns(tmp_path):
    table = read_certified(file(tmp_path, "n,file,lb_2,ub_2,lb_4,ub_4\n50,rand1.stg,10,11,8,8\n"))
    assert table == {("50", "rand1"): {2: Known(10, 11), 4: Known(8, 8)}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("graph,value\n", ":1: its columns graph, value do not tell"),
        ("graph,k,lb,ub\na,2,3\n", ":2: has 3 values for 4 columns"),
        ("graph,k,lb,ub\na,2,3,x\n", ":2: the best makespan should be a whole number"),
    ],
)
def test_broken_tables_are_refused(text, said, tmp_path):
    with pytest.raises(InstanceError, match=said):
        read_certified(file(tmp_path, text))


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ("nothing", "there is no set 'nothing'"),
        ("psplib/j30", "has no folder 'psplib/j30'"),
        ("psplib", None),
    ],
)
def test_a_set_that_is_not_there_is_refused(group, said, tmp_path):
    (tmp_path / "psplib").mkdir()
    with pytest.raises(InstanceError, match=said or "holds no .sm file"):
        read_set(tmp_path, group)


def test_a_table_of_other_instances_is_refused(tmp_path):
    (tmp_path / "stg").mkdir()
    file(tmp_path / "stg", STG, "a.stg")
    file(tmp_path / "stg", "file,k,lb,ub\nb.stg,2,3,4\n", "certified.csv")
    with pytest.raises(InstanceError, match="know none of them: they tell of b"):
        read_set(tmp_path, "stg")
    file(tmp_path / "stg", "file,k,lb,ub\n50/b.stg,2,3,4\n", "certified.csv")  # of another set
    assert not read_set(tmp_path, "stg")[0].known
