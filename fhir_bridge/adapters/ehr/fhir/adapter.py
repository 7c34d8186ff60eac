"""The `fhir` adapter: a vendor's R4 in, one record a resource out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from fhir_bridge.adapters.ehr.fhir.earlier import as_r4, orders_of
from fhir_bridge.adapters.ehr.fhir.normalise import FUNCTIONS
from fhir_bridge.adapters.ehr.fhir.required_codes import with_required_codes
from fhir_bridge.adapters.ehr.fhir.resources import Item, parts_of, resources
from fhir_bridge.adapters.ehr.fhir.source_index import SourceIndex, record_key
from fhir_bridge.adapters.ehr.fhir.unknown_members import without_unknown
from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.fhir.definitions import type_definition
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.search.values import date_range
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.mapping import Record, Scope, nearest
from fhir_bridge.plugins import OptionError, ReadContext, RecordOutcome, SourceModel

__all__ = ["TYPES", "FhirAdapter", "FhirModel", "element_names"]

TYPES: Final = (
    "AllergyIntolerance Appointment Binary CarePlan CareTeam Claim Communication Composition Condition Consent "
    "Coverage Device DeviceRequest DeviceUseStatement DiagnosticReport DocumentReference Encounter EpisodeOfCare "
    "FamilyMemberHistory Flag Goal ImagingStudy Immunization List Location Media Medication "
    "MedicationAdministration MedicationDispense MedicationRequest MedicationStatement NutritionOrder "
    "Observation Organization Patient Practitioner PractitionerRole Procedure Provenance "
    "QuestionnaireResponse RelatedPerson RiskAssessment ServiceRequest Specimen SupplyDelivery Task"
).split()
"""Types that the shipped mapping has a rule for."""
_OPTIONS: Final = ("name", "base", "join", "decimal", "group", "date")
_OUTSIDE: Final = frozenset(("resourceType", "id", "meta", "implicitRules"))


@cache
def element_names(kind: str) -> frozenset[str]:
    """The JSON names of a type's elements, those with a choice of types by each of them."""
    names: set[str] = set()
    for element in type_definition(kind).elements:
        path = element.path.split(".")
        if len(path) != 2:
            continue
        if path[1].endswith("[x]"):
            stem = path[1].removesuffix("[x]")
            names.update(stem + one.code[:1].upper() + one.code[1:] for one in element.types)
        else:
            names.add(path[1])
    return frozenset(names)


class Resource:
    """A vendor's resource, as the object of the scope of its type."""

    def __init__(self, content: Mapping[str, Any], record: VendorRecord) -> None:
        self._content = content
        self.outer = record
        self.locator = record.locator

    @property
    def id(self) -> str | None:
        """The vendor's id."""
        return self._content.get("id")

    @property
    def origin(self) -> str:
        """The name of the system that it is of."""
        return self.outer.origin

    def get(self, name: str) -> Any:
        """An element as the vendor writes it."""
        return self._content.get(name)

    @property
    def updated(self) -> str | None:
        """When it was last changed."""
        return _updated(self._content)

    @property
    def labels(self) -> Any:
        """Its security labels."""
        meta = self._content.get("meta")
        return meta.get("security") if isinstance(meta, Mapping) else None


def _updated(content: Mapping[str, Any]) -> str | None:
    meta = content.get("meta")
    return meta.get("lastUpdated") if isinstance(meta, Mapping) else None


class VendorRecord(Record):
    """A record of one resource, which the system changes: an older state never replaces a newer one.

    Attributes:
        last_changed: when it was last changed; the beginning of time where the system does not say.
    """

    root = "Resource"

    def __init__(self, item: Item, origin: str, index: SourceIndex | None, outcome: RecordOutcome = "read",
                 issues: Sequence[Issue] = ()) -> None:  # fmt: skip
        content = item.resource or {}
        kind = str(content.get("resourceType", ""))
        key = record_key(kind, str(content["id"])) if content.get("id") else ""
        super().__init__(item.locator, source=origin, outcome=outcome, issues=list(issues), key=key)
        self.origin = origin
        try:
            self.last_changed = date_range(str(_updated(content)))[0]
        except ValueError:
            self.last_changed = datetime.min.replace(tzinfo=UTC)
        self.urls = item.urls
        self.bases = item.bases
        self.index = index
        self.kind = kind
        self._resource = Resource(content, self)

    def scope(self, name: str) -> Iterable[Any]:
        """The resource, in the scope of its type."""
        return (self._resource,) if name in (self.kind, self.root) else ()


