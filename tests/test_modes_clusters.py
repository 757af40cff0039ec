"""Clusters: convex sets, what crosses, contraction, search against enumeration, the bound over all of it."""

from __future__ import annotations

from itertools import combinations, pairwise, product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan import OptionError
from makespan.measurement import Pickling
from makespan.plan import PlanCluster
from makespan.profile import Call
from makespan_optimizer.instance import instance_of
from makespan_optimizer.modes import clusters as module
from makespan_optimizer.modes.bound import bounds_over_modes
from makespan_optimizer.modes.choose import ModeChoice, Wanted, apply, choose_modes
from makespan_optimizer.modes.clusters import Cutter
from makespan_optimizer.modes.contract import contract
from makespan_optimizer.modes.cuts import Cuts, Part, bits
from makespan_optimizer.modes.exact import every_part, every_state
from makespan_optimizer.modes.judge import Judge
from makespan_optimizer.modes.offload import offloads
from makespan_optimizer.modes.process import BYTE_S, HAND_OVER_S, Transfer, beside_results, fault_of
from tests.builders import make_profile
from tests.mode_profiles import MB, tabular, with_pickling

#     a ─▶ b ─▶ d        a's result also goes to c
#      └─▶ c ─┘
DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}


def bit(cuts, names):
    return sum(1 << cuts.structure.names.index(name) for name in names)


def names(cuts, members):
    return "".join(cuts.structure.names[i] for i in bits(members))


@st.composite
def dags(draw, most=6):
    n = draw(st.integers(1, most))
    some = [f"n{i}" for i in range(n)]
    after = {name: [p for p in some[:i] if draw(st.integers(0, 2)) == 0] for i, name in enumerate(some)}
    seconds = {name: draw(st.integers(1, 9)) / 10 for name in some}
    kinds = {name: draw(st.sampled_from(["python", "native", "io", "mixed"])) for name in some}
    sizes = {name: draw(st.sampled_from([0, MB, 50 * MB])) for name in some}
    return with_pickling(make_profile(after, seconds, kinds), sizes)


def reaches(after):
    """Return who comes before whom, by brute force."""
    found = {(p, name) for name, some in after.items() for p in some}
    while True:
        more = {(a, d) for a, b in found for c, d in found if b == c} - found
        if not more:
            return found
        found |= more


@given(dags(), st.data())
@settings(deadline=None, max_examples=60)
def test_closures_and_circles_by_brute_force(profile, data):
    cuts = Cuts(profile)
    n = len(cuts)
    after = {shape.name: shape.after for shape in profile.shape}
    order, its = reaches(after), cuts.structure.names
    owner = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    sets = [sum(1 << i for i in range(n) if owner[i] == k) for k in (1, 2)]
    for members in sets:
        inside = {its[i] for i in bits(members)}
        between = {m for m in its for a in inside for b in inside if (a, m) in order and (m, b) in order}
        assert {its[i] for i in bits(cuts.closure(members))} == inside | between
    parts = [Part(members) for members in sets if members]
    group = {its[i]: f"part {owner[i]}" if owner[i] else its[i] for i in range(n)}
    edges = {(group[p], group[name]) for name, some in after.items() for p in some}
    contracted = {name: [a for a, b in edges if b == name and a != b] for name in set(group.values())}
    assert cuts.acyclic(parts) == (not any(a == b for a, b in reaches(contracted)))


@given(dags(most=4), st.data())
@settings(deadline=None, max_examples=40)
def test_contracted_profiles_are_plain_profiles(profile, data):
    cuts = Cuts(profile)
    states = every_state(cuts, 2, cuts.free, 0, 2_000)
    assert states is not None
    state = data.draw(st.sampled_from(states))
    made = contract(cuts, state)
    instance = instance_of(made.profile)  # refuses cycles
    assert len(instance) == len(cuts) - sum(part.members.bit_count() - 1 for part in state)
    for name, part in zip(made.names, state, strict=True):
        node = made.profile.node(name)
        inside = [cuts.nodes[i].wall_net_s.median for i in bits(part.members | part.again)]
        assert node.wall_net_s.median >= sum(inside) + HAND_OVER_S - 1e-9
        assert node.gil_s <= node.wall_net_s.median - sum(inside)
    cores = sum(n.cpu_s + n.other_cpu_s for n in profile.nodes)
    assert sum(n.cpu_s + n.other_cpu_s for n in made.profile.nodes) >= cores - 1e-9


