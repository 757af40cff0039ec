"""Where the nodes of a drawn DAG lie: layers, order, distances."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makespan.showing.reprs import layers
from makespan.showing.reprs.layers import layers_of, layout, pool
from makespan.structure import Structure, build


def random_structure(n: int, seed: int, reach: int = 6) -> Structure:
    rng = random.Random(seed)
    after = [
        [str(j) for j in rng.sample(range(max(0, i - reach), i), min(i, rng.randint(0, 3)))] for i in range(n)
    ]
    return build([str(i) for i in range(n)], after)


def crossings(structure: Structure) -> int:
    """Count the crossings of edges, each led through the layers between its ends."""
    found = layout(structure)
    between: dict[int, list[tuple[float, float]]] = {}
    for i in range(len(structure)):
        for s in structure.succs[i]:
            points = [(found.layer[i], found.y[i]), *found.through.get((i, s), ()), (0, found.y[s])]
            for (layer, left), (_, right) in itertools.pairwise(points):
                between.setdefault(layer, []).append((left, right))
    return sum(
        (a - c) * (b - d) < -1e-9
        for some in between.values()
        for (a, b), (c, d) in itertools.combinations(some, 2)
    )


@given(st.integers(0, 24), st.integers(0, 10_000))
@settings(deadline=None, max_examples=80)
def test_edges_go_to_the_right_and_nodes_of_a_layer_keep_their_distance(n: int, seed: int) -> None:
    structure = random_structure(n, seed)
    found = layout(structure)
    for i in range(n):
        assert all(found.layer[p] < found.layer[i] for p in structure.preds[i])
        for s in structure.succs[i]:
            between = found.through.get((i, s), ())
            assert [at for at, _ in between] == list(range(found.layer[i] + 1, found.layer[s]))
    for layer in set(found.layer):
        at = sorted(found.y[i] for i in range(n) if found.layer[i] == layer)
        assert all(b - a >= 1 - 1e-9 for a, b in itertools.pairwise(at))
    ys = [*found.y, *(y for some in found.through.values() for _, y in some)]
    if ys:
        assert min(ys) == pytest.approx(0.0)
        assert max(ys) == pytest.approx(found.height)


def test_no_layer_is_empty_and_sources_stand_beside_who_takes_them() -> None:
    for seed in range(30):
        layer = layers_of(random_structure(20, seed))
        assert min(layer) == 0
        assert set(range(max(layer) + 1)) == set(layer)
    chain = build(["a", "b", "c", "late"], [[], ["a"], ["b", "late"], []])
    assert layers_of(chain) == [0, 1, 2, 1]


def test_a_ladder_that_can_be_drawn_without_crossings_is() -> None:
    # Declared crosswise: left i feeds right n - 1 - i.
    n = 6
    names = [f"l{i}" for i in range(n)] + [f"r{i}" for i in range(n)]
    structure = build(names, [[]] * n + [[f"l{n - 1 - i}"] for i in range(n)])
    found = layout(structure)
    assert crossings(structure) == 0
    assert all(found.y[i] == pytest.approx(found.y[2 * n - 1 - i]) for i in range(n))  # straight edges


def test_sweeps_leave_few_of_the_crossings(monkeypatch: pytest.MonkeyPatch) -> None:
    structures = [random_structure(30, seed) for seed in range(10)]
    after = sum(map(crossings, structures))
    monkeypatch.setattr(layers, "_SWEEPS", 0)
    assert after < 0.3 * sum(map(crossings, structures))


def test_names_do_not_matter() -> None:
    structure = random_structure(25, 3)
    renamed = build(
        [f"{hash(name)} {name}" for name in structure.names],
        [[f"{hash(str(p))} {p}" for p in some] for some in structure.preds],
    )
    assert layout(structure) == layout(renamed)


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=4))
@settings(deadline=None, max_examples=40)
def test_pool_is_the_nearest_ascending_sequence(wanted: list[int]) -> None:
    found = pool([float(want) for want in wanted])
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(found))
    cost = sum((a - b) ** 2 for a, b in zip(found, wanted, strict=True))
    # No ascending sequence of multiples of 1/2 is nearer.
    grid = [k / 2 for k in range(-8, 9)]
    best = min(
        sum((a - b) ** 2 for a, b in zip(some, wanted, strict=True))
        for some in itertools.combinations_with_replacement(grid, len(wanted))
    )
    assert cost <= best + 1e-9


def test_a_thousand_nodes_and_long_edges() -> None:
    structure = random_structure(1000, 1, reach=40)
    found = layout(structure)
    assert len(found.y) == 1000
    far = build([str(i) for i in range(400)], [[str(i - 1), "0"] if i > 1 else ["0"] * i for i in range(400)])
    assert not layout(far).through  # too many bends: straight edges
    assert layout(far).layer == tuple(range(400))
