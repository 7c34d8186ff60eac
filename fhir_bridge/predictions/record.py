"""A patient's record as a predictor sees it: stored resources of all modalities, each in an exact version."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal

from fhir_bridge.fhir.models import plain, to_model
from fhir_bridge.predictions.times import AHEAD, as_known_at, moment_of, parse_time

__all__ = [
    "AHEAD",
    "DEATH_CODES",
    "LONG_AGO",
    "SETTLED",
    "Evidence",
    "Modality",
    "PatientRecord",
    "Statement",
    "certainty_of",
    "codings",
    "concept_of",
    "decimal_of",
    "declared_codes",
    "effective_of",
    "is_asserted",
    "is_declared",
    "may_state",
    "modality_of",
    "moment_of",
    "parse_time",
    "uncoded_names",
]

Modality = Literal["ehr", "imaging", "genomics", "signals", "text"]

_MODALITY: dict[str, Modality] = {
    "dicom": "imaging",
    "dicomweb": "imaging",
    "vcf": "genomics",
    "pgs": "genomics",
    "pharmcat": "genomics",
}
SETTLED = frozenset({"final", "amended", "corrected"})
"""Statuses of an Observation that is."""

DEATH_CODES: Final = frozenset({("http://loinc.org", "81956-5")})
"""Of Observations of the time of death, which are read for every model."""

_AI_ASSERTED = ("http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "AIAST")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One resource that a result rests on.

    Attributes:
        reference: with its version: `Observation/x/_history/3`.
        label: what it is, for people.
        value: the value as used by the model, with unit, for people; empty where there is none.
        time: when it was true, as the resource says.
    """

    reference: str
    label: str
    value: str
    time: str
    modality: Modality

    @property
    def resource_type(self) -> str:
        """The type of the referenced resource."""
        return self.reference.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Statement:
    """Something coded that a resource says of the patient.

    Attributes:
        concept: the CodeableConcept.
        polarity: whether it is said to be, or not to be.
        suspected: provisional, differential or unconfirmed.
        current: not said to have ended.
    """

    resource: dict[str, Any]
    concept: Any
    polarity: Literal["present", "absent"]
    suspected: bool
    current: bool


def codings(concept: Any) -> Iterator[tuple[str, str]]:
    """(system, code) of a CodeableConcept."""
    if isinstance(concept, dict):
        for coding in concept.get("coding", ()):
            yield coding.get("system", ""), coding.get("code", "")


def concept_of(condition: Mapping[str, Any]) -> Any:
    """What a Condition is: its code, with the codes of its stage, which say it more exactly (`Condition.stage`)."""
    concept = condition.get("code")
    stages = [coding for stage in condition.get("stage", ()) for coding in _codings(stage.get("summary"))]
    if not stages:
        return concept
    return {**(concept or {}), "coding": [*_codings(concept), *stages]}


def _codings(concept: Any) -> list[Any]:
    return list(concept.get("coding", ())) if isinstance(concept, dict) else []


_GM: Final = frozenset(
    {"http://fhir.de/CodeSystem/bfarm/icd-10-gm", "http://fhir.de/CodeSystem/dimdi/icd-10-gm"}
)
_CERTAINTY: Final = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"
_MARKED: Final = re.compile(r"[A-Z][0-9]{2}(?:\.?[0-9]{0,2}-?)?[*+!†]?\s*[RLB]?\s*([AGVZ])", re.IGNORECASE)
"""A code of ICD-10-GM, whose only letter is the first, with the side and the certainty behind it (`I50.14 V`)."""


