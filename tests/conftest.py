"""What every test is watched for: threads, files and child processes that it leaves behind."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter

import hypothesis
import pytest

from tests.leaks import child_processes, open_descriptors

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Shells start background jobs with Ctrl-C ignored, and children inherit that. Here it is tested.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# For tests/mutants.py: which example fails does not matter there.
hypothesis.settings.register_profile(
    "no shrinking", phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate]
)


def _strangers(before: set[threading.Thread]) -> list[str]:
    """Threads that are new and are not the helpers and the event loop that all runs share."""
    return [
        thread.name
        for thread in threading.enumerate()
        if thread not in before and not thread.name.startswith(("makespan-helper-", "makespan-loop"))
    ]


def _open_files() -> Counter[str]:
    """Files by their paths; not what has none (pipes and sockets) or is no file (devices).

    Temporary files without a name are all alike: one that takes the place of another is no leak.
    """
    found = (entry.partition(" → ")[2] for entry in open_descriptors())
    return Counter(
        "a temporary file" if path.endswith(" (deleted)") else path
        for path in found
        if path.startswith("/")
        and not path.startswith(("/dev/", "/proc/", "/memfd:"))
        and not path.endswith(".ttf")  # matplotlib keeps its fonts open
    )


def _nameless() -> int:
    """How many pipes, sockets and the like are open."""
    return sum(not entry.partition(" → ")[2].startswith("/") for entry in open_descriptors())


@pytest.fixture(autouse=True, scope="module")
def no_process_and_no_pipe_left_by_a_module():
    """Fail a module that leaves child processes, pipes or sockets behind."""
    children, nameless = set(child_processes()), _nameless()
    yield
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and (
        child_processes().keys() - children or _nameless() > nameless + _FOR_GOOD
    ):
        time.sleep(0.02)
    left = {pid: command for pid, command in child_processes().items() if pid not in children}
    assert not left, f"processes left behind: {left}"
    assert _nameless() <= nameless + _FOR_GOOD, sorted(open_descriptors())


_FOR_GOOD = 8
"""Pipes and sockets that the first use of something opens for good: an event loop's, a resource tracker's."""


@pytest.fixture(autouse=True, scope="module")
def earlier_modules_are_not_collected_again():
    """Set aside what earlier modules imported: profiling collects garbage before each run."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_running():
    """Fail a test that leaves a thread, an open file or a child process behind."""
    before, many = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
    files = _open_files()
    yield
    deadline = time.monotonic() + 2
    while _strangers(before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _strangers(before), f"threads left behind: {_strangers(before)}"
    assert not multiprocessing.active_children()
    if len(os.listdir("/proc/self/fd")) > many:
        assert not _open_files() - files, "files left open"
