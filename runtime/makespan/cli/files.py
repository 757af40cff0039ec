"""Names of several files on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from makespan.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Sequence


def matching(words: Sequence[str]) -> list[str]:
    """Return names of files, each once; a pattern that the shell left as it is stands for what it matches.

    Raises
    ------
    RecordError
        No file matches a pattern.
    """
    from pathlib import Path

    found: list[str] = []
    for word in words:
        path = Path(word)
        if any(sign in path.name for sign in "*?[") and not path.exists():
            files = sorted(str(file) for file in path.parent.glob(path.name))
            if not files:
                raise RecordError("no file has such a name", where=word)
            found += files
        else:
            found.append(word)
    return list(dict.fromkeys(found))
