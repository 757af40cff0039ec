"""Merging profiles: by run, in any order, and never across DAGs or machines."""

from __future__ import annotations

import json
import multiprocessing
import warnings

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.errors import OptionError, ProfileError
from makespan.profile import MAX_CALLS, Call, Profile, ProfileWarning, RunHeader, load_profile
from makespan_optimizer.measure.estimate import summarize
from makespan_optimizer.measure.merge import merge_profiles
from tests.builders import make_profile

EMPTY = make_profile({"a": [], "b": ["a"]})


def one_run(number: int, calls: int = 3, wall_s: float = 1.0, nodes: tuple[str, ...] = ("a", "b")) -> Profile:
    """A profile with one run; run `number` is the `number`-th in time."""
    run = f"run{number:03}"
    header = RunHeader(run, f"2025-01-01T00:00:{number:02}Z", calls, "clocks")
    made = [Call(run, wall_s + i / 10, wall_s / 2) for i in range(calls)]
    return msgspec.structs.replace(
        EMPTY,
        runs=(header,),
        nodes=tuple(summarize(name, made, first_s=wall_s + number, out_bytes=number) for name in nodes),
    )


def ids(profile: Profile) -> list[str]:
    return [header.id for header in profile.runs]


def test_runs_are_united_and_figures_computed_anew():
    merged = merge_profiles(one_run(1, wall_s=1.0), one_run(2, wall_s=3.0))
    assert ids(merged) == ["run001", "run002"]
    its = merged.node("a")
    assert its.runs == 6
    assert its.wall_net_s.median == pytest.approx((1.2 + 3.0) / 2)
    assert [call.run for call in its.calls] == ["run001"] * 3 + ["run002"] * 3


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 5))
@settings(deadline=None, max_examples=60)
def test_the_order_does_not_matter_and_a_run_counts_once(numbers, split):
    def merged(some: list[int]) -> Profile:
        found = one_run(some[0], calls=some[0])
        for number in some[1:]:
            found = merge_profiles(found, one_run(number, calls=number))
        return found

    once = merged(sorted(set(numbers)))
    assert merged(numbers) == merged(numbers[::-1]) == once
    assert merge_profiles(once, once) == once
    left, right = numbers[:split], numbers[split:]
    if left and right:
        assert merge_profiles(merged(left), merged(right)) == once


def test_merging_with_nothing_new_changes_nothing():
    profile = one_run(1)
    assert merge_profiles(profile, profile) == profile


def test_nodes_that_one_of_them_lacks():
    merged = merge_profiles(one_run(1, nodes=("a",)), one_run(2, nodes=("b",)))
    assert [its.name for its in merged.nodes] == ["a", "b"]
    assert merged.node("a").runs == 3
    assert ids(merged) == ["run001", "run002"]


def test_the_oldest_runs_go_first():
    found = one_run(1, calls=20)
    for number in range(2, 6):
        found = merge_profiles(found, one_run(number, calls=20))
    its = found.node("a")
    assert its.runs == len(its.calls) == MAX_CALLS
    assert its.calls[-1].run == "run005"
    assert its.calls[0].run == "run002"
    assert ids(found) == ["run002", "run003", "run004", "run005"]


def test_the_coldest_first_call_is_kept():
    for pair in [(1, 2), (2, 1)]:
        merged = merge_profiles(*map(one_run, pair))
        assert merged.node("a").first_s == 3.0
        assert merged.node("a").out_bytes == 2


def test_the_newer_record_stands_where_there_are_no_calls():
    old, new = make_profile({"a": []}, 1.0), make_profile({"a": []}, 2.0)
    merged = merge_profiles(old, new)
    assert merged.node("a").wall_net_s.median == 2.0
    assert merged.runs


def test_another_dag_is_refused(tmp_path):
    other = make_profile({"a": []})
    with pytest.raises(ProfileError, match=r"p.json: is a profile of another DAG.*-f replaces it"):
        merge_profiles(other, EMPTY, where="p.json")
    path = tmp_path / "profile.json"
    other.save(path)
    before = path.read_bytes()
    with pytest.raises(ProfileError, match="another DAG"):
        EMPTY.save(path)
    assert path.read_bytes() == before
    EMPTY.save(path, force=True)
    assert load_profile(path).dag == EMPTY.dag


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"cores": 64.0}, "usable cores"),
        ({"cpu": "Z80"}, "CPU"),
        ({"python": "CPython 3.99"}, "Python"),
        ({"thread_variables": {"OMP_NUM_THREADS": "1"}}, "as it is set up .OMP_NUM_THREADS: 1 there"),
        ({"switch_interval_s": 0.001}, "switch interval: 0.001 s there"),
    ],
)
def test_another_machine_is_refused(change, word):
    old = msgspec.structs.replace(EMPTY, machine=msgspec.structs.replace(EMPTY.machine, **change))
    with pytest.raises(ProfileError, match=f"another machine.*{word}.*-f replaces it"):
        merge_profiles(old, EMPTY)


def test_saving_twice_merges(tmp_path):
    path = tmp_path / "profile.json"
    one_run(1).save(path)
    one_run(2).save(path)
    one_run(2).save(path)
    assert ids(load_profile(path)) == ["run001", "run002"]


