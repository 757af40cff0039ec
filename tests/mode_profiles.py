"""Profiles with pickling costs and trials of native threads, for tests of modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from makespan.measurement import Pickling, ThreadTrial, ThreadTrials
from tests.builders import make_profile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from makespan.profile import Profile

MB = 1_000_000


def pickling(bytes_: int = 0, *, seconds_per_byte: float = 1e-9) -> Pickling:
    """Return what so many bytes cost."""
    cost_s = bytes_ * seconds_per_byte
    return Pickling(picklable=True, pickle_s=cost_s, unpickle_s=cost_s, bytes=bytes_)


def with_pickling(
    profile: Profile,
    out_bytes: Mapping[str, int] | int = 0,
    *,
    inputs: Mapping[str, int] | None = None,
    refused: Sequence[str] = (),
    unknown: Sequence[str] = (),
) -> Profile:
    """Return a profile in which results have sizes, and arguments are made of them.

    Parameters
    ----------
    inputs : mapping of str to int
        Bytes that nodes take beside the results of others.
    refused, unknown : names of nodes whose result does not pickle, or of which that is not known.
    """
    sizes = {
        n.name: out_bytes if isinstance(out_bytes, int) else out_bytes.get(n.name, 0) for n in profile.nodes
    }
    after = {shape.name: shape.after for shape in profile.shape}
    nodes = []
    for node in profile.nodes:
        taken = sum(sizes[p] for p in after[node.name]) + (inputs or {}).get(node.name, 0)
        result = pickling(sizes[node.name])
        if node.name in refused:
            result = Pickling(picklable=False, reason="TypeError at lock")
        if node.name in unknown:
            result = Pickling(picklable=None, reason="it is larger than 256 MiB")
        args = pickling(taken)
        if any(p in refused or p in unknown for p in after[node.name]):
            args = Pickling(picklable=False, reason="TypeError at lock")
        nodes.append(msgspec.structs.replace(node, args_pickling=args, result_pickling=result))
    return msgspec.structs.replace(profile, nodes=tuple(nodes))


def with_trials(
    profile: Profile, trials: Mapping[str, Mapping[int, tuple[float, float]]], default: int = 2
) -> Profile:
    """Return a profile in which nodes were tried with numbers of threads: (wall_s, cpu_s) by number.

    The number `default` stands for no limit, and is not among what was tried.
    """
    nodes = []
    for node in profile.nodes:
        its = trials.get(node.name)
        if its:
            tried = tuple(ThreadTrial(m, *its[m], 3) for m in sorted(its) if m != default)
            whole = ThreadTrials(("openmp",), ThreadTrial(default, *its[default], 3), tried)
            node = msgspec.structs.replace(node, native_threads=whole)
        nodes.append(node)
    return msgspec.structs.replace(profile, nodes=tuple(nodes))


def tabular(scale: float = 1.0) -> Profile:
    """Return a pipeline over tables of which two thirds hold the GIL; 2 s one node after the other.

    Three files are read and cleaned in Python, joined and counted natively; text is a branch of its own.
    """
    after = {
        "read_orders": [],
        "read_users": [],
        "read_prices": [],
        "clean_orders": ["read_orders"],
        "parse_dates": ["clean_orders"],
        "sessions": ["parse_dates"],
        "clean_users": ["read_users"],
        "segments": ["clean_users"],
        "clean_prices": ["read_prices"],
        "join": ["parse_dates", "clean_users", "clean_prices"],
        "aggregate": ["join"],
        "pivot": ["join"],
        "features": ["aggregate", "sessions"],
        "model": ["features"],
        "score": ["model", "segments"],
        "text": ["read_orders"],
        "tokens": ["text"],
        "top_words": ["tokens"],
        "report": ["score", "pivot", "top_words"],
    }
    hundredths = [12, 5, 3, 20, 12, 15, 10, 12, 4, 10, 6, 8, 10, 20, 4, 15, 25, 10, 3]
    native = {"read_orders", "read_users", "read_prices", "join", "aggregate", "model", "pivot", "features"}
    megabytes = [26, 5, 2, 24, 24, 3, 4, 0.5, 2, 30, 2, 1, 3, 0.2, 0.1, 10, 40, 0.01, 0.02]
    seconds = dict(zip(after, (x / 100 for x in hundredths), strict=True))
    kinds = {name: "native" if name in native else "python" for name in after}
    sizes = {name: int(x * scale * MB) for name, x in zip(after, megabytes, strict=True)}
    return with_pickling(make_profile(after, seconds, kinds), sizes)
