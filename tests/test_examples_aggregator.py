"""The example that puts a trip together: its shape, its results, its client that takes one call at a time."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from makespan.processes import codec
from tests.example_modules import EXAMPLES, example
from tests.leaks import child_processes

FOLDER = EXAMPLES / "api_aggregator"


@pytest.fixture(scope="module")
def module():
    with pytest.MonkeyPatch.context() as patch, example("api_aggregator") as found:
        patch.setattr(found, "SCALE", 0.1)
        found.setup()
        yield found
        found.teardown()


def test_it_is_a_joy_to_read():
    for file in FOLDER.glob("*.py"):
        assert len(file.read_text().splitlines()) <= 300, file


def test_the_shape_is_what_its_docstring_says(module):
    structure = module.trip.check()
    said = re.search(r"a DAG of (\d+) nodes, of which (\d+) ask", module.__doc__)
    assert len(structure) == int(said[1])
    calls = [its for its in module.trip.nodes.values() if its.name in structure.names and _asks(its)]
    assert len(calls) == int(said[2])
    alone = [name for name, locks in zip(structure.names, structure.locks, strict=True) if locks]
    assert len(alone) == 6
    assert {lock for some in structure.locks for lock in some} == {"legacy"}
    assert not {*alone, *(its.name for its in calls), "services"} & set(module.process_ok)
    assert len(module.process_ok) == len(structure) - len(calls) - 1


def _asks(its):
    return len(its.args) >= 4 and isinstance(its.args[2], int)


def test_any_budget_gives_the_same_answer(module):
    found = [module.trip.run(threads=threads).result for threads in (1, 3, 8)]
    assert found[0] == found[1] == found[2]
    module.check({"answer": found[0]})
    assert json.loads(json.dumps(found[0])) == found[0]


def test_a_wrong_answer_is_found(module):
    found = module.trip.run(threads=8).result
    with pytest.raises(AssertionError):
        module.check({"answer": {**found, "trips": found["trips"][::-1]}})
    with pytest.raises(AssertionError):
        module.check({"answer": {**found, "kept": 0}})


def ask(module, path, ms=3000):
    """Ask as a client without limits."""
    connection = http.client.HTTPConnection("127.0.0.1", module.start())
    try:
        connection.request("GET", f"/{path}?ms={ms}&rows=10")
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@pytest.mark.parametrize(("path", "allowed"), [("legacy/x", 1), ("y", 4)])
def test_the_services_refuse_more_calls_than_they_allow(module, path, allowed):
    with ThreadPoolExecutor(allowed + 1) as pool:
        found = list(pool.map(lambda k: ask(module, f"{path}_{k}", 300), range(allowed + 1)))
    assert sorted(found) == [200] * allowed + [429]


def test_the_client_never_asks_for_more(module):
    port = module.start()
    with ThreadPoolExecutor(9) as pool:
        one = pool.map(lambda k: module.fetch_legacy(port, f"legacy/{k}", 100, 10), range(3))
        many = pool.map(lambda k: module.fetch(port, f"many/{k}", 100, 10), range(6))
        assert [len(its) for its in (*one, *many)] == [10] * 9


def test_a_refusal_is_told(module, monkeypatch):
    monkeypatch.setattr(module, "CONNECTIONS", nullcontext())
    port = module.start()
    with ThreadPoolExecutor(5) as pool, pytest.raises(RuntimeError, match="429 too many calls"):
        list(pool.map(lambda k: module.fetch(port, f"refused/{k}", 3000, 10), range(5)))


def test_nodes_may_run_in_another_process(module):
    for name in module.process_ok:
        fn = module.trip.nodes[name].fn
        assert codec.named(fn) is not fn, name  # told by its name


def test_the_services_end_with_their_process():
    program = (
        "import pipeline; pipeline.setup(); print(pipeline._running[0].process.pid); import os; os._exit(0)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=FOLDER, capture_output=True, check=True, text=True
    )
    for _ in range(200):
        if not os.path.exists(f"/proc/{ran.stdout.strip()}/exe"):
            break
        time.sleep(0.02)
    else:
        pytest.fail("still there")


def test_teardown_and_setup_may_come_again(module):
    module.teardown()
    assert not any("server.py" in " ".join(command) for command in child_processes().values())
    module.teardown()
    module.setup()
    first = module.start()
    module.setup()
    assert module.start() == first
