"""What in a model.yaml can't be meant, though each key has the form that is asked: codes that are none, a unit in which
nobody measures this, keys that this kind of output does not use, an input that goes nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from fhir_bridge.fhir.ecg_leads import lead_number
from fhir_bridge.fhir.molar_masses import molar_mass
from fhir_bridge.fhir.ucum import Incommensurable, UcumError, convert
from fhir_bridge.predictions.cardiovascular import BMI, CHOLESTEROL, CRP, EGFR, HBA1C, HDL, SBP, UACR
from fhir_bridge.predictions.inputs import LOINC, SNOMED
from fhir_bridge.predictions.manifest import (
    AnyInput,
    ConditionBlock,
    Manifest,
    OutputBlock,
    QuantityBlock,
    pairs_of,
)
from fhir_bridge.predictions.suggestions import near
from fhir_bridge.predictions.value_sets import ICD10, PROCEDURES
from fhir_bridge.terminology import get_terminology
from fhir_bridge.terminology.check_digits import is_well_formed

__all__ = ["AI_KINDS", "Fault", "doubts", "faults", "lists_only", "remarks"]

Fault = tuple[tuple[str | int, ...], str]
"""Where, as keys and numbers from the top, and what."""

AI_KINDS: Final = frozenset(
    "Rule-Based-Systems Machine-Learning-Models Deep-Learning-Models Foundation-Models Large-Language-Models "
    "Vision-Foundation-Models Vision-Language-Models Hybrid-Models Deterministic-AI Non-Deterministic-AI "
    "Intelligent-Diagnosis-and-Treatment Medical-Image-Analysis Personalized-Treatment "
    "Clinical-Monitoring-and-Early-Warning Clinical-Documentation-and-Workflow Drug-Discovery-and-Development "
    "Medical-Quality-Control Patient-Services Population-Health-and-Operations AI-for-Medical-Imaging-Data "
    "AI-for-Physiological-Signal-Data AI-for-Medical-Text-Data AI-for-Structured-Clinical-Data "
    "AI-for-Genomic-and-Omics-Data AI-for-Audio-Data AI-for-Video-Data AI-for-Multimodal-Data".split()
)
"""AIdeviceTypeCS of HL7 AI Transparency on FHIR, without its headings."""

_LEADS: Final = frozenset({"X", "Y", "Z", "V7", "V8", "V9", *(f"V{number}R" for number in range(1, 10))})
"""Beside the twelve: Frank's, posterior and right-sided ones."""

_MODALITIES: Final = frozenset("AR CR CT DX ES IO IVUS MG MR NM OCT OP OPT PT PX RF RG SM US XA XC".split())
"""Of DICOM (PS3.3 C.7.3.1.1.1), those that have frames of grey values or colours."""

_MEASURED: Final = (SBP, CHOLESTEROL, HDL, EGFR, HBA1C, CRP, BMI, UACR)
"""Codes whose unit the built-in models know."""

_ICD10_FORM: Final = re.compile(r"[A-Z][0-9][0-9A-Z](\.?[0-9A-Z]{1,4})?\*?")
_ATC_FORM: Final = re.compile(r"[A-Z]([0-9]{2}([A-Z]([A-Z]([0-9]{2})?)?)?)?\*?")
_ATC: Final = "http://www.whocc.no/atc"
_EMPTY: Final = re.compile(r"\W*(to ?do|tbd|fixme|xxx+|lorem ipsum.*|n/?a|\?*)?\W*", re.IGNORECASE)


def faults(manifest: Manifest) -> Iterator[Fault]:
    """Everything that is wrong, each with its place."""
    for number, item in enumerate(manifest.inputs):
        for location, text in _of_input(item):
            yield ("inputs", number, *location), text
    yield from _joined(manifest)
    for location, text in _of_output(manifest.output):
        yield ("output", *location), text
    card = manifest.card
    for name in ("details", "intended_use", "cautioned_out_of_scope"):
        if _EMPTY.fullmatch(getattr(card, name)):
            yield ("card", name), "says nothing; a person has to know it before trusting a result"
    for number, kind in enumerate(card.ai_kinds):
        if kind not in AI_KINDS:
            yield (
                ("card", "ai_kinds", number),
                f"{kind} is not a kind of AI of HL7 AI Transparency on FHIR{near(kind, AI_KINDS)}",
            )