def certainty_of(concept: Any) -> Literal["", "A", "G", "V", "Z"]:
    """Diagnosis certainty of ICD-10-GM: excluded (A), confirmed (G), suspected (V), history of (Z); empty: not stated.

    By the extension of a coding, or behind its code. Where two codings differ, it is suspected: no rule says which is
    true.
    """
    stated: set[Any] = set()
    for coding in concept.get("coding", ()) if isinstance(concept, dict) else ():
        for extension in coding.get("extension", ()):
            if extension.get("url") == _CERTAINTY:
                values = [extension.get("valueCoding") or {}]
                values += (extension.get("valueCodeableConcept") or {}).get("coding", ())
                codes = [*(value.get("code") for value in values), extension.get("valueCode")]
                stated |= {str(code).strip().upper() for code in codes if code}
        marked = _MARKED.fullmatch(str(coding.get("code", ""))) if coding.get("system") in _GM else None
        if marked is not None:
            stated.add(marked[1].upper())
    stated &= {"A", "G", "V", "Z"}
    if len(stated) > 1:
        # A history of what is confirmed is one: `G` and `Z` say both that it was.
        return "Z" if stated == {"G", "Z"} else "V"
    return stated.pop() if stated else ""


def uncoded_names(observation: dict[str, Any]) -> dict[str, str]:
    """Names of a variant that stand in a note, since they have no accession; by kind (`c`, `n`, `p`)."""
    texts = " ".join(str(note.get("text", "")) for note in observation.get("note", ()))
    return {match[1][0]: match[1] for match in _UNCODED.finditer(texts)}


_UNCODED = re.compile(r"(?:^|[\s;(])([cnp]\.[^\s;,)]+)")


def modality_of(resource: dict[str, Any]) -> Modality:
    """Which kind of source a resource came from, by its `meta.source`."""
    parts = str(resource.get("meta", {}).get("source", "")).split(":")
    return _MODALITY.get(parts[2], "ehr") if len(parts) > 2 and parts[1] == "fhir-bridge" else "ehr"


def is_asserted(resource: Mapping[str, Any]) -> bool:
    """Whether a model wrote it."""
    return any(
        (label.get("system"), label.get("code")) == _AI_ASSERTED
        for label in resource.get("meta", {}).get("security", ())
    )


def may_state(observation: Mapping[str, Any]) -> bool:
    """Whether an Observation may be a finding, whatever its code: its value is one, or its code is, with yes or none.

    `storage.declared_records` looks for the same in the bytes.
    """
    if "valueCodeableConcept" in observation or "valueBoolean" in observation:
        return True
    return not any(
        name.startswith("value") or name in ("dataAbsentReason", "component", "hasMember")
        for name in observation
    )


def is_declared(observation: Mapping[str, Any], codes: Collection[tuple[str, str]]) -> bool:
    """Whether a model that declares these codes sees the Observation: it has one, or may state a finding."""
    # The first line decides of most, for each Observation of each patient.
    if any(code in codes for code in codings(observation.get("code"))) or may_state(observation):
        return True
    parts = observation.get("component", ())
    return any(code in codes for part in parts for code in codings(part.get("code")))


def declared_codes(predictor: object) -> frozenset[tuple[str, str]] | None:
    """The codes of a model's Observations (`Predictor.observation_codes`), and those of a death; None: it declares
    none, and sees all.

    Raises:
        ValueError: they are no pairs of texts.
    """
    codes: Any = getattr(predictor, "observation_codes", None)
    if codes is None:
        return None
    try:
        pairs = [(system, code) for system, code in codes]
    except (TypeError, ValueError) as error:
        raise ValueError("observation_codes are not pairs of system and code") from error
    if not all(isinstance(text, str) for pair in pairs for text in pair):
        raise ValueError("observation_codes are not pairs of system and code")
    return DEATH_CODES.union(pairs)


