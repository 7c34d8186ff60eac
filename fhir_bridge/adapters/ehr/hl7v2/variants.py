"""Genetic variants in results: the OBX of one variant have one sub-id (OBX-4), each a LOINC code of the panels that
genomic reports use (81247-9, 81250-3; HL7 v2.5.1 Lab Results Interface, clinical genomics)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from fhir_bridge.adapters.ehr.hl7v2.fields import Field
from fhir_bridge.adapters.ehr.hl7v2.groups import OBSERVATION, Group
from fhir_bridge.fhir.datatypes import CodeableConcept, Reference
from fhir_bridge.mapping import Context, function

__all__ = ["FUNCTIONS", "variants"]

_DESIGNATORS: Final = frozenset(("LN", "LOINC", "LNC", "http://loinc.org", "2.16.840.1.113883.6.1"))
_IDENTITY: Final = frozenset(("81290-9", "48004-6", "69551-0", "81252-9", "81255-2"))
"""What says which variant it is: g. or c. name, the allele, the id of a simple variant, dbSNP's."""
_NAME: Final = re.compile(
    r"(?:[NX][CGMPRTW]_\d+\.\d+|LRG_\d+(?:[pt]\d+)?|ENS[A-Z]*[GPT]\d+\.\d+):(?:[cgmnr]\.[-*0-9_+?A-Za-z>=\[\];()]+"
    r"|p\.[(]?[A-Z?=(0][A-Za-z0-9_=*?)]*)"
)
"""A name of HGVS with the accession of its sequence, without which it names nothing."""
_SYSTEMS: Final = (
    (re.compile(r"HGNC:\d+"), "http://www.genenames.org"),
    (re.compile(r"[NX][CGMPRTW]_\d+\.\d+"), "http://www.ncbi.nlm.nih.gov/refseq"),
)
_NUMBER: Final = re.compile(r"[-+]?\d+(?:\.\d+)?")
_NUMBERS: Final = frozenset(("81258-6", "82121-5", "82155-3"))
_SEVERAL: Final = frozenset(("48018-6", "81252-9"))
"""What a variant may have several of; the first counts."""
_SINGLE: Final = {
    "81290-9": "g. name",
    "48004-6": "c. name",
    "48005-3": "p. name",
    "51958-7": "transcript",
    "62374-4": "assembly",
    "48000-4": "chromosome",
    "48013-7": "reference sequence",
    "81254-5": "position",
    "69547-8": "reference allele",
    "69551-0": "alternate allele",
    "48019-4": "change",
    "48002-0": "source class",
    "53034-5": "allelic state",
    "53037-8": "significance",
    "69548-6": "assessment",
    "81258-6": "allelic fraction",
    "82121-5": "depth",
    "82155-3": "copy number",
}
"""What a variant has one of: two different ones contradict each other."""
_RANGE: Final = re.compile(r"(\d+)(?:[\^-](\d+))?")


def _code(s: Group) -> str | None:
    """LOINC code of a result."""
    segment = s.first.get("OBX")
    name = segment.field(3) if segment is not None else None
    name = name[0] if isinstance(name, list) and name else name
    if isinstance(name, Field):
        for scheme, code, _, _ in name.codings():
            if scheme in _DESIGNATORS and code:
                return str(code)
    return None


def _beside(s: Group) -> Iterator[Group]:
    """The results of the order with the sub-id of this one, itself among them."""
    mark = s.part("OBX", 4, 1)
    if mark and s.outer is not None:
        for groups in s.outer.groups.values():
            if any(each is s for each in groups):
                yield from (each for each in groups if each.part("OBX", 4, 1) == mark)


def variants(order: Group) -> list[Group]:
    """Of the results of an order that describe a variant, the first of each variant."""
    # Nearly no report has variants: this must cost little where there are none.
    results = order.of(OBSERVATION)
    named = [each for each in results if len(f := each.segments[0].fields) > 3 and _holds_identity(f[3])]
    if not named:
        return []
    marks = {mark for each in named if _code(each) in _IDENTITY and (mark := each.part("OBX", 4, 1))}
    first: dict[Any, Group] = {}
    for each in results:
        mark = each.part("OBX", 4, 1)
        if mark in marks:
            first.setdefault(mark, each)
    return list(first.values())


@function(scope=True, returns="boolean")
def reports_variants(s: Group) -> bool:
    """Whether an order's results are genetic variants, observed at one time: its report is a genomic one."""
    request = s.first.get("OBR")
    within = request.field(8) if request is not None else None
    return not within and bool(s.part("OBR", 4, 1)) and bool(variants(s))


@lru_cache(maxsize=20_000)
def _holds_identity(name: str) -> bool:
    """Whether a raw OBX-3 may have a code that says which variant it is."""
    return any(code in name for code in _IDENTITY)


def _answers(s: Group, code: str) -> list[tuple[Group, Any]]:
    """The different values (OBX-5, each repetition) of the results of this variant with a LOINC code."""
    answers: dict[str, tuple[Group, Any]] = {}
    for each in _beside(s):
        if _code(each) == code:
            value = each.field("OBX", 5)
            for one in value if isinstance(value, list) else [value]:
                if text := _shown(each, one):
                    answers.setdefault(text, (each, one))
    return list(answers.values())


