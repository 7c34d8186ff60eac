"""Mutants of coded values: wrong codes by the strength of the binding, systems, displays, units."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir import definitions
from scripts.agreement.mutants.registry import Draft, mutator
from scripts.agreement.mutants.walk import Spot

CODED = ("code", "Coding", "CodeableConcept", "Quantity", "string", "uri")


def _bound(draft: Draft, *strengths: str) -> list[Spot]:
    return [
        s
        for s in draft.spots(*CODED)
        if s.element.binding is not None and s.element.binding.strength in strengths
    ]


def _codings(spot: Spot) -> list[dict[str, Any]]:
    if spot.code == "CodeableConcept":
        return [c for c in spot.value.get("coding", []) if isinstance(c, dict)]
    return [spot.value] if spot.code in ("Coding", "Quantity") else []


def _wrong_code(draft: Draft, *strengths: str) -> str | None:
    spot = draft.pick([s for s in _bound(draft, *strengths) if isinstance(s.value, str) or _codings(s)])
    if spot is None:
        return None
    wrong = draft.random.choice(["nonsense", "FINAL", "0", "x-1"])
    if isinstance(spot.value, str):
        spot.put(wrong)
    else:
        for coding in _codings(spot):
            coding["code"] = wrong
            coding.pop("display", None)
    return f"{spot.path} has the code {wrong}"


@mutator("code/required-wrong")
def required_wrong(draft: Draft) -> str | None:
    """A code out of a required value set."""
    return _wrong_code(draft, "required")


@mutator("code/extensible-wrong")
def extensible_wrong(draft: Draft) -> str | None:
    """A code that an extensible value set's system doesn't have."""
    return _wrong_code(draft, "extensible")


@mutator("code/preferred-wrong")
def preferred_wrong(draft: Draft) -> str | None:
    """A code that a preferred or example value set's system doesn't have."""
    return _wrong_code(draft, "preferred", "example")


@mutator("code/other-system")
def other_system(draft: Draft) -> str | None:
    """A coding in a system of its own: wrong where the binding is required."""
    spot = draft.pick(
        [s for s in _bound(draft, "required", "extensible", "preferred", "example") if _codings(s)]
    )
    if spot is None:
        return None
    system = draft.random.choice(
        ["https://hospital.org/codes", "http://hl7.org/fhir/no-such-system", "urn:oid:1.2.3.4.5", "local"]
    )
    for coding in _codings(spot):
        coding["system"] = system
        coding.pop("display", None)
    return f"{spot.path} ({spot.element.binding.strength if spot.element.binding else ''}) has the system {system}"


@mutator("code/known-elsewhere")
def known_elsewhere(draft: Draft) -> str | None:
    """A right code of another system than the value set's."""
    spot = draft.pick([s for s in _bound(draft, "required", "extensible", "preferred") if _codings(s)])
    if spot is None:
        return None
    system, code = draft.random.choice(
        [
            ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB"),
            ("http://hl7.org/fhir/administrative-gender", "female"),
            ("http://terminology.hl7.org/CodeSystem/v3-NullFlavor", "UNK"),
            ("http://snomed.info/sct", "73211009"),
            ("http://loinc.org", "718-7"),
        ]
    )
    for coding in _codings(spot):
        coding.update(system=system, code=code)
        coding.pop("display", None)
    return f"{spot.path} ({spot.element.binding.strength if spot.element.binding else ''}) is {system}|{code}"


@mutator("code/system-missing")
def system_missing(draft: Draft) -> str | None:
    """A coding without its system."""
    spot = draft.pick([s for s in draft.spots("Coding") if "system" in s.value])
    if spot is None:
        return None
    del spot.value["system"]
    return f"{spot.path}.system removed"


@mutator("code/code-missing")
def code_missing(draft: Draft) -> str | None:
    """A coding without its code."""
    spot = draft.pick([s for s in draft.spots("Coding") if "code" in s.value])
    if spot is None:
        return None
    del spot.value["code"]
    spot.value.setdefault("display", "something")
    return f"{spot.path}.code removed"


@mutator("code/text-only")
def text_only(draft: Draft) -> str | None:
    """A concept of text alone."""
    spot = draft.pick(draft.spots("CodeableConcept"))
    if spot is None:
        return None
    spot.put({"text": "something"})
    return f"{spot.path} is text alone"


