"""The example that surveys the standard library: its shape, its results, and that nothing of it stays."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "stdlib_survey.py"
LIBRARY = Path(sysconfig.get_path("stdlib"))
SMALL = {"files": 7, "latency_s": 0.01}

# The example silences the warnings of the files that it parses when it is imported; pytest resets that.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("survey_under_test", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def small(example, monkeypatch):
    """The example on one package of the library, so that a run takes a tenth of a second."""
    monkeypatch.setattr(example, "LIBRARY", LIBRARY / "email")
    return example


def test_it_is_a_joy_to_read():
    text = EXAMPLE.read_text()
    assert len(text.splitlines()) <= 300
    assert re.findall(r"^from makespan.*$", text, re.MULTILINE) == ["from makespan import dag, node"]
    assert "pyplot" not in text


def test_the_shape_is_what_its_docstring_says(example):
    dag = example.survey
    structure = dag.check()
    said = int(re.search(r"a DAG of (\d+) nodes", example.__doc__)[1])
    assert len(dag) == said
    assert 25 <= said <= 40
    locks = {lock for some in structure.locks for lock in some}
    assert locks == {"ast", "matplotlib"}
    assert sum("matplotlib" in some for some in structure.locks) >= 4
    drawn = example.__doc__
    for name in structure.names:
        assert re.search(rf"\b{re.sub(r'_[0-9]+$', '', name)}\b", drawn), name
    sources = [name for name, preds in zip(structure.names, structure.preds, strict=True) if not preds]
    sinks = [name for name, succs in zip(structure.names, structure.succs, strict=True) if not succs]
    assert sources == ["list_files", "fetch_index"]
    assert sinks == ["report"]


@pytest.mark.parametrize("threads", [2, 3, 4])
def test_any_budget_gives_the_sequential_result(small, threads):
    alone = small.survey.run(**SMALL, threads=1).result
    assert small.survey.run(**SMALL, threads=threads).result == alone
    assert json.loads(json.dumps(alone)) == alone
    for name, lines in alone["lines"].items():
        if name != "mime":  # a package within the package
            assert lines == (LIBRARY / "email" / f"{name}.py").read_bytes().count(b"\n")
    assert len(set(alone["figures"])) == 6


def test_the_result_does_not_hang_on_the_hash_seed(small):
    program = (
        "import sys, json, runpy, pathlib; its = runpy.run_path(sys.argv[1]);"
        "its['list_files'].__wrapped__.__globals__['LIBRARY'] = pathlib.Path(sys.argv[2]);"
        "print(json.dumps(its['survey'](files=7, latency_s=0.01)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, EXAMPLE, LIBRARY / "email"],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        check=True,
    )
    assert json.loads(ran.stdout) == small.survey.run(**SMALL, threads=3).result


def test_the_real_library_is_read(example):
    names, packages = example.list_files()
    assert len(names) > 400
    assert {"json", "ast", "asyncio"} <= set(packages)
    assert names == sorted(set(names))
    assert not any("site-packages" in name for name in names)


@pytest.mark.parametrize("files", [1, 2, 1000])
def test_any_number_of_files_will_do(small, files):
    assert small.survey(files=files, latency_s=0.0)["lines"]


def test_an_empty_library_is_named(example, monkeypatch, tmp_path):
    monkeypatch.setattr(example, "LIBRARY", tmp_path)
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path))) as raised:
        example.survey(**SMALL)
    assert "list_files" in raised.value.__notes__[0]


def test_files_that_are_no_python_are_counted_as_empty(example):
    for text in (b"def (:\n", b"x = '\xff'\n", b"\0\n"):
        row = example.row_of("pkg/bad.py", text)
        assert (row["package"], row["lines"], row["functions"]) == ("pkg", 1, 0)


def test_a_fetch_takes_its_time_and_leaves_nothing(example, monkeypatch):
    ports = []
    served = example.HTTPServer.server_bind
    monkeypatch.setattr(
        example.HTTPServer, "server_bind", lambda self: (served(self), ports.append(self.server_port))[0]
    )
    before = threading.active_count()
    begun = time.perf_counter()
    answer = example.fetch("index", ["b", "a"], 0.02, 3)
    assert time.perf_counter() - begun >= 0.06
    assert answer == example.fetch("index", ["a", "b"], 0.0, 1)
    assert threading.active_count() == before
    for port in ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_node_that_fails_leaves_no_server(small, monkeypatch, threads):
    def refuse(*_):
        raise ZeroDivisionError("asked for")

    monkeypatch.setattr(small, "row_of", refuse)
    before = threading.active_count()
    run = small.survey.prepare(threads=threads).run(files=7, latency_s=0.02)
    assert isinstance(run.error, ZeroDivisionError)
    assert threading.active_count() <= before + threads - 1  # the helpers stay, for the next run
