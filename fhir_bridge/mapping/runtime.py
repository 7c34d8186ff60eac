"""What generated rules work with: the run's context, and what a record becomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from inspect import currentframe
from typing import Any, Literal, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

from fhir_bridge.fhir.ids import IdKey
from fhir_bridge.fhir.issues import Issue, Severity, declared
from fhir_bridge.fhir.ports import TerminologyPort
from fhir_bridge.fhir.record import owners_of
from fhir_bridge.fhir.serialization import dumps, loads_own
from fhir_bridge.mapping.errors import Position
from fhir_bridge.mapping.identity import IdentityResolver
from fhir_bridge.mapping.reads import Application, Applied, Reads, Use
from fhir_bridge.mapping.site import Site

__all__ = [
    "DELTA",
    "Context",
    "Conversion",
    "ElementTarget",
    "Instance",
    "JsonOutput",
    "Output",
    "Reject",
    "Trace",
    "position_of",
]

Outcome = Literal["converted", "partial", "rejected"]

_REMEMBERED = 60_000
"""Parts of outputs that a context remembers, some hundred bytes each."""

DELTA = {"url": "update", "valueCode": "delta"}
_PASSING = {"url": "update", "valueCode": "passing"}

_OF_VALUES = frozenset(("FB-MAP-207", "FB-MAP-208", "FB-MAP-209"))
"""Issues of a value that can't be read."""

GENERATED: dict[str, Sequence[Position | None]] = {}
"""Name of generated source -> the mapping position of each of its lines (from 1)."""


class Reject(Exception):
    """Lose the part that is being made, with this issue. Adapter functions raise it."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(issue.message)
        self.issue = issue


class ElementTarget(NamedTuple):
    """An element that a rule writes, and where the mapping says so."""

    rule: str
    path: str
    position: Position


class Trace(NamedTuple):
    """One write of a rule: the element's path, and the expression or literal it came from.

    Attributes:
        reads: values of the source that show in the element.
        others: values of the source that are read besides.
        conditions: what decided that it is written: `when` and `match` around it.
        loops: generated variables of the loops around it.
        holder: generated variable of the object or list that it was written to.
        member: name of the object's member, where it is known before any record.
    """

    rule: str
    element: str
    text: str
    position: Position
    reads: Reads = ()
    others: Reads = ()
    conditions: tuple[Use, ...] = ()
    loops: tuple[str, ...] = ()
    holder: str = ""
    member: str = ""


@dataclass(slots=True)
class Output:
    """A resource that a rule made.

    Attributes:
        time: business time; aware where the zone is known, naive where it is not, None where there is none.
        locator: the record's.
        written: the application of the rule, then what was written, in order, as the generated code notes it
            (`writes.py` reads it); empty unless the context traces.
        same: outputs of other objects that came out the same and count once, where the context traces.
        part: what of its record it is about (a sample of a file), where the source model shows.
    """

    type: str
    id: str
    resource: dict[str, Any]
    rule: str
    time: datetime | None
    locator: str
    written: list[tuple[Any, ...]] = field(default_factory=list)
    part: str = ""
    same: tuple[Output, ...] = ()

    def read(self) -> dict[str, Any]:
        """The resource to look into, which need not be kept."""
        return self.resource

    @property
    def applied(self) -> Application | None:
        """The application of the rule, where the context traces."""
        return Application(*self.written[0]) if self.written else None

    @property
    def trace(self) -> list[Trace]:
        """What was written, in the order of the mapping; empty unless the context traces."""
        applied = self.applied
        if applied is None:
            return []
        marks = frozenset(applied.marks)
        notes = [entry[0] for entry in self.written[1:] if entry[0] is not None]
        holders = {"o", "m", *(each.holder for each in notes)}
        literals = [
            Trace(
                self.rule, use.element, use.text, use.position, conditions=use.conditions, holder=use.holder
            )
            for use in applied.reads.literals
            if use.arms <= marks and use.holder in holders
        ]
        return sorted([*notes, *literals], key=lambda each: each.position)

    @property
    def json(self) -> bytes:
        """The resource as JSON, in UTF-8."""
        return dumps(self.resource)

    @property
    def status(self) -> Any:
        """The resource's status, where it has one."""
        return self.resource.get("status")

    @property
    def patients(self) -> tuple[str, ...]:
        """Ids of the Patients whom the resource is about (`fhir_bridge.fhir.record.owners_of`)."""
        return owners_of(self.resource).patients


