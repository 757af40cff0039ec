"""What trials say in a sentence."""

from __future__ import annotations

import msgspec
import pytest

from makespan.measurement import PairTrial, ThreadTrial, ThreadTrials
from makespan_optimizer.measure.trials.verdicts import (
    PARALLEL_DEFAULT,
    PARALLEL_ONE,
    advices,
    estimated_s,
    losses,
    oversubscription,
    switch_interval,
)
from tests.builders import make_profile


def trials(default, *tried, limited=("environment", "openblas")):
    """(threads, wall, cpu) of the default and of each limit."""
    made = [ThreadTrial(threads, wall_s, cpu_s, 3) for threads, wall_s, cpu_s in (default, *tried)]
    return ThreadTrials(limited, made[0], tuple(made[1:]))


def profile_with(its, after=None, figures=None):
    made = make_profile(after or {"a": [], "b": []}, 1.0, "parallel")
    nodes = tuple(
        msgspec.structs.replace(node, native_threads=its) if its is not None else node for node in made.nodes
    )
    header = msgspec.structs.replace(made.runs[0], calibration=figures or {})
    return msgspec.structs.replace(made, nodes=nodes, runs=(header,))


def pair(interval_s=0.005, together=(0.29, 0.2), alone=(0.17, 0.17), repeats=4, **more):
    return PairTrial(
        nodes=("a", "b"),
        alone_s=alone,
        together_s=together,
        repeats=repeats,
        switch_interval_s=interval_s,
        **more,
    )


def test_a_run_in_parallel_that_was_measured_decides():
    its = trials((8, 1.0, 2.0), (1, 1.0, 1.0))
    advice = oversubscription(profile_with(its, figures={PARALLEL_DEFAULT: 18.5, PARALLEL_ONE: 6.4}))
    assert advice is not None
    assert advice.measured
    assert (advice.now_s, advice.then_s) == (18.5, 6.4)
    assert advice.text.startswith(
        "native pools oversubscribe: 18.5 s in parallel with the libraries' own 8 threads, "
        "6.40 s with one thread a node; "
    )
    assert "OPENBLAS_NUM_THREADS=1" in advice.text
    assert "OMP_THREAD_LIMIT=1" in advice.text


def test_nodes_that_are_slower_with_many_threads():
    advice = oversubscription(profile_with(trials((8, 3.0, 24.0), (1, 1.0, 1.0), (2, 2.0, 4.0))))
    assert advice is not None
    assert (advice.now_s, advice.then_s, advice.measured) == (6.0, 2.0, True)
    assert (
        "2 nodes take 6.00 s one after the other with the libraries' own 8 threads, 2.00 s with 1;"
        in advice.text
    )


def test_nodes_that_burn_cores_without_being_faster_are_an_estimate():
    its = trials((8, 1.0, 8.0), (1, 1.0, 1.0))
    advice = oversubscription(profile_with(its))
    assert advice is not None
    assert (advice.now_s, advice.then_s, advice.measured) == (8.0, 1.0, False)
    assert "an estimated 8.00 s" in advice.text
    # When the run itself was measured and shows nothing, no estimate is held against it.
    assert oversubscription(profile_with(its, figures={PARALLEL_DEFAULT: 2.0, PARALLEL_ONE: 1.95})) is None


def test_half_of_the_figures_is_none():
    its = trials((8, 3.0, 24.0), (1, 1.0, 1.0))
    assert advices(profile_with(its, figures={PARALLEL_ONE: 6.4})) == advices(profile_with(its))
    untried = msgspec.structs.replace(its, tried=())
    assert advices(profile_with(untried)) == []


def test_threads_that_help_are_left_alone():
    assert oversubscription(profile_with(trials((2, 0.5, 1.0), (1, 1.0, 1.0), (2, 0.5, 1.0)))) is None
    assert oversubscription(profile_with(None)) is None
    assert oversubscription(profile_with(trials((2, 0.0, 0.0), (1, 0.0, 0.0)))) is None


def test_load_is_told():
    made = profile_with(trials((8, 3.0, 24.0), (1, 1.0, 1.0)))
    header = msgspec.structs.replace(made.runs[0], load_share=0.5)
    advice = oversubscription(msgspec.structs.replace(made, runs=(header,)))
    assert advice is not None
    assert advice.text.endswith("(measured while other processes took 50 % of the cores)")


def test_only_what_was_limited_is_named():
    its = trials((8, 3.0, 24.0), (1, 1.0, 1.0), limited=("cv2", "torch"))
    advice = oversubscription(profile_with(its))
    assert advice is not None
    assert advice.text.endswith("limit them: OMP_NUM_THREADS=1, cv2.setNumThreads(1)")


@pytest.mark.parametrize(("after", "expected"), [({"a": [], "b": []}, 1.0), ({"a": [], "b": ["a"]}, 2.0)])
def test_the_estimate_is_the_longer_of_path_and_work(after, expected):
    made = profile_with(None, after)
    one = {name: ThreadTrial(1, 1.0, 1.0, 1) for name in "ab"}
    assert estimated_s(made, one) == expected
    assert estimated_s(made, {}) == 2.0  # two cores each, of two


def test_a_shorter_switch_interval():
    made = profile_with(None)
    short = pair(0.0002, (0.18, 0.18))
    made = msgspec.structs.replace(made, pairs=(pair(), pair(0.001, (0.2, 0.2)), short))
    advice = switch_interval(made)
    assert advice is not None
    assert advice.text == (
        "with a switch interval of 200 µs a and b together take 180 ms instead of 290 ms "
        "(sys.setswitchinterval(0.0002))"
    )
    assert switch_interval(msgspec.structs.replace(made, pairs=(pair(), pair(0.001, (0.28, 0.2))))) is None
    assert switch_interval(msgspec.structs.replace(made, pairs=(pair(),))) is None


def test_pairs_that_are_slower_together_are_named_beyond_chance():
    made = msgspec.structs.replace(profile_with(None), pairs=(pair(together=(0.4, 0.4)),))
    (advice,) = losses(made)
    assert advice.text == "a and b take 400 ms together, 340 ms one after the other"
    assert advices(made) == [advice]
    for other in (
        pair(together=(0.345, 0.3)),
        pair(together=(0.4, 0.4), repeats=2),
        pair(together=(0.4, 0.4), spread=0.3),
        pair(together=(0.4, 0.4), like=("a", "b")),
        pair(0.001, together=(0.4, 0.4)),
    ):
        assert losses(msgspec.structs.replace(made, pairs=(other,))) == []


def test_names_are_cleaned():
    made = make_profile({"a\x1b[31m": [], "b": []}, 1.0)
    evil = msgspec.structs.replace(pair(together=(0.4, 0.4)), nodes=("a\x1b[31m", "b"))
    (advice,) = losses(msgspec.structs.replace(made, pairs=(evil,)))
    assert "\x1b" not in advice.text
