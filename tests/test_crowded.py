"""The crowding of a machine is the same under all modes, whichever pairs a profile has left."""

from __future__ import annotations

from itertools import combinations

import msgspec
import pytest

from makespan.measurement import PairTrial
from makespan.plan import PlanCluster
from makespan_optimizer.contention.neighbours import CROWDING, USUAL_CROWDING
from makespan_optimizer.instance import instance_of
from makespan_optimizer.modes.choose import ModeChoice, apply
from makespan_optimizer.modes.crowded import with_crowding
from tests.builders import make_profile
from tests.mode_profiles import with_pickling, with_trials


@pytest.fixture
def profile():
    """Six native nodes; each two of them take a quarter longer beside each other."""
    made = with_pickling(make_profile({name: [] for name in "abcdef"}, 1.0, "native"))
    made = with_trials(made, {"a": {1: (1.0, 1.0), 2: (1.0, 1.0)}})
    pairs = tuple(
        PairTrial(nodes=two, alone_s=(1.0, 1.0), together_s=(1.25, 1.25), repeats=5)
        for two in combinations("abcdef", 2)
    )
    return msgspec.structs.replace(made, pairs=pairs)


def crowding(profile):
    return instance_of(profile).fluid.machine.crowding


def test_modes_drop_pairs_and_keep_what_they_say_of_the_machine(profile):
    told = crowding(profile)
    assert told > 1.5 * USUAL_CROWDING
    for choice in (
        ModeChoice(native_threads=(("a", 1),)),
        ModeChoice(clusters=(PlanCluster("one", ("a",)), PlanCluster("two", ("b", "c"), worker=1))),
        ModeChoice((("a", 1),), (PlanCluster("one", ("a", "b", "c", "d", "e")),)),
    ):
        under = apply(profile, choice)
        assert len(under.pairs) < len(profile.pairs)
        assert crowding(under) == pytest.approx(told)


def test_it_is_written_down_once_and_changes_nothing_else(profile):
    once = with_crowding(profile)
    assert once.runs[-1].calibration[CROWDING] == crowding(profile) == crowding(once)
    assert with_crowding(once) is once
    assert msgspec.structs.replace(once, runs=profile.runs) == profile


def test_where_nothing_tells_it_nothing_is_written(profile):
    bare = msgspec.structs.replace(profile, pairs=())
    assert with_crowding(bare) is bare
