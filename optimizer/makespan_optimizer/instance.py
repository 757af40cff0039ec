"""A profile as a scheduling instance: integers, one per node, and what there is of each resource.

Durations are whole *ticks*. A tick is a microsecond; a nanosecond when the whole DAG takes less than 0.1 s;
longer when the sum of all durations would pass 10^12 ticks, so that no product in a solver overflows. Demands
are thousandths: of the GIL, and of one core. A node that wants more cores than there are is stretched here
once, so that everything after may assume that a node alone runs at full speed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from makespan.errors import ProfileError
from makespan.structure import Structure
from makespan_optimizer.contention.fluid import Fluid
from makespan_optimizer.contention.neighbours import hand_off_s, sharing_of, tells_of_neighbours
from makespan_optimizer.contention.shares import whole_shares
from makespan_optimizer.contention.together import SWITCH_INTERVAL_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from makespan.profile import NodeProfile, PairTrial, Profile

Statistic = Literal["median", "mean", "p90"]
STATISTICS: tuple[Statistic, ...] = ("median", "mean", "p90")
MOST_SECONDS = 1e8  # a node that takes longer is a clock that went wrong
_MOST_TICKS = 10**12
_UNSET = Fluid((), (), 1)  # stands for: made from the demands


@dataclass(frozen=True, slots=True)
class Instance:
    """Nodes, precedence, durations, demands and capacities.

    Attributes
    ----------
    structure : Structure
        Names, edges, locks and exclusive nodes.
    wall : tuple of int, shape (n,)
        Ticks that the node takes alone.
    gil, core : tuple of int, shape (n,)
        Thousandths of the GIL, and of a core, that it uses while it runs alone.
    gil_sure : tuple of int, shape (n,)
        The part of `gil` that is measured. Clocks alone give an upper bound of the GIL share: 0 here.
    capacity : int
        Thousandths of a core that there are.
    tick_s : float
        Seconds in a tick.
    hand_off : int
        Ticks until a node runs that another worker than the one just freed takes.
    typical : tuple of int, shape (n,)
        Ticks of the median call where `wall` is another statistic of the same calls; else empty.
    fluid : Fluid
        How fast nodes run that run together; shared by all instances with the same demands.
    ordering : callable, optional
        Rearranges ranks to keep to the user's pins; doing it twice changes nothing.
    """

    structure: Structure
    wall: tuple[int, ...]
    gil: tuple[int, ...]
    gil_sure: tuple[int, ...]
    core: tuple[int, ...]
    capacity: int
    tick_s: float = 1e-6
    hand_off: int = 0
    typical: tuple[int, ...] = field(default=(), repr=False, compare=False)
    fluid: Fluid = field(default=_UNSET, repr=False, compare=False)
    ordering: Callable[[Sequence[int]], list[int]] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.fluid is _UNSET:
            object.__setattr__(self, "fluid", Fluid(self.gil, self.core, self.capacity))

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self.wall)

    def seconds(self, ticks: float) -> float:
        """Return ticks as seconds, rounded to a billionth of a second (canonical files need one form)."""
        return round(ticks * self.tick_s, 9)

    def pinned(self, ranks: Sequence[int]) -> Sequence[int]:
        """Return the ranks as they have to be: every candidate is judged by these."""
        return ranks if self.ordering is None else self.ordering(ranks)

    def backwards(self) -> Instance:
        """Return the same instance with time reversed: schedules of it are read from the end."""
        s = self.structure
        turned = Structure(s.names, s.succs, s.preds, s.order[::-1], s.locks, s.exclusive)
        return replace(self, structure=turned)

    def with_wall(self, wall: Sequence[int]) -> Instance:
        """Return the same nodes with other durations: a scenario. What is known of demands is shared."""
        return replace(self, wall=tuple(wall))

    def without_contention(self) -> Instance:
        """Return the relaxation in which nodes never slow each other down."""
        return instance_from(self.structure, self.wall, cores=self.capacity / 1000, tick_s=self.tick_s)


def instance_from(
    structure: Structure,
    wall: Sequence[int],
    *,
    gil: Sequence[int] | None = None,
    core: Sequence[int] | None = None,
    cores: float = 2.0,
    tick_s: float = 1e-6,
) -> Instance:
    """Return an instance from integers; without demands no node slows another.

    >>> from makespan.structure import build
    >>> instance_from(build(["a", "b"], [[], ["a"]]), [3, 4]).wall
    (3, 4)
    """
    n = len(structure)
    shares = tuple(gil) if gil is not None else (0,) * n
    return Instance(
        structure,
        tuple(wall),
        shares,
        shares,
        tuple(core) if core is not None else (0,) * n,
        max(1, round(cores * 1000)),
        tick_s,
    )


def instance_of(
    profile: Profile,
    *,
    cores: float | None = None,
    first_call: bool = False,
    statistic: Statistic = "median",
    switch_interval_s: float | None = None,
    lossless: bool = False,
) -> Instance:
    """Return the instance of a profile.

    Parameters
    ----------
    profile : Profile
    cores : float, optional
        Cores to plan for; those of the profile's machine when omitted.
    first_call : bool
        Take the warm-up call's duration instead of the median: for a process that runs the DAG once.
    statistic : {"median", "mean", "p90"}
        Which duration of a node's calls to plan for; with several sets of inputs they may differ a lot.
    switch_interval_s : float, optional
        Of the interpreter that will run the plan; that of the profile's machine when omitted.
    lossless : bool
        Nodes share the GIL and the cores without loss: no waiting for the GIL after waking, no crowding, no
        hand-offs; measured pairs are left out. So it is anyway where nothing of this was measured.

    Raises
    ------
    ProfileError
        A node has no usable measurement; all such nodes are named.
    """
    structure = profile.structure()
    measured = {node.name: node for node in profile.nodes}
    _refuse_unmeasured(structure.names, measured)
    _refuse_pairs(profile.pairs)
    here = profile.machine.cores
    there = here if cores is None else cores
    rows = [
        _demands(measured[name], here, first_call=first_call, statistic=statistic) for name in structure.names
    ]
    stretch = [max(1.0, core / there) for _, _, core in rows]
    walls_s = [wall_s * factor for (wall_s, _, _), factor in zip(rows, stretch, strict=True)]
    tick_s = _tick(math.fsum(walls_s))
    wall = tuple(round(wall_s / tick_s) for wall_s in walls_s)
    capacity = max(1, round(1000 * there))
    gil, core = whole_shares(rows, stretch, capacity, gil=profile.machine.gil)
    sure = tuple(
        0 if measured[name].quality.gil_share_half_width is None else share
        for name, share in zip(structure.names, gil, strict=True)
    )
    typical: tuple[int, ...] = ()
    if statistic != "median" and not first_call:
        typical = tuple(
            round(measured[name].wall_net_s.median * factor / tick_s)
            for name, factor in zip(structure.names, stretch, strict=True)
        )
    if lossless or not tells_of_neighbours(profile):
        return Instance(structure, wall, gil, sure, core, capacity, tick_s, typical=typical)
    interval_s = switch_interval_s or profile.machine.switch_interval_s or SWITCH_INTERVAL_S
    sharing = sharing_of(
        profile, gil=gil, core=core, capacity=capacity, stretch=stretch, switch_interval_s=interval_s
    )
    hand_off = round((hand_off_s(profile) or 0.0) / tick_s)
    return Instance(structure, wall, gil, sure, core, capacity, tick_s, hand_off, typical, sharing)


def _typical_s(node: NodeProfile, statistic: Statistic) -> float:
    """Return the duration to plan for; hints and figures without single calls have but one."""
    spread = node.wall_net_s
    if statistic == "p90":
        return spread.p90
    if statistic == "mean" and spread.samples:
        return math.fsum(spread.samples) / len(spread.samples)
    return spread.median


def _demands(
    node: NodeProfile, cores: float, *, first_call: bool, statistic: Statistic
) -> tuple[float, float, float]:
    """Return (wall seconds, share of the GIL, cores) of a node alone.

    Clocks disagree by a little, so shares are cut to what is possible: a thread holds the GIL for at most the
    whole call, and never uses more cores than the machine has.
    """
    wall_s = node.wall_net_s.median
    gil = core = 0.0
    if wall_s > 0:
        gil = min(1.0, node.gil_s / wall_s)
        core = min(cores, max(gil, min(1.0, node.cpu_s / wall_s) + node.other_cpu_s / wall_s))
    if first_call and node.first_s is not None:
        wall_s = node.first_s
    elif statistic != "median":
        wall_s = _typical_s(node, statistic)
    return wall_s, gil, core


def _tick(total_s: float) -> float:
    if total_s < 0.1:
        return 1e-9
    tick_s = 1e-6
    while total_s / tick_s > _MOST_TICKS:
        tick_s *= 10
    return tick_s


def _refuse_unmeasured(names: Sequence[str], measured: dict[str, NodeProfile]) -> None:
    missing = [name for name in names if name not in measured]
    if missing:
        shown = ", ".join(map(repr, missing[:5])) + (f" and {len(missing) - 5} more" if missing[5:] else "")
        which = "these nodes have" if len(missing) > 1 else "this node has"
        raise ProfileError(f"{which} no usable measurement: {shown}", hint="profile again")
    for name in names:
        node = measured[name]
        values = {
            "wall_net_s.median": node.wall_net_s.median,
            "cpu_s": node.cpu_s,
            "gil_s": node.gil_s,
            "other_cpu_s": node.other_cpu_s,
            "first_s": node.first_s or 0.0,
            "wall_net_s.p90": node.wall_net_s.p90,
            "wall_net_s.p10": node.wall_net_s.p10,
            "native_s": node.native_s,
            "gil_burst_max_s": node.gil_burst_max_s or 0.0,
        }
        values |= {f"wall_net_s.samples[{k}]": value for k, value in enumerate(node.wall_net_s.samples)}
        values |= {f"blocked_s.{kind}": value for kind, value in node.blocked_s.items()}
        for field_name, value in values.items():
            if not 0 <= value <= MOST_SECONDS:  # NaN too
                raise ProfileError(
                    f"{field_name} of node {name!r} is {value!r}: not from 0 to {MOST_SECONDS:g} seconds",
                    where=name,
                    hint="profile again",
                )


def _refuse_pairs(pairs: Iterable[PairTrial]) -> None:
    for pair in pairs:
        for value in (*pair.alone_s, *pair.together_s):
            if not 0 <= value <= MOST_SECONDS:
                a, b = pair.nodes
                raise ProfileError(
                    f"the trial of {a!r} beside {b!r} says {value!r}: not from 0 to {MOST_SECONDS:g} seconds",
                    where=a,
                    hint="profile again",
                )