class PatientRecord:
    """All current resources of one patient's record (`fhir.record`).

    Predictions of any model are left out: a model's output never feeds a model unseen. So is an Observation whose
    `focus` is somebody or something else (a fetus, a spouse, a device): it is in this record, and says nothing
    about this patient.

    What arrived after `as_of` (meta.lastUpdated) is left out too: nobody could know it then, a later correction
    included. So is what is not known to have arrived by then, and is dated after it by any of its times; of what was
    going on then, the end is left out (`times.as_known_at`). What had arrived and is dated later all the same has a
    wrong date, and is refused where it is used (`inputs.check_date`, `findings.is_misdated`).

    Of a model that declares the codes of its Observations, others are left out as well, but for those that may state a
    finding (`may_state`).

    Attributes:
        patient: the Patient, as a dict.
        as_of: the moment of the question; bounds effective and arrival time, and says how old an input is.
    """

    def __init__(
        self,
        patient: Any,
        resources: Iterable[Any],
        as_of: datetime,
        codes: frozenset[tuple[str, str]] | None = None,
    ) -> None:
        """Resources are dicts or objects of `fhir.resources`.

        Args:
            codes: those that the model declares; None: it sees all Observations.

        Raises:
            ValueError: `as_of` has no zone.
        """
        if as_of.tzinfo is None:
            raise ValueError("as_of has no zone")
        self.patient: dict[str, Any] = plain(patient)
        self.as_of = as_of
        self._codes = codes
        self._by_type: dict[str, list[dict[str, Any]]] = {}
        self._statements: tuple[Statement, ...] | None = None
        self._by_code: dict[tuple[str, str], list[dict[str, Any]]] | None = None
        for resource in map(plain, resources):
            if (
                resource["resourceType"] != "Endpoint"
            ):  # where something is now, whatever was asked about when
                if (
                    is_asserted(resource)
                    or self._is_about_another(resource)
                    or self._is_undeclared(resource)
                    or (known := self._known(resource)) is None
                ):
                    continue
                resource = known
            self._by_type.setdefault(resource["resourceType"], []).append(resource)

    def _known(self, resource: dict[str, Any]) -> dict[str, Any] | None:
        """The resource as it was known at `as_of`; None where it was not."""
        arrival = moment_of(str(resource.get("meta", {}).get("lastUpdated") or ""))
        if arrival is not None:
            return None if arrival > self.as_of else resource
        return as_known_at(resource, self.born, self.as_of, datetime.now(UTC))

    def _is_about_another(self, resource: dict[str, Any]) -> bool:
        own = f"Patient/{self.patient.get('id')}"
        return any(
            focus.get("reference", "").partition("/_history")[0] != own
            for focus in resource.get("focus", ())
            if resource["resourceType"] == "Observation"
        )

    def _is_undeclared(self, resource: dict[str, Any]) -> bool:
        return (
            self._codes is not None
            and resource["resourceType"] == "Observation"
            and not is_declared(resource, self._codes)
        )

    def all(self, resource_type: str) -> list[dict[str, Any]]:
        """Current resources of a type."""
        return self._by_type.get(resource_type, [])

    @property
    def identifiers(self) -> frozenset[str]:
        """The values of the patient's identifiers, those of records that were merged with it included."""
        people = (self.patient, *self.all("Patient"))
        return frozenset(
            str(each["value"])
            for person in people
            for each in person.get("identifier", ())
            if each.get("value")
        )

    def models(self, resource_type: str) -> list[Any]:
        """As `all`, and the Patient, as objects of `fhir.resources` (`fhir.models.to_model`).

        Raises:
            MissingExtra: the extra `models` is not installed.
            ValueError: `fhir.resources` does not take one of them.
        """
        resources = [self.patient] if resource_type == "Patient" else self.all(resource_type)
        return [to_model(resource) for resource in resources]

    @property
    def newest(self) -> str | None:
        """Time of the newest statement in the record, as it says it."""
        times = {effective_of(item) for resources in self._by_type.values() for item in resources}
        dated = [(moment, text) for text in times if (moment := moment_of(text)) is not None]
        return max(dated)[1] if dated else None

    @property
    def born(self) -> str:
        """The birth date as the Patient says it; empty where it doesn't."""
        return str(self.patient.get("birthDate") or "")

    @property
    def birth_date(self) -> date | None:
        """Birth date, where it is known to the day."""
        text = str(self.patient.get("birthDate", ""))
        moment = moment_of(text) if len(text) == 10 else None
        return None if moment is None else moment.date()

    @property
    def deceased(self) -> bool:
        """Whether the patient is known to have died, by this record or by one that was merged with it."""
        return any(
            person.get("deceasedBoolean") is True or "deceasedDateTime" in person
            for person in (self.patient, *self.all("Patient"))
        )

    def age_on(self, day: date) -> int | None:
        """Completed years on `day`."""
        born = self.birth_date
        return (
            None if born is None else day.year - born.year - ((day.month, day.day) < (born.month, born.day))
        )

    def observations(
        self, codes: frozenset[tuple[str, str]], statuses: frozenset[str] = SETTLED
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Observations under one of `codes`, newest first, each with the node that carries the value.

        The node is the Observation itself or the component whose code fits (systolic pressure inside a panel).
        Only results of `statuses` are given: by default those that are (final, amended, corrected).
        """
        results = []
        for observation in self.with_codes(codes):
            if observation.get("status") not in statuses:
                continue
            nodes = [
                node
                for node in (observation, *observation.get("component", ()))
                if not codes.isdisjoint(codings(node.get("code")))
            ]
            if nodes:
                # A panel may carry its part's code too; the part has the value.
                node = next((entry for entry in nodes if _has_value(entry)), nodes[0])
                results.append((effective_of(observation), observation, node))
        results.sort(key=lambda item: (moment_of(item[0]) or LONG_AGO, item[1]["id"]), reverse=True)
        for _, observation, node in results:
            yield observation, node

    def with_codes(self, codes: frozenset[tuple[str, str]]) -> Iterable[dict[str, Any]]:
        """Observations that have one of these codes, of their own or in a component; by an index made once.

        Raises:
            LookupError: the model does not declare one of the codes, so that what has it may not be here.
        """
        if self._codes is not None and not codes <= self._codes:
            raise LookupError("the model reads Observations of codes that it does not declare")
        if self._by_code is None:
            self._by_code = {}
            for observation in self.all("Observation"):
                nodes = (observation, *observation.get("component", ()))
                for code in {code for node in nodes for code in codings(node.get("code"))}:
                    self._by_code.setdefault(code, []).append(observation)
        index = self._by_code
        # A record has fewer codes than a long value set, or the other way round.
        known = codes & index.keys() if len(codes) < len(index) else index.keys() & codes
        if len(known) == 1:
            return index[next(iter(known))]
        return {id(item): item for code in known for item in index[code]}.values()

    def statements(self, read: Callable[[PatientRecord], Iterable[Statement]]) -> tuple[Statement, ...]:
        """What `read` makes of this record, made once."""
        if self._statements is None:
            self._statements = tuple(read(self))
        return self._statements

    def conditions(self) -> Iterator[tuple[dict[str, Any], bool]]:
        """Conditions that are, each with whether it is present (True) or was refuted (False).

        Refuted is also what ICD-10-GM calls excluded (`certainty_of`), whatever the status says.
        """
        for condition in self.all("Condition"):
            status = {code for _, code in codings(condition.get("verificationStatus"))}
            if "entered-in-error" in status:
                continue
            yield condition, "refuted" not in status and certainty_of(condition.get("code")) != "A"

    def evidence(self, resource: Any, label: str, value: str = "") -> Evidence:
        """A resource of the record, a dict or an object of `fhir.resources`, as evidence in the version read."""
        resource = plain(resource)
        version = resource.get("meta", {}).get("versionId")
        reference = f"{resource['resourceType']}/{resource['id']}" + (
            f"/_history/{version}" if version else ""
        )
        return Evidence(reference, label, value, effective_of(resource), modality_of(resource))


def _has_value(node: dict[str, Any]) -> bool:
    return any(name.startswith("value") for name in node)


LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)
"""In place of a time that is not known: before all others."""


def effective_of(resource: dict[str, Any]) -> str:
    """When what a resource says was true, as it says it; empty where it doesn't."""
    period = resource.get("effectivePeriod", {})
    text = (
        resource.get("effectiveDateTime")
        or resource.get("effectiveInstant")
        or period.get("start")
        or resource.get("onsetDateTime")
        or resource.get("recordedDate")
        or ""
    )
    return str(text)


def decimal_of(node: dict[str, Any]) -> tuple[Decimal, str] | None:
    """Value and UCUM code of a node's Quantity; None where there is no plain number."""
    quantity = node.get("valueQuantity")
    if not isinstance(quantity, dict) or "value" not in quantity or quantity.get("comparator"):
        return None
    try:
        value = Decimal(str(quantity["value"]))
    except InvalidOperation:
        return None
    return (value, str(quantity.get("code", ""))) if value.is_finite() else None
