"""What tests of worker processes share."""

from __future__ import annotations

import pytest

import makespan
from makespan.processes import configure
from tests.leaks import child_processes


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
    return list(child_processes())


def exists(pid):
    """Whether there is such a process that has not ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