def test_what_crosses_a_border():
    cuts = Cuts(
        with_pickling(make_profile(DIAMOND), {"a": 10, "b": 200, "c": 3000, "d": 40_000}, inputs={"a": 5})
    )

    def crossing(inside, again=""):
        its = cuts.crossing(bit(cuts, inside), bit(cuts, again))
        return its.inputs.bytes, its.outputs.bytes

    assert crossing("b") == (10, 200)
    assert crossing("bc") == (10, 3200)
    assert crossing("bd") == (3010, 40_000)
    assert crossing("abcd") == (5, 40_000)
    assert crossing("bc", "a") == (5, 3200)
    assert crossing("a") == (5, 10)


def test_a_small_part_of_a_large_result_is_sent_as_an_argument():
    profile = with_pickling(make_profile({"a": [], "b": ["a"]}), {"a": 80 * MB})
    small = msgspec.structs.replace(
        profile.nodes[1], args_pickling=Pickling(picklable=True, pickle_s=1e-5, unpickle_s=1e-5, bytes=100)
    )
    cuts = Cuts(msgspec.structs.replace(profile, nodes=(profile.nodes[0], small)))
    assert cuts.crossing(0b10, 0).inputs.bytes == 100


def test_constants_and_inputs_beside_results():
    profile = with_pickling(make_profile({"a": [], "b": ["a"]}), {"a": 3 * MB}, inputs={"b": MB})
    a, b = profile.nodes
    assert beside_results(b, [a]).bytes == MB
    assert beside_results(a, []).bytes == 0
    exact = with_pickling(make_profile({"a": [], "b": ["a"]}), {"a": 3 * MB})
    assert beside_results(exact.nodes[1], [exact.nodes[0]]) == Transfer()


def test_what_cannot_run_in_a_process_says_why():
    profile = with_pickling(make_profile(DIAMOND, exclusive=["d"]), MB, refused=["a"], unknown=["b"])
    cuts = Cuts(profile, stay=["a"])
    faults = dict(zip("abcd", cuts.faults, strict=True))
    assert faults["a"] == "it is pinned to a thread"
    assert faults["b"] == "what it takes does not pickle (TypeError at lock)"
    assert faults["d"].startswith("it is exclusive")
    shape = msgspec.structs.replace(profile.shape[2], stays="it is a coroutine function")
    here = msgspec.structs.replace(profile, shape=(*profile.shape[:2], shape, profile.shape[3]))
    assert Cuts(here).faults[2] == "it is a coroutine function"
    assert Cuts(make_profile(DIAMOND)).faults == ["how what it takes pickles was not measured"] * 4
    hint = msgspec.structs.replace(profile.nodes[0], origin="hint")
    assert (
        "not run while profiling"
        in Cuts(msgspec.structs.replace(profile, nodes=(hint, *profile.nodes[1:]))).faults[0]
    )
    assert "not known whether its result pickles (it is" in fault_of(
        profile.nodes[1].result_pickling, "its result"
    )
    assert choose_modes(profile, 2, processes=1).reasons[0][0] == "b"


def test_a_result_that_does_not_pickle_may_stay_inside():
    # What b takes is told by its arguments, which do not pickle either: so b is kept out, and a with it.
    profile = with_pickling(make_profile({"a": [], "b": ["a"]}), MB, refused=["a"])
    cuts = Cuts(profile)
    assert cuts.allowed((Part(0b01),)) == "'a': its result does not pickle (TypeError at lock)"
    assert cuts.faults[1]


def test_two_clusters_of_one_worker_take_turns():
    profile = with_pickling(make_profile({"a": [], "b": [], "c": []}, 1.0, "python"))
    cuts = Cuts(profile)
    made = contract(cuts, (Part(0b001, 0, 0), Part(0b010, 0, 0)))
    assert [s.locks for s in made.profile.shape] == [("worker 0",), ("worker 0",), ()]
    apart = contract(cuts, (Part(0b001, 0, 0), Part(0b010, 0, 1)))
    assert [s.locks for s in apart.profile.shape] == [(), (), ()]


