"""What FHIR says that no source does: times, amounts, identifiers and codes without an origin.

Systems, profiles, ids, `meta`, narrative and what the FHIR model asks for (status, category, what a component is) are
no statements about a patient. A value is looked for in all sources of the FHIR, in any form that an audit knows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from fhir_bridge.workshop.audit.fhir_pool import FhirLeaf, Pool, PoolResource
from fhir_bridge.workshop.audit.moments import Moment, moment
from fhir_bridge.workshop.audit.record_audit import RecordAudit
from fhir_bridge.workshop.audit.translations import translations
from fhir_bridge.workshop.normal_forms import folded, number, numbers, plain, words
from fhir_bridge.workshop.units import ucum_of

__all__ = ["Invention", "inventions"]

_OF_EXCHANGE: Final = frozenset(
    """Bundle Provenance AuditEvent OperationOutcome MessageHeader Parameters CapabilityStatement Binary
    StructureDefinition ValueSet CodeSystem ConceptMap""".split()
)
"""Resources that say how data were made or sent."""

_STATEMENTS: Final = re.compile(
    r"(value|Condition\.code|Procedure\.code|AllergyIntolerance\.code|medication|vaccineCode|bodySite|\.method"
    r"|interpretation|reason|manifestation|substance|stage|evidence|severity)"
)
"""Elements whose codes are about the patient; what others are is in the FHIR model, or in the engine's mapping."""

_MODEL: Final = re.compile(r"https?://(terminology\.)?hl7\.org/|urn:ietf:bcp:47|urn:iso:std:iso:3166")
_HASH: Final = re.compile(
    r"(?:urn:uuid:)?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12,52}\Z", re.I
)
_AMOUNTS: Final = frozenset(("value", "valueDecimal", "valueInteger", "multipleBirthInteger"))
_NOT_STATED: Final = re.compile(
    r"\.(meta|contained|text|implicitRules|security)\.|\.extension\.extension\.url$"
)
_ZONES: Final = timedelta(hours=14)


@dataclass(frozen=True, slots=True)
class Invention:
    """A value of FHIR without an origin.

    Attributes:
        place: file and place of its resource.
        element: path, `Observation.effectiveDateTime`.
        what: `time`, `amount`, `identifier`, `code`.
        value: shown only on demand.
    """

    place: str
    element: str
    what: str
    value: str


def inventions(audits: Sequence[RecordAudit], pool: Pool) -> list[Invention]:
    """The values of a pool that none of the records that it was made of says."""
    sources = _Sources(audits)
    results = []
    for resource in pool.resources:
        if resource.type in _OF_EXCHANGE:
            continue
        for leaf in resource.leaves:
            what = _kind(leaf)
            if what and not sources.state(what, leaf, resource):
                results.append(Invention(resource.locator, leaf.path, what, leaf.text))
    return results


def _kind(leaf: FhirLeaf) -> str:
    """What a leaf states; nothing where it states nothing about a patient."""
    if _NOT_STATED.search(leaf.path):
        return ""
    if leaf.moment is not None and leaf.element not in ("code", "display", "value"):
        return "time"
    if isinstance(leaf.value, int | float | Decimal) and not isinstance(leaf.value, bool):
        return "amount" if leaf.element in _AMOUNTS else ""
    if leaf.path.endswith("identifier.value"):
        return "" if _HASH.match(leaf.text) else "identifier"
    if leaf.path.endswith("coding.code") and _STATEMENTS.search(leaf.path):
        system = next((other.text for other in _beside(leaf) if other.element == "system"), "")
        return "" if _MODEL.match(system) else "code"
    return ""


def _beside(leaf: FhirLeaf) -> list[FhirLeaf]:
    return leaf.resource.holders[leaf.holder]


