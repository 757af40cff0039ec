"""What every test is watched for: threads and child processes that it leaves behind."""

from __future__ import annotations

import gc
import multiprocessing
import signal
import threading
import time

import pytest

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Shells start background jobs with Ctrl-C ignored, and children inherit that. Here it is tested.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _strangers(before: set[threading.Thread]) -> list[str]:
    """Threads that are new and are not the helpers and the event loop that all runs share."""
    return [
        thread.name
        for thread in threading.enumerate()
        if thread not in before and not thread.name.startswith(("makespan-helper-", "makespan-loop"))
    ]


@pytest.fixture(autouse=True, scope="module")
def earlier_modules_are_not_collected_again():
    """Set aside what earlier modules imported: profiling collects garbage before each run."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_running():
    """Fail a test that leaves a thread or a child process behind."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 2
    while _strangers(before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _strangers(before), f"threads left behind: {_strangers(before)}"
    assert not multiprocessing.active_children()