def test_names_that_are_taken_are_not_taken_again():
    profile = with_pickling(make_profile({"cluster 0": [], "b": []}, locks={"b": ["worker 0"]}))
    made = contract(Cuts(profile), (Part(0b01), Part(0b10)))
    assert len({shape.name for shape in made.profile.shape} - {"cluster 0"}) == 2
    assert {lock for shape in made.profile.shape for lock in shape.locks} == {"worker 0", "worker 0 "}


def test_scenarios_stay_whole_rows():
    profile = with_pickling(make_profile({"a": [], "b": ["a"], "c": []}, 1.0))
    nodes = [
        msgspec.structs.replace(
            node, calls=tuple(Call("made", seconds, seconds) for seconds in (1.0 + k, 2.0 + k))
        )
        for k, node in enumerate(profile.nodes)
    ]
    profile = msgspec.structs.replace(profile, nodes=tuple(nodes))
    made = contract(Cuts(profile), (Part(0b011),))
    rows = made.profile.scenarios()
    assert [row["c"] for row in rows] == [3.0, 4.0]
    assert [row[made.names[0]] for row in rows] == pytest.approx([3.0 + HAND_OVER_S, 5.0 + HAND_OVER_S])


def brute_force(profile, workers, judge):
    """Return the best makespan over all ways to cut, written without the code that enumerates them."""
    cuts = Cuts(profile)
    n = len(cuts)
    sources = [i for i, some in enumerate(cuts.structure.preds) if not some]
    best = judge.quick(profile)[0]
    for labels in product(range(n + 1), repeat=n):
        used = sorted(set(labels) - {0})
        if used != list(range(1, len(used) + 1)) or not used:
            continue
        sets = [sum(1 << i for i in range(n) if labels[i] == k) for k in used]
        if any(min(bits(a)) > min(bits(b)) for a, b in pairwise(sets)):
            continue
        for again in product(
            *(
                [sum(x) for k in range(len(sources) + 1) for x in combinations([1 << i for i in sources], k)]
                for _ in sets
            )
        ):
            for dealt in product(range(workers), repeat=len(sets)):
                state = tuple(Part(*row) for row in zip(sets, again, dealt, strict=True))
                if not cuts.allowed(state):
                    best = min(best, judge.quick(contract(cuts, state).profile)[0])
    return best


@given(dags(most=4))
@settings(deadline=None, max_examples=12)
def test_enumeration_and_search_find_the_best(profile):
    judge = Judge(2, over=lambda: False, work=1e9)
    best = brute_force(profile, 1, judge)
    cuts = Cuts(profile)
    exact = Cutter(cuts, Judge(2, over=lambda: False, work=1e9), 1).search()
    assert exact.complete
    # Sets that do not hang together may be better by a hand-over.
    assert exact.states
    found = judge.quick(contract(cuts, exact.states[0]).profile)[0]
    assert best - 1e-9 <= found <= best + 4 * HAND_OVER_S


@given(dags(most=6))
@settings(deadline=None, max_examples=10)
def test_local_search_finds_what_enumeration_finds(profile):
    cuts = Cuts(profile)
    exact = Cutter(cuts, Judge(2, over=lambda: False, work=1e9), 1).search()
    if not exact.complete:
        return
    local = Cutter(cuts, Judge(2, over=lambda: False, work=400 * 4 * len(cuts)), 1)
    local._descend()
    best = min(value for value, _ in local.seen.values())
    assert best <= local.value(exact.states[0])[0] * 1.03


def test_every_part_is_convex_and_hangs_together():
    cuts = Cuts(with_pickling(make_profile(DIAMOND)))
    found = every_part(cuts, cuts.free, 100)
    by_hand = [m for m in range(1, 16) if cuts.convex(m) and cuts.connected(m)]
    assert sorted(found) == by_hand
    assert {names(cuts, m) for m in found} == {
        "a",
        "b",
        "c",
        "d",
        "ab",
        "ac",
        "abc",
        "bc",
        "bd",
        "cd",
        "bcd",
        "abcd",
    }


@given(dags(most=5), st.integers(1, 3), st.integers(1, 2))
@settings(deadline=None, max_examples=30)
def test_no_choice_beats_the_bound(profile, budget, workers):
    cuts = Cuts(profile)
    relaxed, bounds = bounds_over_modes(profile, budget, processes=workers)
    judge = Judge(budget, over=lambda: False, work=1e9)
    bound_s = bounds[0].ticks * relaxed.tick_s
    for state in (every_state(cuts, workers, cuts.free, 0, 300) or [()])[:60]:
        assert judge.quick(contract(cuts, state).profile)[0] >= bound_s * (1 - 1e-6)


