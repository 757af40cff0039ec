"""A profile within a share of a tuning's time."""

from __future__ import annotations

import time

import pytest

from makespan import DAG
from makespan_optimizer.measure.inputs import read_inputs
from makespan_optimizer.measure.trials.native import ThreadSession
from makespan_optimizer.tuning import profiling
from makespan_optimizer.tuning.limit import TimeLimit
from tests.builders import make_profile


class Clock(TimeLimit):
    """A time limit whose time goes by with what it is told."""

    told = 0

    @property
    def used_s(self):
        return float(self.told)

    def tell(self, label):
        self.told += 1


@pytest.fixture
def dag():
    made = DAG("two")
    made.returns((made.add(time.sleep, 0.001, name="a"), made.add(time.sleep, 0.001, name="b")))
    return made


def profiled(dag, limit_s, share, said, **options):
    inputs = read_inputs(dag, (), {}, None)
    return profiling.profiled(
        dag, inputs, Clock(limit_s, 0.0), share=share, trials_share=0.1, say=said.append, **options
    )


def test_it_ends_after_one_counted_run_when_its_share_is_over(dag):
    said = []
    found = profiled(dag, 10.0, 0.1, said, runs=5)
    assert found.runs[-1].repeats == 1
    assert said == ["profiled for 5 s: the rest of the time is for the race"]


def test_native_threads_are_tried_all_the_same(dag, monkeypatch):
    """Of a profile that was cut short, and with pools: no run is counted any more, and no pair is tried."""
    cut = make_profile({"a": [], "b": []}, 0.01, "parallel")

    def profile(*_, progress, **__):
        try:
            for done in range(12):
                progress(done, 12, "a")
        except BaseException as stopped:
            stopped.partial = cut
            raise

    monkeypatch.setattr(profiling, "profile", profile)
    said = []
    found = profiled(dag, 10.0, 0.1, said, runs=5)
    assert len(said) == 1
    assert all(node.native_threads is not None for node in found.nodes)
    assert found.pairs == ()


@pytest.mark.filterwarnings("ignore::makespan.profile.ProfileWarning")
def test_trials_are_not_ended_by_the_share_of_the_runs(dag, monkeypatch):
    tried = []
    monkeypatch.setattr(
        ThreadSession,
        "run",
        lambda self, until, walls_s, progress, **_: [
            tried.append(progress(k, 120, "native")) for k in range(120)
        ],
    )
    monkeypatch.setattr("makespan_optimizer.measure.trials.run_trials.pooled", lambda *_: [0])
    said = []
    found = profiled(dag, 200.0, 0.5, said, runs=5)  # the runs tell far less, and the trials more
    assert found.runs[-1].repeats == 5
    assert len(tried) == 120
    assert said == []
