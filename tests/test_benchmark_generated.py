"""Generators of instances: the parameters they promise, and the same instance for the same seed."""

import os
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest

from benchmarks import progen, stg_like, wfchef
from benchmarks.cases import InstanceError
from benchmarks.generated import generate, write
from benchmarks.instances import read_set
from makespan_optimizer.rigid.problem import THREADS

ROOT = Path(__file__).resolve().parents[1]


def reachable(case):
    """Return for each node the set of nodes that come before it."""
    found = []
    for some in case.preds:
        found.append(set(some).union(*(found[p] for p in some)))
    return found


@pytest.mark.parametrize(("jobs", "sample"), [(30, 48), (60, 12), (120, 6)])
def test_projects_hit_complexity_factor_and_strength(jobs, sample):
    cells = progen.cells(jobs)
    for case in generate(f"generated/psplib/j{jobs}", sample):
        cell = cells[int(case.name.removeprefix(f"j{jobs}").partition("_")[0]) - 1]
        assert len(case) == jobs + 2
        arcs = sum(map(len, case.preds))
        assert arcs / len(case) == pytest.approx(cell.complexity, abs=0.5 / len(case) + 1e-9)
        before = reachable(case)
        for some in case.preds:  # none of the arcs is redundant
            assert not any(p in before[q] for p in some for q in some)
        assert before[-1] == set(range(jobs + 1))  # the source precedes all, all precede the sink
        demanded = sum(d > 0 for r in case.resources for d in r.demand)
        assert demanded / (4 * jobs) == pytest.approx(cell.factor, abs=0.01)
        assert all(any(r.demand[i] for r in case.resources) for i in range(1, jobs + 1))
        assert all(1 <= wall <= 10 for wall in case.wall[1:-1])
        for resource in case.resources:
            start = []
            for some in case.preds:
                start.append(max((start[p] + case.wall[p] for p in some), default=0))
            peak = max(
                sum(d for s, w, d in zip(start, case.wall, resource.demand, strict=True) if s <= now < s + w)
                for now in start
            )
            least = max(resource.demand)
            assert resource.capacity == max(1, least + round(cell.strength * (peak - least)))


def test_cells_are_those_of_the_library():
    assert len(progen.cells(30)) == len(progen.cells(60)) == 48
    assert len(progen.cells(120)) == 60
    assert progen.cells(30)[0] == (1.5, 0.25, 0.2)


def test_a_sample_goes_evenly_through_the_cells():
    names = [case.name for case in generate("generated/psplib/j30", 48)]
    assert len(set(names)) == 48
    assert {name.partition("_")[2] for name in names} == {"1"}
    kinds = [case.name.rpartition("-")[0] for case in generate("generated/stg/20", 32)]
    assert sorted(kinds) == sorted(["-".join(cell) for cell in stg_like.CELLS] * 2)


def test_task_graphs_have_entry_exit_and_durations_of_their_kind():
    for case in generate("generated/stg/200", 16):
        assert case.wall[0] == case.wall[-1] == 0
        assert min(case.wall[1:-1]) >= 1
        before = reachable(case)
        assert before[-1] == set(range(201))
        assert 0 in set.intersection(*before[1:])
        assert 5 < fmean(case.wall[1:-1]) < 16


def test_layered_task_graphs_have_no_edges_within_a_layer():
    flat = fmean(len(set(reachable(c)[-2])) for c in generate("generated/stg/100", 16) if "same" in c.name)
    assert flat > 0
    for edges in ("layrprob", "layrpred"):
        case = stg_like.stg_like(100, stg_like.CELLS.index((edges, "uniform")), 5, "x")
        firsts = sum(some == (0,) for some in case.preds)
        assert firsts >= 1
        assert all(p < i for i, some in enumerate(case.preds) for p in some)


def test_resource_dags_fit_and_are_scarce():
    for case in generate("generated/resources/200", 6):
        problem = case.problem(4)
        assert len(problem) == 200
        assert {"gil", THREADS} <= {resource.name for resource in problem.resources}
        longest = sorted(case.wall)
        assert longest[-1] > 20 * longest[len(longest) // 2]  # heavy tails


@pytest.mark.parametrize("group", ["generated/stg/50", "generated/psplib/j30", "generated/resources/100"])
def test_the_same_seed_makes_the_same(group):
    assert generate(group, 3, seed=5) == generate(group, 3, seed=5)
    assert generate(group, 3, seed=5) != generate(group, 3, seed=6)


@pytest.mark.skipif(wfchef.missing() is not None, reason="wfcommons is not installed")
def test_workflows_are_the_same_for_any_hash_seed():
    code = (
        "from benchmarks.generated import generate; case, = generate('wfchef/montage/120', 1, seed=2); "
        "print(len(case), case.wall, case.preds)"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
        )
        for seed in "12"
    ]
    said = {child.communicate()[0] for child in children}
    assert len(said) == 1
    assert int(said.pop().split()[0]) > 100


def test_instances_are_written_and_read_again(tmp_path):
    made = generate("generated/psplib/j30", 2) + generate("generated/stg/20", 2)
    write(made, tmp_path)
    read = read_set(tmp_path / "generated", "psplib/j30") + read_set(tmp_path / "generated", "stg/20")
    by_name = {case.name: case for case in read}
    assert len(by_name) == 4
    for case in made:
        again = by_name[case.name]
        assert (case.wall, case.preds, case.resources) == (again.wall, again.preds, again.resources)


def test_resources_are_not_dropped_when_written(tmp_path):
    with pytest.raises(InstanceError, match="threads and resources"):
        write(generate("generated/resources/20", 1), tmp_path)


@pytest.mark.parametrize(
    "group", ["generated/x/3", "generated/psplib/30", "wfchef/a/b/c", "generated/psplib/j3"]
)
def test_unknown_sets_are_refused(group):
    with pytest.raises(InstanceError):
        generate(group)
