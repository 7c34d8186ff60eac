"""Where in a resource each write of its rule is: worked out afterwards, so that tracing stores references alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from fhir_bridge.mapping.reads import Use
from fhir_bridge.mapping.runtime import Output, Trace

__all__ = ["Write", "bare", "literal_of", "writes_of"]
_INNER: Final = re.compile(r"\[(\d+)\](?=.)")
"""Items of lists that a path goes through."""


class Write(NamedTuple):
    """A write of a rule that is in the resource.

    Attributes:
        trace: element, expression, place in the mapping and reads.
        path: where it is, with the indices of lists (`Observation.component[1].code`).
        items_written: how many items of the list it is, from the index at the end of `path` on; 0 where it is the
            whole value.
        items: of the loops around it: what each variable held.
    """

    trace: Trace
    path: str
    items_written: int
    items: Mapping[str, Any]

    @property
    def container(self) -> str:
        """The path of the object or list that it was written to."""
        return self.path.rpartition("[" if self.path.endswith("]") else ".")[0]

    def covers(self, path: str) -> bool:
        """Whether the element at a path is what was written, or within it."""
        own = self.path
        if self.items_written > 1:
            head, _, start = own.removesuffix("]").rpartition("[")
            if path.startswith(f"{head}["):
                index = path[len(head) + 1 :].partition("]")[0]
                return index.isdecimal() and int(start) <= int(index) < int(start) + self.items_written
        return path == own or path.startswith((f"{own}.", f"{own}["))


def bare(path: str) -> str:
    """A path without the indices of lists, as mappings write it."""
    return "".join(part.partition("]")[2] if number else part for number, part in enumerate(path.split("[")))


def writes_of(output: Output) -> list[Write]:
    """The writes that are in the resource, in order. What came out empty, or was left out later, is not among them."""
    paths = dict(_containers(output.resource, output.type))
    moved: dict[int, tuple[Any, Any]] = {}
    rebuilt = True
    for entry in output.written[1:]:
        if entry[0] is None:
            moved[id(entry[1])] = entry[2], entry[3]
        elif entry[1] is output.resource:
            rebuilt = False
        elif rebuilt and isinstance(entry[1], dict) and "resourceType" in entry[1]:
            paths[id(entry[1])] = (
                output.type
            )  # a reference to a lost output was taken out: the root is another object
    writes: list[Write] = []
    for entry in output.written[1:]:
        if entry[0] is None:
            continue
        trace, container, *more = entry
        place = more[0] if more else trace.member
        items = more[1] if len(more) > 1 else ()
        path, number = _place(container, place, paths, moved)
        if path is not None:
            writes.append(Write(trace, path, number, dict(zip(trace.loops, items, strict=True))))
    return _with_counts(writes)


def _place(
    container: Any, place: str | int, paths: Mapping[int, str], moved: Mapping[int, tuple[Any, Any]]
) -> tuple[str | None, int]:
    """The path of a member of a container; None where the container is not in the resource."""
    around = paths.get(id(container))
    if around is not None:
        return (f"{around}[{place}]", 1) if isinstance(place, int) else (f"{around}.{place}", 0)
    if id(container) in moved:
        return _place(*moved[id(container)], paths, moved)
    return None, 0


def _with_counts(writes: list[Write]) -> list[Write]:
    """Writes to lists with the number of items up to the next one, or to an object with writes of its own."""
    starts: dict[str, list[int]] = {}
    for write in writes:
        for index in _INNER.finditer(write.path):
            starts.setdefault(write.path[: index.start()], []).append(int(index[1]))
        if write.items_written:
            head, _, start = write.path.removesuffix("]").rpartition("[")
            starts.setdefault(head, []).append(int(start))
    results = []
    for write in writes:
        if write.items_written:
            head, _, start = write.path.removesuffix("]").rpartition("[")
            later = [other for other in starts[head] if other > int(start)]
            write = write._replace(items_written=min(later) - int(start) if later else 1 << 20)
        results.append(write)
    return results


def _containers(value: Any, path: str) -> Iterator[tuple[int, str]]:
    """Identity and path of each object and list of a resource."""
    if isinstance(value, dict):
        yield id(value), path
        for key, item in value.items():
            yield from _containers(item, f"{path}.{key}")
    elif isinstance(value, list):
        yield id(value), path
        for number, item in enumerate(value):
            yield from _containers(item, f"{path}[{number}]")


def literal_of(output: Output, path: str, writes: list[Write]) -> Use | None:
    """The literal of the mapping that an element is, or is within: that of its object, as far as writes show it."""
    applied = output.applied
    if applied is None:
        return None
    holders: dict[str, set[str]] = {"o": {output.type}, "m": {f"{output.type}.meta"}}
    for write in writes:
        holders.setdefault(write.trace.holder, set()).add(write.container)
    marks = frozenset(applied.marks)
    bare_path, parts = bare(path), path.split(".")
    best: tuple[bool, int] | None = None
    literal: Use | None = None
    for use in applied.reads.literals:
        within = bare_path == use.element or bare_path.startswith(f"{use.element}.")
        if not within or not use.arms <= marks:
            continue
        known = holders.get(use.holder)
        exact = known is not None and ".".join(parts[: use.element.count(".")]) in known
        if known is not None and not exact:
            continue  # an object of another place
        if best is None or (exact, len(use.element)) > best:
            best, literal = (exact, len(use.element)), use
    return literal