def _answer(s: Group, code: str) -> tuple[Group, Any] | None:
    """The value of a code; None where there is none, and where several of what can be only one are given."""
    answers = _answers(s, code)
    return answers[0] if len(answers) == 1 or (answers and code in _SEVERAL) else None


def _shown(result: Group, value: Any) -> str | None:
    """A value as sent; of a coded one its display, else its code."""
    if not isinstance(value, Field):
        return str(value or "") or None
    kind = str(result.field("OBX", 2) or "")
    if kind in ("CWE", "CE", "CNE", "CF"):
        return str(value.part(2) or value.part(1) or "") or None
    if kind == "NR":
        return "^".join(part for number in (1, 2) if (part := value.part(number))) or None
    return str(value.part(1) or "") or None


@function(scope=True)
def of_variant(s: Group, code: str) -> Any:
    """The value (OBX-5) that the results of this variant with a LOINC code have; None without one."""
    answer = _answer(s, code)
    return None if answer is None else answer[1]


@function(scope=True, returns="decimal")
def variant_number(s: Group, code: str) -> Decimal | None:
    """A number; a fraction that is in percent is divided by 100. None of what is none (`>0.9`)."""
    answer = _answer(s, code)
    text = None if answer is None else _shown(*answer)
    if answer is None or text is None or not _NUMBER.fullmatch(text):
        return None
    number = Decimal(text)
    return number / 100 if answer[0].part("OBX", 6, 1) == "%" else number


@function(scope=True, returns="string")
def variant_words(s: Group, code: str) -> str | None:
    """All values of a code in words, also those that contradict each other."""
    return " or ".join(text for each in _answers(s, code) if (text := _shown(*each))) or None


@function(scope=True, context=True, returns="string")
def variant_remarks(s: Group, ctx: Context) -> str | None:
    """What can't be said of a variant as it is sent: values of which there can be one, and numbers that are none."""
    remarks = []
    for code, name in _SINGLE.items():
        texts = [text for each in _answers(s, code) if (text := _shown(*each))]
        if len(texts) > 1:
            ctx.flag(
                "FB-HL7-029", f"{name} ({code}) is given {len(texts)} times: it is in the note of the variant"
            )
            remarks.append(f"{name}: {' or '.join(texts)}")
        elif texts and code in _NUMBERS and not _NUMBER.fullmatch(texts[0]):
            ctx.flag("FB-HL7-029", f"{name} ({code}) is no number: it is in the note of the variant")
            remarks.append(f"{name}: {texts[0]}")
    return "; ".join(remarks) or None


@function(scope=True, returns="CodeableConcept")
def variant_name(s: Group, code: str) -> CodeableConcept | None:
    """A name of the variant by HGVS, where it is one with an accession."""
    text = _text(s, code)
    if text is None or not _NAME.fullmatch(text):
        return None
    return CodeableConcept(coding=[{"system": "http://varnomen.hgvs.org", "code": text}])


@function(scope=True, returns="CodeableConcept")
def variant_coded(s: Group, code: str) -> CodeableConcept | None:
    """A gene by HGNC or a sequence by RefSeq, whose ids show what they are, in the system that profiles want."""
    value = of_variant(s, code)
    identity = value.part(1) if isinstance(value, Field) else None
    system = next((system for pattern, system in _SYSTEMS if identity and pattern.fullmatch(identity)), None)
    if system is None:
        return None
    display = value.part(2)
    shown = {"display": str(display)} if display and display != identity else {}
    return CodeableConcept(coding=[{"system": system, "code": str(identity), **shown}])


@function(scope=True, returns="decimal")
def variant_position(s: Group, code: str, which: str) -> Decimal | None:
    """`first` or `last` position of a range (`1014228`, `100^110`)."""
    match = _RANGE.fullmatch(_text(s, code) or "")
    return None if match is None else Decimal(match[2] or match[1] if which == "last" else match[1])


@function(scope=True, returns="string")
def variant_text(s: Group, code: str) -> str | None:
    """The value as sent; of a coded one its display, else its code."""
    return _text(s, code)


def _text(s: Group, code: str) -> str | None:
    answer = _answer(s, code)
    return None if answer is None else _shown(*answer)


@function(context=True, returns="Reference", pure=True)
def sequenced_specimen(ctx: Context, subject: Any, number: Any) -> Reference | None:
    """The Specimen that the adapter `vcf` writes for a sample of this name, of the same patient."""
    patient = subject.get("reference") if isinstance(subject, Mapping) else None
    if not patient or not number:
        return None
    return Reference(reference=f"Specimen/{ctx.key.id('Specimen', 'specimen', str(patient), str(number))}")


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "reports_variants": reports_variants,
    "sequenced_specimen": sequenced_specimen,
    "of_variant": of_variant,
    "variant_coded": variant_coded,
    "variant_name": variant_name,
    "variant_number": variant_number,
    "variant_remarks": variant_remarks,
    "variant_position": variant_position,
    "variant_words": variant_words,
    "variant_text": variant_text,
}