def save_one(path: str, number: int, go) -> None:
    go.wait()
    one_run(number).save(path)


def test_profiles_written_at_once_lose_nothing(tmp_path):
    path = tmp_path / "profile.json"
    context = multiprocessing.get_context("spawn")
    go = context.Event()
    writers = [context.Process(target=save_one, args=(str(path), number, go)) for number in range(1, 4)]
    for writer in writers:
        writer.start()
    go.set()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    found = load_profile(path)
    assert ids(found) == ["run001", "run002", "run003"]
    assert found.node("a").runs == 9
    assert [file.name for file in tmp_path.iterdir()] == ["profile.json"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("cpu_s", -1.0), ("gil_s", "much"), ("first_s", -0.5), ("calls", 3), ("gil_s", None), ("cpu_s", 1e12)],
)
def test_a_corrupted_record_is_dropped_with_a_warning_and_measured_again(tmp_path, field, value):
    path = tmp_path / "profile.json"
    one_run(1).save(path)
    body = json.loads(path.read_bytes())
    body["nodes"][0][field] = value
    path.write_text(json.dumps(body))
    with pytest.warns(ProfileWarning, match="the record of node 'a' is dropped"):
        found = load_profile(path)
    assert found.dropped == ("a",)
    assert found.node("b").runs == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ProfileWarning)
        one_run(2).save(path)
    merged = load_profile(path)  # no warning: the bad record is gone
    assert merged.node("a").runs == 3
    assert merged.node("b").runs == 6


def test_a_file_of_another_kind_is_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes")
    with pytest.raises(OptionError, match="holds something other"):
        one_run(1).save(path)
    assert path.read_text() == "my notes"


def with_code(profile: Profile, fingerprint: str = "", **codes: str) -> Profile:
    """The profile with its nodes' code, as measured and as it is now."""
    return msgspec.structs.replace(
        profile,
        dag=msgspec.structs.replace(profile.dag, fingerprint=fingerprint or profile.dag.fingerprint),
        shape=tuple(msgspec.structs.replace(s, code=codes.get(s.name, "")) for s in profile.shape),
        nodes=tuple(msgspec.structs.replace(n, code=codes.get(n.name, "")) for n in profile.nodes),
    )


def test_measurements_of_changed_code_are_dropped_by_name():
    old, new = with_code(one_run(1), a="1", b="1"), with_code(one_run(2), a="2", b="1")
    with pytest.warns(ProfileWarning, match="the code changed of a: earlier"):
        merged = merge_profiles(old, new)
    assert [call.run for call in merged.node("a").calls] == ["run002"] * 3
    assert merged.node("a").first_s == new.node("a").first_s
    assert merged.node("b").runs == 6
    assert ids(merged) == ["run001", "run002"]


def test_code_that_was_not_recorded_is_taken_to_be_the_same():
    assert merge_profiles(one_run(1), with_code(one_run(2), a="2", b="1")).node("a").runs == 6
    assert merge_profiles(with_code(one_run(1), a="2"), one_run(2)).node("a").runs == 6


def test_an_update_keeps_nodes_of_the_same_name_and_code_only():
    old = with_code(one_run(1), "before", a="1")
    new = with_code(one_run(2, nodes=()), "after", a="1", b="1")
    merged = merge_profiles(old, new, update=True)
    assert [its.name for its in merged.nodes] == ["a"]  # what b was is not known
    assert merged.node("a") == old.node("a")
    assert merged.dag.fingerprint == "after"
    with pytest.raises(ProfileError, match="--update keeps"):
        merge_profiles(old, new)


def test_a_newer_hint_goes_before_a_measurement():
    hint = make_profile({"a": [], "b": ["a"]}, 9.0)
    said = msgspec.structs.replace(
        hint, runs=(), nodes=tuple(msgspec.structs.replace(n, origin="hint") for n in hint.nodes)
    )
    assert merge_profiles(one_run(1), said).node("a").wall_net_s.median == 9.0
    assert merge_profiles(said, one_run(1)).node("a").runs == 3


def sets_run(number: int, sets: int, each: int) -> Profile:
    """A profile of one run that took several sets of inputs in turn."""
    made = one_run(number, calls=sets * each)
    nodes = []
    for its in made.nodes:
        calls = [msgspec.structs.replace(call, inputs=k % sets) for k, call in enumerate(its.calls)]
        nodes.append(summarize(its.name, calls))
    return msgspec.structs.replace(made, nodes=tuple(nodes))


def test_no_set_of_inputs_is_dropped_of_the_newest_run():
    merged = merge_profiles(sets_run(1, 100, 1), sets_run(2, 100, 1))
    its = merged.node("a")
    assert [call.inputs for call in its.calls] == list(range(100))
    assert {call.run for call in its.calls} == {"run002"}
    assert merge_profiles(merged, merged) == merged


def test_older_runs_keep_equal_shares_of_their_sets():
    its = merge_profiles(sets_run(1, 4, 25), sets_run(2, 4, 1)).node("a")
    assert len(its.calls) == MAX_CALLS
    assert [[call.inputs for call in its.calls].count(k) for k in range(4)] == [16] * 4
    assert [call.run for call in its.calls[-5:]] == ["run001"] + ["run002"] * 4
