"""Elements of an output that were made before from the same values: their bytes are taken, not made again.

A rule that is compiled to bytes falls into sections: elements that depend on the same values of the source. What a
section gives is remembered by those values, with the branches it entered and the issues it reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from fhir_bridge.fhir.canonical import SOURCE_EXTENSION
from fhir_bridge.fhir.datatypes import Reference
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.record import elements_of_owners, owners_of
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.mapping.head_code import HEADS
from fhir_bridge.mapping.runtime import DELTA, Context, JsonOutput

__all__ = ["NoSections", "SectionPlan", "Sections", "known_key", "settle", "unchanged", "written"]

Entry = tuple[Any, ...]
"""Branches entered (a number, by bits), status, patients, then the bytes of each element."""

_MANY = 20_000
_TRIAL, _SHARE = 1000, 0.9
"""Misses of a section after which it shows whether remembering pays, and their share from which it does not."""

_LITTLE = 0.6
"""Share of a rule's sections that are made from which its outputs are made as a whole."""


class NoSections(Exception):
    """This output can't be put together of sections: it is made as a whole."""


class Section(NamedTuple):
    """What is known of a section before any record is read.

    Attributes:
        orders: by which what its variables and elements report is sorted, as a whole output reports it.
        status: which of its elements is `status`; -1 for none.
        owners: which of its elements decide whom the resource is about.
        lists: of each element how many bytes are before the items of the list that it is a part of; 0 for others.
    """

    orders: tuple[int, ...]
    status: int
    owners: tuple[int, ...]
    lists: tuple[int, ...]


class SectionPlan(NamedTuple):
    """What is known of a rule's sections before any record is read.

    Attributes:
        type: the resource type.
        bits: number of a branch -> its bit.
        profiles: of `meta.profile`.
        delta: the rule updates parts of a resource; passing: in passing, where the record is about something else.
        lets: how many variables stand in keys for the values that decide them.
    """

    type: str
    bits: dict[int, int]
    sections: tuple[Section, ...]
    profiles: list[str]
    delta: bool
    passing: bool
    lets: int


class Noise(NamedTuple):
    """What an element reported when it was made, to be reported again.

    Attributes:
        order: place of the element in the resource.
    """

    order: int
    issues: tuple[Issue, ...]
    unmapped: tuple[tuple[tuple[str, str, str], int], ...]


