"""Coroutine functions and DAGs of them, for tests."""

from __future__ import annotations

import asyncio
import threading

import pytest

from makespan import DAG

budgets = pytest.mark.parametrize("threads", [1, 2, 4])


async def double(x):
    await asyncio.sleep(0)
    return 2 * x


def one(fn, *args, **options):
    """Return a DAG of one node."""
    made = DAG("one")
    made.returns(made.add(fn, *args, **options))
    return made


def ladder(steps=12):
    """Return a DAG of coroutine nodes and plain ones in turn."""
    d = DAG("ladder")
    x = d.input("x")
    for k in range(steps):
        x = d.add(double if k % 3 == 0 else abs, x)
    d.returns(x)
    return d


class Gate:
    """A node that says when it has begun, and goes on when it is let."""

    def __init__(self):
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.ended = threading.Event()

    def __call__(self, *_):
        self.begun.set()
        assert self.may_end.wait(30)
        self.ended.set()
        return "gate"

    async def has_begun(self):
        await until(self.begun.is_set)


async def until(true):
    """Wait for what happens in another thread."""
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(0.001)


async def fails(error):
    await asyncio.sleep(0)
    raise error


def fails_in_thread(error):
    raise error
