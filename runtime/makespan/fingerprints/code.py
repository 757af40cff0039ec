"""What a node's code is: a fingerprint that changes when the code does, and only then.

What counts: the bytecode of the node's function with its constants, the names of its arguments, defaults and
values closed over; and the same of every function, class and method of the user's own that it reaches by a
global name, by an attribute of an imported module, or by an import inside a function
(`makespan.fingerprints.ownfiles` says what is the user's own); the rest counts by name. Constants of a module
(numbers, texts, tuples of them) count when their name is in capitals.

What does not count: comments, line numbers, docstrings, annotations, names of local variables, values that
have no lasting form (objects count by their type), and what only a running program knows (``obj.method()``).

The fingerprint is the same in every process on every machine, whatever PYTHONHASHSEED says. Bytecode differs
between versions of Python: measurements of another build are of another machine anyway. Nothing is imported,
called or executed; at most `MOST` functions are followed.
"""

from __future__ import annotations

import hashlib
from collections import deque
from functools import partial
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from makespan.fingerprints.codewords import PLAIN, Said, read_code
from makespan.fingerprints.fingerprint import location
from makespan.fingerprints.ownfiles import Own, attributes, file_of, is_of, module_of, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 4000
_MOST_ITEMS = 200
_DEPTH = 6
_MOST_WRAPPERS = 16
_CLASS_NOISE = frozenset(
    {
        "__annotate__",
        "__annotate_func__",
        "__annotations__",
        "__annotations_cache__",
        "__dict__",
        "__doc__",
        "__firstlineno__",
        "__module__",
        "__qualname__",
        "__static_attributes__",
        "__weakref__",
    }
)


class Memory:
    """What was read before: share one among the nodes of a DAG."""

    def __init__(self) -> None:
        self.codes: dict[CodeType, Said] = {}
        self.modules: dict[str, CodeType | None] = {}
        self.found: dict[int, tuple[Any, str]] = {}
        self.things: dict[tuple[str | None, int], tuple[Any, bytes, tuple[Any, ...]]] = {}


def code_fingerprint(fn: Callable[..., Any], memory: Memory | None = None) -> str:
    """Return the fingerprint of a callable's code.

    >>> def one(x): return x + 1
    >>> def two(y):
    ...     "Add."
    ...     return y + 1
    >>> code_fingerprint(one) == code_fingerprint(one)
    True
    >>> code_fingerprint(one) == code_fingerprint(two)  # an argument has another name
    False
    """
    memory = memory or Memory()
    known = memory.found.get(id(fn))
    if known is not None:
        return known[1]
    made = f"code1:{_Walk(fn, memory).digest()}"
    memory.found[id(fn)] = (fn, made)  # kept alive, so that its id stays its own
    return made


