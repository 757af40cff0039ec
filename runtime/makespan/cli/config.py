"""Defaults of options: ``[tool.makespan]`` in pyproject.toml < ``MAKESPAN_*`` variables < options.

::

    [tool.makespan]
    target = "pipeline:news"
    threads = 4            # or "auto": the fewest that come within 1 % of the best
    time-limit = 10

The nearest pyproject.toml that has the table counts, from the current folder upwards. A key that is not known
is refused, so that a misspelt one is not silently without effect; a variable only when it is nearly a known
one, because the prefix may be the user's own. A setting counts for every verb that has the option.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.cli import options, pins
from makespan.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PREFIX = "MAKESPAN_"


class Key(NamedTuple):
    """A setting: what TOML types it may have, in words, and how its text is converted."""

    types: tuple[type, ...]
    words: str
    convert: Callable[[str], Any]
    word: str | None = None
    """A text that it may be as well, though it is of another type."""


_WHOLE = ((int,), "a whole number")
_NUMBER = ((int, float), "a number")
_TEXT = ((str,), "a text")
_SWITCH = ((bool,), "true or false")
_NAMES = ((str, list), "a text or a list of texts")

KEYS: dict[str, Key] = {
    "target": Key(*_TEXT, str),
    "args": Key((str, list, dict), "a JSON text, a list or a table", str),
    "threads": Key((int,), "a whole number or 'auto'", options.threads_or_auto, options.AUTO),
    "cores": Key(*_NUMBER, options.cores),
    "time-limit": Key(*_NUMBER, options.seconds),
    "seed": Key(*_WHOLE, options.seed),
    "workers": Key(*_WHOLE, options.workers),
    "processes": Key(*_WHOLE, pins.processes),
    "native-threads": Key(*_SWITCH, options.switch),
    "confidence": Key(*_NUMBER, options.confidence),
    "gap": Key(*_NUMBER, options.gap),
    "deterministic": Key(*_SWITCH, options.switch),
    "statistic": Key(*_TEXT, options.statistic),
    "runs": Key(*_WHOLE, options.runs),
    "warm-ups": Key(*_WHOLE, options.warm_ups),
    "repeats": Key(*_WHOLE, options.repeats),
    "timeout": Key(*_NUMBER, options.timeout),
    "on-error": Key(*_TEXT, options.on_error),
    "targets": Key(*_NAMES, options.names),
    "roots": Key(*_NAMES, options.names),
    "without": Key(*_NAMES, options.names),
    "allow-stale": Key(*_SWITCH, options.switch),
    "sampler": Key(*_TEXT, options.sampler),
    "pairs": Key(*_SWITCH, options.switch),
    "trials-limit": Key(*_NUMBER, options.trials_limit),
    "color": Key(*_TEXT, options.color),
    "quiet": Key(*_SWITCH, options.switch),
    "verbose": Key(*_SWITCH, options.switch),
}


def settings(
    parser: argparse.ArgumentParser, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the defaults of a verb's options, by destination.

    Raises
    ------
    OptionError
        An unknown key, or a value that the option cannot have; with file and key.
    """
    found = from_file(folder or Path.cwd()) | from_environment(
        os.environ if environment is None else environment
    )
    known = {action.dest for action in parser._actions}  # noqa: SLF001 (argparse has no public list)
    return {dest: value for dest, value in found.items() if dest in known}


def from_file(folder: Path) -> dict[str, Any]:
    """Return the settings of the nearest pyproject.toml that has some."""
    for place in (folder, *folder.parents):
        file = place / "pyproject.toml"
        shown = file.name if place == folder else str(file)
        table = _table(file, shown)
        if table is not None:
            return _checked(table, f"{shown} [tool.makespan]")
    return {}


def _table(file: Path, shown: str) -> Any:
    if not file.is_file():
        return None
    try:
        data = file.read_bytes()
    except OSError as error:
        raise OptionError(f"cannot be read: {error.strerror}", where=shown) from error
    if b"makespan" not in data:  # spares the TOML parser, and faults that are no affair of ours
        return None
    import tomllib

    try:
        whole = tomllib.loads(data.decode())
    except ValueError as error:
        raise OptionError(f"is not TOML: {error}", where=shown) from error
    tool = whole.get("tool")
    return tool.get("makespan") if isinstance(tool, dict) else None


def _checked(table: Any, where: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise OptionError("is not a table", where=where)
    found = {}
    for name, value in table.items():
        key = name.replace("_", "-")
        if key not in KEYS:
            raise OptionError(
                f"unknown key {name!r}",
                where=where,
                hint=did_you_mean(key, KEYS) or f"keys: {', '.join(KEYS)}",
            )
        its = KEYS[key]
        of_texts = its.types is _NAMES[0] and isinstance(value, list)
        if of_texts and not all(isinstance(item, str) and item for item in value):
            raise OptionError(f"is {its.words}, not {value!r}", where=f"{where} {name}")
        of_type = isinstance(value, its.types) and (not isinstance(value, bool) or bool in its.types)
        if not of_type and (its.word is None or value != its.word):
            raise OptionError(f"is {its.words}, not {value!r}", where=f"{where} {name}")
        plain = isinstance(value, list | dict | bool)
        found[key.replace("-", "_")] = value if plain else _converted(its, str(value), f"{where} {name}")
    return found


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that stand in ``MAKESPAN_*`` variables; empty ones are not set."""
    known = {PREFIX + key.replace("-", "_").upper(): key for key in KEYS}
    found = {}
    for name, text in sorted(environment.items()):
        if name in known:
            if text:
                key = known[name]
                found[key.replace("-", "_")] = _converted(KEYS[key], text, name)
        elif name.startswith(PREFIX) and (hint := _near(name, known)) is not None:
            raise OptionError("is not a setting of makespan", where=name, hint=hint)
    return found


def _near(name: str, known: Mapping[str, str]) -> str | None:
    """Compare without the prefix, which would make every variable look alike."""
    import difflib

    short = [word.removeprefix(PREFIX) for word in known]
    near = difflib.get_close_matches(name.removeprefix(PREFIX), short, n=1, cutoff=0.8)
    return f"did you mean '{PREFIX}{near[0]}'?" if near else None


def _converted(key: Key, text: str, where: str) -> Any:
    try:
        return key.convert(text)
    except argparse.ArgumentTypeError as error:
        raise OptionError(str(error), where=where) from error
