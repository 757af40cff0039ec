"""The example of a document API: its shape, that it reads what was drawn, and that nothing of it stays."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from makespan import DAG, close_workers
from makespan.around.native_limits import limit
from makespan.cli.target import load_target

FOLDER = Path(__file__).parents[1] / "examples" / "document_api"
FILE = FOLDER / "pipeline.py"
SCALE = 0.1
SIBLINGS = ("document_models", "document_pages", "document_rules", "document_server")


@pytest.fixture(scope="module")
def example():
    """The module as the command line loads it, its store started, with one run's spans and results."""
    path, known = list(sys.path), set(sys.modules)
    dag = load_target(f"{FILE}:document")
    module = sys.modules[dag.nodes["report"].fn.__module__]
    with limit(1):
        module.setup(SCALE)
        run = dag.run(SCALE, threads=2, targets=list(dag.nodes))
    yield SimpleNamespace(dag=dag, module=module, run=run, values=dict(run.values))
    module.teardown()
    sys.path[:] = path
    for name in {module.__name__, *SIBLINGS} - known:
        sys.modules.pop(name, None)


def test_it_is_short():
    text = FILE.read_text()
    assert len(text.splitlines()) <= 300
    assert re.findall(r"^from makespan.*$", text, re.MULTILINE) == ["from makespan import dag, node"]
    assert "pyplot" not in text


def test_the_shape_is_what_its_docstring_says(example):
    structure = example.dag.check()
    said = int(re.search(r"A DAG of (\d+) nodes", example.module.__doc__)[1])
    assert len(example.dag) == said
    assert 35 <= said <= 45
    locked = {name: locks for name, locks in zip(structure.names, structure.locks, strict=True) if locks}
    assert {name.partition("_")[0] for name in locked} == {"overlay"}
    assert {lock for locks in locked.values() for lock in locks} == {"matplotlib"}
    for name in structure.names:
        step = re.sub(r"_(invoice_[12]|receipt|delivery)$", "", name)
        assert re.search(rf"\b{step}\b", example.module.__doc__), name
    assert set(example.module.process_ok) < set(structure.names)


def test_what_was_drawn_is_read(example):
    example.module.check(example.values, SCALE)
    answer = example.values["report"]
    assert json.loads(json.dumps(answer)) == answer


def test_one_after_the_other_gives_the_same_result(example):
    with limit(1):
        assert example.dag.run(SCALE, threads=1).result == example.values["report"]


def test_a_reading_that_is_wrong_is_seen(example):
    for key, wrong in (("texts", [["INVOICE"]] * 4), ("kinds", ["receipt"] * 4), ("bank", False)):
        answer = {**example.values["report"], key: wrong}
        with pytest.raises(AssertionError):
            example.module.check({"report": answer}, SCALE)


def test_sums_that_do_not_agree_are_named(example):
    fields, check_totals = example.values["fields"], example.module.check_totals
    assert all(check_totals(fields).values())
    assert [name for name, fine in check_totals({**fields, "paid": "1.00"}).items() if not fine] == ["paid"]
    less = check_totals({**fields, "items": fields["items"][1:]})
    assert [name for name, fine in less.items() if not fine] == ["subtotal", "delivered"]


@pytest.mark.parametrize(
    ("iban", "fine"),
    [
        ("FR14 2004 1010 0505 0001 3M02 606", True),  # the registry's own example
        ("GB82 WEST 1234 5698 7654 32", True),
        ("GB82 WEST 1234 5698 7654 23", False),
        ("", False),
        (None, False),
    ],
)
def test_check_digits(example, iban, fine):
    assert example.module.check_bank({"iban": iban}) is fine


def test_the_supplier_is_found_though_its_name_was_misread(example):
    found = example.module.find_supplier({"supplier": "NICE T00LS EA5T 5A"}, example.values["models"])
    assert found["name"] == "NICE TOOLS EAST SA"


def test_results_can_be_sent_to_another_process(example):
    for name in example.module.process_ok:
        pickle.loads(pickle.dumps(example.values[name]))
    sent = DAG("a worker reads")
    where = {"mode": "process", "name": "gray"}
    sent.returns(sent.add(example.dag.nodes["decode_receipt"].fn, example.values["fetch_receipt"], **where))
    try:
        found = sent()
    finally:
        close_workers()
    assert (found == example.values["decode_receipt"]).all()


def test_the_store_is_started_once_and_refuses_what_it_does_not_have(example):
    port = example.values["page_store"]
    assert example.module.document_server.start() == port
    with pytest.raises(OSError, match=r"404.*'letter'"):
        example.module.fetch(port, "letter", SCALE)


def test_the_store_ends_with_the_process_that_started_it():
    program = "import os, document_server as its; its.start(); print(its._Store.process.pid); os._exit(1)"
    command = [sys.executable, "-c", program.replace("; os", "; import sys; sys.stdout.flush(); os")]
    done = subprocess.run(command, cwd=FOLDER, stdout=subprocess.PIPE, text=True, check=False)
    stat = Path(f"/proc/{int(done.stdout)}/stat")
    deadline = time.monotonic() + 10
    while stat.exists() and " Z " not in stat.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not stat.exists() or " Z " in stat.read_text()