class _Walk:
    """Goes from a function to all that it reaches, breadth first.

    What a thing says by itself is hashed once, whoever reaches it; a fingerprint is the hash of those, with
    the numbers of the things that each refers to. So functions that call each other in a circle do no harm.
    """

    def __init__(self, fn: Any, memory: Memory) -> None:
        self._fn = fn
        self._memory = memory
        self._own = Own(fn, memory.modules)
        self._words: list[str] = []
        self._refs: dict[int, Any] = {}
        """Of the thing that is being read."""
        self._inside: list[int] = []
        """Ids of the wrappers (partials, methods, decorated objects) around the value that is being read."""

    def digest(self) -> str:
        """Return the fingerprint."""
        found = hashlib.sha256()
        numbers = {id(self._fn): 0}
        left = deque([self._fn])
        while left and len(numbers) <= MOST:
            said, refs = self._thing(left.popleft())
            found.update(said)
            for ref in refs:
                number = numbers.get(id(ref))
                if number is None:
                    number = numbers[id(ref)] = len(numbers)
                    left.append(ref)
                found.update(b"%d " % number)
        return found.hexdigest()[:32]

    def _thing(self, thing: Any) -> tuple[bytes, tuple[Any, ...]]:
        """Return the hash of what a thing says, and the things that it refers to."""
        key = (self._own.root, id(thing))
        known = self._memory.things.get(key)
        if known is None:
            self._words, self._refs = [], {}
            self._describe(thing)
            said = hashlib.sha256("\n".join(self._words).encode("utf-8", "surrogatepass")).digest()
            # The thing is kept alive, so that its id stays its own.
            known = self._memory.things[key] = (thing, said, tuple(self._refs.values()))
        return known[1], known[2]

    def _tell(self, *words: str) -> None:
        self._words += words

    # -- what a thing says ---------------------------------------------------------------------------------

    def _describe(self, thing: Any) -> None:
        if is_of(thing, FunctionType):
            self._function(thing)
        elif is_of(thing, CodeType):  # a module that was not imported
            self._tell(*self._read(thing).words)
            self._follow_imports(thing, {})
        elif is_of(thing, type):
            self._class(thing)
        else:
            self._tell(*self._value(thing, _DEPTH, own=True))

    def _function(self, fn: FunctionType) -> None:
        code = fn.__code__
        read = self._read(code)
        self._tell(*read.words)
        for value in fn.__defaults__ or ():
            self._tell("default", *self._value(value))
        for name, value in sorted((fn.__kwdefaults__ or {}).items()):
            self._tell("default", name, *self._value(value))
        for name, cell in zip(code.co_freevars, fn.__closure__ or (), strict=False):
            try:
                value = cell.cell_contents
            except ValueError:  # not bound yet
                continue
            self._tell("closed over", name, *self._value(value))
        if (inner := fn.__dict__.get("__wrapped__")) is not None:
            self._tell("wraps", *self._value(inner))
        for chain in read.names:
            self._tell("global", ".".join(chain), *self._global(fn.__globals__, chain))
        self._follow_imports(code, fn.__globals__)

    def _global(self, names: dict[str, Any], chain: tuple[str, ...]) -> list[str]:
        if chain[0] not in names:
            return ["builtin"]
        value = names[chain[0]]
        last = chain[0]
        for attribute in chain[1:]:
            if not is_of(value, ModuleType) or not self._own.has(attributes(value).get("__file__")):
                break
            value = attributes(value).get(attribute)
            last = attribute
        if is_of(value, ModuleType):
            return [f"module {attributes(value).get('__name__')}"]
        if _is_constant(value):
            return self._value(value) if last.isupper() else []
        if callable(value):
            return self._value(value)
        return [f"a {_type_name(value)}"]

    def _class(self, cls: type) -> None:
        for base in cls.__bases__:
            self._tell("base", *self._value(base))
        for name, value in sorted(vars(cls).items()):
            if name in _CLASS_NOISE or (name.startswith("_abc_") or name == "__abstractmethods__"):
                continue
            self._tell("has", name, *self._value(value))

    # -- values --------------------------------------------------------------------------------------------

    def _value(self, value: Any, depth: int = _DEPTH, *, own: bool = False) -> list[str]:
        """Return words for a value: itself if it is plain, a number if it is code, else its type."""
        kind = type(value)
        if kind in PLAIN:
            return [f"{kind.__name__} {value!r}"]
        if depth and kind in (tuple, list) and len(value) <= _MOST_ITEMS:
            return [kind.__name__, *(word for item in value for word in self._value(item, depth - 1)), "end"]
        if depth and kind in (set, frozenset) and len(value) <= _MOST_ITEMS:
            words = sorted(self._value(item, depth - 1) for item in value if _is_constant(item))
            return [kind.__name__, *(word for its in words for word in its), "end"]
        if depth and kind is dict and len(value) <= _MOST_ITEMS:
            pairs = [
                (self._value(key, depth - 1), self._value(its, depth - 1))
                for key, its in value.items()
                if _is_constant(key)
            ]
            return ["dict", *(word for key, its in pairs for word in (*key, *its)), "end"]
        if is_of(value, FunctionType, type):
            return [self._refer(value, own=own)]
        if is_of(value, BuiltinFunctionType):
            return [f"built in {location(value)}"]
        parts = _parts(value)
        if parts is not None:
            if id(value) in self._inside or len(self._inside) >= _MOST_WRAPPERS:
                return [f"a {_type_name(value)}"]
            self._inside.append(id(value))
            said = [word for part in parts[1] for word in self._value(part)]
            self._inside.pop()
            return [parts[0], *said]
        if callable(value) and not is_of(value, ModuleType):
            return ["an object of", self._refer(kind)]
        return [f"a {_type_name(value)}"]

    def _refer(self, thing: Any, *, own: bool = False) -> str:
        """Return the number of a thing whose code counts, and note it to be read; else its name."""
        if not own and not self._own.has(file_of(thing)):
            return f"named {_name_of(thing)}"
        self._refs[id(thing)] = thing
        return f"refers to {list(self._refs).index(id(thing))}"

    # -- imports inside functions --------------------------------------------------------------------------

    def _follow_imports(self, code: CodeType, names: dict[str, Any]) -> None:
        for level, module, taken in self._read(code).imports:
            self._tell("import", "." * level + module, *taken)
            for found in self._own.modules(level, module, taken, str(names.get("__package__") or "")):
                self._tell(self._refer(found, own=True))

    def _read(self, code: CodeType) -> Said:
        known = self._memory.codes.get(code)
        if known is None:
            known = self._memory.codes[code] = read_code(code)
        return known


def _parts(value: Any) -> tuple[str, list[Any]] | None:
    """Return what a wrapper is, and what it is made of; None for anything else."""
    kind = type(value)
    if kind is partial:
        return "partial", [value.func, list(value.args), dict(sorted(value.keywords.items()))]
    if kind in (staticmethod, classmethod):
        return kind.__name__, [value.__func__]
    if kind is property:
        return "property", [value.fget, value.fset, value.fdel]
    if kind is MethodType:
        return "method", [value.__func__, type(value.__self__)]
    inner = wrapped(value)
    return None if inner is None else ("wraps", [inner])


def _is_constant(value: Any) -> bool:
    """Whether a value is plain through and through, and may stand for itself."""
    if type(value) in (tuple, frozenset):
        return len(value) <= _MOST_ITEMS and all(map(_is_constant, value))
    return type(value) in PLAIN and value is not None


def _name_of(thing: Any) -> str:
    return f"{module_of(thing) if is_of(thing, type) else thing.__module__}.{thing.__qualname__}"


def _type_name(value: Any) -> str:
    kind = type(value)
    return f"{module_of(kind)}.{type.__getattribute__(kind, '__qualname__')}"