class JsonOutput(Output):
    """An output that was made as bytes. `resource` is read from them when it is first asked for.

    Attributes:
        origin: gives the same output as it is made with a trace; None unless the context traces.
    """

    __slots__ = ("_json", "_patients", "_read", "_status", "origin")

    def __init__(
        self,
        kind: str,
        identity: str,
        json: bytes,
        rule: str,
        time: datetime | None,
        locator: str,
        status: str | None = None,
        patients: tuple[str, ...] = (),
        part: str = "",
    ) -> None:
        self.type = kind
        self.id = identity
        self.rule = rule
        self.time = time
        self.locator = locator
        self.part = part
        self._status = status
        self._patients = patients
        self._json: bytes | None = json
        self._read: dict[str, Any] | None = None
        self.origin: Callable[[JsonOutput], Output] | None = None

    @property
    def written(self) -> list[tuple[Any, ...]]:  # type: ignore[override]
        """As of an output with a trace: the record is converted again when it is first asked for."""
        return self.origin(self).written if self.origin else []

    @property
    def same(self) -> tuple[Output, ...]:  # type: ignore[override]
        """As of an output with a trace."""
        return self.origin(self).same if self.origin else ()

    @property
    def resource(self) -> dict[str, Any]:
        """The resource. What is changed in it counts."""
        if self._read is None:
            self._read = loads_own(self._json or b"")
            self._json = None
        return self._read

    @resource.setter
    def resource(self, resource: dict[str, Any]) -> None:
        self._read, self._json = resource, None

    def read(self) -> dict[str, Any]:
        """The resource, read from its bytes for this once: a study of 20,000 instances is 13 MB as an object."""
        return loads_own(self._json or b"") if self._read is None else self._read

    @property
    def status(self) -> Any:
        return self._status if self._read is None else self._read.get("status")

    @property
    def patients(self) -> tuple[str, ...]:
        return self._patients if self._read is None else owners_of(self._read).patients

    @property
    def json(self) -> bytes:
        """The resource as JSON."""
        return dumps(self._read) if self._json is None else self._json


@dataclass(slots=True)
class Conversion:
    """The outcome of one record."""

    outputs: list[Output]
    issues: list[Issue]
    outcome: Outcome


@dataclass(slots=True)
class Instance:
    """One application of a rule that others refer to: its scope object, id and what its first half computed."""

    scope: Any
    id: str
    locals: tuple[Any, ...]
    column: tuple[str, Any, Any] | None = None


def position_of(frame: Any) -> Position | None:
    """The place in a mapping that the innermost generated frame around `frame` came from."""
    while frame is not None:
        lines = GENERATED.get(frame.f_code.co_filename)
        if lines is not None:
            number = frame.f_lineno
            return lines[number] if number < len(lines) else None
        frame = frame.f_back
    return None


