"""The estimator: arithmetic with known answers, and what holds for all calls."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.profile import Call
from makespan_optimizer.measure.calls import call_from, wall_net_s
from makespan_optimizer.measure.clocks import Clocks
from makespan_optimizer.measure.estimate import gil_share, quantile, summarize, wilson_half_width
from makespan_optimizer.measure.sampling.watch import Seen


def clocks(wall=1.0, cpu=0.0, other=0.0, delay=0.0, nvcsw=1) -> Clocks:
    return Clocks(wall, cpu, cpu + other, delay, 0.0, nvcsw, 0, 0, 0.0)


def test_the_formulas_of_one_call():
    passed = clocks(wall=2.0, cpu=1.0, delay=0.2)
    call = call_from("r", passed, Seen(hold=30, running=10, gil_wait=5, sleep=10, io=5))
    assert call.gil_share == pytest.approx(0.75)
    assert call.gil_samples == 40
    assert call.gil_wait_s == pytest.approx(0.8 * 5 / 20)
    assert call.blocked_s == pytest.approx({"sleep": 0.4, "io": 0.2})
    assert call.spoiled  # 10 % run delay
    assert not call_from("r", clocks(wall=2.0, cpu=1.0, delay=0.05), None).spoiled


def test_without_samples_the_share_is_unknown_and_the_node_takes_the_upper_bound():
    call = call_from("r", clocks(wall=2.0, cpu=1.5), None)
    assert call.gil_share is None
    assert call.blocked_s == pytest.approx({"other": 0.5})
    node = summarize("a", [call] * 3)
    assert node.gil_s == pytest.approx(1.5)
    assert node.native_s == 0
    assert node.quality.gil_share_half_width is None


def test_python_threads_of_the_node_count_as_gil():
    """The caller waits for two Python threads of its own: the GIL is held all the time, by others."""
    call = call_from("r", clocks(cpu=0.0, other=1.0), Seen(lock=100, other_hold=100))
    node = summarize("a", [call] * 3)
    assert node.gil_s == pytest.approx(1.0)
    assert node.native_s == pytest.approx(0.0)
    assert node.kind == "python"


def test_python_threads_that_wait_for_a_core_are_run_delay():
    """Two Python threads hold the GIL for the whole second, but were on a core for 0.4 s of it."""
    call = call_from("r", clocks(cpu=0.0, other=0.4), Seen(lock=100, other_hold=100))
    assert call.run_delay_s == pytest.approx(0.6)
    assert sum(call.blocked_s.values()) == pytest.approx(0.4)
    assert call.spoiled
    node = summarize("a", [call] * 3)
    assert node.wall_net_s.median == pytest.approx(0.4)
    assert node.kind == "python"


def test_a_share_that_may_be_chance_is_no_run_delay():
    call = call_from("r", clocks(cpu=0.0, other=0.5), Seen(lock=20, other_hold=11))
    assert call.run_delay_s == 0


def test_a_native_pool_that_the_caller_waits_for_is_native():
    call = call_from("r", clocks(cpu=0.0, other=1.9), Seen(lock=100))
    node = summarize("a", [call] * 3)
    assert node.native_s == pytest.approx(1.9)
    assert node.gil_s == pytest.approx(0.0)
    assert node.kind == "parallel"
    assert node.cores_peak == pytest.approx(1.9)


def test_without_a_gil_nothing_is_held():
    call = call_from("r", clocks(cpu=1.0), None, gil=False)
    node = summarize("a", [call] * 3, gil=False)
    assert (node.gil_s, node.native_s, node.kind) == (0.0, pytest.approx(1.0), "native")


def test_the_share_is_pooled_over_calls():
    """One sample in one call of five says more than none in four."""
    short = [
        call_from("r", clocks(wall=1e-3, cpu=1e-3), Seen(hold=h, running=r)) for h, r in [(1, 0), (0, 1)]
    ]
    unseen = [call_from("r", clocks(wall=1e-3, cpu=1e-3), Seen())] * 3
    assert gil_share(short + unseen)[0] == pytest.approx(0.5)
    assert summarize("a", short + unseen).gil_s == pytest.approx(0.5e-3)


def test_spoiled_calls_are_left_out_when_three_others_are_there():
    good = [call_from("r", clocks(wall=1.0, cpu=1.0), None)] * 3
    bad = [call_from("r", clocks(wall=9.0, cpu=5.0, delay=4.0), None)] * 4
    node = summarize("a", good + bad)
    assert node.wall_net_s.median == 1.0
    assert node.quality.spoiled == 4
    assert node.runs == 7
    assert summarize("a", good[:2] + bad).wall_net_s.median == 5.0


def test_a_set_of_inputs_whose_calls_are_all_spoiled_still_counts():
    def call(inputs, wall_s, delay_s=0.0):
        made = call_from("r", clocks(wall=wall_s + delay_s, cpu=wall_s, delay=delay_s), None)
        return msgspec.structs.replace(made, inputs=inputs)

    small = [call(0, 1.0), call(0, 1.0), call(0, 1.0), call(0, 1.0, 0.5)]
    large = [call(1, 5.0, 2.0)] * 3
    node = summarize("a", small + large)
    assert node.wall_net_s.samples == pytest.approx((1.0,) * 3 + (5.0,) * 3)
    assert node.quality.spoiled == 4
    assert max(summarize("a", [*small, *large, call(1, 4.0)]).wall_net_s.samples) == pytest.approx(4.0)


def test_a_node_that_sleeps_has_a_certain_share_of_its_wall():
    sleep = call_from("r", clocks(wall=1.0, cpu=0.001), Seen(sleep=100))
    half_width = summarize("a", [sleep] * 5).quality.gil_share_half_width
    assert half_width is not None
    assert half_width <= 0.002


def test_a_call_that_does_not_count_for_the_share_is_left_out():
    call = call_from("r", clocks(cpu=1.0), Seen(hold=50, running=50))
    watched = msgspec.structs.replace(
        call, gil_share=None, gil_samples=0, gil_retakes=None, gil_burst_max_s=0.08
    )
    node = summarize("a", [call, call, watched])
    assert node.gil_s == pytest.approx(0.5)
    assert node.quality.samples == 200
    assert node.gil_burst_max_s == 0.08


def test_more_samples_narrow_the_interval():
    def half_width(n: int) -> float:
        calls = [call_from("r", clocks(cpu=1.0), Seen(hold=n // 2, running=n // 2))] * 3
        return summarize("a", calls).quality.gil_share_half_width or 1.0

    assert half_width(10) > half_width(100) > half_width(1000) > 0


def test_takes_are_estimated_not_counted():
    """5 rises are seen between neighbouring samples, but every second close pair shows a change."""
    seen = Seen(hold=50, running=50, retakes=5, pairs_up=25, pair_gap_ns=100 * 10_000, pairs=100)
    call = call_from("r", clocks(cpu=1.0), seen)
    assert call.gil_retakes is not None
    assert call.gil_retakes > 1000
    assert call_from("r", clocks(cpu=1.0), None).gil_retakes is None
    assert call_from("r", clocks(cpu=1.0), Seen()).gil_retakes is None  # too short to be looked at


def test_who_comes_back_from_sleep_takes_the_gil_each_time():
    call = call_from("r", clocks(cpu=0.0, nvcsw=500), Seen(sleep=100))
    node = summarize("a", [call] * 3)
    assert node.gil_retakes == 500
    assert node.kind == "chatty"
    untold = call_from("r", clocks(cpu=0.0, nvcsw=500), Seen(other=100))  # the canary's
    assert summarize("a", [untold] * 3).gil_retakes == 500
    native = call_from("r", clocks(cpu=0.0, nvcsw=500), Seen(lock=100))  # waits inside a pool
    assert summarize("a", [native] * 3).gil_retakes == 0


def test_the_canary_is_less_sure_however_many_samples():
    call = call_from("r", clocks(cpu=1.0), Seen(hold=5000, running=5000))

    def half_width(sampler: str) -> float:
        node = summarize("a", [call] * 3, samplers={"r": sampler})  # type: ignore[dict-item]
        return node.quality.gil_share_half_width or 0.0

    assert half_width("gil") < 0.02
    assert half_width("canary") > 0.1


def test_no_calls_is_an_error():
    with pytest.raises(ValueError, match="'a' has no calls"):
        summarize("a", [])


@pytest.mark.parametrize(("share", "n", "low", "high"), [(0.5, 100, 0.4038, 0.5962), (0.0, 10, 0.0, 0.2775)])
def test_wilson_against_the_book(share, n, low, high):
    """Interval ends as computed by statsmodels' proportion_confint(method='wilson')."""
    assert wilson_half_width(share, n) == pytest.approx(max(high - share, share - low), abs=2e-3)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.floats(0, 1))
