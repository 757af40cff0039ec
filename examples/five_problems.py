"""Five reasons why running a DAG on threads is harder than it looks, each as a DAG of a few nodes.

::

    overlap       a ─┬▶ b          four of five unit nodes are a chain: 5 units one after the other, 4 on two
                     └▶ c ▶ d ▶ e  threads, and no thread more will help

    order         A ─┬▶ B          on two threads 4 units if B goes early, 3 if C and D go first
                     ├▶ C ─┬▶ E
                     └▶ D ─┘

    gil           fetch ───┬▶ final    a fetch of 1.8 units that waits, and twice 0.86 units of Python:
                  compute ─┤           they want the GIL, so a third thread gains nothing, and makes what
                  compute ─┘           waits for the first of them wait for both

    native        embed ───┬▶ final    two nodes of native code, each with a thread for every core of its own:
                  embed ───┤           side by side they are in each other's way
                  fetch ───┘

    thread_safe   draw ────┬▶ final    two nodes that must not overlap, because their library is not
                  draw ────┤           thread-safe, and two that may: with a lock 2 units, 3 if each drawing
                  fetch ───┤           stops everything else
                  fetch ───┘

What one did by hand (a number of threads, a priority for each node, nodes that run alone) follows from what
is measured. A unit is `UNIT_S` seconds, 0.2 if the variable of that name does not say otherwise: shorter is
quicker and noisier.

    python five_problems.py                     # all of them: without care, planned, predicted
    makespan profile  five_problems.py:order -o order.json
    makespan optimize order.json --threads 2 -o plan.json
"""

# ruff: noqa: D101, D103 - the drawing says it
from __future__ import annotations

import os
import statistics
import time
from typing import Any, NamedTuple

from makespan import DAG, dag, node

UNIT_S = float(os.environ.get("UNIT_S", "0.2"))


@node
def wait(*_: Any, units: float = 1.0) -> float:
    """Wait, as for a network."""
    time.sleep(units * UNIT_S)
    return units


@node
def compute(units: float) -> int:
    """Compute in Python: it takes so much time of a core, and holds the GIL all the while."""
    count, until = 0, time.thread_time() + units * UNIT_S
    while time.thread_time() < until:
        for i in range(2000):
            count += i
    return count


@node
def final(*results: Any) -> int:
    return len(results)


@dag
def overlap() -> Any:
    a = wait.options(name="a")()
    b = wait.options(name="b")(a)
    c = wait.options(name="c")(a)
    d = wait.options(name="d")(c)
    return b, wait.options(name="e")(d)


@dag
def order() -> Any:
    a = wait.options(name="A")()
    b = wait.options(name="B")(a)
    c = wait.options(name="C")(a)
    d = wait.options(name="D")(a)
    return b, wait.options(name="E")(c, d)


@dag
def b_first() -> Any:  # the same with hints that are wrong: B looks urgent
    hinted = wait.options(hint_s=UNIT_S)
    a = hinted.options(name="A")()
    b = wait.options(name="B", hint_s=9 * UNIT_S)(a)
    return b, hinted.options(name="E")(hinted.options(name="C")(a), hinted.options(name="D")(a))


@dag
def gil() -> Any:
    return final(wait.options(name="fetch")(units=1.8), compute(0.86), compute(0.86))


# -- native code with threads of its own
SIZE = 256


def rounds() -> int:
    """Return how many products take about a unit of one core."""
    import numpy as np
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    square = np.full((SIZE, SIZE), 1.0 / SIZE)
    with threadpool_limits(1):
        square @ square
        begun = time.thread_time()
        for _ in range(10):
            square @ square
        return max(1, round(10 * UNIT_S / (time.thread_time() - begun)))


@node(setup=True)
def model() -> int:
    return rounds()


@node
def embed(many: int, seed: int) -> float:
    """Multiply matrices; the library uses as many threads as there are cores."""
    import numpy as np

    square = np.full((SIZE, SIZE), 1.0 / (SIZE + seed))
    state = square
    for _ in range(many):
        state = state @ square
    return float(state[0, 0])


@dag
def native() -> Any:
    many = model()
    return final(embed(many, 1), embed(many, 2), wait.options(name="fetch")())


# -- a library that is not thread-safe
@node(lock="drawing")
def draw(*_: Any) -> float:
    time.sleep(UNIT_S)
    return 1.0


@dag
def thread_safe() -> Any:
    pictures = [draw(), draw()]
    fetched = [wait.options(name="fetch")(), wait.options(name="fetch_2")()]
    return final(*pictures, *fetched)


@dag
def alone() -> Any:  # the same with nodes that stop everything else
    pictures = [draw.options(lock=(), exclusive=True)() for _ in range(2)]
    fetched = [wait.options(name="fetch")(), wait.options(name="fetch_2")()]
    return final(*pictures, *fetched)


# -- all of them
def median_units(its: DAG[..., Any], repeats: int = 3, **how: Any) -> float:
    """Run a few times, and return the median makespan in units."""
    return statistics.median(its.run(**how).makespan_s for _ in range(repeats)) / UNIT_S


class Problem(NamedTuple):
    name: str
    its: DAG[..., Any]
    threads: int
    careless: DAG[..., Any]
    how: str
    careless_threads: int


PROBLEMS = (
    Problem("overlap", overlap, 2, overlap, "one after the other", 1),
    Problem("order", order, 2, b_first, "B goes early", 2),
    Problem("gil", gil, 2, gil, "three threads", 3),
    Problem("native", native, 3, native, "side by side", 3),
    Problem("thread_safe", thread_safe, 2, alone, "drawings run alone", 2),
)


def main() -> None:
    print(
        f"{'':12}  {'without care':28}{'planned':>8}{'predicted':>11}{'bound':>8}   (units of {UNIT_S:g} s)"
    )
    for name, its, threads, careless, how, careless_threads in PROBLEMS:
        plan = its.profile(runs=2).optimize(threads=threads, time_limit_s=3.0)
        without = median_units(careless, threads=careless_threads)
        planned = median_units(its, plan=plan)
        predicted, bound = plan.makespan_s / UNIT_S, plan.lower_bound_s / UNIT_S
        print(
            f"{name:12}{without:6.2f}  {how:22}{planned:8.2f}{predicted:11.2f}{bound:8.2f}   {plan.binding}"
        )


if __name__ == "__main__":
    main()