class FhirModel:
    """A scope for each type: `Observation.code` reads the element as the vendor writes it."""

    root: str = "Resource"
    scopes: Mapping[str, Scope] = MappingProxyType(
        {"Resource": Scope("Resource"), **{kind: Scope(kind) for kind in TYPES}}
    )
    functions: Mapping[str, Callable[..., Any]] = FUNCTIONS
    token: str = ""

    def with_options(self, options: Mapping[str, Any]) -> FhirModel:
        """The same for all options.

        Raises:
            OptionError: one is unknown.
        """
        for option in options:
            if option not in (*_OPTIONS, "adapter", "check") and not option.startswith("join."):
                advice = nearest(option, _OPTIONS) or f"there are {', '.join(_OPTIONS)}"
                raise OptionError(option, f"source.{option} is no option of fhir", advice)
        return self

    def selector(self, text: str, scope: str) -> str:
        """Python source that reads the selector with `s` bound to a resource.

        Raises:
            LookupError: the type has no such element.
        """
        kind, _, name = text.strip().partition(".")
        if kind not in TYPES or kind != scope:
            raise LookupError(f'"{text}": write {scope if scope in TYPES else "<type>"}.<element>')
        if name in ("id", "origin", "updated", "labels"):
            return f"s.{name}"
        if name not in element_names(kind):
            raise LookupError(
                f'"{text}" is no element of {kind} ({nearest(name, sorted(element_names(kind)))})'
            )
        return f"s.get({name!r})"


class FhirAdapter:
    """FHIR R4 as Epic, Cerner and others export it."""

    name = "fhir"
    title = "FHIR R4 of other systems (Bundles, NDJSON)"
    model: SourceModel = FhirModel()
    suffixes: tuple[str, ...] = (".json", ".ndjson", ".jsonl")
    checks_all = True
    """What others made has no mapping that vouches for it: every output is validated."""

    def choose_mapping(self, paths: Sequence[Path]) -> str:  # noqa: ARG002
        """The one mapping."""
        return "ehr/fhir"

    def shards(self, paths: Sequence[Path], jobs: int) -> list[list[Path]]:  # noqa: ARG002
        """All together, since resources refer to each other."""
        return [list(paths)] if paths else []

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[VendorRecord]:
        """Read the resources in order; what is none is rejected, and the rest goes on."""
        origin, bases = _system(context)
        with closing(SourceIndex(_contents(paths), getattr(context, "stored", None))) as index:
            for path in paths:
                try:
                    for item in resources(path):
                        yield from _records(item._replace(bases=item.bases | bases), origin, index)
                except OSError as error:
                    yield _rejected(Item(path.name, None), origin, error.strerror or "it can't be read")

    def read_content(self, content: bytes, name: str, context: ReadContext) -> Iterator[VendorRecord]:
        """The resources of one text of JSON. One without id is known by its content."""
        origin, bases = _system(context)
        items = [_with_id(item) for item in parts_of(content, name)]
        known = (item.resource for item in items if item.resource is not None)
        with closing(SourceIndex(known, getattr(context, "stored", None))) as index:
            for item in items:
                yield from _records(item._replace(bases=item.bases | bases), origin, index)


def _system(context: ReadContext) -> tuple[str, frozenset[str]]:
    """The name of the system that the resources are of, and its addresses."""
    bases = str(context.options.get("base") or "").split()
    return str(context.options.get("name") or "vendor"), frozenset(f"{base.rstrip('/')}/" for base in bases)


def _with_id(item: Item) -> Item:
    if item.resource is None or item.resource.get("id"):
        return item
    return item._replace(
        resource={**item.resource, "id": blake2b(dumps(item.resource), digest_size=16).hexdigest()}
    )


def _contents(paths: Sequence[Path]) -> Iterator[Mapping[str, Any]]:
    for path in paths:
        try:
            yield from (item.resource for item in resources(path) if item.resource is not None)
        except OSError:
            continue  # the reader says so


def _is_empty(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_empty, value))
    return value is None or value == {}


def _rejected(item: Item, origin: str, problem: str) -> VendorRecord:
    return VendorRecord(item, origin, None, "rejected", [new_issue("FB-VEND-001", problem, item.locator)])


def _records(item: Item, origin: str, index: SourceIndex) -> Iterator[VendorRecord]:
    if item.resource is None:
        yield _rejected(item, origin, item.problem)
        return
    for resource in orders_of(item.resource):
        yield _record(item, resource, origin, index)


def _record(item: Item, resource: Mapping[str, Any], origin: str, index: SourceIndex) -> VendorRecord:
    resource, unknown = without_unknown(as_r4(resource))
    resource = with_required_codes(resource)
    item = item._replace(resource=resource)
    kind = str(resource["resourceType"])
    if kind in ("OperationOutcome", "Bundle", "Parameters"):
        issue = new_issue("FB-VEND-002", f"a {kind} is no part of a record", item.locator)
        return VendorRecord(item, origin, index, "skipped", [issue])
    if kind not in TYPES:
        return _rejected(item, origin, f"the mapping has no rule for {kind}")
    if not isinstance(resource.get("id"), str):
        return _rejected(item, origin, f"the {kind} has no id")
    own = element_names(kind) | _OUTSIDE
    strange = sorted(
        str(name) for name, value in resource.items() if name not in own and not _is_empty(value)
    )
    strange += unknown
    issues = []
    if strange:
        text = (
            f"{kind} has what R4 does not have there, or an extension of a plain value: {', '.join(strange)}"
        )
        issues.append(new_issue("FB-VEND-003", text, item.locator))
    return VendorRecord(item, origin, index, issues=issues)