@settings(deadline=None, max_examples=60)
def test_quantile_equals_numpy(values, q):
    numpy = pytest.importorskip("numpy")
    assert quantile(values, q) == pytest.approx(float(numpy.quantile(values, q)))


counts = st.integers(0, 500)
seconds = st.floats(0, 100, allow_subnormal=False)


@st.composite
def calls(draw) -> Call:
    wall = draw(seconds)
    cpu = wall * draw(st.floats(0, 1.001))  # clocks that do not quite agree
    delay = (wall - cpu) * draw(st.floats(0, 1.01))
    passed = clocks(wall, cpu, draw(seconds), max(0.0, delay), draw(counts))
    seen = draw(st.none() | st.builds(Seen, *[counts] * 8, st.just(0), counts))
    if seen is not None:
        seen = seen._replace(other_hold=draw(st.integers(0, seen.samples)))
    return call_from("r", passed, seen)


@given(st.lists(calls(), min_size=1, max_size=8))
@settings(deadline=None, max_examples=200)
def test_the_parts_of_a_node_add_up(made):
    node = summarize("a", made)
    wall = node.wall_net_s.median
    tight = {"rel": 1e-9, "abs": 1e-9}
    assert node.cpu_s + node.gil_wait_s + node.blocked_total_s == pytest.approx(wall, **tight)
    assert node.gil_s + node.native_s == pytest.approx(node.cpu_s + node.other_cpu_s, **tight)
    assert node.wall_net_s.p10 <= wall <= node.wall_net_s.p90 + 1e-12
    assert min(map(wall_net_s, made)) <= wall <= max(map(wall_net_s, made))
    assert all(seconds >= 0 for seconds in node.blocked_s.values())
    # What is written can be read: every bound of the contract holds.
    assert msgspec.convert(msgspec.to_builtins(node), type(node), strict=True) == node


