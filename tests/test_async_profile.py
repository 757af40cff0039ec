"""Profiling a DAG with coroutine nodes: each is measured in the thread that calls it."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from makespan import DAG
from makespan_optimizer.measure.shapes import shapes


async def waits():
    await asyncio.sleep(0.02)
    return 1


async def computes(_):
    until = time.thread_time() + 0.02
    while time.thread_time() < until:
        pass
    return threading.current_thread().name


@pytest.fixture(scope="module")
def profile():
    d = DAG("coroutines")
    d.returns(d.add(computes, d.add(waits)))
    return d.profile(runs=3, trials=False)


def test_waiting_is_blocked_and_computing_is_computing(profile):
    figures = {node.name: node for node in profile.nodes}
    waited, computed = figures["waits"], figures["computes"]
    assert waited.blocked_total_s > 3 * waited.cpu_s
    assert computed.cpu_s > 3 * computed.blocked_total_s
    assert computed.gil_s > 0.8 * computed.cpu_s


def test_all_nodes_of_a_profile_share_a_loop_in_the_calling_thread():
    seen = []

    async def first():
        seen.append(threading.get_ident())
        return asyncio.get_running_loop()

    async def second(loop):
        assert loop is asyncio.get_running_loop()
        seen.append(threading.get_ident())

    d = DAG("shared")
    d.add(second, d.add(first))
    d.profile(runs=1, trials=False)
    assert set(seen) == {threading.get_ident()}


def test_profiling_in_a_thread_that_runs_a_loop():
    d = DAG("notebook")
    d.add(waits)

    async def cell():
        return d.profile(runs=1, trials=False)

    assert [node.name for node in asyncio.run(cell()).nodes] == ["waits"]


def test_pairs_of_coroutine_nodes_are_tried_side_by_side():
    d = DAG("pairs")
    d.add(waits, name="a")
    d.add(waits, name="b")
    assert len(d.profile(runs=1, trials_limit_s=1.0).nodes) == 2


def test_what_must_stay_in_this_process_is_known_to_the_plan():
    d = DAG("stays")
    d.add(waits, name="coroutine")
    d.add(int, name="model", setup=True)
    d.add(int, name="picture", mode="caller")
    d.add(int, name="free")
    d.add(int, name="sent", mode="process")
    words = [shape.stays for shape in shapes(d)]
    assert [word.split(",")[0] for word in words] == [
        "it is a coroutine function", "it is set up once", "it is declared to run in mode 'caller'", "", "",
    ]  # fmt: skip
