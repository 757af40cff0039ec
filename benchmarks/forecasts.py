"""What the simulator says of orders that were run, and how far off it is; for `reality.py`.

Two models: *fluid* shares the GIL and the cores without loss, *pairs* knows what nodes cost each other
(`makespan_optimizer.contention.sharing`).
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from makespan.profile import Profile
from makespan_optimizer.instance import instance_of
from makespan_optimizer.measure.load import LOAD_LIMIT
from makespan_optimizer.simulate import simulate

if TYPE_CHECKING:
    from collections.abc import Sequence

MODELS = ("fluid", "pairs")
_FEW = 3
Groups = tuple[tuple[tuple[int, ...], int], ...]


class Order(msgspec.Struct):
    """An order that was run on a number of threads."""

    name: str
    """``default``, ``plan`` or ``sequential``."""
    threads: int
    ranks: list[int]
    groups: Groups = ()
    measured_s: list[float] = []
    load: list[float] = []
    """What other processes took of the cores during each run, as a share; empty: not watched."""


class Piece(msgspec.Struct):
    """What is known of one pipeline."""

    name: str
    profile: Profile
    orders: list[Order]
    sequential: Order

    @property
    def drift(self) -> float:
        """How much longer one node after the other took than the profile says."""
        total_s = sum(node.wall_net_s.median for node in self.profile.nodes)
        return typical_s(self.sequential) / total_s


class Row(msgspec.Struct):
    """A prediction beside what was measured; errors as shares of the measured."""

    pipeline: str
    order: str
    threads: int
    model: str
    measured_s: float
    predicted_s: float
    error: float
    error_without_drift: float


def quiet(order: Order) -> list[float]:
    """Return the runs that other processes left alone."""
    if not order.load:
        return order.measured_s
    return [s for s, load in zip(order.measured_s, order.load, strict=True) if load <= LOAD_LIMIT]


def typical_s(order: Order) -> float:
    """Return the median of the quiet runs; of the least disturbed ones when too few were."""
    found = quiet(order)
    if len(found) < _FEW and order.load:
        pairs = sorted(zip(order.load, order.measured_s, strict=True))
        found = [seconds for _, seconds in pairs[:_FEW]]
    return statistics.median(found)


def read_session(path: str) -> list[Piece]:
    """Read what ``--json`` printed.

    Raises
    ------
    OSError, msgspec.DecodeError
        The file cannot be read, or is another one.
    """
    return msgspec.json.decode(Path(path).read_bytes(), type=_Session).pieces


class _Session(msgspec.Struct):
    pieces: list[Piece]


def predict(pieces: Sequence[Piece], models: Sequence[str]) -> list[Row]:
    """Return a row for each pipeline, order and model."""
    rows = []
    for piece in pieces:
        for model in models:
            instance = instance_of(piece.profile, lossless=model == "fluid")
            for order in piece.orders:
                ticks = simulate(instance, order.ranks, order.threads, order.groups).makespan
                predicted_s = instance.seconds(ticks)
                measured_s = typical_s(order)
                rows.append(
                    Row(
                        piece.name,
                        order.name,
                        order.threads,
                        model,
                        measured_s,
                        predicted_s,
                        predicted_s / measured_s - 1,
                        predicted_s * piece.drift / measured_s - 1,
                    )
                )
    return rows


def summary(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return median and 90th percentile of the sizes of errors, and the median with its sign."""
    found = []
    for model in dict.fromkeys(row.model for row in rows):
        mine = [row for row in rows if row.model == model]
        for what in ("error", "error_without_drift"):
            values = [getattr(row, what) for row in mine]
            sizes = sorted(map(abs, values))
            found.append(
                {
                    "model": model,
                    "of": what,
                    "median": statistics.median(sizes),
                    "p90": sizes[min(len(sizes) - 1, round(0.9 * (len(sizes) - 1)))],
                    "bias": statistics.median(values),
                    "n": len(sizes),
                }
            )
    return found


def table(pieces: Sequence[Piece], rows: Sequence[Row]) -> str:
    """Return rows and summary as text."""
    models = list(dict.fromkeys(row.model for row in rows))
    heads = "".join(f"{f'{model} s':>11}{'error':>8}{'no drift':>10}" for model in models)
    lines = [f"{'pipeline':<12}{'order':<9}{'threads':>7}{'drift':>7}{'measured s':>12}{heads}"]
    drift = {piece.name: piece.drift for piece in pieces}
    by_order: dict[tuple[str, str, int], list[Row]] = {}
    for row in rows:
        by_order.setdefault((row.pipeline, row.order, row.threads), []).append(row)
    for (name, order, threads), mine in by_order.items():
        told = "".join(
            f"{row.predicted_s:>11.3f}{row.error:>+8.1%}{row.error_without_drift:>+10.1%}" for row in mine
        )
        lines.append(f"{name:<12}{order:<9}{threads:>7}{drift[name]:>7.2f}{mine[0].measured_s:>12.3f}{told}")
    lines.append(f"\n{'model':<8}{'of':<22}{'median':>8}{'p90':>8}{'bias':>8}{'n':>5}")
    lines += [
        f"{row['model']:<8}{row['of']:<22}{row['median']:>8.1%}{row['p90']:>8.1%}{row['bias']:>+8.1%}"
        f"{row['n']:>5}"
        for row in summary(rows)
    ]
    return "\n".join(lines)