def _of_input(item: AnyInput) -> Iterator[Fault]:
    for number, (system, code) in enumerate(_codes(item)):
        yield from ((("codes", number), text) for text in _code(system, code))
    if item.type == "quantity":
        for measured in _MEASURED:
            if item.pairs & measured.codes and measured.in_unit(Decimal(1), item.unit) is None:
                yield (
                    ("unit",),
                    f"{measured.name} is not measured in {item.unit}; write {measured.unit}, or what converts to it",
                )
        low, high = item.plausible
        for name in ("baseline", "missing"):
            value = getattr(item, name)
            if isinstance(value, Decimal) and not low <= value <= high:
                yield (name,), f"{value} is outside plausible, {low} to {high}"
    if item.type == "signal":
        for number, lead in enumerate(item.leads):
            if lead_number(lead) is None and lead.upper() not in _LEADS:
                known = ("I", "II", "III", "aVR", "aVL", "aVF", *(f"V{n}" for n in range(1, 7)))
                yield (
                    ("leads", number),
                    f"{lead} is no lead of an ECG ({', '.join(known)}, {', '.join(sorted(_LEADS))})",
                )
        if len({lead.upper() for lead in item.leads}) != len(item.leads):
            yield ("leads",), "one lead is named twice"
    if item.type == "frames" and item.modality not in _MODALITIES:
        suggestion = near(item.modality, _MODALITIES)
        yield ("modality",), f"{item.modality} is no modality of images in DICOM{suggestion}"
    if item.log and item.clip is not None and item.clip[0] <= 0:
        yield ("log",), f"{item.clip[0]} has no logarithm: clip from above 0"


def _codes(item: AnyInput) -> list[tuple[str, str]]:
    return pairs_of(getattr(item, "codes", ()))


def _code(system: str, code: str) -> Iterator[str]:
    if not is_well_formed(system, code.rstrip("*")) and not code.endswith("*"):
        name = "LOINC" if "loinc" in system else "SNOMED CT"
        yield f"{code} is no code of {name}: its check digit is another one"
    elif system in ICD10 and not _ICD10_FORM.fullmatch(code):
        stem = re.match(r"[A-Za-z][0-9][0-9A-Za-z]", code)
        yield f"{code} is no code of ICD-10" + (
            f"; all below {stem[0].upper()} are {stem[0].upper()}*" if stem else ""
        )
    elif system == _ATC and not _ATC_FORM.fullmatch(code):
        yield f"{code} is no code of ATC, such as C10AA01, or C10AA* for all below C10AA"


def doubts(manifest: Manifest) -> Iterator[Fault]:
    """What a model may do, and what its author hardly means."""
    used = {name for tensor in manifest.tensors for name in tensor.inputs}
    for number, item in enumerate(manifest.inputs):
        if item.name not in used:
            yield ("inputs", number, "name"), f"{item.name} goes into no tensor{near(item.name, used)}"
    output = manifest.output
    if output.interval is not None and output.interval.low == output.interval.high:
        yield ("output", "interval"), "both ends are one tensor"
    most = max((step.at_least for step in output.thresholds), default=Decimal(0))
    if output.kind in ("probability", "survival") and 0 < most < 1:
        yield (
            ("output", "thresholds"),
            f"the highest is {most} percent: thresholds of a risk are in percent, so 0.2 of a probability is 20",
        )


