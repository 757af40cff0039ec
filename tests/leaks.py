"""What a process has open and which children it has, to see whether it grows."""

from __future__ import annotations

import os
from pathlib import Path


def open_descriptors() -> set[str]:
    """Return what this process has open, as far as the system tells."""
    found = set()
    for entry in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{entry} → {os.readlink(f'/proc/self/fd/{entry}')}")
        except OSError:
            continue
    return found


def child_processes() -> dict[int, str]:
    """Child processes of this one, zombies included, and what they are called with.

    The resource tracker of `multiprocessing` is not among them: it stays for good.
    """
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            for pid in (task / "children").read_text().split():
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                if b"resource_tracker" not in command:
                    found[int(pid)] = command.decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile, or the system does not tell
    return found