def test_python_loops_beside_each_other_are_worth_a_process():
    profile = with_pickling(make_profile({"a": [], "b": []}, 1.0, "python"))
    choice = choose_modes(profile, 2, processes=1)
    assert choice.complete
    assert choice.without_s == pytest.approx(2.0)
    assert choice.makespan_s == pytest.approx(1.0 + HAND_OVER_S)
    (cluster,) = choice.clusters
    assert cluster.nodes in {("a",), ("b",)}
    assert "1.00 s of the GIL leave this process" in cluster.evidence
    assert "instead of 2.00 s (−50 %)" in cluster.evidence
    assert instance_of(apply(profile, choice)).gil.count(0) == 1


def test_what_is_too_large_to_send_stays():
    profile = with_pickling(make_profile({"a": [], "b": []}, 1.0, "python"), 100 * MB, inputs={"a": 200 * MB})
    choice = choose_modes(profile, 2, processes=1)
    assert [cluster.nodes for cluster in choice.clusters] == [("b",)]
    heavier = with_pickling(make_profile({"a": [], "b": []}, 1.0, "python"), 800 * MB)
    assert choose_modes(heavier, 2, processes=1).clusters == ()


def test_a_cluster_pays_for_its_border_alone():
    # Node by node a frame crosses at each step; together nothing but the ends does.
    after = {"x": [], "p": [], "q": ["p"], "r": ["q"], "end": ["x", "r"]}
    seconds = {"x": 1.2, "p": 0.4, "q": 0.4, "r": 0.4, "end": 0.01}
    profile = with_pickling(make_profile(after, seconds, "python"), {"p": 100 * MB, "q": 100 * MB, "r": 10})
    choice = choose_modes(profile, 2, processes=1)
    assert choice.makespan_s < 0.55 * choice.without_s
    assert choice.clusters[0].nodes in {("p", "q", "r"), ("x",)}
    alone = choose_modes(profile, 2, wanted=Wanted(process=("q",)))
    assert alone.makespan_s > 0.8 * choice.without_s


def test_a_cheap_source_runs_again():
    #  read ─▶ text ─▶ words     the frame is large, reading it is cheap
    #    └───▶ clean ─▶ sums
    after = {"read": [], "text": ["read"], "words": ["text"], "clean": ["read"], "sums": ["clean"]}
    seconds = {"read": 0.05, "text": 0.5, "words": 0.5, "clean": 0.5, "sums": 0.5}
    kinds = dict.fromkeys(after, "python") | {"read": "native"}
    sizes = {"read": 200 * MB, "text": 200 * MB, "clean": 200 * MB}
    profile = with_pickling(make_profile(after, seconds, kinds), sizes)
    choice = choose_modes(profile, 2, processes=1)
    (cluster,) = choice.clusters
    assert cluster.again == ("read",)
    assert "'read' runs there again (50 ms) instead of sending 200 MB" in cluster.evidence
    once = choose_modes(profile, 2, processes=1, wanted=Wanted(once=("read",)))
    assert all(not its.again for its in once.clusters)
    assert choice.makespan_s < once.makespan_s


def test_a_choice_for_another_dag_is_refused():
    profile = with_pickling(make_profile(DIAMOND), refused=["b"])
    choice = ModeChoice(clusters=(PlanCluster("cluster 0", ("a", "d")),))
    with pytest.raises(OptionError, match="cannot be had"):
        apply(profile, choice)


@pytest.mark.parametrize(
    "act",
    [
        lambda profile: choose_modes(profile, 2, processes=1, wanted=Wanted(process=("nobody",))),
        lambda profile: choose_modes(profile, 2, native=True, wanted=Wanted(native={"nobody": 2})),
        lambda profile: apply(profile, ModeChoice(native_threads=(("nobody", 1),))),
        lambda profile: apply(profile, ModeChoice(clusters=(PlanCluster("cluster 1", ("nobody",)),))),
    ],
)
def test_nodes_that_the_dag_has_not_are_refused(act):
    with pytest.raises(OptionError, match="the DAG has no node 'nobody'"):
        act(with_pickling(make_profile(DIAMOND)))