class Context:
    """One run: settings, terminology, identity, and what is collected on the way. Not for several threads.

    Attributes:
        options: the mapping's `source:` block with what overlays it; set by the mapping where it is not given.
        bytes: outputs are wanted as JSON (`JsonOutput`), for a sink that writes them.
        unmapped: (system or scheme, code, display) -> how often it had no target.
        record: the record being converted.
        zone: the zone of times without offset: the record's own (`record.zone`), else the site's.
    """

    def __init__(
        self,
        site: Site,
        terminology: TerminologyPort,
        identity: IdentityResolver,
        adapter: str,
        trace: bool = False,
        options: Mapping[str, Any] | None = None,
        bytes_: bool = False,
    ) -> None:
        self.bytes = bytes_
        self.site = site
        self.terminology = terminology
        self.identity = identity
        self.adapter = adapter
        self.trace = trace
        self.options: Mapping[str, Any] | None = options
        self.unmapped: Counter[tuple[str, str, str]] = Counter()
        self.key: IdKey = identity.key
        self.site_values = site.values
        self.concepts: dict[Any, Any] = {}
        """Cache of coded values (functions/coded.py)."""
        self.units: dict[Any, Any] = {}
        """Cache of units (functions/quantities.py)."""
        self.keyed: dict[Any, str] = {}
        """Cache of references by key (functions/references.py)."""
        self.last_patient: tuple[Any, Any, str] = (None, None, "")
        """The record's last patient, by what identified it (functions/references.py)."""
        self.last_sample: tuple[Any, str] = (None, "")
        """The record's last sample, and the reference to its Patient."""
        self.times: dict[Any, Any] = {}
        self.business_times: dict[Any, Any] = {}
        """Caches of times (functions/times.py)."""
        self.record: Any = None
        self.locator = ""
        self.source = ""
        self.bounds = ""
        """Within what the name of a sample that no crosswalk has is one sample: the record's own, else its source."""
        self._site_zone: ZoneInfo | None = site.timezone
        self.zone = self._site_zone
        self.rule = ""
        self.issues: list[Issue] = []
        self.applied: list[Applied] = []
        """Rules that gave an output of the record, with what they read; empty unless the source model accounts."""
        self.refused: list[Applied] = []
        """Rules whose condition was false for an object; empty unless the context traces."""
        self.instances: dict[str, list[Instance]] = {}
        self.reference_index: dict[tuple[str, int], dict[int, list[Instance]]] = {}
        self.source_uri = ""
        self.update = DELTA
        """The entry of a rule with `update: passing` in the source-record extension."""
        self.sequence: dict[str, str] | None = None
        """The record's entry in the source-record extension that orders records of one business time."""
        self.record_time: tuple[datetime | None, dict[str, Any] | None] = (None, None)
        self.decimal_mark: str = "."
        self.group_mark: str = ""
        self.date_format: str | None = None
        self.tables: Mapping[str, Any] = {}
        """Joined tables by name (joins.py)."""
        self.configured: Any = None
        """The compiled mapping that this context was last configured for."""
        self.sections: list[Any] = []
        """What is remembered of outputs in bytes, by rule (sections.py): of this record's source and zone."""
        self.section_sets: dict[Any, list[Any]] = {}
        self.sections_of: Any = None
        self.remembered = 0
        self.noise: list[Any] = []
        self.varied = False
        self._uris: dict[str, str] = {}
        self._last_time: tuple[Any, Any, tuple[datetime | None, dict[str, Any] | None]] | None = None

    def configure(self, options: Mapping[str, Any]) -> None:
        """Take reader options that also speak of values: `decimal`, `group`, `date`."""
        chosen = {**options, **(self.options or {})}
        self.decimal_mark = str(chosen.get("decimal") or ".")
        self.group_mark = str(chosen.get("group") or "")
        self.date_format = chosen.get("date") if isinstance(chosen.get("date"), str) else None
        self.times.clear()
        self.business_times.clear()
        self.section_sets.clear()
        self.sections_of = None

    def remember(self) -> None:
        """Count a part of an output that is remembered; beyond what memory may hold, those are forgotten of which there
        are many, since they hardly recur: codes and units stay."""
        self.remembered += 1
        if self.remembered > _REMEMBERED:
            most = _REMEMBERED // 50
            known = (each for rules in self.section_sets.values() for each in rules if each is not None)
            self.remembered = sum(each.forget(most) for each in known)
            if self.remembered > _REMEMBERED // 2:
                self.remembered = 0
                self.section_sets.clear()
                self.sections_of = None

    def vary(self) -> None:
        """Note that what is being made may be another thing the next time, so that it is not remembered."""
        self.varied = True

    def begin(self, record: Any) -> None:
        """Start a record."""
        self.record = record
        self.locator = record.locator
        source = record.source or ""
        if source != self.source or not self.source_uri:
            self.source = source
            self.source_uri = self.uri_of(source)
        self.bounds = getattr(record, "bounds", "") or source
        self.issues = []
        self.applied = []
        self.refused = []
        self.last_patient = (None, None, "")
        self.last_sample = (None, "")
        if self.instances:
            self.instances = {}
        if self.reference_index:
            self.reference_index = {}
        self.update = _PASSING if getattr(record, "passing", False) else DELTA
        sequence = record.sequence
        self.sequence = {"url": "sequence", "valueString": sequence} if sequence else None
        zone = getattr(record, "zone", None)
        self.zone = self._site_zone if zone is None else ZoneInfo(zone) if isinstance(zone, str) else zone

    def uri_of(self, source: str) -> str:
        """The URI of a source of this run's adapter, as `meta.source` has it."""
        uri = self._uris.get(source)
        if uri is None:
            uri = f"urn:fhir-bridge:{quote(self.adapter, safe='')}:{quote(source, safe='')}"
            self._uris[source] = uri
        return uri

    def time_of(self, time: datetime | None, read: Any) -> tuple[datetime | None, dict[str, Any] | None]:
        """The record's business time and its entry in the source-record extension; the last one is remembered."""
        if time is None:
            return None, None
        last = self._last_time
        if last is not None and last[0] == time and last[1] is self.zone and last[0].tzinfo is time.tzinfo:
            return last[2]
        results: tuple[datetime | None, dict[str, Any] | None] = read(self, time)
        self._last_time = (time, self.zone, results)
        return results

    def flag(self, code: str, message: str, severity: Severity | None = None) -> None:
        """Report an issue on the part being made, which is kept.

        Args:
            code: a declared issue code.
            message: what was found; no patient values.
            severity: the declared one unless given.
        """
        frame = currentframe()
        position = position_of(frame)
        if position is not None and position.reads:
            message = f"{', '.join(self._named(position.reads, frame, code))}: {message}"
        known = declared().get(code)
        self.issues.append(
            Issue(
                severity or (known.severity if known else "warning"),
                code,
                self.with_rule(message, position),
                self.where(frame),
            )
        )

    def _named(self, reads: Sequence[str], frame: Any, code: str) -> Sequence[str]:
        """What a rule reads, by its place where the scope object in hand is one of several alike."""
        if code not in _OF_VALUES:
            return reads
        while frame is not None and frame.f_code.co_filename not in GENERATED:
            frame = frame.f_back
        naming = getattr(frame.f_locals.get("s"), "selectors_in_message", None) if frame is not None else None
        if naming is None:
            return reads
        self.vary()  # another object of the same value has another place
        named: Sequence[str] = naming(reads)
        return named

    def lost(self, target: ElementTarget, code: str, message: str) -> None:
        """Report that an element is left out."""
        known = declared()[code]
        text = f"{message} [rule {target.rule}, {target.position}]"
        self.issues.append(Issue(known.severity, code, text, self.where(currentframe()), target.path))

    def with_rule(self, message: str, position: Position | None) -> str:
        """The message with the rule and the mapping's line."""
        rule = f"rule {self.rule}" if self.rule else "the mapping"
        return f"{message} [{rule}, {position}]" if position else f"{message} [{rule}]"

    def where(self, frame: Any = None) -> str:
        """The locator of the scope object in hand, else of the record."""
        while frame is not None:
            if frame.f_code.co_filename in GENERATED:
                own = getattr(frame.f_locals.get("s"), "locator", None)
                if isinstance(own, str) and own:
                    return own
                break
            frame = frame.f_back
        return self.locator
