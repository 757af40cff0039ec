"""Where CPython keeps its GIL, found at run time without a header file or a debugger.

::

    _PyRuntime ┬ … ┬ interval ┬ last_holder ┬ locked ┬ … (condition variables)
               exported       planted odd    who holds it, and whether it is held

The struct is inside the exported symbol ``_PyRuntime``, at an offset that differs between versions and builds
(3.11: 368, 3.12: 77,440, 3.13: 96,112). So an odd switch interval is planted, and the place is the one where
it is followed by this thread's state and by 1, and where the 1 becomes 0 while a call releases the GIL. The
place never moves: it is looked for once.
"""

from __future__ import annotations

import ctypes
import struct
import sys
import threading

_SCAN_BYTES = 1 << 20
_ODD_INTERVALS_US = (7919, 6007)
_HELD = struct.Struct("=Qi")
_lock = threading.Lock()  # two threads at once would each put back the other's interval
_known: list[int] = []  # the address, once it was found


class GilNotFoundError(Exception):
    """The GIL could not be located; the message says why."""


def thread_state() -> int:
    """Return the address of the calling thread's state, as ``last_holder`` has it."""
    get = ctypes.pythonapi.PyThreadState_Get
    get.restype = ctypes.c_void_p
    return int(get())


def locate_gil() -> int:
    """Return the address of ``last_holder``; ``locked`` (an int) follows it, the interval precedes it.

    The switch interval is changed for some microseconds, and put back.

    Raises
    ------
    GilNotFoundError
        Not CPython, no GIL in this build, another layout, a sub-interpreter.
    """
    if sys.implementation.name != "cpython":
        raise GilNotFoundError(f"{sys.implementation.name} is not CPython")
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise GilNotFoundError("this build runs without a GIL")
    with _lock:
        if not _known:
            _known.append(_found())
        return _known[0]


def _found() -> int:
    try:
        found = _candidates(_ODD_INTERVALS_US[0]) & _candidates(_ODD_INTERVALS_US[1])
        free = [address for address in found if _is_released_by_calls(address)]
    except (OSError, ValueError, AttributeError) as error:
        raise GilNotFoundError(f"the interpreter's state is not to be read: {error}") from error
    if len(free) != 1:
        raise GilNotFoundError("the interpreter's state has a layout that is not known")
    return free[0]


def _candidates(interval_us: int) -> set[int]:
    """Return addresses at which this thread's state and 1 follow the planted interval."""
    base = ctypes.addressof(ctypes.c_char.in_dll(ctypes.pythonapi, "_PyRuntime"))
    size = min(_mapped_end(base) - base, _SCAN_BYTES)
    state = thread_state()
    before_us = round(sys.getswitchinterval() * 1e6)
    try:  # whatever is raised from here on (Ctrl-C too), the interval is put back
        set_switch_interval_us(interval_us)
        raw = ctypes.string_at(base, size)
    finally:
        set_switch_interval_us(before_us)
    found = set()
    wanted = struct.pack("=Q", interval_us)
    at = raw.find(wanted)
    while at >= 0:
        for holder in (at + 8, at + 16):
            if at % 8 == 0 and holder + 12 <= size and _HELD.unpack_from(raw, holder) == (state, 1):
                found.add(base + holder)
        at = raw.find(wanted, at + 1)
    return found


def set_switch_interval_us(interval_us: int) -> None:
    """Set the switch interval to whole microseconds (CPython cuts off the fraction: half a one is added)."""
    sys.setswitchinterval((interval_us + 0.5) / 1e6)


def _mapped_end(base: int) -> int:
    """Return where the writable memory that begins at or before `base` ends."""
    end = base
    with open("/proc/self/maps", encoding="ascii", errors="replace") as file:  # noqa: PTH123
        for line in file:
            span, mode = line.split(" ", 2)[:2]
            low, high = (int(number, 16) for number in span.split("-"))
            if "rw" in mode and low <= end < high:
                end = high
    return end


def _is_released_by_calls(address: int) -> bool:
    """Say whether the lock is seen free from within a foreign call, which releases it.

    Another thread of this process may take it meanwhile: hence several tries.
    """
    memcpy = ctypes.CDLL(None).memcpy
    seen = ctypes.create_string_buffer(_HELD.size)
    for _ in range(20):
        memcpy(seen, ctypes.c_void_p(address), ctypes.c_size_t(_HELD.size))
        if _HELD.unpack(seen.raw) == (thread_state(), 0):
            return True
    return False