@mutator("code/display")
def display(draft: Draft) -> str | None:
    """A display that isn't the code's."""
    spot = draft.pick([s for s in draft.spots("Coding") if "code" in s.value])
    if spot is None:
        return None
    spot.value["display"] = draft.random.choice(["something else", spot.value.get("display", "x").upper()])
    return f"{spot.path}.display is {spot.value['display']!r}"


@mutator("code/case")
def case(draft: Draft) -> str | None:
    """A code in the other case."""
    spot = draft.pick([s for s in draft.spots("Coding", "code") if s.code == "code" or "code" in s.value])
    if spot is None:
        return None
    if isinstance(spot.value, str):
        spot.put(spot.value.swapcase())
    elif isinstance(spot.value.get("code"), str):
        spot.value["code"] = spot.value["code"].swapcase()
    return f"{spot.path} has its case swapped"


@mutator("code/unit")
def unit(draft: Draft) -> str | None:
    """A quantity's UCUM code, right and wrong, and its parts."""
    spot = draft.pick(draft.spots("Quantity", "Duration", "Age", "Distance", "Count"))
    if spot is None:
        return None
    change: dict[str, Any] = draft.random.choice(
        [
            {"code": c, "system": "http://unitsofmeasure.org"}
            for c in (
                "mmHg",
                "mm[Hg]",
                "MG",
                "10*9/L",
                "g/dL{x}",
                "{score}",
                "%",
                "iu",
                "[iU]/L",
                "kg m",
                "1",
                "h",
                "",
            )
        ]
        + [{"code": "kg", "system": "https://hospital.org/units"}, {"comparator": "=="}, {"comparator": "<"}]
    )
    spot.value.update(change)
    return f"{spot.path} has {change}"


LISTS = {
    "http://hl7.org/fhir/ValueSet/mimetypes": (
        "text/plain", "text", "image/", "application/fhir+json", "text/plain; charset=utf-8", "nonsense/x",
        "IMAGE/PNG", "a/b/c", "text /plain",
    ),
    "http://hl7.org/fhir/ValueSet/languages": ("en", "en-US", "english", "de-CH-1996", "xx", "EN-us", "e",
    "zh-Hans-CN", "123"),
    "http://hl7.org/fhir/ValueSet/all-languages": ("en", "tlh", "english", "de-CH-1996", "xx", "x-klingon",
    "zh-Hans-CN", "en_US"),
    "http://hl7.org/fhir/ValueSet/currencies": ("EUR", "eur", "XXX", "DEM", "EURO", "QQQ", "USD"),
}  # fmt: skip
"""Codes of systems that R4 takes over from elsewhere (BCP 13, BCP 47, ISO 4217)."""


@mutator("code/outer-standards")
def outer_standards(draft: Draft) -> str | None:
    """Mime types, languages and currencies, right and wrong."""
    spot = draft.pick(
        [
            s
            for s in draft.spots("code")
            if s.element.binding and (s.element.binding.value_set or "").partition("|")[0] in LISTS
        ]
    )
    if spot is None:
        return None
    assert spot.element.binding is not None
    value = draft.random.choice(LISTS[(spot.element.binding.value_set or "").partition("|")[0]])
    spot.put(value)
    return f"{spot.path} is {value!r}"


@mutator("code/resource-language")
def resource_language(draft: Draft) -> str | None:
    """The resource's language."""
    draft.resource["language"] = value = draft.random.choice(
        LISTS["http://hl7.org/fhir/ValueSet/all-languages"]
    )
    return f"language is {value!r}"


@mutator("code/other-code-of-the-set")
def other_code_of_the_set(draft: Draft) -> str | None:
    """Another code of a required value set: valid, unless an invariant depends on it."""
    spot = draft.pick([s for s in _bound(draft, "required") if s.code == "code"])
    if spot is None or spot.element.binding is None:
        return None
    known = definitions.value_set(spot.element.binding.value_set or "")
    codes = sorted(c for listed in known.codes.values() for c in listed) if known else []
    if not codes:
        return None
    value = draft.random.choice(codes)
    spot.put(value)
    return f"{spot.path} is {value!r}"
