"""Runs and plans made by hand, seeded: what the tests of report, text, picture and page are fed with."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from makespan.machine import Machine
from makespan.measurement import Measured
from makespan.plan import DagId, Plan, PlanGroup, PlanNode, Solver, WhatIf
from makespan.record import Comparison, RunFailure, RunNode, RunRecord

MACHINE = Machine(
    python="CPython 3.11.7", gil=True, platform="linux", cpu="test", cores=4.0, switch_interval_s=0.005
)
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Status = Literal["ok", "failed", "interrupted"]
DAG_ID = DagId("news", "f" * 64, "pipeline:news")
WORDS = ("fetch", "parse", "embed", "score", "join", "render", "write", "index")
KINDS = {"python": (0.95, 0.03), "native": (0.08, 0.88), "io": (0.05, 0.03), "mixed": (0.4, 0.3)}

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(2)>",
    "\"quoted\" & 'single' `tick`",
    "two\nlines\tand\rreturn",
    "nul\0esc\x1b[31mred\x07",
    "rtl \u202eevil\u202c \u2066isolate\u2069",
    "عربي שלום",
    "解析ノード",
    "$x^$",
    "$\\frac{1}{",
    "half \ud800 pair",
    "not a character \uffff",
    "]]>&#x3c;",
    "x" * 5000,
    "emoji 👩‍🚀 ok",
    "line\u2028separator",
    "{{nodes}} %s {0}",
)


def node_plan(name: str, rank: int, start_s: float, duration_s: float, lane: int, **fields: Any) -> PlanNode:
    fields.setdefault("alone_s", duration_s)
    return PlanNode(name=name, rank=rank, start_s=start_s, duration_s=duration_s, lane=lane, **fields)


def make_plan(
    nodes: Sequence[PlanNode], *, threads: int = 2, makespan_s: float | None = None, **fields: Any
) -> Plan:
    end_s = (
        makespan_s if makespan_s is not None else max((n.start_s + n.duration_s for n in nodes), default=0.0)
    )
    fields.setdefault("default_makespan_s", end_s * 1.15)
    bound_s = fields.setdefault("lower_bound_s", end_s * 0.97)
    fields.setdefault("binding", "critical path")
    fields.setdefault("gap", (end_s - bound_s) / end_s if end_s else 0.0)
    fields.setdefault("solver", Solver("cp-sat", "optimal", "proven optimal", 0, 10.0))
    fields.setdefault("cores", 4.0)
    return Plan(
        makespan_version="0.1",
        dag=DAG_ID,
        machine=MACHINE,
        threads=threads,
        makespan_s=end_s,
        nodes=tuple(sorted(nodes, key=lambda node: node.name)),
        **fields,
    )


def make_record(
    nodes: Sequence[RunNode],
    *,
    plan: Plan | None = None,
    threads: int = 2,
    status: Status = "ok",
    makespan_s: float | None = None,
    **fields: Any,
) -> RunRecord:
    end_s = makespan_s if makespan_s is not None else max((n.end_s for n in nodes), default=0.0)
    fields.setdefault("dag", DAG_ID)
    return RunRecord(
        makespan_version="0.1",
        machine=fields.pop("machine", MACHINE),
        started_at="2025-11-22T20:58:00.000+00:00",
        threads=threads,
        status=status,
        makespan_s=end_s,
        nodes=tuple(nodes),
        plan=plan,
        **fields,
    )


def greedy(
    durations: Sequence[float], after: Sequence[Sequence[int]], threads: int
) -> list[tuple[float, float, int]]:
    """Starts and lanes of work-conserving dispatch by index, each node when its inputs are there."""
    free = [0.0] * threads
    end: dict[int, float] = {}
    out = []
    for i, duration in enumerate(durations):
        ready = max((end[p] for p in after[i]), default=0.0)
        lane = min(range(threads), key=lambda k: (max(free[k], ready), k))
        start = max(free[lane], ready)
        end[i] = free[lane] = start + duration
        out.append((start, duration, lane))
    return out


def random_run(
    n: int,
    *,
    threads: int = 4,
    seed: int = 0,
    names: Iterable[str] | None = None,
    noise: float = 0.15,
    status: Status = "ok",
) -> RunRecord:
    """A run of n nodes with its plan: mixed kinds, heavy-tailed durations, noisy actual times."""
    rng = random.Random(seed)
    names = list(names or (f"{WORDS[i % len(WORDS)]}_{i:02d}" for i in range(n)))
    after = [sorted(rng.sample(range(max(0, i - 12), i), min(i, rng.choice((0, 1, 1, 2))))) for i in range(n)]
    durations = [min(2.0, 0.04 + rng.lognormvariate(-1.8, 0.9)) for _ in range(n)]
    kinds = [rng.choice(list(KINDS)) for _ in range(n)]
    beside = [d * (1.1 if k == "python" else 1.0) for d, k in zip(durations, kinds, strict=True)]
    planned = greedy(beside, after, threads)
    actual = greedy([d * max(0.4, rng.gauss(1.05, noise)) for d in beside], after, threads)
    nodes = []
    for i, (start, duration, lane) in enumerate(planned):
        gil, native = KINDS[kinds[i]]
        nodes.append(
            node_plan(
                names[i],
                i,
                start,
                duration,
                lane,
                alone_s=durations[i],
                gil_s=durations[i] * gil,
                native_s=durations[i] * native,
                blocked_s=durations[i] * (1 - gil - native),
                kind=kinds[i],
                slack_s=0.1 * i,
                critical=i % 9 == 0,
                after=tuple(names[p] for p in after[i]),
                locks=("matplotlib",) if i % 8 == 5 else (),
            )
        )
    end_s = max((s + d for s, d, _ in planned), default=0.0)
    plan = make_plan(
        nodes,
        threads=threads,
        makespan_s=end_s,
        groups=(
            PlanGroup("matplotlib", tuple(names[5::8]), 1, "lock"),
            PlanGroup("gil", tuple(names[:3]), 1, "gil", "measured 1.1 times slower together"),
        )
        if n > 5
        else (),
        what_if=tuple(
            WhatIf(k, max(sum(durations) / k, end_s * 0.82) * 1.02, max(sum(durations) / k, end_s * 0.8))
            for k in range(1, 9)
        )
        if n
        else (),
    )
    record = make_record(
        sorted(
            (
                RunNode(
                    name=names[i],
                    start_s=start,
                    end_s=start + duration,
                    thread=lane,
                    after=tuple(names[p] for p in after[i]),
                )
                for i, (start, duration, lane) in enumerate(actual)
            ),
            key=lambda node: (node.start_s, node.name),
        ),
        plan=plan,
        threads=threads,
        status=status,
        comparison=Comparison(
            tuple(end_s * x for x in (1.2, 1.15, 1.18)),
            tuple(end_s * x for x in (1.05, 1.02, 1.03)),
            2.9 * end_s,
        )
        if n
        else None,
    )
    return record


def failed_run() -> RunRecord:
    """A node raised; another was still running; two never started."""
    plan = make_plan(
        [
            node_plan("a", 0, 0.0, 1.0, 0, gil_s=0.9, blocked_s=0.1),
            node_plan("b", 1, 0.0, 2.0, 1, native_s=2.0),
            node_plan("c", 2, 1.0, 1.0, 0, after=("a",), gil_s=1.0),
            node_plan("d", 3, 2.0, 1.0, 0, after=("c",), gil_s=1.0),
        ]
    )
    return make_record(
        [
            RunNode("a", 0.0, 1.1, 0, "failed"),
            RunNode("b", 0.0, 1.2, 1, "unfinished"),
        ],
        plan=plan,
        status="failed",
        makespan_s=1.2,
        failures=(RunFailure("a", "ValueError", "pipeline.py:41"),),
        not_started=("c", "d"),
    )


def blog_run() -> RunRecord:
    """Five unit nodes on two threads, planned in three units, with small noise."""
    after = {"a": (), "c": ("a",), "d": ("a",), "e": ("c", "d"), "b": ("a",)}
    times = {"a": (0, 0), "c": (1, 0), "d": (1, 1), "e": (2, 0), "b": (2, 1)}
    plan = make_plan(
        [
            node_plan(
                n,
                i,
                float(times[n][0]),
                1.0,
                times[n][1],
                after=after[n],
                gil_s=0.5,
                blocked_s=0.5,
                critical=n != "b",
                kind="mixed",
            )
            for i, n in enumerate(after)
        ],
        default_makespan_s=4.0,
        lower_bound_s=3.0,
        gap=0.0,
        what_if=(WhatIf(1, 5.0, 5.0), WhatIf(2, 3.0, 3.0), WhatIf(3, 3.0, 3.0), WhatIf(4, 3.0, 3.0)),
    )
    ran = {"a": (0.0, 1.0, 0), "c": (1.0, 2.2, 0), "d": (1.0, 2.0, 1), "b": (2.0, 3.0, 1), "e": (2.2, 3.2, 0)}
    return make_record(
        [RunNode(n, s, e, t, "ok", after[n]) for n, (s, e, t) in ran.items()], plan=plan, makespan_s=3.2
    )


def measured_run(n: int = 34, **fields: Any) -> RunRecord:
    """A run whose nodes were measured: what they took longer is waiting, blocking or CPU."""
    record = random_run(n, **fields)
    assert record.plan is not None
    rng = random.Random(n)
    planned = {node.name: node for node in record.plan.nodes}

    def measured(node: RunNode) -> Measured | None:
        its, wall_s = planned[node.name], 0.999 * node.duration_s
        if rng.random() < 0.05:  # too short to be seen
            return Measured(gil_s=wall_s, native_s=0.0)
        scale = min(1.0, wall_s / its.alone_s) * rng.choice((1.0, 0.9))
        parts = [scale * part for part in (its.gil_s, its.native_s, its.blocked_s)]
        rest_s = max(0.0, wall_s - sum(parts))
        waits = rng.choice(((1.0, 0.0, 0.0), (0.7, 0.3, 0.0), (0.0, 0.0, 1.0)))
        return Measured(
            gil_s=parts[0],
            native_s=parts[1],
            gil_wait_s=rest_s * waits[0],
            run_delay_s=rest_s * waits[1],
            blocked_s={"io": parts[2] + rest_s * waits[2]},
            samples=max(1, round(1000 * wall_s)),
        )

    nodes = tuple(msgspec.structs.replace(node, measured=measured(node)) for node in record.nodes)
    return msgspec.structs.replace(record, nodes=nodes, sampler="gil")
