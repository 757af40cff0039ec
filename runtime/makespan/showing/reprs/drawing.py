"""A DAG drawn in SVG, from left to right: a bar a node, as wide as the node costs, filled by shares.

Without costs all nodes are boxes with their names. Above `MOST_NAMED` nodes names are left to the pointer;
above `MOST_DRAWN` the drawing has a bar a layer instead, and says so.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from makespan.showing.colours import FILL, INK, LINE, PAPER, QUIET
from makespan.showing.figures import PARTS
from makespan.showing.reprs.card import patterns, svg, word
from makespan.showing.reprs.layers import Layout, layers_of, layout
from makespan.showing.words import clean, columns, plural, seconds

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from makespan.structure import Structure

MOST_NAMED: Final = 60
MOST_DRAWN: Final = 1_500
MOST_FITTED: Final = 1_400
"""Pixels; a wider drawing with names keeps its size and scrolls."""
LABEL: Final = 22
"""Columns of a name."""
_COLUMN: Final = 6.3


class Look(NamedTuple):
    """How a node is drawn.

    Attributes
    ----------
    cost_s : float or None
    shares : mapping of part to share
        What fills its bar, in the order of `makespan.showing.figures.PARTS`; empty when not known.
    said : str
        What the pointer tells beside its name.
    """

    cost_s: float | None = None
    shares: Mapping[str, float] = {}
    said: str = ""


class _Scale(NamedTuple):
    """Sizes of a drawing, in pixels."""

    thick: float
    row: float
    least: float
    most: float
    gap: float
    named: bool


_NAMED = _Scale(14, 38, 10, 110, 34, named=True)
_BOXES = _Scale(24, 34, 0, 0, 34, named=True)
_DENSE = _Scale(9, 13, 4, 40, 20, named=False)
_TINY = _Scale(4, 6, 2, 9, 7, named=False)


def draw_dag(
    structure: Structure,
    looks: Sequence[Look],
    *,
    chain: Sequence[int] = (),
    loose: Collection[tuple[int, int]] = (),
) -> str:
    """Return the drawing.

    Parameters
    ----------
    structure : Structure
    looks : sequence of Look, shape (n,)
    chain : sequence of int
        The longest chain: outlined, its edges drawn strong.
    loose : collection of (int, int)
        Edges over which no result goes: dashed.
    """
    n = len(structure)
    if not n:
        return ""
    if n > MOST_DRAWN:
        return _count_layers(structure)
    costs = [look.cost_s for look in looks]
    known = any(cost for cost in costs)
    scale = (_NAMED if known else _BOXES) if n <= MOST_NAMED else _DENSE if n <= 400 else _TINY
    names = [clean(text, LABEL) for text in structure.names]
    wide = _widths(scale, costs, names)
    plan = layout(structure)
    left = _columns(plan, scale, wide, names)
    x = [left[plan.layer[i]] for i in range(n)]
    top = 8 + scale.thick / 2
    y = [top + scale.row * at for at in plan.y]
    height = top + scale.row * plan.height + scale.thick / 2 + (22 if scale is _NAMED else 10)
    edges = _edges(structure, plan, scale, x, y, wide, left, frozenset(pairwise(chain)), loose)
    used = {part for look in looks for part, share in look.shares.items() if share > 0}
    definitions, stripes = patterns(repr((structure.names, costs)), used if n <= MOST_NAMED else ())
    nodes = _nodes(structure, looks, frozenset(chain), scale, names, x, y, wide, {**FILL, **stripes})
    label = f"{plural(n, 'node')} and {plural(structure.edges, 'edge')}, from left to right"
    width = left[-1] + 8
    return svg(
        width,
        height,
        label,
        f"{definitions}{edges}\n{nodes}",
        fluid=width < (MOST_FITTED if scale.named else 3000),
    )


def _widths(scale: _Scale, costs: Sequence[float | None], names: Sequence[str]) -> list[float]:
    if scale is _BOXES:
        return [columns(text) * _COLUMN + 18 for text in names]
    top = max((cost for cost in costs if cost), default=0.0)
    if not top:
        return [scale.least + 0.4 * (scale.most - scale.least)] * len(costs)
    return [scale.least + (scale.most - scale.least) * (cost or 0.0) / top for cost in costs]


def _columns(plan: Layout, scale: _Scale, wide: Sequence[float], names: Sequence[str]) -> list[float]:
    """Return the left edge of each layer, and at the end the right edge of the last."""
    widest = [0.0] * (max(plan.layer) + 1)
    for i, layer in enumerate(plan.layer):
        its = wide[i]
        if scale is _NAMED:
            its = max(its, columns(names[i]) * _COLUMN, 8 * _COLUMN)
        widest[layer] = max(widest[layer], its)
    left = [8.0]
    for width in widest:
        left.append(left[-1] + width + scale.gap)
    left[-1] -= scale.gap
    return left


def _edges(
    structure: Structure,
    plan: Layout,
    scale: _Scale,
    x: Sequence[float],
    y: Sequence[float],
    wide: Sequence[float],
    left: Sequence[float],
    strong: Collection[tuple[int, int]],
    loose: Collection[tuple[int, int]],
) -> str:
    """Return all edges: three paths, for those on the critical path, those without a result, the others."""
    paths: dict[str, list[str]] = {"plain": [], "loose": [], "critical": []}
    top = 8 + scale.thick / 2
    for i in range(len(structure)):
        for s in structure.succs[i]:
            points = [(x[i] + wide[i], y[i])]
            for layer, at in plan.through.get((i, s), ()):
                points.append((left[layer], top + scale.row * at))
                points.append((left[layer + 1] - scale.gap, top + scale.row * at))
            points.append((x[s], y[s]))
            which = "loose" if (i, s) in loose else "plain"
            if (i, s) in strong:
                which = "critical"
            paths[which].append(_curve(points))
    ink = {
        "plain": f'stroke="{FILL["unknown"]}" stroke-width="{1.1 if scale.named else 0.6}"',
        "loose": f'stroke="{FILL["unknown"]}" stroke-width="1.1" stroke-dasharray="4 3"',
        "critical": f'stroke="{INK}" stroke-width="{1.6 if scale.named else 1}"',
    }
    return "\n".join(
        f'<path d="{"".join(some)}" fill="none" {ink[which]}/>' for which, some in paths.items() if some
    )


def _curve(points: Sequence[tuple[float, float]]) -> str:
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (from_x, from_y), (to_x, to_y) in pairwise(points):
        if abs(to_y - from_y) < 0.05:
            path += f"H{to_x:.1f}"
        else:
            half = (from_x + to_x) / 2
            path += f"C{half:.1f} {from_y:.1f} {half:.1f} {to_y:.1f} {to_x:.1f} {to_y:.1f}"
    return path


def _nodes(
    structure: Structure,
    looks: Sequence[Look],
    chain: Collection[int],
    scale: _Scale,
    names: Sequence[str],
    x: Sequence[float],
    y: Sequence[float],
    wide: Sequence[float],
    fills: Mapping[str, str],
) -> str:
    drawn = []
    for i, look in enumerate(looks):
        top = y[i] - scale.thick / 2
        told = word(structure.names[i], 200)
        if look.cost_s is not None:
            told += f", {seconds(look.cost_s)}"
        told += f", {look.said}" if look.said else ""
        inner = _body(scale, look, i in chain, x[i], top, wide[i], fills)
        if scale is _BOXES:
            middle = x[i] + wide[i] / 2
            inner += (
                f'<text x="{middle:.1f}" y="{y[i] + 4:.1f}" text-anchor="middle" fill="{INK}">'
                f"{word(names[i])}</text>"
            )
        elif scale.named:
            low = top + scale.thick
            inner += (
                f'<text x="{x[i]:.1f}" y="{low + 11:.1f}" fill="{INK}" stroke="{PAPER}" stroke-width="3" '
                f'paint-order="stroke">{word(names[i])}</text>'
            )
        drawn.append(f"<g><title>{told}</title>{inner}</g>")
    return "\n".join(drawn)


def _body(
    scale: _Scale, look: Look, critical: bool, x: float, top: float, wide: float, fills: Mapping[str, str]
) -> str:
    """Return the bar of a node: parts from the bottom, an outline where it has one."""
    if scale is _BOXES:
        stroke = INK if critical else QUIET
        return (
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{scale.thick}" rx="4" '
            f'fill="{PAPER}" stroke="{stroke}"/>'
        )
    shares = [(part, look.shares.get(part, 0.0)) for part in PARTS]
    shares = [(part, share) for part, share in shares if share > 0] or [("unknown", 1.0)]
    low, inner = top + scale.thick, ""
    for part, share in shares:
        high = scale.thick * share
        low -= high
        inner += (
            f'<rect x="{x:.1f}" y="{low:.2f}" width="{wide:.1f}" height="{high:.2f}" fill="{fills[part]}"/>'
        )
    if critical:
        inner += (
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{scale.thick}" fill="none" '
            f'stroke="{INK}" stroke-width="{1.4 if scale.named else 1}"/>'
        )
    return inner


def _count_layers(structure: Structure) -> str:
    """Return how many nodes each layer has, where there are too many nodes to draw."""
    layer = layers_of(structure)
    counts = [0] * (max(layer) + 1)
    for at in layer:
        counts[at] += 1
    width, height = 940.0, 120.0
    step, top = width / len(counts), max(counts)
    bars = "".join(
        f"M{k * step:.1f} {height}V{height - 100 * count / top:.1f}"
        f"H{(k + 1) * step - min(1, 0.2 * step):.1f}V{height}Z"
        for k, count in enumerate(counts)
    )
    words = (
        f"{len(structure):,} nodes are too many to draw one by one: how many stand in each of "
        f"{plural(len(counts), 'layer')}, at most {top:,}"
    )
    inner = (
        f'<text x="0" y="12" fill="{QUIET}">{words}</text>'
        f'<path d="{bars}" fill="{FILL["unknown"]}"/>'
        f'<path d="M0 {height}H{width}" stroke="{LINE}"/>'
    )
    return svg(width, height + 2, words, inner, fluid=True)