class Sections:
    """What is remembered of one rule, for one source and zone.

    Attributes:
        anchor, record: the group around the present object, and the record, that `group` is of.
        tokens: numbers for the values around the object that its own sections depend on too.
        lets: values of variables, by number: what decides them -> value.
        time: business time of the group's outputs, where the rule takes it from around its object.
        group: entries of the sections that depend on what is around the object alone.
        head, head_anchor, head_record: what condition and key take from around, and of which group of which record.
        begun: the first parts of the group's ids.
        heads: what condition and key take from the object itself (what it adds to the id too), by what decides it.
        noise: what these reported.
        tables: by section: values of the source -> entry.
        start: `meta` of the group's outputs, where it is the same for all.
        steady: all sections together that recur from object to object.
        usual: the same, of objects that are as the source model says that most are.
        applied: how often the rule was applied.
        off: remembering does not pay.
    """

    __slots__ = (
        "_calls",
        "_counted",
        "_direct",
        "_joined",
        "_meta",
        "_metas",
        "_misses",
        "_noisy",
        "_none",
        "_numbers",
        "_plan",
        "anchor",
        "applied",
        "begun",
        "group",
        "head",
        "head_anchor",
        "head_record",
        "heads",
        "lets",
        "noise",
        "off",
        "record",
        "start",
        "steady",
        "tables",
        "time",
        "tokens",
        "usual",
    )  # fmt: skip

    def __init__(self, plan: SectionPlan) -> None:
        self._plan = plan
        self.anchor: Any = None
        self.record: Any = None
        self.tokens: list[int] = []
        self.lets: list[dict[Any, Any]] = [{} for _ in range(plan.lets)]
        self.time: Any = None
        self.group: list[Entry] = []
        self.head: Any = None
        self.head_anchor: Any = None
        self.head_record: Any = None
        self.begun: Any = None
        self.heads: list[dict[Any, tuple[Any, ...]]] = [{} for _ in range(HEADS)]
        self.noise: list[Noise] = []
        self.start = b""
        self.steady: dict[Any, Entry] = {}
        self.usual: dict[Any, Entry] = {}
        self.tables: list[dict[Any, Entry]] = [{} for _ in plan.sections]
        self.applied = 0
        self.off = False
        self._misses = [0] * len(plan.sections)
        self._calls = 0
        self._counted = 0
        self._joined = 0
        self._direct = [False] * len(plan.sections)
        self._metas: dict[tuple[int, int], tuple[Any, bytes]] = {}
        self._none: Counter[tuple[str, str, str]] = Counter()
        self._numbers: dict[Any, int] = {}
        self._noisy: dict[Any, tuple[Entry, list[Noise]] | None] = {}
        self._meta: tuple[Any, Any, bytes] = (None, None, b"")

    def number_of(self, kind: int, values: tuple[Any, ...]) -> int:
        """The number that stands for these values."""
        number = self._numbers.get((kind, values))
        if number is None:
            if len(self._numbers) >= _MANY:
                self._numbers.clear()
                self.forget(0)
            # No number comes again: the group that is being made may have one from before.
            self._counted += 1
            number = self._numbers[kind, values] = self._counted
        return number

    def forget(self, most: int) -> int:
        """Empty the tables of more entries than so many, which hold values that hardly recur; returns what is kept."""
        kept = 0
        tables: list[dict[Any, Any]] = [*self.tables, self.steady, self.usual, self._noisy]
        for table in tables:
            if len(table) > most:
                table.clear()
            kept += len(table)
        return kept

    def join(
        self,
        ctx: Context,
        table: dict[Any, Entry],
        key: Any,
        quiet: int,
        mask: int,
        status: Any,
        patients: tuple[str, ...],
        runs: tuple[tuple[bytes, ...], ...],
        *lets: Any,
    ) -> Entry:
        """Several sections as one entry, the bytes of neighbours joined, and remembered.

        After the bytes: what they reported, a number that stands for the key, values of variables.
        """
        self._joined += 1
        entry = (
            mask, status, patients, *map(b"".join, runs), tuple(ctx.noise[quiet:]), self._joined, *lets,
        )  # fmt: skip
        if len(table) >= _MANY:
            table.clear()
        table[key] = entry
        ctx.remember()
        return entry

    @staticmethod
    def keep(values: dict[Any, tuple[Any, ...]], key: Any, value: tuple[Any, ...]) -> tuple[Any, ...]:
        """Remember what condition and key take from an object."""
        if len(values) >= _MANY:
            values.clear()
        values[key] = value
        return value

    def begin(self, ctx: Context, *parts: str, optional: frozenset[int] = frozenset()) -> Any:
        """The hash of the first parts that ids have in common."""
        self.begun = ctx.key.begun(*parts, optional=optional)
        return self.begun

    def let(self, ctx: Context, number: int, key: Any, call: Callable[..., Any], *arguments: Any) -> Any:
        """A variable's value, computed and remembered.

        Raises:
            NoSections: computing it reported something.
        """
        issues, unmapped, ctx.issues, ctx.unmapped = ctx.issues, ctx.unmapped, [], Counter()
        try:
            value = known_key(call(ctx, *arguments))
            if ctx.issues or ctx.unmapped:
                raise NoSections
        finally:
            ctx.issues, ctx.unmapped = issues, unmapped
        values = self.lets[number]
        if len(values) >= _MANY:
            values.clear()
        values[key] = value
        return value

    def make(
        self,
        ctx: Context,
        number: int,
        key: Any,
        call: Callable[..., Any],
        *arguments: Any,
        keep: bool = True,
    ) -> Entry:
        """What a section gives that the table has not: made by its function, and remembered.

        Raises:
            NoSections: it reported something that a whole output reports once.
        """
        direct = self._direct[number]
        if keep:
            self._calls += 1
            if not self._calls & 2047:
                self.off = self._calls > _LITTLE * self.applied * len(self.tables)
        if self._noisy and keep and not direct and (number, key) in self._noisy:
            known = self._noisy[number, key]
            if known is None:
                raise NoSections
            ctx.noise += known[1]
            return known[0]
        issues, unmapped = ctx.issues, ctx.unmapped
        ctx.issues, ctx.unmapped, ctx.varied = [], self._none, False
        entry: Entry | None = None
        noise: list[Noise] = []
        try:
            marks, cleared, parts, counts = call(ctx, *arguments)
            if not cleared:
                entry = self._entry(number, marks, parts)
                if ctx.issues or ctx.unmapped:
                    noise = self._noise(ctx, number, counts)
        except NoSections:
            pass
        finally:
            if ctx.unmapped:
                self._none = Counter()
            ctx.issues, ctx.unmapped = issues, unmapped
        if keep and not direct and not ctx.varied:
            self._remember(ctx, number, key, entry, noise)
        if entry is None:
            raise NoSections
        if noise:
            ctx.noise += noise
        return entry

    def fresh(self, ctx: Context, call: Callable[..., Entry], *arguments: Any) -> Entry:
        """A section that is made for each object.

        Raises:
            NoSections: it reported something: the output is made as a whole, which reports it again.
        """
        issues, unmapped, ctx.issues, ctx.unmapped = ctx.issues, ctx.unmapped, [], self._none
        try:
            entry = call(ctx, *arguments)
            if ctx.issues or ctx.unmapped:
                raise NoSections
        finally:
            if ctx.unmapped:
                self._none = Counter()
            ctx.issues, ctx.unmapped = issues, unmapped
        return entry

    def _entry(self, number: int, marks: Sequence[int], parts: tuple[dict[str, Any], ...]) -> Entry:
        section = self._plan.sections[number]
        mask = 0
        if marks:
            bits = self._plan.bits
            for mark in marks:
                if mark in bits:
                    mask |= 1 << bits[mark]
        status = None if section.status < 0 else parts[section.status].get("status")
        patients: tuple[str, ...] = ()
        for place in section.owners:
            if parts[place]:
                patients += _patients(self._plan.type, parts[place])
        if len(parts) == 1:
            part = parts[0]
            return mask, status, patients, _bytes_of(part, section.lists[0])
        return (mask, status, patients, *map(_bytes_of, parts, section.lists))

    def _noise(self, ctx: Context, number: int, counts: tuple[int, ...]) -> list[Noise]:
        """What a section has just reported, by its variables and elements."""
        noise: list[Noise] = []
        before, unmapped = 0, tuple(ctx.unmapped.items())
        for order, count in zip(self._plan.sections[number].orders, counts, strict=True):
            if count > before or unmapped:
                noise.append(Noise(order, tuple(ctx.issues[before:count]), unmapped))
                unmapped = ()
            before = count
        return noise

    def _remember(self, ctx: Context, number: int, key: Any, entry: Entry | None, noise: list[Noise]) -> None:
        misses = self._misses[number] = self._misses[number] + 1
        table = self.tables[number]
        if misses > _TRIAL and misses > _SHARE * self.applied:  # values that hardly recur are made each time
            self._direct[number] = True
            table.clear()
            return
        if entry is None or noise:
            if len(self._noisy) >= _MANY:
                self._noisy.clear()
            self._noisy[number, key] = None if entry is None else (entry, noise)
            ctx.remember()
            return
        if len(table) >= _MANY:
            table.clear()
        table[key] = entry
        ctx.remember()

    def meta(self, ctx: Context, time: Any, more: bytes = b"") -> bytes:
        """`meta` in bytes, with what the rule itself writes into it; those of times that recur are remembered."""
        if more:
            return self.meta(ctx, time)[:-1] + more + b"}"
        entry, sequence = time[1], ctx.sequence
        last = self._meta
        if last[0] is entry and last[1] is sequence and entry is not None:
            return last[2]
        if sequence is None:
            known = self._metas.get((id(entry), id(ctx.update)))
            if known is not None and known[0] is entry:
                return known[1]
        update = ctx.update if self._plan.passing else DELTA if self._plan.delta else None
        extension = [item for item in (entry, update, sequence) if item]
        content: dict[str, Any] = {}
        if extension:
            content["extension"] = [{"url": SOURCE_EXTENSION, "extension": extension}]
        content["source"] = ctx.source_uri
        if self._plan.profiles:
            content["profile"] = self._plan.profiles
        text = b'","meta":' + dumps(content)
        if sequence is None:
            if len(self._metas) >= _MANY:
                self._metas.clear()
            self._metas[id(entry), id(ctx.update)] = (entry, text)
        else:
            self._meta = (entry, sequence, text)
        return text


