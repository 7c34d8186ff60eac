"""The slices of a list or choice at work: items find their slice, slices are counted, ordered and closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir.validation.patterns import values_at
from fhir_bridge.fhir.validation.run import Check, Path, Run
from fhir_bridge.fhir.validation.slicing import Matcher, SingleCoding, SingleText

__all__ = ["Codes", "Item", "Slice", "SliceGroup", "run_checks"]

Item = tuple[Any, Path, str, Any]
"""Value, path, type code, and what is beside a primitive (`_name`)."""

Checks = Mapping[str, tuple[bool, tuple[Check, ...]]]
"""By type code: whether the type is primitive, and what its values must satisfy; `*` for any type."""

DEFAULT = "@default"
"""The slice of what fits no other (R4 profiling.html#default-slice)."""


@dataclass(frozen=True, slots=True)
class Codes:
    """The issue codes that a structure's findings carry: an extension's are all one."""

    few: str = "FB-FHIR-013"
    many: str = "FB-FHIR-014"
    slice_few: str = "FB-FHIR-031"
    slice_many: str = "FB-FHIR-032"
    closed: str = "FB-FHIR-033"
    type: str = "FB-FHIR-034"


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice ready to check.

    Attributes:
        name: as in the profile; a reslice's own part (`b` of `a/b`).
        coding: where it is reported by one coding; text: by the text of one property.
        types: type codes that the slice leaves of a choice; None where it narrows nothing.
        checks: what its items must satisfy.
        beside: what the `_name` of its items must satisfy.
        group: its reslices.
        where: where it is defined.
    """

    name: str
    min: int
    max: int | None
    match: Matcher
    coding: SingleCoding | None
    types: frozenset[str] | None
    checks: Checks
    beside: tuple[Check, ...]
    group: SliceGroup | None
    where: str
    text: SingleText | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is asked of the slice."""
        return not (
            self.min
            or self.max is not None
            or self.types is not None
            or self.checks
            or self.beside
            or self.group
        )


Assign = Callable[[Sequence[Item], Run], "tuple[list[tuple[int, ...]], bool]"]
"""The numbers of the slices that each item fits, and whether all could be decided."""


class SliceGroup:
    """The slices of one element (or the reslices of one slice), checked together."""

    def __init__(self, slices: Sequence[Slice], rules: str, ordered: bool, codes: Codes, where: str) -> None:
        # The default slice has no test: it takes what is left (R4 profiling.html#default-slice).
        self._slices = tuple(s for s in slices if s.name != DEFAULT)
        self._default = next((s for s in slices if s.name == DEFAULT), None)
        self._rules, self._ordered, self._codes, self._where = rules, ordered, codes, where
        self._assign = _assignment(self._slices)
        # Slices that need no items are visited only where an item has come.
        self._asked = tuple(n for n, s in enumerate(self._slices) if s.min > 0 or s.group is not None)

    @property
    def idle(self) -> bool:
        """Whether nothing is to check: open, and nothing asked of any slice."""
        return (
            self._rules == "open"
            and not self._ordered
            and self._default is None
            and all(s.idle for s in self._slices)
        )

    def check(self, items: Sequence[Item], list_path: Path, run: Run) -> None:
        """Check all items of the list; `list_path` is the list's own path."""
        slices, codes = self._slices, self._codes
        assigned, decided = self._assign(items, run)
        members: dict[int, list[Item]] = {number: [] for number in self._asked}
        rest: list[Item] = []
        last, last_name, unmatched = -1, "", False
        for item, numbers in zip(items, assigned, strict=True):
            if not numbers:
                rest.append(item)
                unmatched = True
                continue
            # Two slices at once make the profile's counts meaningless for this item:
            # reported, and counted for the first.
            if len(numbers) > 1:
                names = "' and '".join(slices[n].name for n in numbers)
                run.add(
                    "FB-FHIR-038", f"fits the slices '{names}' at once; defined by {self._where}", item[1]
                )
            number = numbers[0]
            members.setdefault(number, []).append(item)
            # By the order of slices in the profile; items that fit none are not in it.
            if self._ordered and number < last:
                run.add(
                    "FB-FHIR-039",
                    f"slice '{slices[number].name}' is behind '{last_name}'; defined by {self._where}",
                    item[1],
                )
            if unmatched and self._rules == "openAtEnd" and decided:
                run.add(
                    "FB-FHIR-039",
                    f"slice '{slices[number].name}' is behind what fits no slice; defined by {self._where}",
                    item[1],
                )
            last, last_name = number, slices[number].name
        for number, own in members.items():
            self._single(slices[number], own, list_path, decided, run)
        if self._default is not None:
            self._single(self._default, rest, list_path, decided, run)
        elif self._rules == "closed" and decided:
            for item in rest:
                run.add(
                    codes.closed,
                    f"fits none of the slices, which are closed; defined by {self._where}",
                    item[1],
                )

    def _single(self, part: Slice, items: list[Item], list_path: Path, decided: bool, run: Run) -> None:
        count = len(items)
        # An item that could not be decided may be the one that is missing.
        if count < part.min and decided:
            run.add(
                self._codes.slice_few,
                f"{count} × slice '{part.name}', expected at least {part.min}; defined by {part.where}",
                list_path,
            )
        if part.max is not None and count > part.max:
            run.add(
                self._codes.slice_many,
                f"{count} × slice '{part.name}', expected at most {part.max}; defined by {part.where}",
                list_path,
            )
        for item in items:
            if part.types is not None and item[2] not in part.types:
                wanted = " or ".join(sorted(part.types))
                run.add(
                    self._codes.type,
                    f"the type is {item[2]}, expected {wanted}; defined by {part.where}",
                    item[1],
                )
            run_checks(item, part.checks, part.beside, run)
        if part.group is not None:
            part.group.check(items, list_path, run)


def run_checks(item: Item, checks: Checks, beside: tuple[Check, ...], run: Run) -> None:
    """What is asked of a value of its type, where it has the JSON kind of that type, and of what is beside it."""
    value, path, code, shadow = item
    check = checks.get(code)
    if check is not None:
        primitive, own = check
        # Checks assume the JSON kind of the type: a wrong kind was reported by the type itself.
        if (not isinstance(value, dict | list)) if primitive else isinstance(value, dict):
            for entry in own:
                entry(value, path, run)
    for entry in beside:
        # An absent `_name` is an object without extensions: minima of extensions count from there.
        entry(shadow if isinstance(shadow, dict) else {}, path, run)


def _assignment(slices: Sequence[Slice]) -> Assign:
    """How items find their slice: by look-up where one coding identifies every slice, else by asking each in turn."""
    codings = [part.coding for part in slices if part.coding is not None]
    # All by codings at one path: one look-up an item, whatever the number of slices.
    if len(codings) == len(slices) > 1 and len({names for names, _, _ in codings}) == 1:
        names = codings[0][0]
        index: dict[tuple[str, str], tuple[int, ...]] = {}
        for number, (_, system, code) in enumerate(codings):
            index[system, code] = (*index.get((system, code), ()), number)
        return lambda items, _run: ([_look_up(item[0], names, index) for item in items], True)
    texts = [part.text for part in slices if part.text is not None]
    if len(texts) == len(slices) > 1 and len({name for name, _ in texts}) == 1:
        return _assignment_by_text(texts, slices)
    return lambda items, run: _query(items, slices, run)


def _assignment_by_text(texts: Sequence[SingleText], slices: Sequence[Slice]) -> Assign:
    """As by codings: extensions find their slice by url."""
    name = texts[0][0]
    numbers: dict[str, tuple[int, ...]] = {}
    for number, (_, text) in enumerate(texts):
        numbers[text] = (*numbers.get(text, ()), number)

    def assign(items: Sequence[Item], run: Run) -> tuple[list[tuple[int, ...]], bool]:
        results: list[tuple[int, ...]] = []
        decided = True
        for item in items:
            value = item[0].get(name) if type(item[0]) is dict else None
            if type(value) is str:
                results.append(numbers.get(value, ()))
                continue
            # Malformed, or no plain property: one by one.
            own, known = _query((item,), slices, run)
            results += own
            decided = decided and known
        return results, decided

    return assign


def _look_up(
    value: Any, names: tuple[str, ...], index: Mapping[tuple[str, str], tuple[int, ...]]
) -> tuple[int, ...]:
    results: tuple[int, ...] = ()
    for coding in _codings(value, names):
        if isinstance(coding, dict):
            system, code = coding.get("system"), coding.get("code")
            if isinstance(system, str) and isinstance(code, str):
                numbers = index.get((system, code))
                if numbers is not None and numbers != results:
                    results = (*results, *(n for n in numbers if n not in results))
    return results


def _codings(value: Any, names: tuple[str, ...]) -> Sequence[Any]:
    """The codings of an item; the usual ways to them (`coding`, `code.coding`) without detour."""
    if len(names) <= 2 and isinstance(value, dict):
        owner = value.get(names[0]) if len(names) == 2 else value
        codings = owner.get(names[-1]) if isinstance(owner, dict) else None
        if isinstance(codings, list):
            return codings
    return values_at(value, names)


def _query(items: Sequence[Item], slices: Sequence[Slice], run: Run) -> tuple[list[tuple[int, ...]], bool]:
    result: list[tuple[int, ...]] = []
    decided = True
    # A contained or entry resource is of its own type.
    for value, _, code, shadow in items:
        if code == "Resource" and isinstance(value, dict):
            code = str(value.get("resourceType"))
        node = (value, shadow, code)
        answers = [part.match(node, run) for part in slices]
        results = tuple(number for number, answer in enumerate(answers) if answer)
        if not results and None in answers:
            decided = False
        result.append(results)
    return result, decided
