"""What tests of worker processes share."""

from __future__ import annotations

import contextlib
import os

import pytest

import makespan
from makespan.processes import configure


@pytest.fixture(scope="module")
def workers():
    """Two workers for all tests of a module, closed at its end."""
    configure(workers=2)
    yield
    makespan.close_workers()
    assert children() == []
    configure()


def children():
    """The processes that this one has started and that still are, zombies included."""
    me = str(os.getpid())
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            if fields[1] == me:
                found.append(int(pid))
    return found


def exists(pid):
    """Whether there is such a process that has not ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
