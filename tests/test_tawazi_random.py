"""Random DAGs of everything that Tawazi can describe: the same results here as there, value for value.

MAKESPAN_TAWAZI_DAGS=4000 pytest tests/test_tawazi_random.py       for longer
"""

from __future__ import annotations

import os
import random
from typing import Any

from tawazi import Resource, and_, dag, not_, xn

from makespan.adapters.tawazi import from_tawazi

DAGS = max(80, int(os.environ.get("MAKESPAN_TAWAZI_DAGS", "0")))


@xn
def trace(*args: Any, **kwargs: Any) -> Any:
    return len(args), args, tuple(sorted(kwargs.items()))


@xn
def digit(x: Any) -> int:
    return sum(map(ord, repr(x))) % 3


@xn(setup=True)
def load(x: Any = 1) -> Any:
    return "loaded", x


@xn(resource=Resource.main_thread)
def here(x: Any) -> Any:
    return "here", x


@xn(is_sequential=True, priority=3)
def alone(x: Any, y: Any = None) -> Any:
    return [x, y]


class Maker:
    """One random DAG, described while its function is called."""

    def __init__(self, rng: random.Random, depth: int = 0, name: str = "pipe") -> None:
        self.rng, self.depth, self.name = rng, depth, name
        self.size = rng.randint(1, 5 if depth else 12)
        self.inputs = "abc"[: rng.randint(0, 3)]
        count = rng.randint(0, 2) if depth < 2 else 0
        self.subs = [Maker(rng, depth + 1, f"{name}_{i}") for i in range(count)]
        space: dict[str, Any] = {"body": self.body}
        given = ", ".join(self.inputs)
        exec(f"def {name}({given}):\n    return body({given})", space)
        self.dag = dag(max_concurrency=rng.randint(1, 3))(space[name])

    def body(self, *given: Any) -> Any:
        """Describe the DAG."""
        self.values: list[Any] = [*given, self.rng.choice([1, 0, "c", None, (1, 2)])]
        left = list(self.subs)
        for _ in range(self.size):
            self.step(left)
        picked = [self.one() for _ in range(self.rng.randint(1, 3))]
        form = self.rng.randrange(4)
        if form == 0:
            return tuple(picked)
        if form == 1:
            return picked
        if form == 2:
            return {f"r{i}": value for i, value in enumerate(picked)}
        return trace(1) if picked[0] is None else picked[0]

    def one(self) -> Any:
        """Return one of what is there."""
        return self.rng.choice(self.values)

    def step(self, left: list[Maker]) -> None:
        """Add a node, or a sub-DAG that was not used yet."""
        rng, one = self.rng, self.one
        active = {"twz_active": one()} if rng.random() < 0.15 and not self.depth else {}
        kind = rng.randrange(9)
        if kind < 2:
            keywords = {"z": one()} if rng.random() < 0.3 else {}
            self.values.append(trace(*[one() for _ in range(rng.randint(0, 3))], **keywords, **active))
        elif kind == 2:
            self.values.append(digit(one(), **active))
        elif kind == 3:
            self.values.append(load(rng.choice([1, 2, "k"])))
        elif kind == 4:
            self.values.append(here(one(), **active))
        elif kind == 5:
            self.values.append(alone(one(), y=one(), **active))
        elif kind == 6:
            self.values.append(and_(one(), one()))
        elif kind == 7:
            self.values.append(not_(one()))
        elif left:
            sub = left.pop()
            active = {"twz_active": one()} if rng.random() < 0.3 else {}
            result = sub.dag(*[one() for _ in sub.inputs], **active)
            many = result.values() if isinstance(result, dict) else result
            self.values.extend(many if isinstance(result, dict | list | tuple) else [result])


def test_results_are_equal_value_for_value() -> None:
    compared = nodes = 0
    for seed in range(DAGS):
        rng = random.Random(seed)
        try:
            made = Maker(rng)
        except RuntimeError:  # a condition on a sub-DAG that has conditions: Tawazi refuses
            continue
        args = [rng.choice([0, 1, "x", (3,)]) for _ in made.inputs]
        wanted = repr(made.dag(*args))
        ours = from_tawazi(made.dag)
        fresh = from_tawazi(Maker(random.Random(seed)).dag)  # its set-up nodes have not run
        assert repr(ours(*args)) == wanted, seed
        assert repr(fresh(*args)) == wanted, seed
        assert repr(fresh.run(*args, threads=3).result) == wanted, seed
        compared, nodes = compared + 1, nodes + len(ours)
    assert compared > DAGS * 0.9
    assert nodes > DAGS * 3
