"""Tawazi's own runs as records: what ran where and when, with nothing changed in the user's DAG."""

from __future__ import annotations

import asyncio
import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from tawazi import Resource, dag, xn

from makespan import MakespanError, PlanError, load_record
from makespan.adapters.tawazi import from_tawazi, run_by_tawazi
from tests.tawazi_dags import CASES, plus, same, trace
from tests.tawazi_orders import plan_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", CASES)
def test_results_are_tawazis_and_the_record_is_whole(name: str, tmp_path: Path) -> None:
    make, arguments = CASES[name]
    args = arguments[-1]
    made = make()
    before = dict(made.exec_nodes)
    run = run_by_tawazi(made, *args)
    wanted = make()(*args)
    assert run.result == (asyncio.run(wanted) if asyncio.iscoroutine(wanted) else wanted)
    assert all(made.exec_nodes[id_] is xn for id_, xn in before.items())
    run.save(tmp_path / "run.json")
    record = load_record(tmp_path / "run.json")
    assert {node.name for node in record.nodes} | set(record.left_out) == set(from_tawazi(make()).nodes)
    ends = {node.name: node.end_s for node in record.nodes}
    for node in record.nodes:
        assert all(ends[p] <= node.start_s for p in node.after if p in ends)
    assert all(a.start_s <= b.start_s for a, b in pairwise(record.nodes))
    assert record.makespan_s >= max(ends.values(), default=0)
    assert run.summary()


def test_threads_and_passed_over_nodes_are_told_apart() -> None:
    meet = threading.Barrier(2)

    @xn
    def waits(x: int) -> int:
        meet.wait(30)
        return x

    @xn(resource=Resource.main_thread)
    def here(x: int) -> int:
        return x

    @dag(max_concurrency=2)
    def pipe() -> Any:
        both = waits(1), waits(2)
        return trace(*both, here(3), same(4, twz_active=False))

    record = run_by_tawazi(pipe).record
    thread = {node.name.rpartition(".")[2]: node.thread for node in record.nodes}
    assert {thread["waits"], thread["waits<<1>>"]} == {1, 2}
    assert thread["here"] == 0
    assert record.threads == 2
    assert [node.name for node in record.nodes if node.status == "skipped"] == ["same"]


def test_set_up_results_stay_in_the_users_dag() -> None:
    calls: list[int] = []

    @xn(setup=True)
    def load() -> int:
        calls.append(1)
        return 1

    @dag
    def pipe() -> Any:
        return plus(load())

    first = run_by_tawazi(pipe)
    again = run_by_tawazi(pipe)
    assert first.result == again.result == pipe() == 11
    assert calls == [1]
    assert len(first.record.nodes) == 2
    assert len(again.record.nodes) == len(again.record.left_out) == 1


def test_what_a_node_raises_arrives() -> None:
    @xn(resource=Resource.main_thread)
    def broken() -> int:
        raise LookupError("mine")

    @dag
    def pipe() -> Any:
        return broken()

    with pytest.raises(LookupError, match="mine"):
        run_by_tawazi(pipe)
    assert pipe.exec_nodes[next(iter(pipe.exec_nodes))].exec_function.__name__ == "broken"


def test_a_plan_is_drawn_beside_it(tmp_path: Path) -> None:
    made = CASES["diamond"][0]()
    ours = from_tawazi(made)
    plan = plan_of(ours, list(ours.check().names), 2)
    run = run_by_tawazi(made, plan=plan)
    run.report(tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size > 1000
    with pytest.raises(PlanError, match="for another DAG"):
        run_by_tawazi(CASES["constants"][0](), plan=plan)


def test_within_an_event_loop_it_says_what_to_do() -> None:
    async def main() -> None:
        run_by_tawazi(CASES["diamond"][0]())

    with pytest.raises(MakespanError, match="to_thread"):
        asyncio.run(main())
