"""Plans go back to Tawazi: it runs in the plan's order, and what it cannot do is said."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tawazi import Resource, dag, xn

from makespan import PlanError
from makespan.adapters.tawazi import apply_to, from_tawazi, tawazi_config
from makespan.adapters.tawazi.priorities import encode
from makespan.plan import Plan, PlanCluster, PlanGroup
from tests.tawazi_dags import CASES, plus, same, trace
from tests.tawazi_orders import plan_of, wanted_order

DAGS = int(os.environ.get("MAKESPAN_TAWAZI_DAGS", "10"))


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_tawazi_runs_in_the_wanted_order(seed: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.tawazi_orders", "--dags", str(DAGS), "--most", "120"],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith(f"{DAGS} DAGs")


def compounds(succs: dict[str, list[str]], priority: dict[str, int], rng: random.Random) -> dict[str, int]:
    """Compute what Tawazi computes, with each round's set in a random order: what we know of its rule."""
    worth = dict(priority)
    preds: dict[str, list[str]] = {node: [] for node in succs}
    for node, its in succs.items():
        for s in its:
            preds[s].append(node)
    level = {node for node, its in succs.items() if not its}
    while level:
        following: set[str] = set()
        for node in rng.sample(sorted(level), len(level)):
            for p in preds[node]:
                worth[p] += worth[node]
                following.add(p)
        level = following
    return worth


@pytest.mark.parametrize("seed", range(30))
def test_compounds_fall_along_the_order_whatever_the_sets_do(seed: int) -> None:
    rng = random.Random(seed)
    n, density = rng.randint(1, 25), rng.choice([0.1, 0.3, 0.8])
    names = [f"n{i}" for i in range(n)]
    succs = {a: [b for b in names[i + 1 :] if rng.random() < density] for i, a in enumerate(names)}
    shuffled = rng.sample(names, n)
    succs = {a: succs[a] for a in shuffled}
    left = {b: sum(b in its for its in succs.values()) for b in names}
    order: list[str] = []
    while len(order) < n:
        node = rng.choice([b for b in names if b not in order and not left[b]])
        order.append(node)
        for s in succs[node]:
            left[s] -= 1
    priority = encode(succs, order)
    assert list(priority) == order
    assert min(priority.values()) == 0
    for _ in range(20):
        worth = compounds(succs, priority, rng)
        assert all(worth[a] > worth[b] for a, b in pairwise(order))


def test_ranks_alone_as_priorities_would_not_do() -> None:
    """b leads to four late nodes, c to one that is wanted early: Tawazi adds up what comes after."""
    succs = {"b": ["w", "x", "y", "z"], "c": ["u"], "u": [], "w": [], "x": [], "y": [], "z": []}
    order = ["c", "u", "b", "w", "x", "y", "z"]
    ranks = {node: len(order) - at for at, node in enumerate(order)}
    wrong = compounds(succs, ranks, random.Random(0))
    assert max(order, key=wrong.__getitem__) == "b"
    right = compounds(succs, encode(succs, order), random.Random(0))
    assert sorted(order, key=right.__getitem__, reverse=True) == order


@pytest.mark.parametrize("order", [["b", "a"], ["a", "a", "b"]])
def test_orders_that_cannot_be_are_refused(order: list[str]) -> None:
    with pytest.raises(ValueError, match="stands"):
        encode({"a": ["b"], "b": []}, order)


@pytest.mark.parametrize("name", CASES)
def test_every_kind_can_be_configured(name: str) -> None:
    make, arguments = CASES[name]
    made = make()
    ours = from_tawazi(made)
    order = wanted_order(random.Random(3), ours)
    plan = plan_of(ours, order, 2)
    said = tawazi_config(plan, made)
    assert [id_ for id_ in said.order if id_ in ours.nodes] == order
    wanted = from_tawazi(make())(*arguments[0])
    apply_to(made, plan)
    assert made.max_concurrency == 2
    assert from_tawazi(made)(*arguments[0]) == wanted
    worth = made.graph_ids.compound_priority
    assert all(worth[a] > worth[b] for a, b in pairwise(said.order))


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_files_are_what_tawazi_reads(ending: str, tmp_path: Path) -> None:
    made = CASES["sub_dags_within_sub_dags"][0]()
    ours = from_tawazi(made)
    said = tawazi_config(plan_of(ours, wanted_order(random.Random(1), ours), 3), made)
    file = tmp_path / f"tawazi.{ending}"
    said.save(file)
    getattr(made, f"config_from_{ending}")(str(file))
    worth = made.graph_ids.compound_priority
    assert sorted(said.order, key=worth.__getitem__, reverse=True) == list(said.order)
    assert made.max_concurrency == 3


def pipeline() -> Any:
    @dag(max_concurrency=2)
    def pipe() -> Any:
        return trace(*[same(i) for i in range(4)])

    return pipe


def planned(made: Any, **fields: Any) -> Plan:
    ours = from_tawazi(made)
    return msgspec.structs.replace(plan_of(ours, list(ours.check().names), 2), **fields)


