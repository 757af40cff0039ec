"""The simulator and the real executor do the same: threads on a virtual clock against the replay."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.dispatch import Rules
from makespan.preparing.prepared import Prepared
from makespan.preparing.program import compile_program
from makespan.testing import VirtualClock, dag_of, random_edges
from makespan_optimizer.instance import instance_from
from makespan_optimizer.simulate import simulate


@settings(max_examples=80, deadline=None)
@given(
    n=st.integers(1, 11),
    seed=st.integers(0, 100_000),
    degree=st.floats(0, 2.5),
    budget=st.integers(1, 4),
    data=st.data(),
)
def test_the_executor_starts_and_ends_each_node_when_the_simulator_says(n, seed, degree, budget, data):
    preds = random_edges(n, degree, seed=seed)
    locks = data.draw(st.lists(st.sets(st.sampled_from("ab")), min_size=n, max_size=n))
    alone = data.draw(st.sets(st.integers(0, n - 1), max_size=2))
    groups = data.draw(
        st.lists(
            st.tuples(st.sets(st.integers(0, n - 1), min_size=1).map(sorted), st.integers(1, 2)), max_size=2
        )
    )
    ranks = data.draw(st.permutations(range(n)))
    # Sums of different sets of these durations differ, so no two nodes end at the same time and the
    # order of ends, which threads would be free to choose, is the same in both worlds.
    lengths = [
        (length << n) + (1 << i)
        for i, length in enumerate(data.draw(st.lists(st.integers(0, 20), min_size=n, max_size=n)))
    ]

    clock = VirtualClock()
    made = dag_of(
        preds,
        lambda i: lambda *_: clock.sleep_ns(lengths[i]),
        lock=lambda i: locks[i],
        exclusive=lambda i: i in alone,
    )
    rules = Rules(made.check(), ranks, budget, groups)
    trace, _ = clock.run(Prepared(made, compile_program(made), rules, None))

    planned = simulate(instance_from(made.check(), lengths, tick_s=1e-9), ranks, budget, groups)
    assert trace.start == planned.start
    assert trace.end == planned.finish


def test_the_clock_stands_still_while_a_node_works():
    clock = VirtualClock()
    seen = []

    def work(*_):
        before = clock.now_ns()
        sum(range(50_000))
        seen.append(clock.now_ns() - before)
        clock.sleep(1.0)

    clock.run(dag_of([[], []], lambda _: work).prepare(threads=2))
    assert seen == [0, 0]
