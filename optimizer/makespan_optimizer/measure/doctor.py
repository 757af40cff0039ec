"""What profiling can do on this machine, and why not more: the content of ``makespan doctor``."""

from __future__ import annotations

import importlib
import importlib.metadata
import time
from contextlib import closing

import msgspec

from makespan._version import __version__
from makespan.adapters.listing import Listed, adapters
from makespan.machine import Machine, core_limits, gil_enabled, this_machine
from makespan_optimizer.measure.calibrate import (
    LIMITS,
    LOAD_LIMIT,
    ForeignLoad,
    Tested,
    cores_measured,
    hand_off_s,
    self_test,
    settle,
)
from makespan_optimizer.measure.meter import Meter
from makespan_optimizer.measure.sampling.sampler import CanarySampler, open_sampler

_TWO, _SHARED = 2, 1.7  # cores that two threads should get, and what they must get to have them

# Extra -> the distributions that it brings.
EXTRAS = {
    "optimize": ("ortools", "networkx", "pandas", "threadpoolctl"),
    "report": ("matplotlib", "pandas"),
    "processes": ("cloudpickle",),
    "live": ("rich",),
}


class Extra(msgspec.Struct, frozen=True):
    """An extra, and which of its packages are here."""

    name: str
    versions: dict[str, str | None]
    """By distribution; None: not installed."""
    install: str | None
    """The pip line that brings what is missing."""


class Pool(msgspec.Struct, frozen=True):
    """A native library that starts threads of its own, loaded in this process."""

    name: str
    threads: int
    version: str | None = None


class Doctor(msgspec.Struct, frozen=True, kw_only=True):
    """What was found."""

    makespan_version: str
    machine: Machine
    core_limits: dict[str, float]
    """What limits the usable cores, and to how many."""
    sampler: str
    """gil, canary or clocks: what ``makespan profile`` would use."""
    sampler_notes: tuple[str, ...]
    """Why it is not a better one."""
    rate_hz: float | None = None
    """Samples a second."""
    sampler_cpu_share: float | None = None
    """CPU of the process that samples, as a share of one core."""
    calibration: dict[str, float] = {}
    canary: dict[str, float] = {}
    """The self-test of the canary, which stands in where the GIL cannot be sampled."""
    canary_fault: str | None = None
    load_share: float | None = None
    """CPU that other processes took meanwhile, as a share of the cores that this process may run on."""
    native_pools: tuple[Pool, ...] = ()
    """As far as `threadpoolctl` knows them; empty without it."""
    hints: tuple[str, ...] = ()
    """What would make figures steadier here."""
    extras: tuple[Extra, ...] = ()
    adapters: tuple[Listed, ...] = ()
    """Libraries whose DAGs are taken as they are."""

    def text(self) -> str:
        """Return it for people, a line a fact."""
        lines = [*_machine_lines(self), *_sampler_lines(self)]
        lines += [f"{'hint' if k == 0 else '':<12}{hint}" for k, hint in enumerate(self.hints)]
        taken = [
            f"{'adapters' if k == 0 else '':<12}{adapter.text()}" for k, adapter in enumerate(self.adapters)
        ]
        return "\n".join([*lines, *_extra_lines(self), *taken])


def doctor(*, quick: bool = False) -> Doctor:
    """Look at the machine, the samplers and the installed extras; takes about two seconds.

    Parameters
    ----------
    quick : bool
        Only what needs no measuring.
    """
    calibration: dict[str, float] = {}
    canary = Tested({}, None)
    load_share = cpu_share = None
    sampler, notes = open_sampler("auto")
    with closing(sampler), Meter(sampler) as meter:
        if not quick:
            load = ForeignLoad(sampler.cpu_s)
            calibration["cores"] = round(cores_measured(), 3)
            calibration["hand_off_s"] = hand_off_s()
            began_s, cpu_s = time.perf_counter(), sampler.cpu_s()
            tested, more = settle(meter, "auto")
            if meter.sampler.name == "gil":
                cpu_share = (sampler.cpu_s() - cpu_s) / (time.perf_counter() - began_s)
            calibration.update(tested)
            notes += more
            load_share = load.share()
        used = meter.sampler
        name, rate_hz, notes = used.name, used.rate_hz, notes + used.notes
    if name == "canary":
        canary = Tested({key: calibration[key] for key in LIMITS if key in calibration}, None)
    elif not quick and gil_enabled():
        canary = _canary()
    machine, limits = this_machine(), core_limits()
    return Doctor(
        makespan_version=__version__,
        machine=machine,
        core_limits=limits,
        sampler=name,
        sampler_notes=notes,
        rate_hz=rate_hz,
        sampler_cpu_share=cpu_share,
        calibration=calibration,
        canary=canary.figures,
        canary_fault=canary.fault,
        load_share=load_share,
        native_pools=_pools(),
        hints=hints(
            load_share=load_share,
            cores=machine.cores,
            cores_measured=calibration.get("cores"),
            quota="cgroup quota" in limits,
            governor=_governor(),
        ),
        extras=tuple(_extra(name, packages) for name, packages in EXTRAS.items()),
        adapters=adapters(),
    )