def test_locks_become_sequential_all_but_the_longest() -> None:
    made = pipeline()
    plan = planned(made)
    nodes = [
        msgspec.structs.replace(node, locks=("db",), duration_s=5.0 if node.name == "same<<1>>" else 1.0)
        if node.name in {"same", "same<<1>>", "same<<2>>"}
        else node
        for node in plan.nodes
    ]
    said = apply_to(made, msgspec.structs.replace(plan, nodes=tuple(nodes)))
    alone = [name for name, its in made.exec_nodes.items() if its.is_sequential]
    assert alone == ["same", "same<<2>>"]
    assert "is_sequential, which stops everything else too" in said.not_carried[0]


def test_what_tawazi_cannot_do_is_said() -> None:
    made = pipeline()
    plan = planned(
        made,
        groups=(PlanGroup("g", ("same", "same<<1>>"), 1, "gil"),),
        clusters=(PlanCluster("c", ("same",)),),
        chains=(("same", "trace"),),
        switch_interval_s=0.001,
    )
    said = "\n".join(tawazi_config(plan, made).not_carried)
    for words in (
        "limit of 1 at once on 'same', 'same<<1>>' (gil)",
        "worker processes",
        "sys.setswitchinterval(0.001)",
        "1 chain of brief nodes",
        "target_nodes",
    ):
        assert words in said


def test_pins_that_tawazi_does_not_hold_are_said() -> None:
    made = pipeline()
    plan = planned(made)
    nodes = [
        msgspec.structs.replace(node, starts_after=("same<<3>>",)) if node.name == "same" else node
        for node in plan.nodes
    ]
    said = tawazi_config(msgspec.structs.replace(plan, nodes=tuple(nodes)), made)
    assert said.order.index("same") > said.order.index("same<<3>>")
    assert "'same' should start after others" in said.not_carried[0]


def test_mixed_resources_are_said() -> None:
    @dag
    def pipe() -> Any:
        a = xn(resource=Resource.async_thread)(lambda: 1)()
        return plus(a, xn(resource=Resource.main_thread)(lambda: 2)())

    said = "\n".join(tawazi_config(planned(pipe), pipe).not_carried)
    assert "async_thread are mixed" in said
    assert "main_thread runs" in said


def test_a_plan_of_another_dag_is_refused_and_changes_nothing() -> None:
    made, other = pipeline(), CASES["diamond"][0]()
    with pytest.raises(PlanError, match="for another DAG"):
        apply_to(made, planned(other))
    assert made.max_concurrency == 2
    assert all(its.priority == 0 for its in made.exec_nodes.values())


class Stubborn:
    """Lets itself be copied once: Tawazi copies it when it is called in a DAG, and again when configured."""

    def __init__(self, copies: int) -> None:
        self.copies = copies
        self.__name__ = self.__qualname__ = "stubborn"

    def __call__(self, x: int) -> int:
        return x

    def __deepcopy__(self, _: Any) -> Stubborn:
        if not self.copies:
            raise TypeError("no more copies")
        return Stubborn(self.copies - 1)


def test_a_configuration_that_fails_changes_nothing() -> None:
    @dag
    def pipe() -> Any:
        return xn(Stubborn(1))(same(1))

    plan = planned(pipe)
    before = dict(pipe.exec_nodes)
    with pytest.raises(TypeError, match="no more copies"):
        apply_to(pipe, msgspec.structs.replace(plan, threads=2))
    assert pipe.max_concurrency == 1
    assert all(pipe.exec_nodes[id_] is its for id_, its in before.items())
    assert pipe() == 1


def test_callable_data_classes_are_refused() -> None:
    @dataclass
    class Times:
        by: int

        def __call__(self, x: int) -> int:
            return self.by * x

    Times.__qualname__ = "Times"
    instance = Times(3)
    instance.__qualname__ = "times"  # type: ignore[attr-defined]

    @dag
    def of_instances() -> Any:
        return xn(instance)(2)

    with pytest.raises(PlanError, match="data class"):
        tawazi_config(planned(of_instances), of_instances)


def test_an_id_that_is_a_tag_of_others_is_refused() -> None:
    @xn(tag="same")
    def tagged(x: int) -> int:
        return x

    @dag
    def pipe() -> Any:
        return same(tagged(1))

    with pytest.raises(PlanError, match="for the tag of"):
        tawazi_config(planned(pipe), pipe)


def test_debug_nodes_that_do_not_run_come_last_if_they_do() -> None:
    made = CASES["debug_nodes"][0]()
    said = tawazi_config(planned(made), made)
    debug = [id_ for id_, its in made.exec_nodes.items() if its.debug]
    assert {said.config["nodes"][id_]["priority"] for id_ in debug} == {0}


def test_set_up_nodes_that_have_run_change_nothing() -> None:
    fresh, used = CASES["set_up"][0](), CASES["set_up_has_run"][0]()
    assert [i.rpartition(".")[2] for i in tawazi_config(planned(fresh), fresh).order] == [
        i.rpartition(".")[2] for i in tawazi_config(planned(used), used).order
    ]
