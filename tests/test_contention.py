"""What nodes take that run together, by a model of the GIL."""

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from makespan.measurement import NodeProfile, Spread
from makespan_optimizer.contention.handover import Handover
from makespan_optimizer.contention.phases import BLOCKED, HOLD, NATIVE, Listed, Rules, Thread
from makespan_optimizer.contention.together import Demand, demand_of, predict_pair, together

WAKE_S = 50e-6
INTERVAL_S = 0.005


def loop(seconds):
    return Demand(seconds)


def native(seconds, width=1.0):
    return Demand(0.0, native_s=seconds, width=width)


def sleep(seconds):
    return Demand(0.0, blocked_s=seconds)


def requests(n, each_s=0.001, hold_s=20e-6):
    return Demand(n * hold_s, 0.0, n * each_s, n)


DRAWN = [
    # nodes, cores -> ends, within a switch interval or two
    ("two loops take twice as long", [loop(0.2), loop(0.2)], 2, [0.4, 0.4]),
    ("the short one of two loops", [loop(0.1), loop(0.3)], 2, [0.2, 0.4]),
    ("three loops", [loop(0.1)] * 3, 2, [0.3] * 3),
    ("loop beside sleep", [loop(0.2), sleep(0.2)], 2, [0.2, 0.2]),
    ("sleeps", [sleep(0.2)] * 5, 1, [0.2] * 5),
    ("native beside native", [native(0.2), native(0.2)], 2, [0.2, 0.2]),
    ("native beside native, one core", [native(0.2), native(0.2)], 1, [0.4, 0.4]),
    ("three native on two cores", [native(0.2)] * 3, 2, [0.3] * 3),
    ("two pools of two threads each", [native(0.2, 2.0)] * 2, 2, [0.4, 0.4]),
    ("loop beside native", [loop(0.2), native(0.2)], 2, [0.2, 0.2]),
    ("loop beside native, one core", [loop(0.2), native(0.2)], 1, [0.4, 0.4]),
    ("a pool of two threads on one core", [native(0.2, 2.0), Demand(0.0)], 1, [0.4, 0.0]),
    ("nobody", [], 2, []),
    ("nothing", [Demand(0.0), Demand(0.0, cycles=50)], 2, [0.0, 0.0]),
    ("nothing beside a loop", [Demand(0.0), loop(0.2)], 2, [0.0, 0.2]),
]


@pytest.mark.parametrize(("what", "nodes", "cores", "ends"), DRAWN, ids=[row[0] for row in DRAWN])
def test_drawn(what, nodes, cores, ends):
    assert together(nodes, cores) == pytest.approx(ends, abs=2 * INTERVAL_S)


def test_alone_takes_what_it_took_alone():
    node = Demand(0.1, 0.2, 0.3, cycles=40, burst_s=0.02)
    assert together([node], 2) == [pytest.approx(0.6)]
    # but a pool of two threads needs two cores
    assert together([native(0.2, 2.0)], 1) == [pytest.approx(0.4)]


def test_each_return_of_a_chatty_node_waits_for_the_loop_beside_it():
    alone_s = requests(150).wall_s
    _, ends_s = together([loop(2.0), requests(150)], 2, INTERVAL_S)
    assert (ends_s - alone_s) / 150 == pytest.approx(INTERVAL_S, rel=0.1)
    _, ends_s = together([loop(2.0), requests(150)], 2, 0.0002)
    assert ends_s < 1.35 * alone_s


def test_a_call_without_a_safe_point_delays_whoever_wants_to_return():
    c_call = Demand(0.24, burst_s=0.08)
    _, ends_s = together([c_call, requests(3)], 2)
    assert ends_s > 0.24  # three returns, each behind one call
    _, short_s = together([loop(0.24), requests(3)], 2)
    assert short_s < 0.03
    # whatever the interval
    _, ends_s = together([c_call, requests(3)], 2, 0.0001)
    assert ends_s > 0.2


def test_a_single_long_call_among_short_holds():
    mixed = Demand(0.1, 0.1, 0.0, cycles=50, burst_s=0.06)
    even = mixed._replace(burst_s=0.0)
    slow, fast = (together([node, requests(50)], 2)[1] for node in (mixed, even))
    assert slow > fast + 0.01


