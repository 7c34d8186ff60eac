"""Coded values (CE, CWE, CNE) and identifiers with check digit (CX), by their components."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.ehr.hl7v2.composites import Components, Leaf, reader, universal_uri
from fhir_bridge.adapters.ehr.hl7v2.delimiters import Delimiters
from fhir_bridge.adapters.ehr.hl7v2.units import with_exponents
from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.datatypes import CodeableConcept, Identifier, Reference

__all__ = [
    "Coded",
    "CodedValue",
    "IdentifierParts",
    "assigner",
    "check_digit",
    "coded",
    "identifier_parts",
    "identifier_type",
    "is_identifier_type",
]

Coded = tuple[str | None, str | None, str | None, str | None]
"""System or scheme, code, display, version."""


class CodedValue(NamedTuple):
    """The codings of a coded value, and its text as a reader sees it."""

    codings: tuple[Coded, ...]
    text: str | None


_TRIPLETS: Final = ((1, 2, 3, 7, 14), (4, 5, 6, 8, 17), (10, 11, 12, 13, 20))
"""Code, text, name of the coding system, its version, its OID; CWE has three of them."""

_CHECK_DIGIT: Final = "http://hl7.org/fhir/StructureDefinition/identifier-checkDigit"

_VALUE_SETS: Final = (15, 16, 18, 19, 21, 22)
"""Value sets that the code was chosen from: they say nothing about what it means."""


@reader("coded")
def read_coded(c: Components) -> CodedValue | None:
    """Codings of all triplets, and the text: the original one (CWE.9), else the first display, else the value itself.

    A triplet without code gives a coding of its display alone, unless that is the text already.
    """
    shown = next((leaf for leaf in ((9, 1), (2, 1), (5, 1), (11, 1)) if c.peek(*leaf)), None)
    text = c.text(*shown) if shown else c.text(1)
    codings: list[Coded] = []
    for code_at, display_at, name_at, version_at, oid_at in _TRIPLETS:
        code, display = c.text(code_at), c.peek(display_at)
        if code is None and (display is None or display == text):
            c.text(display_at)  # it is the text already
            c.pass_over(name_at, version_at, oid_at)  # the system of no code
            continue
        c.text(display_at)
        if code is not None and not code.isalnum():
            code = " ".join(code.split())  # R4 code: no white space at the ends, single spaces inside
        codings.append((_scheme(c, name_at, oid_at), code, display, c.text(version_at)))
    if text is None and not codings:
        return None
    c.pass_over(*_VALUE_SETS)
    return CodedValue(tuple(codings), text)


@reader("label")
def _label(c: Components) -> str | None:
    """The text of a coded value alone."""
    shown = next((leaf for leaf in ((9, 1), (2, 1), (5, 1), (11, 1)) if c.peek(*leaf)), (1, 1))
    return c.text(*shown)


@reader("code")
def _code(c: Components) -> str | None:
    """The code of a table alone: its text, its system and their version say the same once more."""
    code = c.text(1)
    if code:
        c.pass_over(2, 3, 7, 9, 14, *_VALUE_SETS)
    return code


@reader("coding")
def _coding(c: Components) -> Coded | None:
    """The first coding alone."""
    for code_at, display_at, name_at, version_at, oid_at in _TRIPLETS:
        if code := c.text(code_at):
            c.pass_over(*_VALUE_SETS)
            return _scheme(c, name_at, oid_at), code, c.text(display_at), c.text(version_at)
    return None


@reader("unit")
def _unit(c: Components) -> str | None:
    """A unit: its first code or text; UCUM says what system it is, in one version."""
    if (whole := with_exponents(c.raw, c.delimiters)) is not None:
        c.taken.update(c.populated())
        return _unit(Components(whole, c.delimiters))
    for code_at, display_at, name_at, version_at, oid_at in _TRIPLETS:
        code, display = c.text(code_at), c.text(display_at)
        if code or display:
            c.pass_over(name_at, version_at, oid_at, *_VALUE_SETS)
            # The same unit by another code, which UCUM makes needless.
            c.pass_over(*(number for triplet in _TRIPLETS if triplet[0] != code_at for number in triplet))
            return code or display
    return None


@reader("coded/text")
def _relabelled(c: Components) -> CodedValue | None:
    """As `coded`, where the rule gives the text itself: the original text (CWE.9) is not taken then."""
    value = read_coded(c)
    c.taken.discard((9, 1))
    return value


def _scheme(c: Components, name_at: int, oid_at: int) -> str | None:
    """The name of a coding system (HL7 table 0396), or its OID where the name says only that it is local."""
    name, oid = c.text(name_at), c.peek(oid_at)
    local = not name or name.upper() in ("L", "LOCAL") or name.startswith("99")
    c.pass_over(oid_at)  # the same system by another name, where both are given
    return oid if oid and local else name


@lru_cache(maxsize=20_000)
def coded(raw: str, delimiters: Delimiters) -> CodedValue:
    """A coded value of a repetition. Codes and units recur from message to message, so they are kept."""
    return read_coded(Components(raw, delimiters)) or CodedValue((), None)


def identifier_type(code: str | None) -> str | CodeableConcept | None:
    """CX.5: a code of HL7 table 0203; what is not of the table stays as text."""
    return code if code is None or is_identifier_type(code) else CodeableConcept(text=code)


class IdentifierParts(NamedTuple):
    """CX beside its identifier and authority: type, who assigned it, when it is valid, its check digit."""

    value: str
    type: str | None
    assigner: Reference | None
    period: tuple[str | None, str | None] | None
    extension: list[dict[str, Any]] | None


@reader("identifier")
def read_identifier(c: Components) -> IdentifierParts | None:
    """CX. Without the identifier all else says nothing of whom it means."""
    value = c.text(1)
    if value is None:
        return None
    c.authority(4)
    c.pass_over(9, 10)  # jurisdiction and department of who assigned it
    known = assigner(c, (4, 1), (4, 2), (4, 3))
    c.pass_over_leaves((6, 2), (6, 3))  # the same facility by a further name
    if facility := c.text(6) or c.text(6, 2):
        if known is None:
            known = Reference(display=facility)
        elif facility != known.get("display"):
            known["display"] = f"{known['display']} ({facility})"
    return IdentifierParts(value, c.text(5), known, c.validity(start=7, end=8), check_digit(c, 2, 3))


def assigner(c: Components, namespace: Leaf, universal: Leaf, kind: Leaf) -> Reference | None:
    """The authority that a message knows by a name and by a universal id; the system has but one of them."""
    name, number, form = c.peek(*namespace), c.peek(*universal), c.peek(*kind)
    if not name or not number:
        return None
    identifier = Identifier()
    uri = universal_uri(number, form)
    if form and (uri is None or uri == number):  # the form is no part of the URI
        identifier["type"] = {"text": form}
    identifier.update({"system": "urn:ietf:rfc:3986", "value": uri} if uri else {"value": number})
    c.taken.update(leaf for leaf in (namespace, universal, kind) if c.peek(*leaf) is not None)
    return Reference(identifier=identifier, display=name)


def check_digit(c: Components, digit: int, scheme: int) -> list[dict[str, Any]] | None:
    """The extension that holds an identifier's check digit; its scheme says only how to calculate it."""
    text = c.text(digit)
    c.pass_over(scheme)
    return [{"url": _CHECK_DIGIT, "valueString": text}] if text else None


@lru_cache(maxsize=20_000)
def identifier_parts(raw: str, delimiters: Delimiters) -> IdentifierParts | None:
    """A CX of a repetition; None where it has no identifier."""
    return read_identifier(Components(raw, delimiters))


def is_identifier_type(code: str) -> bool:
    """Whether a code is of HL7 table 0203."""
    return code in _identifier_types()


@lru_cache(maxsize=1)
def _identifier_types() -> frozenset[str]:
    system = definitions.code_system("http://terminology.hl7.org/CodeSystem/v2-0203")
    return frozenset(system.concepts) if system else frozenset()
