"""What a process has open, to see whether it grows."""

from __future__ import annotations

import os


def open_descriptors() -> set[str]:
    """Return what this process has open, as far as the system tells."""
    found = set()
    for entry in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{entry} → {os.readlink(f'/proc/self/fd/{entry}')}")
        except OSError:
            continue
    return found