def lists_only(item: ConditionBlock) -> tuple[frozenset[str], str, str] | None:
    """Where diagnoses are listed by one of ICD-10 and SNOMED CT alone: its code systems, its name, and the other's."""
    systems = {system for system, _ in item.pairs}
    if not systems & ICD10 and SNOMED in systems and not systems & PROCEDURES:
        return frozenset({SNOMED}), "SNOMED CT", "ICD-10"
    return (ICD10, "ICD-10", "SNOMED CT") if systems & ICD10 and SNOMED not in systems else None


def remarks(manifest: Manifest) -> Iterator[Fault]:
    """What may be meant, and its author has to know."""
    for number, item in enumerate(manifest.inputs):
        if isinstance(item, ConditionBlock) and (item.absent is not None or item.missing != "refuse"):
            only = lists_only(item)
            if only is not None:
                yield (
                    ("inputs", number, "codes"),
                    f"the list has no {only[2]}: a diagnosis that is coded in {only[2]} alone counts as none, and each "
                    "result says so",
                )
        if isinstance(item, QuantityBlock) and item.molar_mass is None:
            for place, (system, code) in enumerate(pairs_of(item.codes)):
                known = get_terminology().lookup(system, code) if system == LOINC else None
                name = known.display or "" if known is not None else ""
                unit = next((unit for kind, unit in _PER_VOLUME.items() if kind in name), None)
                if unit is not None and not _becomes(unit, item.unit) and molar_mass(code) is None:
                    yield (
                        ("inputs", number, "codes", place),
                        f"{code} ({name}) does not convert to {item.unit}: its values are refused; state molar_mass "
                        "(g/mol), or take the code out",
                    )


_PER_VOLUME: Final = {"[Mass/volume]": "g/L", "[Moles/volume]": "mol/L"}
"""What a name of LOINC says of the unit."""


def _becomes(source: str, target: str) -> bool:
    try:
        convert(Decimal(1), source, target)
    except (Incommensurable, UcumError):
        return False
    return True


def _joined(manifest: Manifest) -> Iterator[Fault]:
    inputs = [item.name for item in manifest.inputs]
    for number, tensor in enumerate(manifest.tensors):
        for place, name in enumerate(tensor.inputs):
            if name not in inputs:
                yield ("tensors", number, "inputs", place), f"no input is called {name}{near(name, inputs)}"
    names = [tensor.name for tensor in manifest.tensors]
    if len(set(names)) != len(names):
        yield ("tensors",), "two tensors have one name"
    if manifest.explain and all(item.baseline is None for item in manifest.inputs):
        yield ("explain",), "no input has a baseline, against which contributions are counted"
    applies = manifest.applies.age
    if applies is not None and (applies[0] < 0 or applies[1] > 150):
        yield ("applies", "age"), f"{applies[0]} to {applies[1]} are no ages in years"


_UNUSED: Final[Mapping[str, tuple[str, ...]]] = {
    "probability": ("unit", "classes", "times", "plausible"),
    "quantity": ("classes", "times"),
    "class": ("unit", "times", "thresholds", "interval", "plausible"),
    "survival": ("unit", "classes", "interval", "plausible"),
    "text": ("unit", "classes", "times", "thresholds", "interval", "horizon_years", "plausible"),
}
"""Keys that an output of this kind has no use for: whoever writes one means something else."""


def _of_output(output: OutputBlock) -> Iterator[Fault]:
    for name in _UNUSED[output.kind]:
        if getattr(output, name):
            yield (name,), f"an output of kind {output.kind} has no {name}"
    steps = output.thresholds
    for number, step in enumerate(steps):
        if any(step.code == other.code for other in steps[:number]):
            yield ("thresholds", number, "code"), f"{step.code} is the code of another category"
        if output.kind in ("probability", "survival") and not 0 <= step.at_least <= 100:
            yield (
                ("thresholds", number, "at_least"),
                f"{step.at_least} is no percentage: a risk is in percent",
            )
    for name in ("code", "display"):
        value: Any = getattr(output, name)
        if not str(value).strip():
            yield (name,), "is empty"
