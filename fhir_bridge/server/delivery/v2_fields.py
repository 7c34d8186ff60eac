"""Fields of HL7 v2.5.1 messages, from FHIR data types."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fhir_bridge.fhir.canonical import BASE
from fhir_bridge.fhir.serialization import decimal_text

__all__ = [
    "UnknownForm",
    "authority",
    "coded",
    "component",
    "escaped",
    "name",
    "name_text",
    "named",
    "segment",
    "time",
    "value",
]

_SYSTEMS: Final = {
    "http://loinc.org": "LN",
    "http://snomed.info/sct": "SCT",
    "http://unitsofmeasure.org": "UCUM",
    "http://hl7.org/fhir/sid/icd-10": "I10",
    "http://hl7.org/fhir/sid/icd-10-cm": "I10C",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RXNORM",
}
"""Names of coding systems (HL7 table 0396)."""
_ESCAPES: Final = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\"}
_SPECIAL: Final = re.compile(r"[\\|^~&]")
_LINE_ENDS: Final = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
_TIME: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(\.\d{1,4})?\d*(Z|[+-]\d\d:\d\d))?)?)?"
)


class UnknownForm(ValueError):
    """A value that has no form in HL7 v2."""


def escaped(text: object) -> str:
    """A text as it is in a field (HL7 v2.5.1 §2.7): delimiters and line ends escaped, no control characters."""
    lines = _LINE_ENDS.split(str(text))
    # Line by line: an escape of a line end must not be escaped itself.
    return "\\.br\\".join(
        _SPECIAL.sub(lambda match: _ESCAPES[match[0]], _CONTROLS.sub(" ", line)) for line in lines
    )


def component(*parts: object) -> str:
    """Components of a field, trailing empty ones left out."""
    return "^".join(escaped(part or "") for part in parts).rstrip("^")


def segment(name: str, fields: Mapping[int, str]) -> str:
    """A segment by the numbers of its fields, which are escaped already."""
    last = max((number for number, text in fields.items() if text), default=0)
    return "|".join([name, *(fields.get(number, "") for number in range(1, last + 1))])


def time(text: Any) -> str:
    """A date, dateTime or instant as TS; empty where there is none."""
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return ""
    zone = "+0000" if match[8] == "Z" else (match[8] or "").replace(":", "")
    return "".join(part or "" for part in match.groups()[:7]) + zone


def named(concept: Any) -> str:
    """A CodeableConcept as CE, which OBR-4 and OBX-3 are in 2.5.1: two of its codings, the first by the text seen."""
    if not isinstance(concept, dict):
        return ""
    text = concept.get("text")
    parts: list[object] = []
    for item in _codings(concept):
        seen = item.get("display") if parts else text or item.get("display")
        parts += [item["code"], seen, _system(item.get("system"))]
    return component(*(parts or ["", text]))


def coded(concept: Any) -> str:
    """A CodeableConcept as CWE: two of its codings at most, and the text that was seen."""
    if not isinstance(concept, dict):
        return ""
    text = concept.get("text")
    parts: list[object] = []
    for item in _codings(concept):
        parts += [item["code"], item.get("display") or text, _system(item.get("system"))]
    if not parts:
        return component("", text)
    return component(*parts, *[""] * (8 - len(parts)), text)


def _codings(concept: dict[str, Any]) -> list[dict[str, Any]]:
    return [item for item in concept.get("coding") or () if isinstance(item, dict) and item.get("code")][:2]


def _system(system: Any) -> str:
    if not isinstance(system, str):
        return "L"
    return _SYSTEMS.get(system) or ("99FB" if system.startswith((BASE, "urn:fhir-bridge:")) else "L")


def authority(system: str, names: Mapping[str, str]) -> str:
    """An assigning authority as HD, its components divided as those of a component (PID-3.4).

    Args:
        names: authority -> system; empty: those of all systems are written, as OID or URI.
    """
    known = next((name for name, uri in names.items() if uri == system), None)
    if known is None and names:
        return ""
    oid = system.removeprefix("urn:oid:")
    universal = (oid, "ISO") if oid != system else (system, "URI")
    return "&".join([escaped(known or ""), escaped(universal[0]), universal[1]])


def name(names: Sequence[Any]) -> str:
    """A HumanName as XPN: the official or first one that is in use."""
    family, given, prefix, suffix = _name_parts(names)
    return component(family, given[0] if given else "", " ".join(given[1:]), suffix, prefix, "", "L")


def name_text(names: Sequence[Any]) -> str:
    """The same HumanName as people read it: `Family, Given Given`."""
    family, given, *_ = _name_parts(names)
    return ", ".join(part for part in (family, " ".join(given)) if part)


def _name_parts(names: Sequence[Any]) -> tuple[str, list[str], str, str]:
    """Family name, given names, prefix and suffix; a part that has extensions only is None in its list."""
    items = [item for item in names if isinstance(item, dict) and item.get("use") not in ("old", "nickname")]
    chosen: dict[str, Any] = next(
        (item for item in items if item.get("use") == "official"), items[0] if items else {}
    )
    given = [str(text) for text in chosen.get("given") or () if text]
    family = chosen.get("family") or ("" if given else chosen.get("text") or "")
    prefix, suffix = (
        " ".join(str(text) for text in chosen.get(part) or () if text) for part in ("prefix", "suffix")
    )
    return str(family), given, prefix, suffix


def value(node: Mapping[str, Any]) -> tuple[str, str, str]:
    """The value[x] of an Observation or a component: type (OBX-2), value (OBX-5) and unit (OBX-6).

    What has no value but a reason has the reason as text, so that nobody takes its absence for a normal result.

    Raises:
        UnknownForm: a type of value that HL7 v2 has no form for.
    """
    for kind, item in node.items():
        if not kind.startswith("value") or kind.startswith("_"):
            continue
        if kind == "valueQuantity":
            number = _number(item.get("value"))
            unit = component(
                item.get("code"), item.get("unit"), _system(item.get("system")) if item.get("code") else ""
            )
            comparator = item.get("comparator")
            return ("SN", component(comparator, number), unit) if comparator else ("NM", number, unit)
        if kind == "valueCodeableConcept":
            return "CWE", coded(item), ""
        if kind == "valueString":
            return "ST", escaped(item), ""
        if kind == "valueInteger":
            return "NM", _number(item), ""
        if kind == "valueBoolean":
            return "CWE", component(*(("Y", "Yes") if item else ("N", "No")), "HL70136"), ""
        if kind in ("valueDateTime", "valueTime"):
            return (
                ("TS", time(item), "")
                if kind == "valueDateTime"
                else ("TM", escaped(item).replace(":", ""), "")
            )
        if kind == "valueRange":
            low, high = (item.get(side) or {} for side in ("low", "high"))
            unit = component((low or high).get("code"), (low or high).get("unit"))
            return "SN", component("", _number(low.get("value")), "-", _number(high.get("value"))), unit
        if kind == "valueRatio":
            parts = (item.get(side) or {} for side in ("numerator", "denominator"))
            top, bottom = (_number(part.get("value")) for part in parts)
            return "SN", component("", top, ":", bottom), ""
        raise UnknownForm(f"a {kind} has no form in HL7 v2")
    reason = node.get("dataAbsentReason")
    if isinstance(reason, dict):
        first: dict[str, Any] = next(iter(reason.get("coding") or ()), {})
        return (
            "ST",
            escaped(reason.get("text") or first.get("display") or first.get("code") or "no result"),
            "",
        )
    return "", "", ""


def _number(number: Any) -> str:
    if number is None:
        return ""
    return (
        str(number)
        if isinstance(number, int | float)
        else format(number, "f")
        if _is_small(number)
        else decimal_text(number)
    )


def _is_small(number: Any) -> bool:
    """Whether it can be written without an exponent, which NM does not have."""
    return bool(-20 <= number.adjusted() <= 20)