def test_convoy():
    """A thread with many short native calls gets next to nothing done beside a loop."""
    hashes = Demand(0.02, 0.08, 0.0, cycles=25_000)
    loop_s, hashes_s = together([loop(0.1), hashes], 2)
    assert loop_s < 0.12
    assert 0.17 < hashes_s < 0.22
    # beside a native node nobody disturbs it
    assert together([native(0.1), hashes], 2) == pytest.approx([0.1, 0.1], rel=0.01)
    # two of them sleep at each collision
    one, other = together([hashes, hashes], 2)
    assert one == pytest.approx(other, rel=0.05)
    assert 0.1 < one < 0.2


def test_busy_cores_crowd_each_other():
    assert together([native(0.1), native(0.1)], 2, crowding=0.2) == pytest.approx([0.12, 0.12], rel=0.001)
    assert together([native(0.1), sleep(0.1)], 2, crowding=0.2) == pytest.approx([0.1, 0.1], rel=0.001)
    # who keeps both busy itself suffered alone, too
    assert together([native(0.1, 2.0), sleep(0.1)], 2, crowding=0.2) == pytest.approx([0.1, 0.1], rel=0.001)


def test_long_nodes_cost_no_more_events_and_keep_their_proportions():
    assert together([loop(100.0), loop(300.0)], 2) == pytest.approx([200.0, 400.0], rel=0.02)
    small = together([loop(0.5), requests(100), native(0.2)], 2)
    large = together([loop(50.0), requests(10_000), native(20.0)], 2)
    assert [end_s / 100 for end_s in large] == pytest.approx(small, rel=0.1)


# -- the simulation itself ---------------------------------------------------------------------------------


def race(*threads, cores=2, interval_s=INTERVAL_S):
    made = Handover(
        [Thread(Listed(phases), burst_s) for phases, burst_s in threads],
        Rules(cores, interval_s, WAKE_S, 12e-6),
    )
    return made.run()


def test_a_waiter_asks_after_an_interval_and_gets_it_at_the_next_safe_point():
    # The loop has the GIL from 0 on; the sleeper returns at 10 ms, asks at 15, holds for 1 ms.
    ends = race(([(HOLD, 0.1)], 0.0), ([(BLOCKED, 0.01), (HOLD, 0.001)], 0.0))
    assert ends[1] == pytest.approx(0.016 + WAKE_S)
    assert ends[0] == pytest.approx(0.101 + WAKE_S)  # then it is alone
    # Calls of 40 ms: the first safe point after 15 ms is at 20 (they count from the end).
    ends = race(([(HOLD, 0.1)], 0.04), ([(BLOCKED, 0.01), (HOLD, 0.001)], 0.0))
    assert ends[1] == pytest.approx(0.021 + WAKE_S)


def test_who_frees_the_gil_for_a_moment_takes_it_again_before_the_waiter_is_awake():
    short = [(HOLD, 0.004), (NATIVE, 10e-6), (HOLD, 0.004), (NATIVE, 0.001), (HOLD, 0.001)]
    waiter = [(BLOCKED, 0.001), (HOLD, 0.002)]
    ends = race((short, 0.0), (waiter, 0.0))
    # not at 4 ms, but at 8, when the native call is long enough
    assert ends[1] == pytest.approx(0.008 + 10e-6 + WAKE_S + 0.002, abs=1e-5)


def test_who_was_asked_to_let_go_does_not_take_it_again_first():
    asked = [(HOLD, 0.0061), (NATIVE, 1e-6), (HOLD, 0.004)]
    ends = race((asked, 1.0), ([(BLOCKED, 0.001), (HOLD, 0.002)], 0.0))
    assert ends[1] == pytest.approx(0.0061 + WAKE_S + 0.002)
    assert ends[0] > ends[1]


def test_the_gil_goes_round():
    ends = race(*[([(HOLD, 0.05)], 0.0)] * 4)
    assert max(ends) - min(ends) < 4.5 * INTERVAL_S
    assert max(ends) == pytest.approx(0.2, rel=0.02)


# -- from a profile ----------------------------------------------------------------------------------------


def profiled(wall_s, gil_s, cpu_s, **more):
    other_s = more.get("other_cpu_s", 0.0)
    return NodeProfile(
        name=more.pop("name", "node"),
        runs=5,
        wall_net_s=Spread(wall_s, wall_s, wall_s),
        cpu_s=cpu_s,
        gil_s=gil_s,
        native_s=max(0.0, cpu_s + other_s - gil_s),
        **more,
    )


