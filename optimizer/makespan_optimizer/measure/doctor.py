"""What profiling can do on this machine, and why not more: the content of ``makespan doctor``."""

from __future__ import annotations

import importlib.metadata
from contextlib import ExitStack

import msgspec

from makespan._version import __version__
from makespan.machine import Machine, this_machine
from makespan_optimizer.measure.calibrate import (
    LOAD_LIMIT,
    ForeignLoad,
    cores_measured,
    hand_off_s,
    self_test,
)
from makespan_optimizer.measure.meter import Meter
from makespan_optimizer.measure.sampler import NoSampler, fallback_note, open_sampler

# Extra -> the distributions that it brings.
EXTRAS = {
    "optimize": ("ortools", "networkx", "pandas"),
    "report": ("matplotlib", "pandas"),
    "processes": ("loky",),
}


class Extra(msgspec.Struct, frozen=True):
    """An extra, and which of its packages are here."""

    name: str
    versions: dict[str, str | None]
    """By distribution; None: not installed."""
    install: str | None
    """The pip line that brings what is missing."""


class Doctor(msgspec.Struct, frozen=True):
    """What was found."""

    makespan_version: str
    machine: Machine
    sampler: str
    """gil or clocks: what ``makespan profile`` would use."""
    sampler_notes: tuple[str, ...]
    """Why it is not a better one."""
    calibration: dict[str, float]
    load_share: float | None
    """CPU that other processes took meanwhile, as a share of the usable cores."""
    extras: tuple[Extra, ...]

    def text(self) -> str:
        """Return it for people, a line a fact."""
        return "\n".join([*_machine_lines(self), *_sampler_lines(self), *_extra_lines(self)])


def doctor(*, quick: bool = False) -> Doctor:
    """Look at the machine, the sampler and the installed extras; takes about a second.

    Parameters
    ----------
    quick : bool
        Only what needs no measuring.
    """
    calibration: dict[str, float] = {}
    load_share = None
    with ExitStack() as stack:
        sampler, notes = open_sampler("auto")
        stack.callback(sampler.close)
        meter = stack.enter_context(Meter(sampler))
        if not quick:
            load = ForeignLoad(sampler.cpu_s)
            calibration["cores"] = round(cores_measured(), 3)
            calibration["hand_off_s"] = hand_off_s()
            if not isinstance(sampler, NoSampler):
                tested = self_test(meter)
                calibration.update(tested.figures)
                notes += (fallback_note(tested.fault),) if tested.fault else ()
            load_share = load.share()
    return Doctor(
        makespan_version=__version__,
        machine=this_machine(),
        sampler="clocks" if notes else sampler.name,
        sampler_notes=notes,
        calibration=calibration,
        load_share=load_share,
        extras=tuple(_extra(name, packages) for name, packages in EXTRAS.items()),
    )


def _extra(name: str, packages: tuple[str, ...]) -> Extra:
    versions = {package: _version(package) for package in packages}
    missing = any(version is None for version in versions.values())
    return Extra(name, versions, f"pip install 'makespan[{name}]'" if missing else None)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _machine_lines(found: Doctor) -> list[str]:
    machine = found.machine
    lines = [
        f"makespan    {found.makespan_version}, {machine.python} on {machine.platform}"
        + ("" if machine.gil else ", without a GIL"),
        f"machine     {machine.cpu}, {machine.cores:g} usable cores",
        f"switching   every {machine.switch_interval_s * 1e3:g} ms"
        + (
            f", {found.calibration['hand_off_s'] * 1e6:.0f} µs a hand-off"
            if "hand_off_s" in found.calibration
            else ""
        ),
    ]
    if machine.thread_variables:
        lines.append(
            "variables   " + ", ".join(f"{k}={v}" for k, v in sorted(machine.thread_variables.items()))
        )
    if "cores" in found.calibration:
        lines.append(f"two threads of native work get {found.calibration['cores']:.2f} cores")
    if found.load_share is not None:
        noisy = ": stop them, or the figures will be noisy" if found.load_share > LOAD_LIMIT else ""
        lines.append(f"load        other processes take {found.load_share:.0%} of the cores{noisy}")
    return lines


def _sampler_lines(found: Doctor) -> list[str]:
    what = {
        "gil": "gil: a child process samples who holds the GIL",
        "clocks": "clocks: wall and CPU only",
    }
    lines = [f"sampler     {what.get(found.sampler, found.sampler)}"]
    lines += [f"            {note}" for note in found.sampler_notes]
    tested = [
        f"{word} {found.calibration[key]:.2f}"
        for key, word in (("loop_gil", "loop"), ("hash_gil", "hash"), ("sleep_blocked", "sleep"))
        if key in found.calibration
    ]
    if tested:
        lines.append(f"self-test   {', '.join(tested)} (should be 1, 0, 1)")
    return lines


def _extra_lines(found: Doctor) -> list[str]:
    lines = []
    for extra in found.extras:
        parts = [f"{name} {version or 'missing'}" for name, version in extra.versions.items()]
        install = f"  →  {extra.install}" if extra.install else ""
        lines.append(f"[{extra.name}]".ljust(12) + ", ".join(parts) + install)
    return lines