def hints(
    *, load_share: float | None, cores: float, cores_measured: float | None, quota: bool, governor: str | None
) -> tuple[str, ...]:
    """Return what would make figures steadier.

    >>> hints(load_share=0.3, cores=4, cores_measured=2.0, quota=False, governor=None)
    ('other processes take 30% of the cores: stop them, or the figures will be noisy',)
    """
    found = []
    if load_share is not None and load_share > LOAD_LIMIT:
        found.append(
            f"other processes take {load_share:.0%} of the cores: stop them, or the figures will be noisy"
        )
    elif cores >= _TWO and cores_measured is not None and cores_measured < _SHARED:
        found.append(
            f"two threads of native work get {cores_measured:.2f} cores: halves of one, or used by others"
        )
    if quota:
        found.append(
            "the container's quota stops all threads for a while once it is used up: walls will jump"
        )
    if governor not in (None, "performance"):
        found.append(f"the CPU's clock follows the load ({governor}): cpupower frequency-set -g performance")
    return tuple(found)


def _canary() -> Tested:
    sampler = CanarySampler()
    with closing(sampler), Meter(sampler) as meter:
        return self_test(meter)


def _pools() -> tuple[Pool, ...]:
    try:
        threadpool_info = importlib.import_module("threadpoolctl").threadpool_info
    except (ImportError, AttributeError):
        return ()
    return tuple(
        Pool(str(pool.get("internal_api")), int(pool.get("num_threads") or 0), pool.get("version"))
        for pool in threadpool_info()
    )


def _governor() -> str | None:
    try:
        with open("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", encoding="ascii") as file:  # noqa: PTH123
            return file.read().strip() or None
    except (OSError, ValueError):
        return None


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
    limits = ", ".join(f"{name} {cores:g}" for name, cores in found.core_limits.items())
    hand_off = (
        f", {found.calibration['hand_off_s'] * 1e6:.0f} µs a hand-off"
        if "hand_off_s" in found.calibration
        else ""
    )
    lines = [
        f"makespan    {found.makespan_version}, {machine.python} on {machine.platform}"
        + ("" if machine.gil else ", without a GIL"),
        f"machine     {machine.cpu}, {machine.cores:g} usable cores ({limits})",
        f"switching   every {machine.switch_interval_s * 1e3:g} ms{hand_off}",
    ]
    variables = ", ".join(f"{k}={v}" for k, v in sorted(machine.thread_variables.items()))
    lines.append(f"variables   {variables or 'none that limits native threads'}")
    if found.native_pools:
        pools = ", ".join(
            " ".join(filter(None, (pool.name, pool.version, f"({pool.threads} threads)")))
            for pool in found.native_pools
        )
        lines.append(f"pools       {pools}")
    if "cores" in found.calibration:
        lines.append(f"cores       two threads of native work get {found.calibration['cores']:.2f}")
    if found.load_share is not None:
        lines.append(f"load        other processes take {found.load_share:.1%} of the cores")
    return lines


def _sampler_lines(found: Doctor) -> list[str]:
    rate = f", {found.rate_hz:.0f} times a second" if found.rate_hz is not None else ""
    cost = f", {found.sampler_cpu_share:.1%} of a core" if found.sampler_cpu_share is not None else ""
    what = {
        "gil": f"gil: another process samples who holds the GIL{rate}{cost}",
        "canary": "canary: a thread asks for the GIL and times the answer",
        "clocks": "clocks: wall and CPU only",
    }
    lines = [f"sampler     {what.get(found.sampler, found.sampler)}"]
    lines += [f"            {note}" for note in found.sampler_notes]
    tested = _tested(found.calibration)
    if tested:
        lines.append(f"self-test   {tested} (should be 1, 0, 1)")
    if found.canary and found.sampler != "canary":
        stands_in = found.canary_fault or "it stands in where the GIL cannot be sampled"
        lines.append(f"canary      {_tested(found.canary)}: {stands_in}")
    return lines


def _tested(figures: dict[str, float]) -> str:
    words = (("loop_gil", "loop"), ("hash_gil", "hash"), ("sleep_blocked", "sleep"))
    return ", ".join(f"{word} {figures[key]:.2f}" for key, word in words if key in figures)


def _extra_lines(found: Doctor) -> list[str]:
    lines = []
    for extra in found.extras:
        parts = [f"{name} {version or 'missing'}" for name, version in extra.versions.items()]
        install = f"  →  {extra.install}" if extra.install else ""
        lines.append(f"[{extra.name}]".ljust(12) + ", ".join(parts) + install)
    return lines
