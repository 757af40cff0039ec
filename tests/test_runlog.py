"""The runtime's own log: what runs say to who listens, and nothing to anybody else."""

import asyncio
import logging
import re
import subprocess
import sys

import pytest

from makespan import dag, node
from makespan.around.runlog import listener


@node
def one(x):
    return 1 / x


@dag
def d(x):
    return one(x), one(x)


def lines(caplog):
    found = [re.sub(r"\d+\.\d+ s", "… s", record.getMessage()) for record in caplog.records]
    assert {(record.name, record.levelno) for record in caplog.records} <= {("makespan", logging.DEBUG)}
    caplog.clear()
    return found


STARTS, TOOK = "run of 'd' starts: 2 nodes, {} threads", "run of 'd' took … s"
FAILED = "run of 'd': node 'one' raised ZeroDivisionError"


@pytest.mark.parametrize("threads", [1, 2])
def test_runs_are_logged(caplog, threads):
    caplog.set_level(logging.DEBUG, "makespan")
    fast, starts = d.prepare(threads=threads), STARTS.format(threads)
    for call in (fast, fast, fast.run, lambda x: asyncio.run(fast.acall(x))):
        call(1)
        assert lines(caplog) == [starts, TOOK]
        try:
            error = getattr(call(0), "error", None)
        except (ZeroDivisionError, ExceptionGroup) as raised:
            error = raised
        assert error is not None
        told = lines(caplog)
        assert (told[0], told[-1]) == (starts, TOOK)
        assert FAILED in told


def test_a_run_that_is_given_up(caplog):
    caplog.set_level(logging.DEBUG, "makespan")

    @dag
    def stops(x):
        return node(exec)("raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        stops.prepare(threads=1)(1)
    assert lines(caplog)[-1] == "run of 'stops' given up after … s: KeyboardInterrupt"


def test_nobody_listens(caplog):
    caplog.set_level(logging.INFO, "makespan")
    assert listener() is None
    d(1)
    d.run(1)
    assert lines(caplog) == []


def test_logging_is_not_imported_for_it():
    code = "import sys, makespan; d = makespan.DAG(); d.add(len, 'abc'); d(); print('logging' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", PATHS + code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


PATHS = f"import sys; sys.path[:0] = {[path for path in sys.path if path]!r}; "
