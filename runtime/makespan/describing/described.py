"""What a DAG is: its nodes, its inputs, what it returns, and the checks of all that.

It is built in `makespan.describing.building`; what can be done with it is `makespan.DAG`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from makespan.around.setup_nodes import refuse_dependent
from makespan.describing.arguments import reference, references, refuse_changed
from makespan.describing.building import Building, DagInput, Node
from makespan.describing.place import caller_place, function_place
from makespan.describing.placeholder import Placeholder
from makespan.errors import DescribeError, did_you_mean
from makespan.structure import Structure, build

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self


class Described(Building):
    """What `makespan.DAG` says about itself."""

    def __init__(self, name: str = "dag") -> None:
        super().__init__(name)
        self._describe: Callable[[], None] | None = None
        self._busy = False

    def described(self) -> Self:
        """Record the DAG if it was not yet (a function under ``@dag`` is called at its first use).

        Raises
        ------
        DescribeError
            The description is wrong; with the place.
        """
        if self._describe is not None:
            with self._lock:
                if self._busy:
                    raise DescribeError(
                        f"{self.name!r} is asked for its nodes while it is being described",
                        where=caller_place(),
                        hint="ask after the description",
                    )
                if self._describe is not None:
                    self._busy = True
                    try:
                        self._describe()
                    except BaseException:
                        self._forget()
                        raise
                    finally:
                        self._busy = False
                    self._describe = None
        return self

    @property
    def nodes(self) -> dict[str, Node]:
        """The nodes by name, in declaration order."""
        return self.described()._nodes  # noqa: SLF001

    @property
    def inputs(self) -> dict[str, DagInput]:
        """The inputs by name, in declaration order."""
        return self.described()._inputs  # noqa: SLF001

    @property
    def output(self) -> Any:
        """What it returns, with references; without `returns`: the results of its last nodes by name."""
        self.described()
        if self._has_output:
            return self._output
        structure = self.check()
        last = [structure.names[i] for i, after in enumerate(structure.succs) if not after]
        return reference({name: Placeholder(self, name) for name in last}, self, None)

    def check(self) -> Structure:
        """Check the DAG and return its structure.

        Raises
        ------
        DescribeError
            A cycle (named in order), an unknown dependency, an unknown result returned; with the place.
        """
        self.described()
        structure = self._structure
        if structure is None:
            with self._lock:
                nodes = list(self._nodes.values())
                structure = build(
                    [node.name for node in nodes],
                    [node.depends_on for node in nodes],
                    locks=[node.options.locks for node in nodes],
                    exclusive=[node.options.exclusive for node in nodes],
                    places={node.name: node.place for node in nodes},
                )
                for ref in references(self._output):
                    if not ref.is_input and ref.name not in self._nodes:
                        raise DescribeError(
                            f"the DAG returns {ref.name!r}, which is not in it",
                            where=function_place(self._function) or self.name,
                            hint=did_you_mean(ref.name, self._nodes),
                        )
                refuse_changed(self.name, nodes, self._output)
                refuse_dependent(nodes, self._nodes)
                self._known, self._functions = {}, {}
                self._structure = structure
        return structure

    @property
    def fingerprint(self) -> str:
        """A hash of names, edges and code locations: the same in every process, on every machine."""
        found = self._fingerprint
        if found is None:
            from makespan.fingerprints.fingerprint import fingerprint

            with self._lock:
                found = fingerprint(self.check(), [node.fn for node in self._nodes.values()])
                self._fingerprint = found
        return found

    def __len__(self) -> int:
        return len(self.nodes)

    def __bool__(self) -> bool:
        return True  # an empty DAG is a DAG

    def __reduce__(self) -> str:
        """Pickle a described DAG by reference, as functions are."""
        if self._function is None:
            raise TypeError(f"the DAG {self.name!r} was built by hand: pickle what builds it, not the DAG")
        return str(self._function.__qualname__)

    def __repr__(self) -> str:
        if self._describe is not None:
            return f"<DAG {self.name!r}, not described yet>"
        return f"<DAG {self.name!r}: {len(self._nodes)} nodes>"
