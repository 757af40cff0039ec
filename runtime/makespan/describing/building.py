"""A DAG being built: nodes added one by one, each with a stable name of its own.

Names are the function's, numbered when they are taken: ``render``, ``render_2``, ``sub.render``. They depend
on the order of the calls only, so they are the same in every run.
"""

from __future__ import annotations

from _thread import RLock
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from makespan.around.setup_nodes import Setups
from makespan.describing.arguments import reference, references, refuse_function
from makespan.describing.node_options import CALL, checked_options, joined, joined_calls
from makespan.describing.options import NO_OPTIONS, Options, check_name, function_name
from makespan.describing.place import caller_place
from makespan.describing.placeholder import INPUT, Opaque, Placeholder, holds_placeholder
from makespan.errors import DescribeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from typing_extensions import Unpack

    from makespan.around.cache import Cache
    from makespan.describing.node_options import CallOptions
    from makespan.preparing.prepared import Prepared
    from makespan.structure import Structure


class Node(msgspec.Struct, frozen=True, eq=False):
    """One call of one function in a DAG.

    Attributes
    ----------
    name : str
        Unique in the DAG, stable from run to run: ``render``, ``render_2``, ``sub.render``.
    fn : callable
    args, kwargs
        Arguments; results of other nodes stand in them as `makespan.describing.arguments.Ref`.
    after : tuple of str
        Nodes it waits for without taking their results.
    place : str
        ``file:line`` of the call.
    when : Any
        A value, or a result as in `args`: the node is skipped when it is false. True: it always runs.
    """

    name: str
    fn: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    after: tuple[str, ...] = ()
    options: Options = NO_OPTIONS
    place: str = ""
    when: Any = True

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Names of the nodes it waits for, each once, in the order of the arguments."""
        values = (*self.args, *self.kwargs.values(), self.when)
        used = [ref.name for value in values for ref in references(value) if not ref.is_input]
        return tuple(dict.fromkeys([*used, *self.after]))

    def __repr__(self) -> str:
        return f"<Node {self.name!r}>"  # never the arguments: they are the user's values


class DagInput(msgspec.Struct, frozen=True, eq=False):
    """A named input of a DAG."""

    name: str
    default: Any = msgspec.UNSET
    keyword_only: bool = False

    def __repr__(self) -> str:
        return f"<DagInput {self.name!r}>"


class Building(Opaque):
    """What `makespan.DAG` knows, and how it grows."""

    def __init__(self, name: str = "dag") -> None:
        self.name = check_name("DAG", name, caller_place)
        self.__name__ = self.name  # a DAG may be a node of another one
        self.target: str | None = None
        """``module:attribute`` when it came from there."""
        self.origin: Any = None
        """The DAG of another library that it was made from."""
        self.default_threads: int | None = None
        """The budget where neither a plan nor the caller says one; None: the usable cores."""
        self._nodes: dict[str, Node] = {}
        self._inputs: dict[str, DagInput] = {}
        self._output: Any = None
        self._has_output = False
        self._uses: dict[str, int] = {}
        self._prefixes: set[str] = set()
        self._known: dict[int, Any] = {}
        self._functions: dict[int, Any] = {}
        """Constants and functions searched for results since the last check, by identity, kept alive."""
        self._structure: Structure | None = None
        self._fingerprint: str | None = None
        self._prepared: dict[Any, Prepared] = {}
        self._setups = Setups()
        self._caches: dict[str, Cache] = {}
        """What outlives runs: results of set-up nodes, and of nodes with a cache."""
        self._lock = RLock()
        self._function: Callable[..., Any] | None = None
        """The function under ``@dag``."""

    def input(self, name: str, default: Any = msgspec.UNSET, *, keyword_only: bool = False) -> Any:
        """Declare an input and return the placeholder that stands for it.

        Raises
        ------
        DescribeError
            The name is not an identifier, or is taken.
        """
        self._refuse_if_described("declare its inputs as parameters")
        return self._declare(name, default, keyword_only=keyword_only)

    def _declare(self, name: str, default: Any, *, keyword_only: bool) -> Any:
        if not isinstance(name, str) or not name.isidentifier():
            raise DescribeError(
                f"an input cannot be named {name!r}", where=caller_place(), hint="use an identifier"
            )
        if holds_placeholder(default):
            raise DescribeError(
                f"the default of the input {name!r} holds a result", where=caller_place(), hint="use a value"
            )
        if name in self._inputs:
            raise DescribeError(f"two inputs are named {name!r}", where=caller_place())
        self._inputs[name] = DagInput(name, default, keyword_only)
        self._changed()
        return Placeholder(self, INPUT + name)

    def add(
        self,
        fn: Callable[..., Any],
        /,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> Any:
        """Add a call of `fn` and return the placeholder of its result.

        Parameters
        ----------
        fn : callable
            A function; one made by ``@node`` brings its own options along.
        *args : Any
            Arguments; results of other nodes may stand anywhere in nested lists, tuples and dicts.
        kwargs : mapping, optional
            Keyword arguments of `fn`.
        **options
            Those of `makespan.NodeOptions`; ``name``: a name of its own, else the function's, numbered when
            it is taken; ``after``: results or names of nodes, also of later ones, to wait for without taking
            their results; ``when``: a result or a value: the node is skipped when it is false.

        Raises
        ------
        DescribeError
            A name that is taken, a result of another DAG, an option that is unknown or cannot be.
        """
        self._refuse_if_described("call the node in that function")
        place = caller_place()
        call: dict[str, Any] = {}
        fields, base = call, NO_OPTIONS
        if options:
            fields = checked_options(options, caller_place, of_a_call=True)
            call = {key: options[key] for key in CALL if key in options}  # type: ignore[literal-required]
        if getattr(type(fn), "is_node_function", False):  # its options hold where this call says nothing
            call = joined_calls(fn._call, call, place)  # type: ignore[attr-defined]  # noqa: SLF001
            fn, base = fn.__makespan_node__  # type: ignore[attr-defined]
        return self.record(fn, args, kwargs or {}, options=joined(base, fields), place=place, **call)

    def record(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        name: str | None = None,
        prefix: str = "",
        after: Iterable[Any] = (),
        when: Any = True,
        options: Options = NO_OPTIONS,
        place: str = "",
    ) -> Any:
        """Add a node whose options are made already (what ``@node`` and `add` share)."""
        if id(fn) not in self._functions:
            refuse_function(fn, place)
            self._functions[id(fn)] = fn
        if kwargs and not all(isinstance(key, str) for key in kwargs):
            raise DescribeError("keyword arguments are named by strings", where=place)
        positional = tuple([reference(value, self, place, self._known) for value in args])
        keywords = {key: reference(value, self, place, self._known) for key, value in kwargs.items()}
        names = self._waited_for(after, prefix, place)
        condition = True if when is True else reference(when, self, place, self._known)
        with self._lock:
            unique = self._name_for(fn, name, prefix, place)  # last: a call that is refused takes no name
            self._nodes[unique] = Node(unique, fn, positional, keywords, names, options, place, condition)
            self._changed()
        return Placeholder(self, unique, (), options.outputs)

    def ref(self, name: str) -> Any:
        """Return the result of a node by its name; the node may be added later.

        Raises
        ------
        DescribeError
            That cannot be a node's name.
        """
        return Placeholder(self, check_name("node", name, caller_place))

    def returns(self, value: Any) -> None:
        """Say what the DAG returns: a result, or results in nested lists, tuples and dicts.

        Raises
        ------
        DescribeError
            A result of another DAG, or inside a container that cannot be rebuilt.
        """
        self._refuse_if_described("return it from that function")
        self._return(value, caller_place())

    def _return(self, value: Any, place: str | None) -> None:
        output = reference(value, self, place)
        with self._lock:
            self._output = output
            self._has_output = True
            self._changed()

    def unused(self, base: str, taken: Any) -> str:
        """Return `base`, or ``base_2``, ``base_3`` …: the next that is not taken."""
        count = self._uses.get(base, 0) + 1
        candidate = base if count == 1 else f"{base}_{count}"
        while candidate in taken:
            count += 1
            candidate = f"{base}_{count}"
        self._uses[base] = count
        return candidate

    def unused_prefix(self, base: str) -> str:
        """Return the prefix of the names of a sub-DAG's nodes: ``sub.``, then ``sub_2.``."""
        found = self.unused(base, self._prefixes)
        self._prefixes.add(found)
        return found + "."

    def _waited_for(self, after: Any, prefix: str, place: str) -> tuple[str, ...]:
        if type(after) is tuple and not after:
            return ()
        wrong = DescribeError("'after' takes results or names of nodes", where=place)
        if isinstance(after, str | Placeholder):
            after = (after,)
        try:
            items = list(after)
        except TypeError:
            raise wrong from None
        names = []
        for item in items:
            if isinstance(item, str):
                names.append(prefix + item)
                continue
            found = references(reference(item, self, place)) if type(item) is Placeholder else []
            if not found or found[0].is_input:
                raise wrong
            names.append(found[0].name)
        return tuple(names)

    def _name_for(self, fn: Callable[..., Any], name: str | None, prefix: str, place: str) -> str:
        if name is None:
            own = check_name("function", function_name(fn), lambda: place)
            return self.unused(prefix + own, self._nodes)
        name = prefix + check_name("node", name, lambda: place)
        if name in self._nodes:
            other = self._nodes[name].place
            raise DescribeError(f"two nodes are named {name!r} (the other one: {other})", where=place)
        return name

    def _refuse_if_described(self, instead: str) -> None:
        if self._function is not None:
            raise DescribeError(
                f"{self.name!r} is described by a function under @dag, and cannot be added to",
                where=caller_place(),
                hint=instead,
            )

    def _changed(self) -> None:
        self._structure = None
        self._fingerprint = None
        self._prepared = {}
        if self._caches or self._setups:
            self._setups, self._caches = Setups(), {}

    def _forget(self) -> None:
        """Drop what a failed description left."""
        self._nodes, self._uses, self._prefixes = {}, {}, set()
        self._output, self._has_output = None, False
        self._known, self._functions = {}, {}
        self._changed()
