"""What a code object says, as words to be hashed: operations, constants, names; no line, no docstring.

Constants stand for themselves and not by their number, sets in an order of their own, so that neither a
docstring nor PYTHONHASHSEED changes a word. Local variables stand by number, so their names do not count.
"""

from __future__ import annotations

from types import CodeType
from typing import Any, NamedTuple

PLAIN = (int, float, complex, str, bytes, bool, type(None), type(Ellipsis))
_FLAGS = 0x04 | 0x08 | 0x20 | 0x80 | 0x200  # *args, **kwargs, generator, coroutine, asynchronous generator
_SILENT = frozenset({"EXTENDED_ARG", "RESUME", "NOP", "CACHE", "PRECALL"})
_NOISE = frozenset({"__doc__", "__firstlineno__", "__static_attributes__"})


class Said(NamedTuple):
    """A code object: what it says, the names that it reaches, and the modules that it imports."""

    words: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]
    """Global names, each with the attributes that are asked of it."""
    imports: tuple[tuple[int, str, tuple[str, ...]], ...]
    """Level, module, names taken from it."""


def read_code(code: CodeType) -> Said:
    """Return what a code object says, nested code included."""
    import dis

    words = [
        f"code {code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount}",
        f"flags {code.co_flags & _FLAGS}",
        *code.co_varnames[: code.co_argcount + code.co_kwonlyargcount],
    ]
    names: dict[tuple[str, ...], None] = {}
    imports: list[tuple[int, str, tuple[str, ...]]] = []
    chain: tuple[str, ...] = ()
    constants: list[Any] = []
    for step in dis.get_instructions(code):
        operation, value = step.opname, step.argval
        if operation in _SILENT:
            continue
        if chain and operation in ("LOAD_ATTR", "LOAD_METHOD"):
            chain = (*chain, value)
        elif operation in ("LOAD_GLOBAL", "LOAD_NAME"):
            names.update(_chain(chain))
            chain = (value,)
        elif chain and operation != "PUSH_NULL":
            names.update(_chain(chain))
            chain = ()
        if operation == "IMPORT_NAME":
            level, taken = constants[-2:] if len(constants) > 1 else (0, None)
            imports.append((level if type(level) is int else 0, value, taken if type(taken) is tuple else ()))
        if operation == "STORE_NAME" and value in _NOISE and words[-2:-1] == ["LOAD_CONST"]:
            del words[-2:]
            continue
        if step.opcode in dis.hasconst:
            constants.append(value)
            if isinstance(value, CodeType):
                inner = read_code(value)
                words += [operation, "(", *inner.words, ")"]
                names.update(dict.fromkeys(inner.names))
                imports += inner.imports
            else:
                words += [operation, *_constant(value)]
        elif step.opcode in dis.hasname or operation == "COMPARE_OP":
            words.append(f"{operation} {value}")
        else:
            words.append(f"{operation} {step.arg}")
    names.update(_chain(chain))
    words.append(code.co_exceptiontable.hex())
    return Said(tuple(words), tuple(names), tuple(imports))


def _chain(chain: tuple[str, ...]) -> dict[tuple[str, ...], None]:
    return {chain: None} if chain else {}


def _constant(value: Any) -> list[str]:
    """Return words for a constant of a code object; sets in an order of their own."""
    if isinstance(value, tuple):
        return ["(", *(word for item in value for word in _constant(item)), ")"]
    if isinstance(value, frozenset):
        return ["{", *(word for its in sorted(map(_constant, value)) for word in its), "}"]
    if isinstance(value, slice):
        return ["slice", *_constant((value.start, value.stop, value.step))]
    return [f"{type(value).__name__} {value!r}" if type(value) in PLAIN else type(value).__name__]