def test_limits():
    profile = with_pickling(make_profile(DIAMOND))
    with pytest.raises(OptionError, match="threads"):
        choose_modes(profile, 0)
    for processes in (-1, 65, 1.5, True):
        with pytest.raises(OptionError):
            choose_modes(profile, 2, processes=processes)
    with pytest.raises(OptionError, match="'a' cannot run in a process: how what it takes pickles"):
        choose_modes(make_profile(DIAMOND), 2, wanted=Wanted(process=("a",)))
    many = with_pickling(make_profile({f"n{i}": [] for i in range(4_001)}))
    with pytest.raises(OptionError, match="up to 4,000 nodes, and this DAG has 4,001"):
        choose_modes(many, 2, processes=1)


def test_the_same_again_and_however_nodes_are_named(monkeypatch):
    monkeypatch.setattr(module, "MOST_STATES", 0)  # no enumeration
    profile = tabular()
    first = choose_modes(profile, 2, processes=2, work=6_000)
    assert choose_modes(profile, 2, processes=2, work=6_000) == first
    new = {shape.name: f"z{ord(shape.name[0])}{shape.name[::-1]}" for shape in profile.shape}
    renamed = msgspec.structs.replace(
        profile,
        shape=tuple(
            msgspec.structs.replace(s, name=new[s.name], after=tuple(new[p] for p in s.after))
            for s in profile.shape
        ),
        nodes=tuple(msgspec.structs.replace(n, name=new[n.name]) for n in profile.nodes),
    )
    other = choose_modes(renamed, 2, processes=2, work=6_000)
    assert [c.nodes for c in other.clusters] == [tuple(new[n] for n in c.nodes) for c in first.clusters]
    assert other.makespan_s == first.makespan_s


def test_time_that_is_up_cuts_the_choice_short():
    choice = choose_modes(tabular(), 2, processes=1, over=lambda: True)
    assert choice.cut_short
    assert choice.makespan_s > 0


def test_bytes_cost_what_pipes_cost():
    profile = with_pickling(make_profile({"a": []}, 1.0, "python"), 100 * MB)
    node = contract(Cuts(profile), (Part(1),)).profile.nodes[0]
    assert node.wall_net_s.median == pytest.approx(1.0 + HAND_OVER_S + 0.2 + 100 * MB * BYTE_S)
    assert node.gil_s == pytest.approx(0.1)


@given(dags(most=6), st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_beginnings_can_be_had(profile, workers):
    cuts = Cuts(profile)
    for state in offloads(cuts, cuts.free, workers):
        assert state
        assert cuts.allowed(state) == ""
        assert {part.worker for part in state} <= set(range(workers))
        for part in state:
            assert all(cuts.nodes[i].gil_s > 0 for i in bits(part.members))


def test_a_chain_goes_to_a_worker_whole():
    after = {"a": [], "b": ["a"], "c": ["b"], "d": []}
    profile = with_pickling(make_profile(after, 1.0, "python"), MB)
    cuts = Cuts(profile)
    states = list(offloads(cuts, cuts.free, 1))
    assert (Part(0b0111), Part(0b1000)) in states or (Part(0b0111),) in states


def test_many_small_nodes_are_spread_over_the_interpreters():
    # No cluster gains 3 % by itself; all together make it three times as fast.
    profile = with_pickling(make_profile({f"n{i:02}": [] for i in range(60)}, 0.1, "python", cores=4.0), 1000)
    choice = choose_modes(profile, 4, processes=3, work=40_000)
    assert len(choice.clusters) > 8
    assert choice.makespan_s < 0.4 * choice.without_s
    assert f"all {len(choice.clusters)} clusters together: expected" in choice.clusters[0].evidence
    relaxed, bounds = bounds_over_modes(profile, 4, processes=3)
    assert choice.makespan_s >= bounds[0].ticks * relaxed.tick_s


def test_a_share_of_the_gil_that_was_not_measured_is_no_reason():
    profile = with_pickling(make_profile({"a": [], "b": []}, 1.0, "python"))
    nodes = tuple(
        msgspec.structs.replace(
            node, quality=msgspec.structs.replace(node.quality, gil_share_half_width=None)
        )
        for node in profile.nodes
    )
    assert choose_modes(msgspec.structs.replace(profile, nodes=nodes), 2, processes=1).clusters == ()