class _Sources:
    """All that the records say, in the forms that FHIR may have it in."""

    def __init__(self, audits: Sequence[RecordAudit]) -> None:
        leaves = [leaf for audit in audits for leaf in audit.record.leaves]
        derived = [text for audit in audits for text in audit.record.derived]
        self._of_variants = any(unit.name == "variant" for audit in audits for unit in audit.record.units)
        self._words = {word for leaf in leaves for word in words(leaf.value)}
        self._words |= {word for text in derived for word in words(text)}
        self._plain = {plain(leaf.value) for leaf in leaves}
        self._texts = {
            folded(text) for leaf in leaves for text in (leaf.value, *leaf.forms, *translations(leaf))
        }
        self._numbers = {
            *_numbers(text for leaf in leaves for text in (leaf.value, *leaf.forms)),
            *_numbers(derived),
        }
        self._walls: set[datetime] = set()
        self._days: set[tuple[int, ...]] = set()
        for audit in audits:
            for leaf in audit.record.leaves:
                self._take_time(moment(leaf.value), audit.record.zone)
        self._links = _replaced(audits)
        self._tests: dict[str, Callable[[FhirLeaf, PoolResource], bool]] = {
            "time": self._time,
            "amount": self._amount,
            "identifier": self._identifier,
            "code": self._code,
        }

    def state(self, what: str, leaf: FhirLeaf, resource: PoolResource) -> bool:
        """Whether a source says a value."""
        return self._tests[what](leaf, resource)

    def _take_time(self, stated: Moment | None, zone: int | None) -> None:
        if stated is None or stated.wall is None:
            return
        for length in (1, 2, 3):
            self._days.add(stated.parts[:length])
        if not stated.has_time:
            return
        offset = stated.offset if stated.offset is not None else zone
        self._walls.add(stated.wall.replace(second=0))
        if offset is not None:
            utc = stated.wall - timedelta(minutes=offset)
            self._walls.add(utc.replace(second=0))
            for day in (utc, utc + timedelta(hours=14), utc - timedelta(hours=12)):
                self._days.add((day.year, day.month, day.day))

    def _time(self, leaf: FhirLeaf, _: PoolResource) -> bool:
        stated = leaf.moment
        assert stated is not None
        if not stated.has_time or not any(stated.parts[3:]):
            return stated.parts[:3] in self._days
        readings = [each.replace(second=0) for each in (stated.wall, stated.instant) if each is not None]
        return any(
            reading + timedelta(minutes=15 * step) in self._walls  # another zone is a finding of its own
            for reading in readings
            for step in range(-int(_ZONES.total_seconds() // 900), int(_ZONES.total_seconds() // 900) + 1)
        )

    def _amount(self, leaf: FhirLeaf, _: PoolResource) -> bool:
        value = leaf.number
        if value is None or value in self._numbers or leaf.text in self._words:
            return True
        unit = next((other.text for other in _beside(leaf) if other.element in ("code", "unit")), "")
        return _converts(value, ucum_of(unit) if unit else None, self._numbers)

    def _identifier(self, leaf: FhirLeaf, _: PoolResource) -> bool:
        own = plain(leaf.text)
        if folded(leaf.text) in self._texts or own in self._plain:
            return True
        parts = words(re.sub(r"^urn:(oid|uuid):|^https?://\S*[/#]", "", leaf.text))
        return all(part in self._words for part in parts if len(part) > 1)

    def _code(self, leaf: FhirLeaf, resource: PoolResource) -> bool:
        if self._is_stated(leaf) or (self._of_variants and self._of_variant(leaf)):
            return True
        siblings = [
            other
            for other in resource.leaves
            if len(other.chain) >= len(leaf.chain) - 1
            and other.chain[: len(leaf.chain) - 1] == leaf.chain[:-1]
            and other.element in ("code", "display", "text")
        ]
        return any(self._is_stated(other) for other in siblings) or (leaf.path, leaf.text) in self._links

    def _of_variant(self, leaf: FhirLeaf) -> bool:
        """Whether a code is an answer of LOINC, a type of the Sequence Ontology, or names a place that a source has."""
        if re.fullmatch(r"LA\d+-\d|SO:\d+", leaf.text):
            return True
        stated = [each for each in numbers(leaf.text.partition(":")[2]) if each > 9]
        return ":" in leaf.text and all(self._numbers & {each - 1, each, each + 1} for each in stated)

    def _is_stated(self, leaf: FhirLeaf) -> bool:
        text = folded(leaf.text)
        if text in self._texts or plain(leaf.text) in self._plain:
            return True
        own = words(leaf.text)
        return bool(own) and leaf.element != "code" and all(word in self._words for word in own)


def _numbers(texts: Iterable[str]) -> Iterator[Decimal]:
    for text in texts:
        value = number(text)
        if value is not None:
            yield value
        else:
            yield from numbers(text)


def _converts(value: Decimal, unit: str | None, stated: set[Decimal]) -> bool:
    """Whether an amount is one of a source, rounded, in another decimal unit or one of another system."""
    if not value:
        return True
    factors = [Decimal(10) ** power for power in (-9, -6, -3, -2, -1, 0, 1, 2, 3, 6, 9)]
    factors += [Decimal(text) for text in _FACTORS.get(unit or "", ())]
    if any(_close(value, value * factor, stated, factor) for factor in factors):
        return True
    return unit in ("Cel", "[degF]") and any(
        abs(other - each) <= Decimal("0.06")
        for each in stated
        for other in ((value * 9 / 5 + 32) if unit == "Cel" else (value - 32) * 5 / 9,)
    )


def _close(value: Decimal, wanted: Decimal, stated: set[Decimal], factor: Decimal) -> bool:
    """Whether a source states a number that rounds to the value."""
    exponent = value.as_tuple().exponent
    digits = Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0) * factor / 2
    return wanted in stated or any(abs(each - wanted) <= digits for each in stated)


_FACTORS: Final = {
    "kg": ("2.2046226", "0.45359237"),
    "cm": ("0.3937008", "2.54"),
    "m": ("39.37008", "3.28084"),
    "min": ("60", "0.0166667"),
    "h": ("60", "24"),
    "d": ("24", "7"),
    "mm[Hg]": ("0.1333224", "7.500617"),
}
"""What an amount in a unit is multiplied by to be what sources write otherwise."""


def _replaced(audits: Sequence[RecordAudit]) -> set[tuple[str, str]]:
    """Codes that stand where a code or word of a source was lost, one to one over the audit: its translation."""
    became: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    came: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for audit in audits:
        for source, target in audit.replaced:
            became[source].add(target)
            came[target].add(source)
    return {target for target, sources in came.items() if any(len(became[source]) == 1 for source in sources)}