def test_demands_follow_from_a_profile():
    assert demand_of(profiled(1.0, 1.0, 1.0)) == Demand(1.0)
    mixed = profiled(1.0, 0.25, 0.5, blocked_s={"io": 0.5}, gil_retakes=10, nvcsw=30)
    assert demand_of(mixed) == Demand(0.25, 0.25, 0.5, 30)
    # switches at locks are not returns to the interpreter
    mixed = msgspec.structs.replace(mixed, blocked_s={"lock": 0.5})
    assert demand_of(mixed) == Demand(0.25, 0.25, 0.5, 10)
    # a thread that waits for its pool
    pool = profiled(1.0, 0.0, 0.25, other_cpu_s=1.5, blocked_s={"lock": 0.75})
    assert demand_of(pool) == Demand(0.0, 1.0, 0.0, 1, 0.0, 1.75)
    burst = profiled(1.0, 1.0, 1.0, gil_burst_max_s=0.4)
    assert demand_of(burst).burst_s == 0.4


def test_predict_pair():
    python, other = profiled(0.2, 0.2, 0.2), profiled(0.1, 0.0, 0.1)
    # the other one starts, and ends, with the GIL
    assert predict_pair(python, other, cores=2) == pytest.approx(
        (0.2, 0.11), abs=0.006
    )  # it starts, and ends, with the GIL
    assert predict_pair(other, python, cores=2) == pytest.approx((0.1, 0.2), abs=0.006)
    assert max(predict_pair(python, python, cores=2)) == pytest.approx(0.4, rel=0.02)


# -- invariants --------------------------------------------------------------------------------------------

seconds = st.sampled_from([0.0, 0.0, 0.001, 0.01, 0.08, 0.3, 4.0])
demands = st.builds(
    Demand,
    seconds,
    seconds,
    seconds,
    st.sampled_from([1, 2, 7, 150, 3_000, 40_000]),
    st.sampled_from([0.0, 0.0, 0.012, 0.08]),
    st.sampled_from([1.0, 1.0, 1.7]),
)
some = st.lists(demands, min_size=1, max_size=4)
intervals = st.sampled_from([0.0002, 0.001, 0.005])
fast = settings(deadline=None, max_examples=100)


@fast
@given(some, st.sampled_from([1, 2, 8]), intervals)
def test_never_faster_than_alone_and_no_more_than_there_is(nodes, cores, interval_s):
    ends = together(nodes, cores, interval_s)
    for node, end_s in zip(nodes, ends, strict=True):
        assert end_s >= node.wall_s
    last_s = max(ends)
    assert last_s >= sum(node.hold_s for node in nodes) * (1 - 1e-9)
    assert last_s * cores >= sum(node.hold_s + node.native_s * node.width for node in nodes) * (1 - 1e-9)


@fast
@given(some, intervals)
def test_the_same_nodes_give_the_same_figures(nodes, interval_s):
    assert together(nodes, 2, interval_s) == together(nodes, 2, interval_s)


def test_who_starts_first_decides_beside_one_long_call():
    call, other = Demand(0.08, burst_s=0.08), native(0.1)
    assert together([call, other], 2) == pytest.approx([0.08, 0.18], rel=0.02)
    assert together([other, call], 2) == pytest.approx([0.1, 0.08], rel=0.02)


@fast
@given(some, intervals)
def test_the_gil_is_lost_for_no_longer_than_its_rules_say(nodes, interval_s):
    """No thread is forgotten: all end, at the latest when everything was done in turn, with waits."""
    assume(sum(node.cycles for node in nodes) < 1_000)
    in_turn_s = sum(node.wall_s * max(1.0, node.width / 2) for node in nodes) * (1 + WAKE_S / interval_s)
    burst_s = max(interval_s, *(node.burst_s for node in nodes))
    waits_s = sum(node.cycles + 2 for node in nodes) * (burst_s + interval_s + 20 * WAKE_S) * len(nodes)
    assert max(together(nodes, 2, interval_s)) <= 1.1 * in_turn_s + waits_s


@fast
@given(st.integers(5, 200), st.floats(0.0005, 0.01), st.floats(0.2, 1.0))
def test_a_chatty_node_ends_earlier_with_a_shorter_interval(n, each_s, loop_s):
    ends = [
        together([loop(loop_s), requests(n, each_s)], 2, interval_s)[1]
        for interval_s in (0.0005, 0.002, 0.005)
    ]
    assert ends[0] <= ends[1] * 1.05
    assert ends[1] <= ends[2] * 1.05