def _bytes_of(part: dict[str, Any], head: int) -> bytes:
    """An element with the comma before it; of a part of a list, whose own bytes begin with `head`, the items."""
    if not part:
        return b""
    return b"," + (dumps(part)[head:-2] if head else dumps(part)[1:-1])


def _patients(kind: str, part: dict[str, Any]) -> tuple[str, ...]:
    """Ids of the Patients whom an element says that a resource is about."""
    if len(part) == 1:
        (value,) = part.values()
        if value.__class__ is Reference and len(value) == 1:
            target, _, identity = value["reference"].partition("/")
            if target == "Patient" and len(identity) <= 64 and identity.isalnum() and identity.isascii():
                return (identity,)
    return owners_of({"resourceType": kind, **part}).patients


def unchanged(ctx: Context, before: int) -> None:
    """Leave an output whose time was reported to be wrong.

    Raises:
        NoSections: an issue was reported since.
    """
    if len(ctx.issues) != before:
        del ctx.issues[before:]
        raise NoSections


def known_key(value: Any) -> Any:
    """A variable's value as a part of a key.

    Raises:
        NoSections: equal values of its class may be written differently.
    """
    kind = value.__class__
    if kind is str or value is None:
        return value
    if kind is bool or kind is int:
        return (kind, value)
    raise NoSections


def settle(ctx: Context, s: Any) -> None:
    """Report what the sections of an output reported when they were made, in the order of its elements."""
    noise, ctx.noise = sorted(ctx.noise, key=_order), []
    own = getattr(s, "locator", None)
    where = own if isinstance(own, str) and own else ctx.locator
    for item in noise:
        for key, count in item.unmapped:
            ctx.unmapped[key] += count
        ctx.issues += [issue if issue.source == where else _moved(issue, where) for issue in item.issues]


def _order(noise: Noise) -> int:
    return noise.order


def _moved(issue: Issue, where: str) -> Issue:
    return Issue(issue.severity, issue.code, issue.message, where, issue.expression)


def written(
    kind: str, uid: str, resource: dict[str, Any], rule: str, time: Any, locator: str, part: str = ""
) -> JsonOutput:
    """An output whose dict is written to bytes at once."""
    status = resource.get("status")
    if "contained" in resource or kind == "Patient":
        patients = owners_of(resource).patients
    else:
        patients = ()
        for name in elements_of_owners(kind):
            if name in resource:
                patients += _patients(kind, {name: resource[name]})
    return JsonOutput(kind, uid, dumps(resource), rule, time, locator, status, patients, part)
