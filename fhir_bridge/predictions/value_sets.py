"""Value sets as models use them: is a coding in one, by subsumption where the hierarchy is available.

ICD-10, ATC, OPS, CPT, HCPCS and ICD-10-PCS need no import for that: a code stands below each code that it begins with.
SNOMED CT needs the imported hierarchy; without it the codes that the value set lists decide, and the answer says
so. A post-coordinated expression is what its focus concepts are: a refinement makes them more specific.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from fhir_bridge.plugins import shipped
from fhir_bridge.predictions.record import codings
from fhir_bridge.terminology import get_terminology

__all__ = [
    "ATC",
    "BY_PREFIX",
    "ICD10",
    "MENTIONED",
    "PROCEDURES",
    "UNDECIDED",
    "VALUE_SETS",
    "Answer",
    "can_be_of",
    "codes_of",
    "counts_under",
    "focus_codes",
    "is_listed",
    "is_member",
    "plain_code",
    "starts_within",
    "value_set",
    "wording",
]

ICD10: Final = frozenset(
    {
        "http://hl7.org/fhir/sid/icd-10",
        "http://hl7.org/fhir/sid/icd-10-cm",
        "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
        "http://fhir.de/CodeSystem/dimdi/icd-10-gm",
    }
)
ATC: Final = frozenset({"http://www.whocc.no/atc", "http://fhir.de/CodeSystem/bfarm/atc"})
OPS: Final = frozenset({"http://fhir.de/CodeSystem/bfarm/ops", "http://fhir.de/CodeSystem/dimdi/ops"})
PCS: Final = frozenset(
    {
        "http://www.cms.gov/Medicare/Coding/ICD10",
        "http://hl7.org/fhir/sid/icd-10-pcs",
        "urn:oid:2.16.840.1.113883.6.4",
    }
)
CPT: Final = frozenset({"http://www.ama-assn.org/go/cpt", "urn:oid:2.16.840.1.113883.6.12"})
HCPCS: Final = frozenset(
    {
        "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
        "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
        "urn:oid:2.16.840.1.113883.6.285",
    }
)
PROCEDURES: Final = OPS | PCS | CPT | HCPCS
"""Code systems of procedures whose value sets list what counts."""

BY_PREFIX: Final = {
    **dict.fromkeys(ICD10, "icd10"),
    **dict.fromkeys(ATC, "atc"),
    **dict.fromkeys(OPS, "ops"),
    **dict.fromkeys(PCS, "pcs"),
    **dict.fromkeys(CPT, "cpt"),
    **dict.fromkeys(HCPCS, "hcpcs"),
}
"""Code systems whose codes say what they are below, and the name under which a value set's codes count for all urls of
one: ICD-10-GM and ICD-10-CM are extensions of ICD-10, with the same meaning of the codes that they share."""

VALUE_SETS: Final = tuple(sorted((shipped("terminology") / "value-sets").glob("prediction-*.json")))
"""Part of what a model is: another value set is another model, whose results supersede the old ones."""

_FORMS: Final = {
    # With the marks of dagger and asterisk, side and certainty that German sources write behind the code. A small `l`
    # in front is the `I` that it looks like, or an `L`: neither.
    "icd10": re.compile(
        r"\s*(?!l)[A-Za-z][0-9][0-9ABab](?:\.?[0-9A-Za-z]{1,4}|\.)?-?[-+*!†]?\s*(?:[RLB]?\s*[AGVZ]?|[RLB])\s*"
    ),
    "ops": re.compile(r"[1-9]-[0-9]{2}[0-9A-Za-z]?(?:\.[0-9A-Za-z]{1,2}|[0-9A-Za-z]{1,2})?(?::?[RLB])?"),
    "pcs": re.compile(r"[0-9A-HJ-NP-Za-hj-np-z]{7}"),
    "cpt": re.compile(r"[0-9]{4}[0-9A-Z](?:-[0-9A-Z]{2})*"),
    "hcpcs": re.compile(r"[A-Z][0-9]{4}(?:-[0-9A-Z]{2})*"),
}


def can_be_of(system: str, code: str) -> bool:
    """Whether a code has the form that those of its code system have; `UNK`, `999` and `25.2` are none of ICD-10."""
    form = _FORMS.get(BY_PREFIX.get(system, ""))
    return bool(code) and (form is None or form.fullmatch(code) is not None)


UNDECIDED: Final = "Not decided: "
"""How the note of a result begins that has to be seen beside its value."""

MENTIONED: Final = "which decides nothing"
"""In a note on what people see beside the value all the same."""

_SNOMED: Final = "http://snomed.info/sct"
_WHO: Final = "http://hl7.org/fhir/sid/icd-10"
_PREFIX: Final = "https://fhir-bridge.org/fhir/ValueSet/prediction-"

Answer = Literal["yes", "no", "unknown"]
"""`unknown`: not listed, and the hierarchy that would decide is not available."""


def value_set(name: str) -> str:
    """Url of a value set that ships for the models."""
    return _PREFIX + name


def wording(unknown: Iterable[str], unlisted: Iterable[str] = ()) -> str:
    """What a result says where subsumption could not decide.

    Args:
        unlisted: diagnoses of which nothing here says what they are; then it has to be seen beside the value.
    """
    names, codes = ", ".join(sorted(set(unknown))), sorted(set(unlisted))
    if not codes:
        return (
            f"SNOMED CT is not imported: the codes that the value sets list decided about {names}; a more specific "
            "code of the record may be missed."
        )
    shown = ", ".join(codes[:_SHOWN]) + (f" and {len(codes) - _SHOWN} more" if len(codes) > _SHOWN else "")
    return (
        f"{UNDECIDED}SNOMED CT is not imported, and no list has what the record says by {shown}. It counts as none "
        f"of: {names}."
    )


_SHOWN: Final = 5
"""Codes that a note names at most."""


def is_listed(system: str, code: str) -> bool:
    """Whether any value set of the models has a concept by its code: then what it is, and is not, is known here."""
    return any((system, part) in _listed() for part in focus_codes(system, code))


@lru_cache(maxsize=1)
def _listed() -> frozenset[tuple[str, str]]:
    return frozenset().union(
        *(codes_of(value_set(file.stem.removeprefix("prediction-"))) for file in VALUE_SETS)
    )


@lru_cache(maxsize=8192)
def focus_codes(system: str, code: str) -> tuple[str, ...]:
    """The focus concepts of a SNOMED CT expression; any other code itself."""
    if system != _SNOMED or code.isdigit():
        return (code,)
    focus = re.sub(r"\|[^|]*\|", "", code).partition(":")[0].lstrip("=< ")
    parts = tuple(part.strip() for part in focus.split("+"))
    return parts if all(part.isdigit() for part in parts) else (code,)


@dataclass(frozen=True, slots=True)
class _Stems:
    """The codes of a value set that stand for all below them, by code system or family of it (`icd10`)."""

    included: dict[str, tuple[str, ...]]
    excluded: dict[str, tuple[str, ...]]


def codes_of(url: str) -> frozenset[tuple[str, str]]:
    """The (system, code) pairs that a value set lists.

    Raises:
        LookupError: there is no such value set.
    """
    return _codes_of(url)


@lru_cache(maxsize=256)
def _codes_of(url: str) -> frozenset[tuple[str, str]]:
    definition = get_terminology().library.value_set(url)
    if definition is None:
        raise LookupError(f"there is no value set {url}")
    listed = {(system, code) for system, codes in definition.listed.items() for code in codes if system}
    return frozenset(listed | set(definition.expanded or ()))


def is_member(url: str, concept: object) -> Answer:
    """Whether a CodeableConcept is in a value set: one of its codings is, or none is, or that is not known."""
    answers = {
        _is_member(url, system, part)
        for system, code in codings(concept)
        for part in focus_codes(system, code)
    }
    return "yes" if "yes" in answers else "unknown" if "unknown" in answers else "no"


@lru_cache(maxsize=65_536)
def _is_member(url: str, system: str, code: str) -> Answer:
    family = BY_PREFIX.get(system)
    if family is not None:
        stems = _stems_of(url)
        plain = _plain(code)
        names = (family, system)
        included = any(plain.startswith(stems.included.get(name, ())) for name in names)
        excluded = any(plain.startswith(stems.excluded.get(name, ())) for name in names)
        return "yes" if included and not excluded else "no"
    if not system or not code or (system not in _systems_of(url)):
        return "no"
    answer = get_terminology().member(url, system, code)
    return "yes" if answer else "no" if answer is False else "unknown"


def starts_within(url: str, code: str) -> bool:
    """Whether an ATC code is one of a group that holds members of the value set and others (`C10` and the statins)."""
    plain = _plain(code)
    return any(
        stem.startswith(plain) for name in ("atc", *ATC) for stem in _stems_of(url).included.get(name, ())
    )


def counts_under(listed: str, system: str) -> bool:
    """Whether a code that is listed of one code system counts under the url of another, as in a value set."""
    return listed == system or not {BY_PREFIX.get(system), system}.isdisjoint(_names(listed))


def _names(system: str) -> tuple[str, ...]:
    """Under which families and urls what is listed of a code system counts; none where its codes are no stems.

    What a national edition of ICD-10 lists counts there, and under the international url, which sources use for their
    own edition; what the international one lists counts in all.
    """
    family = BY_PREFIX.get(system)
    if family is None:
        return ()
    return (family,) if family != "icd10" or system == _WHO else (system, _WHO)


def plain_code(system: str, code: str) -> str:
    """A code as it is compared: sources write ICD-10 with and without dot, in either case."""
    return _plain(code) if system in BY_PREFIX else code


def _plain(code: str) -> str:
    return code.upper().replace(".", "").rstrip("+*!†")


@lru_cache(maxsize=256)
def _systems_of(url: str) -> frozenset[str]:
    definition = get_terminology().library.value_set(url)
    if definition is None:
        raise LookupError(f"there is no value set {url}")
    return frozenset(part.system for part in definition.includes if part.system)


@lru_cache(maxsize=256)
def _stems_of(url: str) -> _Stems:
    definition = get_terminology().library.value_set(url)
    if definition is None:
        raise LookupError(f"there is no value set {url}")
    results: tuple[dict[str, set[str]], dict[str, set[str]]] = ({}, {})
    for stems, parts in zip(results, (definition.includes, definition.excludes), strict=True):
        for part in parts:
            names = _names(part.system or "")
            if not names:
                continue
            codes = {_plain(code) for code in part.concepts or ()}
            codes |= {
                _plain(item.value)
                for item in part.filters
                if item.op in ("is-a", "=") and item.property in ("concept", "code")
            }
            for name in names:
                stems.setdefault(name, set()).update(codes)
    included, excluded = ({name: tuple(sorted(codes)) for name, codes in item.items()} for item in results)
    return _Stems(included, excluded)
