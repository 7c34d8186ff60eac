"""Features of a patient by a model.yaml: one function for `$predict`, for jobs and for training data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from fhir_bridge.fhir.views import RecordError, View, ViewError, compile_view
from fhir_bridge.predictions.archived_instances import Instances, from_endpoints
from fhir_bridge.predictions.findings import (
    find_uncoded_drug,
    is_coded,
    is_misdated,
    is_misdated_statement,
    statements,
)
from fhir_bridge.predictions.genome import GENOMIC_CODES, pathogenic_variants
from fhir_bridge.predictions.inputs import (
    SNOMED,
    UNSETTLED,
    MissingInput,
    QuantityInput,
    UnusableInput,
    age_on,
    check_date,
    last_moment,
    sex_at_birth,
)
from fhir_bridge.predictions.manifest import (
    AgeInput,
    AnyInput,
    ConditionBlock,
    FramesBlock,
    Manifest,
    QuantityBlock,
    SexInput,
    SignalBlock,
    SmokingInput,
    TextBlock,
    VariantBlock,
    ViewBlock,
)
from fhir_bridge.predictions.manifest_rules import lists_only
from fhir_bridge.predictions.notes import find_note, is_settled
from fhir_bridge.predictions.record import (
    LONG_AGO,
    Evidence,
    Modality,
    PatientRecord,
    codings,
    modality_of,
    moment_of,
)
from fhir_bridge.predictions.signals import read_signal
from fhir_bridge.predictions.smoking import SMOKING_CODES, find_smoking
from fhir_bridge.predictions.times import is_after, is_fact
from fhir_bridge.predictions.value_sets import (
    ATC,
    ICD10,
    PROCEDURES,
    UNDECIDED,
    counts_under,
    focus_codes,
    plain_code,
)

__all__ = [
    "Feature",
    "FeatureSource",
    "Features",
    "observation_codes_of",
    "read_features",
    "undecided",
    "view_resource",
]

_NOT_DONE: Final = frozenset({"not-done", "entered-in-error", "preparation", "cancelled", "stopped", "draft"})
_OF_DRUGS: Final = frozenset({"http://www.whocc.no/atc", "http://www.nlm.nih.gov/research/umls/rxnorm"})


@dataclass(frozen=True, slots=True)
class Feature:
    """One input as the model gets it.

    Attributes:
        values: numbers after preprocessing; empty for a text.
        text: of a text input.
        raw: the number before preprocessing, where it is one; for drift and for training data.
        evidence: what it was read from; empty where `missing` of the model.yaml took its place.
        filled: then why there was nothing to read; empty where it was read.
    """

    name: str
    modality: Modality
    values: tuple[float, ...]
    text: str = ""
    raw: float | None = None
    evidence: tuple[Evidence, ...] = ()
    filled: str = ""


@dataclass(frozen=True, slots=True)
class FeatureSource:
    """Where features may be read from beside the record.

    Attributes:
        folder: of the model.yaml; its views are there.
        dicom: where the files of a study are; None where the site names nothing: then its Endpoint says it.
    """

    folder: Path
    dicom: Instances | None = None


Features = Mapping[str, Feature]


def read_features(manifest: Manifest, record: PatientRecord, source: FeatureSource) -> Features:
    """All inputs of a record.

    Raises:
        UnusableInput: one is missing, or can't be used; with what was seen of it.
    """
    return {item.name: _read(item, record, source) for item in manifest.inputs}


def _read(item: AnyInput, record: PatientRecord, source: FeatureSource) -> Feature:
    try:
        return _READERS[type(item)](item, record, source)
    except MissingInput as missing:
        # Only what is not there may be replaced; what can't be true or read is refused (`UnusableInput`).
        if item.missing == "refuse":
            raise
        if isinstance(item, TextBlock):
            return Feature(item.name, "text", (), "", filled=str(missing))
        value = math.nan if item.missing == "nan" else float(item.missing)
        raw = None if math.isnan(value) or isinstance(item, SignalBlock | FramesBlock) else value
        count = 1
        if isinstance(item, SignalBlock):
            count = len(item.leads) * item.samples
        if isinstance(item, FramesBlock):
            count = item.frames * item.height * item.width
        prepared = value if math.isnan(value) else prepare(item, value)
        return Feature(item.name, modality_for(item), (prepared,) * count, "", raw, filled=str(missing))


def prepare(item: AnyInput, value: float) -> float:
    """Preprocessing: clip, then logarithm, then (x - mean) / sd."""
    if item.clip is not None:
        value = min(max(value, float(item.clip[0])), float(item.clip[1]))
    if item.log:
        if value <= 0:
            raise UnusableInput(f"{item.label} has no logarithm")
        value = math.log(value)
    return (value - float(item.mean)) / float(item.sd)


def modality_for(item: AnyInput) -> Modality:
    """Where an input of this kind is from, as long as no resource says otherwise."""
    if isinstance(item, SignalBlock):
        return "signals"
    if isinstance(item, FramesBlock):
        return "imaging"
    if isinstance(item, TextBlock):
        return "text"
    return "genomics" if isinstance(item, VariantBlock) else "ehr"


def _number(item: AnyInput, value: float, evidence: Sequence[Evidence]) -> Feature:
    modality = evidence[0].modality if evidence else modality_for(item)
    return Feature(item.name, modality, (prepare(item, value),), "", value, tuple(evidence))


def _age(item: AgeInput, record: PatientRecord, _: FeatureSource) -> Feature:
    return _number(item, float(age_on(record, record.as_of.date())), ())


def _sex(item: SexInput, record: PatientRecord, _: FeatureSource) -> Feature:
    sex = {"male": 1.0, "female": 0.0}.get(str(record.patient.get("gender")))
    if sex is None:
        raise MissingInput("the sex is neither male nor female")
    return _number(item, sex, ())


def _smoking(item: SmokingInput, record: PatientRecord, _: FeatureSource) -> Feature:
    smoking = find_smoking(record)
    return _number(item, float(smoking.current), (smoking.evidence,))


def observation_codes_of(item: AnyInput) -> frozenset[tuple[str, str]]:
    """Codes of the Observations that an input, which is no view, is read from.

    Raises:
        LookupError: it has a value set that is not known.
    """
    if isinstance(item, QuantityBlock):
        return _quantity_input(item).all_codes
    if isinstance(item, SmokingInput):
        return SMOKING_CODES
    if isinstance(item, VariantBlock):
        return GENOMIC_CODES
    return item.pairs if isinstance(item, SignalBlock) else frozenset()


def _quantity_input(item: QuantityBlock) -> QuantityInput:
    return QuantityInput(
        item.label,
        item.pairs,
        item.unit,
        timedelta(days=item.max_age_days),
        item.plausible,
        item.molar_mass,
        value_set=item.value_set,
        pick=item.select,
        by_analyte=True,
    )


def _quantity(item: QuantityBlock, record: PatientRecord, _: FeatureSource) -> Feature:
    value, evidence = _quantity_input(item).find_all(record)
    return _number(item, float(value), evidence)


def _condition(item: ConditionBlock, record: PatientRecord, _: FeatureSource) -> Feature:
    refuted: list[Evidence] = []
    suspected: list[Evidence] = []
    misdated: list[Evidence] = []
    for statement in statements(record):
        resource = statement.resource
        if resource["resourceType"] == "Observation" or resource.get("status") in _NOT_DONE:
            continue
        if not _is_one(item, statement.concept):
            continue
        if is_misdated_statement(record, resource):
            misdated.append(record.evidence(resource, item.label))
        elif statement.polarity == "absent":
            refuted.append(record.evidence(resource, item.label, "absent"))
        elif statement.suspected:
            suspected.append(record.evidence(resource, item.label))
        else:
            return _number(item, 1.0, (record.evidence(resource, item.label),))
    if suspected:
        raise UnusableInput(f"{item.label} is suspected, not confirmed", suspected[0])
    if misdated:
        raise UnusableInput(f"{item.label} is dated after this run", misdated[0])
    systems = frozenset(system for system, _ in item.pairs)
    uncoded = find_uncoded_drug(record, systems) if systems & _OF_DRUGS else None
    if uncoded is not None:
        raise UnusableInput(f"{uncoded[0]} may be {item.label}", uncoded[1])
    if not refuted and item.absent is None:
        raise MissingInput(f"{item.label} is neither stated nor ruled out")
    if not refuted and not systems <= PROCEDURES | ATC | _OF_DRUGS and (unread := _unreadable(item, record)):
        raise UnusableInput(f"a condition that can't be read may be {item.label}", unread)
    return _number(item, 0.0, refuted)


def _is_one(item: ConditionBlock, concept: Any) -> bool:
    return any(
        counts_under(listed, system) and (plain == beginning or (below and plain.startswith(beginning)))
        for system, code in codings(concept)
        for part in focus_codes(system, code)
        for plain in (plain_code(system, part),)
        for listed, beginning, below in _stems(item.pairs)
    )


@lru_cache(256)
def _stems(pairs: frozenset[tuple[str, str]]) -> list[tuple[str, str, bool]]:
    """System and code, as it is compared, of each; and whether all that begin so are meant."""
    return [
        (system, plain_code(system, code.removesuffix("*")), code.endswith("*"))
        for system, code in sorted(pairs)
    ]


def undecided(manifest: Manifest, record: PatientRecord, features: Features) -> tuple[str, ...]:
    """What a result says beside its value: inputs that `missing` of the model.yaml filled, and diagnoses in the one of
    ICD-10 and SNOMED CT that a list does not have.
    """
    notes = [
        f"{UNDECIDED}{item.label} is not from the record ({features[item.name].filled}); the model counts "
        f"{_filling(item)} in its place."
        for item in manifest.inputs
        if features[item.name].filled
    ]
    if manifest.applies.sex is not None or any(isinstance(item, SexInput) for item in manifest.inputs):
        notes += sex_at_birth(record)
    for item in manifest.inputs:
        if (
            isinstance(item, ConditionBlock)
            and not features[item.name].evidence
            and (only := lists_only(item))
        ):
            systems, here, there = only
            codes = {
                code
                for condition, present in record.conditions()
                if present and not is_coded(condition.get("code"), systems)
                for system, code in codings(condition.get("code"))
                if code and system in ICD10 | {SNOMED}
            }
            if codes:
                shown = ", ".join(sorted(codes)[:5]) + (
                    f" and {len(codes) - 5} more" if len(codes) > 5 else ""
                )
                notes.append(
                    f"{UNDECIDED}the model knows {item.label} by codes of {here} alone; what the record says by "
                    f"{there} alone ({shown}) counts as none of it."
                )
    return tuple(notes)


def _filling(item: AnyInput) -> str:
    if isinstance(item, TextBlock):
        return "an empty text"
    return "no value" if item.missing == "nan" else f"{item.missing}"


def _unreadable(item: ConditionBlock, record: PatientRecord) -> Evidence | None:
    """A Condition of the patient that may be the one that is asked about: it has no code that decides."""
    decided = ICD10 | {SNOMED} | {system for system, _ in item.pairs}
    for condition, present in record.conditions():
        if present and not is_coded(condition.get("code"), decided):
            return record.evidence(
                condition, f"{item.label}: condition without a code of ICD-10 or SNOMED CT"
            )
    return None


def _variant(item: VariantBlock, record: PatientRecord, _: FeatureSource) -> Feature:
    for variant in pathogenic_variants(record, frozenset(item.genes)):
        check_date(item.label, {}, variant.evidence, record.as_of)
        return _number(item, 1.0, (variant.evidence,))
    reports = [
        report
        for report in record.all("DiagnosticReport")
        if ("http://loinc.org", "51969-4") in set(codings(report.get("code")))
        and report.get("status") in ("final", "amended", "corrected")
        and not is_misdated(record, report)
    ]
    if not reports:
        raise MissingInput(f"{item.label}: the genome was not studied")
    return _number(
        item, 0.0, (_with_modality(record.evidence(reports[0], item.label, "none matching"), "genomics"),)
    )


def _with_modality(evidence: Evidence, modality: Modality) -> Evidence:
    return Evidence(evidence.reference, evidence.label, evidence.value, evidence.time, modality)


def _signal(item: SignalBlock, record: PatientRecord, _: FeatureSource) -> Feature:
    newest: tuple[datetime, list[float], Evidence] | None = None
    for observation, _node in record.observations(item.pairs):
        evidence = _with_modality(record.evidence(observation, item.label), "signals")
        moment = moment_of(evidence.time)
        if newest is not None:
            if moment is None or (moment != newest[0] and last_moment(evidence.time, moment) <= newest[0]):
                continue
        else:
            _check_age(item.label, evidence, record, item.max_age_days)
        values = read_signal(observation, item.leads, item.hz, item.samples)
        if isinstance(values, str):
            if newest is not None:
                continue  # other leads of the same time
            raise UnusableInput(f"{item.label} {values}", evidence)
        if newest is not None and values != newest[1]:
            raise UnusableInput(f"{item.label} has two recordings at one time", evidence)
        newest = newest or (moment or LONG_AGO, values, evidence)
    for observation, _node in record.observations(item.pairs, UNSETTLED):
        evidence = _with_modality(record.evidence(observation, item.label), "signals")
        moment = moment_of(evidence.time)
        if moment is None or newest is None or moment > newest[0]:
            raise UnusableInput(f"the newest {item.label} is not final", evidence)
    if newest is None:
        raise MissingInput(f"no {item.label}")
    prepared = tuple(prepare(item, value) for value in newest[1])
    return Feature(item.name, "signals", prepared, "", None, (newest[2],))


def _check_age(name: str, evidence: Evidence, record: PatientRecord, days: int) -> None:
    moment = moment_of(evidence.time)
    if moment is None:
        raise UnusableInput(f"{name} has no time", evidence)
    if moment > record.as_of + timedelta(hours=14):
        raise UnusableInput(f"{name} is dated after this run", evidence)
    if record.as_of - moment > timedelta(days=days):
        raise MissingInput(f"the newest {name} is older than {days} days")


def _frames(item: FramesBlock, record: PatientRecord, source: FeatureSource) -> Feature:
    from fhir_bridge.predictions.frames import read_frames  # needs the extra `dicom`

    studies = [
        study
        for study in record.all("ImagingStudy")
        if study.get("status") != "entered-in-error"
        and any(code.get("code") == item.modality for code in study.get("modality", ()))
    ]
    studies.sort(key=lambda study: str(study.get("started", "")), reverse=True)
    for study in studies:
        evidence = record.evidence(study, item.label)
        evidence = Evidence(
            evidence.reference, item.label, "", str(study.get("started", "")), modality_of(study)
        )
        _check_age(item.label, evidence, record, item.max_age_days)
        instances = source.dicom or from_endpoints(study, record.all("Endpoint"))
        if instances is None:
            message = (
                "the site names no DICOM files (`dicom`, `dicomweb`), and the study no Endpoint for them"
            )
            raise UnusableInput(f"{item.label}: {message}", evidence)
        values = read_frames(
            study,
            instances,
            record.identifiers,
            item.modality,
            item.frames,
            item.height,
            item.width,
            raw=item.scale == "none",
        )
        if isinstance(values, str):
            raise UnusableInput(f"{item.label} {values}", evidence)
        prepared = tuple(prepare(item, value) for value in values)
        return Feature(item.name, "imaging", prepared, "", None, (_with_modality(evidence, "imaging"),))
    raise MissingInput(f"no {item.label}")


def _text(item: TextBlock, record: PatientRecord, _: FeatureSource) -> Feature:
    text, evidence = find_note(record, item.pairs, item.label)
    _check_age(item.label, evidence, record, item.max_age_days)
    return Feature(item.name, "text", (), text[: item.most_characters], None, (evidence,))


def _sequence(time: str) -> tuple[datetime, str]:
    """Orders times, whatever zones they are written in."""
    return moment_of(time) or LONG_AGO, time


@lru_cache(maxsize=64)
def _view(path: Path, _changed: int) -> View:
    try:
        return compile_view(path.read_bytes())
    except (OSError, ViewError) as error:
        raise UnusableInput(f"the view {path.name} can't be used: {error}") from error


def view_resource(path: Path) -> str:
    """The resource type that a view is over."""
    return _view(path, path.stat().st_mtime_ns).resource


def _counted(value: Any, item: ViewBlock) -> float:
    """The cell as a number; where rows are counted, whatever it holds counts."""
    return 1.0 if item.select == "count" else float(value)


def _column(item: ViewBlock, record: PatientRecord, source: FeatureSource) -> Feature:
    path = source.folder / item.view
    try:
        view = _view(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise UnusableInput(f"the view {item.view} can't be read") from error
    rows: list[tuple[str, float, Evidence]] = []
    resources = [record.patient] if view.resource == "Patient" else record.all(view.resource)
    for resource in filter(is_settled, resources):
        evidence = record.evidence(resource, item.label)
        misdated = is_fact(resource) and is_misdated(record, resource)
        if not is_fact(resource) and is_after(resource, record.born, record.as_of, record.as_of):
            continue  # what is planned is not yet
        try:
            seen = [
                (str(row.get(item.order or "") or evidence.time), _counted(row[item.column], item), evidence)
                for row in view.dicts(resource)
                if row.get(item.column) is not None and not isinstance(row[item.column], list | dict)
            ]
        except (RecordError, ValueError) as error:
            raise UnusableInput(f"{item.label} can't be read by its view", evidence) from error
        if misdated and seen:
            raise UnusableInput(f"{item.label} is dated after this run", evidence)
        rows += seen
    if item.select == "count":
        return _number(item, float(len(rows)), [evidence for _, _, evidence in rows])
    if not rows:
        raise MissingInput(f"no {item.label}")
    values = [value for _, value, _ in rows]
    everything = [evidence for _, _, evidence in rows if evidence.resource_type != "Patient"]
    if item.select in ("mean", "sum"):
        total = math.fsum(values)
        return _number(item, total / len(values) if item.select == "mean" else total, everything)
    best: Callable[..., tuple[str, float, Evidence]] = min if item.select == "minimum" else max
    chosen = best(rows, key=lambda row: _sequence(row[0]) if item.select == "newest" else row[1])
    return _number(item, chosen[1], [chosen[2]] if chosen[2].resource_type != "Patient" else [])


_READERS: Final[Mapping[type, Callable[[Any, PatientRecord, FeatureSource], Feature]]] = {
    AgeInput: _age,
    SexInput: _sex,
    SmokingInput: _smoking,
    QuantityBlock: _quantity,
    ConditionBlock: _condition,
    VariantBlock: _variant,
    SignalBlock: _signal,
    FramesBlock: _frames,
    TextBlock: _text,
    ViewBlock: _column,
}
