"""The size of a value: right to a factor, cheap, and without running the user's code."""

from __future__ import annotations

import pytest

from makespan_optimizer.measure.size import size_of


def generator():
    yield 1


async def coroutine():
    pass


class Holder:
    def __init__(self, value):
        self.value = value


class Hostile:
    def __sizeof__(self):
        pytest.fail("the user's code ran")

    __len__ = __iter__ = __sizeof__


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        (b"x" * 10_000, 10_000, 10_100),
        (["x" * 1000 for _ in range(1000)], 1_000_000, 1_100_000),
        ({i: "x" * (100 + i % 2) for i in range(1000)}, 100_000, 400_000),
        (Holder(b"x" * 10_000), 10_000, 10_500),
        (memoryview(bytes(500)), 500, 500),
        (generator, 1, 1000),
        (pytest, 1, 1000),
        (Holder, 1, 5000),
        (len, 1, 1000),
        (generator(), 1, 1000),
        (iter([1]), 1, 1000),
        (None, 1, 100),
        (Hostile(), 1, 1000),
    ],
)
def test_about_right(value, low, high):
    assert low <= size_of(value) <= high


def test_a_coroutine_is_small():
    made = coroutine()
    assert 0 < size_of(made) < 1000
    made.close()


def test_what_holds_itself_ends():
    loop: list = []
    loop.append(loop)
    assert 0 < size_of(loop) < 1000