@given(st.lists(calls(), min_size=1, max_size=8), st.randoms())
@settings(deadline=None, max_examples=60)
def test_the_order_of_calls_does_not_matter(made, random):
    shuffled = random.sample(made, len(made))
    one, other = (msgspec.to_builtins(summarize("a", some)) for some in (made, shuffled))
    for node in (one, other):
        del node["calls"]
        node["wall_net_s"]["samples"] = sorted(node["wall_net_s"]["samples"])
    assert one["class"] == other["class"]
    assert flat(one) == pytest.approx(flat(other))


def flat(node) -> dict:
    found = {}
    for key, value in node.items():
        if isinstance(value, dict):
            found |= {f"{key}.{inner}": number for inner, number in flat(value).items()}
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            found[key] = value
    return found


@given(calls(), st.floats(0.5, 2))
@settings(deadline=None, max_examples=60)
def test_doubling_all_clocks_doubles_all_seconds(call, factor):
    def scaled(seconds: float) -> float:
        return seconds * factor

    longer = msgspec.structs.replace(
        call,
        wall_s=scaled(call.wall_s),
        cpu_s=scaled(call.cpu_s),
        other_cpu_s=scaled(call.other_cpu_s),
        other_gil_s=scaled(call.other_gil_s),
        run_delay_s=scaled(call.run_delay_s),
        gil_wait_s=scaled(call.gil_wait_s),
        blocked_s={kind: scaled(value) for kind, value in call.blocked_s.items()},
    )
    one, other = summarize("a", [call]), summarize("a", [longer])
    for field in ("gil_s", "native_s", "cpu_s", "gil_wait_s", "blocked_total_s"):
        assert getattr(other, field) == pytest.approx(factor * getattr(one, field), rel=1e-6, abs=1e-9)


def test_takes_that_were_counted_go_before_those_that_were_estimated():
    estimated = Call("r", 0.1, 0.1, gil_share=0.0, gil_samples=50, gil_retakes=0)
    counted = Call("r", 0.1, 0.1, gil_share=0.0, gil_samples=50, gil_retakes=20, takes_counted=True)
    assert summarize("a", [estimated] * 4).gil_retakes == 0
    assert summarize("a", [estimated] * 4 + [counted]).gil_retakes == 20
